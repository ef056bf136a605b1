"""The tab of the neighbourhood: a map of products and customers, and what the most similar customers hold and opened.

`map_figure`, `legend`, `map_table` and `neighbours_view` are its views. Other customers are dots without a name.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
import numpy as np
import plotly.graph_objects as go
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Array
from nextbest.serving.formatting import (
    SHARE,
    format_decimals,
    format_number,
    format_percentage,
    format_similarity,
    sentence_case,
)
from nextbest.serving.insights.neighbourhood import OPENED_DAYS, NeighbourhoodView, ProductOfNeighbours
from nextbest.serving.language import say
from nextbest.ui.page.html import Column, bar, details, empty_state, html, join, label, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, no_customer
from nextbest.ui.page.version_data import VersionData, recommend_products

__all__ = ["NeighbourhoodTab", "legend", "map_figure", "map_table", "neighbours_view"]

_COLOURS = (
    "#4477aa", "#cc6677", "#228833", "#aa8800", "#8866cc", "#00889c", "#cc5500", "#888888",
    "#bb4488", "#5577dd", "#669933", "#996644", "#dd5566", "#449988", "#7788aa", "#a07070",
    "#3d7a5c", "#b5651d", "#6a5acd", "#b03060",
)  # fmt: skip
"""Colours that can be distinguished from each other, and from a white and a black background."""
_SIMILAR = "#7a8699"
_LISTED = 20
"""How many products the map's table has: the recommended ones, then the nearest others."""


class NeighbourhoodTab:
    """What is near the customer."""

    id = "neighbourhood"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-neighbourhood"), id=self.id, elem_id="tab-neighbourhood") as self.tab:
            self.map = gr.Plot(label=label("label-map"), show_label=False, visible=False, elem_id="map")
            self.neighbours = html("", elem_id="neighbours")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.map, self.neighbours]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {self.map: gr.Plot(visible=False), self.neighbours: no_customer()}
        request = data.request(selection.customer)
        recommendations = recommend_products(data, selection.customer, selection.top, selection.filters)
        products = [recommendation.product_id for recommendation in recommendations]
        view = data.neighbourhood.view(request, products, selection.customer.id)
        return {
            self.map: gr.Plot(map_figure(view), visible=True),
            self.neighbours: join([legend(view), neighbours_view(view), map_table(view)]),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def map_figure(view: NeighbourhoodView) -> go.Figure:
    """Return the map: a point for each product, coloured by category; the top ones are larger and numbered.

    The most similar customers are small rings, which say nothing on hovering.
    """
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=view.neighbours_xy[:, 0].tolist(),
            y=view.neighbours_xy[:, 1].tolist(),
            mode="markers",
            name=say("map-similar-customers"),
            marker={"symbol": "circle-open", "size": 7, "color": _SIMILAR},
            hoverinfo="skip",
        )
    )
    for category, colour in _colours(view).items():
        rows = np.flatnonzero((view.categories == category) & (view.rank == 0))
        top = np.flatnonzero((view.categories == category) & (view.rank > 0))
        name = _title(category)
        if len(rows):
            figure.add_trace(_points(view, rows, name, colour, 8, 0.75))
        if len(top):
            figure.add_trace(_points(view, top, name, colour, 20, 1.0))
    x, y = view.customer_xy
    figure.add_trace(
        go.Scatter(
            x=[x],
            y=[y],
            mode="markers",
            name=say("this-customer"),
            marker={"symbol": "star", "size": 20, "color": "#0f9d8a", "line": {"width": 1, "color": "#ffffff"}},
            hovertemplate=f"{say('this-customer')}<extra></extra>",
        )
    )
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "title": None}
    figure.update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis=axis,
        yaxis=axis,
        showlegend=False,  # `legend` below the map is read aloud and has room on a narrow screen
    )
    return figure


def _points(view: NeighbourhoodView, rows: Array, name: str, colour: str, size: int, opacity: float) -> go.Scatter:
    numbered, similarity = bool(view.rank[rows[0]]), say("map-similarity")
    return go.Scatter(
        x=view.xy[rows, 0].tolist(),
        y=view.xy[rows, 1].tolist(),
        mode="markers+text" if numbered else "markers",
        text=[str(place) for place in view.rank[rows]] if numbered else None,
        textfont={"color": "#ffffff", "size": 11},
        name=name,
        customdata=[
            (str(Markup.escape(view.names[row])), format_similarity(float(view.similarity[row]))) for row in rows
        ],
        hovertemplate=f"%{{customdata[0]}}<br>{similarity} %{{customdata[1]}}<extra>{Markup.escape(name)}</extra>",
        marker={"size": size, "color": colour, "opacity": opacity},
    )


def legend(view: NeighbourhoodView) -> Markup:
    """Return which colour is which category."""
    item = Markup('<li><span class="dot" style="background:{}"></span>{}</li>')
    items = [item.format(colour, _title(category)) for category, colour in _colours(view).items()]
    star = Markup('<li><span class="star" aria-hidden="true">★</span>{}</li>').format(say("this-customer"))
    dots = Markup('<li><span class="ring" aria-hidden="true"></span>{}</li>')
    similar = [dots.format(say("map-similar", count=view.num_neighbours))] if view.num_neighbours else []
    listed = join([star, *similar, *items])
    return Markup('<ul class="legend" aria-label="{}">{}</ul>').format(say("map-colours"), listed)


def _title(category: str) -> str:
    return sentence_case(category or say("unknown"))


def _colours(view: NeighbourhoodView) -> dict[str, str]:
    categories = sorted(set(view.categories.tolist()))
    return {category: _COLOURS[place % len(_COLOURS)] for place, category in enumerate(categories)}


def neighbours_view(view: NeighbourhoodView) -> Markup:
    """Return what the nearest customers hold and opened most, and how much the map leaves out."""
    text = say("map-about", share=format_percentage(view.variance_shown))
    note = Markup('<p class="muted">{}</p>').format(text)
    if not view.num_neighbours:
        few = empty_state(say("neighbours-too-few"), say("neighbours-too-few-more"))
        return Markup("{}{}").format(note, few)
    num = view.num_neighbours
    held, opened = say("neighbours-hold", count=num), say("neighbours-opened", months=OPENED_DAYS // 30)
    parts = [
        _products_of_neighbours(held, say("neighbours-held-by"), view.held_by_neighbours, num),
        _products_of_neighbours(opened, say("neighbours-opened-by"), view.opened_by_neighbours, num),
    ]
    shown = Markup('{}<div class="halves compact">{}</div><p class="muted">{}</p>')
    return shown.format(note, join(parts), say("neighbours-privacy"))


def _products_of_neighbours(title: str, share: str, products: Sequence[ProductOfNeighbours], num: int) -> Markup:
    columns = [Column(say("column-product")), Column(share, "text", say("neighbours-share-note", count=num))]
    rows = [(_named(found.name, found.category), bar(found.share, _share(found))) for found in products]
    nothing = empty_state(say("neighbours-nothing"), say("neighbours-nothing-more"))
    shown = table(title, columns, rows) if rows else nothing
    return Markup("<div><h3>{}</h3>{}</div>").format(title, shown)


def _share(found: ProductOfNeighbours) -> str:
    return say("neighbours-share", share=format_number(found.share, SHARE), times=format_decimals(found.lift, 1))


def _named(name: str, category: str) -> Markup:
    return Markup('<div>{}<small class="muted-line">{}</small></div>').format(name, sentence_case(category))


def map_table(view: NeighbourhoodView) -> Markup:
    """Return the nearest products as a table, to be unfolded: the map for who cannot see it or point at it."""
    nearest = np.argsort(-view.similarity, kind="stable")
    top = nearest[view.rank[nearest] > 0]
    rows = [*top[np.argsort(view.rank[top])], *nearest[view.rank[nearest] == 0]][:_LISTED]
    columns = [
        Column(say("column-product")),
        Column(say("map-recommended-as"), "number"),
        Column(say("column-similarity"), "number"),
    ]
    cells = [
        (
            _named(view.names[row], view.categories[row]),
            say("map-recommended", place=int(view.rank[row])) if view.rank[row] else "",
            format_similarity(float(view.similarity[row])),
        )
        for row in rows
    ]
    title = say("map-table", count=len(rows))
    return details(title, table(title, columns, cells))
