"""The tab of the neighbourhood: a map of customer and products, and what the most similar customers hold.

`map_figure`, `legend` and `neighbours_view` are its views.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
import numpy as np
import plotly.graph_objects as go
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Array
from nextbest.serving.formatting import MISSING, SHARE, format_number, format_similarity, sentence_case
from nextbest.serving.insights.neighbourhood import NeighbourhoodView
from nextbest.ui.page.html import Column, bar, empty_state, html, join, table
from nextbest.ui.page.tab import NO_CUSTOMER, Selection, SharedComponents, Updates
from nextbest.ui.page.version_data import VersionData, recommend_products

__all__ = ["NeighbourhoodTab", "legend", "map_figure", "neighbours_view"]

_COLOURS = (
    "#4477aa", "#cc6677", "#228833", "#aa8800", "#8866cc", "#00889c", "#cc5500", "#888888",
    "#bb4488", "#5577dd", "#669933", "#996644", "#dd5566", "#449988", "#7788aa", "#a07070",
    "#3d7a5c", "#b5651d", "#6a5acd", "#b03060",
)  # fmt: skip
"""Colours that can be distinguished from each other, and from a white and a black background."""
_UNKNOWN = "Unknown"


class NeighbourhoodTab:
    """What is near the customer."""

    id = "neighbourhood"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab("Neighbourhood", id=self.id, elem_id="tab-neighbourhood") as self.tab:
            self.map = gr.Plot(
                label="Products and customer by similarity", show_label=False, visible=False, elem_id="map"
            )
            self.neighbours = html(NO_CUSTOMER, elem_id="neighbours")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.map, self.neighbours]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {self.map: gr.Plot(visible=False), self.neighbours: NO_CUSTOMER}
        request = data.request(selection.customer)
        recommendations = recommend_products(data, request, selection.top, selection.filters)
        products = [recommendation.product_id for recommendation in recommendations]
        view = data.neighbourhood.view(request, products, selection.customer.id)
        return {
            self.map: gr.Plot(map_figure(view), visible=True),
            self.neighbours: join([legend(view), neighbours_view(view)]),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def map_figure(view: NeighbourhoodView) -> go.Figure:
    """Return the map: a point for each product, coloured by category; the top ones are larger and numbered."""
    figure = go.Figure()
    for category, colour in _colours(view).items():
        rows = np.flatnonzero((view.categories == category) & (view.rank == 0))
        top = np.flatnonzero((view.categories == category) & (view.rank > 0))
        name = sentence_case(category) or _UNKNOWN
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
            name="This customer",
            marker={"symbol": "star", "size": 20, "color": "#0f9d8a", "line": {"width": 1, "color": "#ffffff"}},
            hovertemplate="This customer<extra></extra>",
        )
    )
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "title": None}
    figure.update_layout(
        height=460,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis=axis,
        yaxis=axis,
        showlegend=False,  # `legend` below the map is read aloud and has room on a narrow screen
    )
    return figure


def _points(view: NeighbourhoodView, rows: Array, name: str, colour: str, size: int, opacity: float) -> go.Scatter:
    numbered = bool(view.rank[rows[0]])
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
        hovertemplate="%{customdata[0]}<br>similarity %{customdata[1]}<extra>" + str(Markup.escape(name)) + "</extra>",
        marker={"size": size, "color": colour, "opacity": opacity},
    )


def legend(view: NeighbourhoodView) -> Markup:
    """Return which colour is which category."""
    item = Markup('<li><span class="dot" style="background:{}"></span>{}</li>')
    named = ((colour, sentence_case(category) or _UNKNOWN) for category, colour in _colours(view).items())
    items = [item.format(colour, name) for colour, name in named]
    star = Markup('<li><span class="star" aria-hidden="true">★</span>This customer</li>')
    return Markup('<ul class="legend" aria-label="Colours of the map">{}</ul>').format(join([star, *items]))


def _colours(view: NeighbourhoodView) -> dict[str, str]:
    categories = sorted(set(view.categories.tolist()))
    return {category: _COLOURS[place % len(_COLOURS)] for place, category in enumerate(categories)}


def neighbours_view(view: NeighbourhoodView) -> Markup:
    """Return what the nearest customers hold most, and how much the map leaves out."""
    text = f"The map is a projection: it shows {view.variance_shown:.0%} of how products differ; the match counts all."
    note = Markup('<p class="muted">{}</p>').format(text)
    if not view.held_by_neighbours:
        title = "No comparison with similar customers"
        few = empty_state(title, "Too few are known for figures that identify no one.")
        return Markup("{}{}").format(note, few)
    columns = [
        Column("Product"),
        Column("Category"),
        Column("Held by", "number", f"of the {view.num_neighbours} most similar customers"),
        Column("Than usual", "number", "their share over the share of all customers"),
    ]
    rows = [
        (
            found.name,
            sentence_case(found.category) or MISSING,
            bar(found.share, format_number(found.share, SHARE)),
            f"{format_number(found.lift)} times",
        )
        for found in view.held_by_neighbours
    ]
    title = f"What the {view.num_neighbours} most similar customers hold, and this one does not"
    return Markup("{}<h3>{}</h3>{}").format(note, title, table(title, columns, rows))
