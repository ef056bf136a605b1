"""The tab of what is near: a map of customer and products, and what the most similar customers hold."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
import numpy as np
import plotly.graph_objects as go
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Array
from nextbest.serving.formatting import MISSING, SHARE, sentence_case, shown_number, shown_similarity
from nextbest.serving.insights.neighbourhood import NeighbourhoodView
from nextbest.ui.page.html import Column, empty, html, join, meter, table
from nextbest.ui.page.tab import NOBODY, Asked, Shared, Shown
from nextbest.ui.page.version_data import Desk, offers_of

__all__ = ["NeighbourhoodTab", "legend", "map_figure", "nearby_view"]

_COLOURS = (
    "#4477aa", "#cc6677", "#228833", "#aa8800", "#8866cc", "#00889c", "#cc5500", "#888888",
    "#bb4488", "#5577dd", "#669933", "#996644", "#dd5566", "#449988", "#7788aa", "#a07070",
    "#3d7a5c", "#b5651d", "#6a5acd", "#b03060",
)  # fmt: skip
"""Colours that are told from each other, and from a white and a black ground."""
_UNKNOWN = "Unknown"


def _colours(around: NeighbourhoodView) -> dict[str, str]:
    categories = sorted(set(around.categories.tolist()))
    return {category: _COLOURS[place % len(_COLOURS)] for place, category in enumerate(categories)}


def legend(around: NeighbourhoodView) -> Markup:
    """Return which colour is which category."""
    item = Markup('<li><span class="dot" style="background:{}"></span>{}</li>')
    named = ((colour, sentence_case(category) or _UNKNOWN) for category, colour in _colours(around).items())
    items = [item.format(colour, name) for colour, name in named]
    star = Markup('<li><span class="star" aria-hidden="true">★</span>This customer</li>')
    return Markup('<ul class="legend" aria-label="Colours of the map">{}</ul>').format(join([star, *items]))


def map_figure(around: NeighbourhoodView) -> go.Figure:
    """Return the map: a point for each product, coloured by category; the top ones are larger and numbered."""
    figure = go.Figure()
    for category, colour in _colours(around).items():
        rows = np.flatnonzero((around.categories == category) & (around.rank == 0))
        top = np.flatnonzero((around.categories == category) & (around.rank > 0))
        name = sentence_case(category) or _UNKNOWN
        if len(rows):
            figure.add_trace(_points(around, rows, name, colour, 8, 0.75))
        if len(top):
            figure.add_trace(_points(around, top, name, colour, 20, 1.0))
    x, y = around.customer_xy
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
        showlegend=False,  # a list below the map is one, which is read aloud and has room on a narrow screen
    )
    return figure


def _points(around: NeighbourhoodView, rows: Array, name: str, colour: str, size: int, opacity: float) -> go.Scatter:
    numbered = bool(around.rank[rows[0]])
    return go.Scatter(
        x=around.xy[rows, 0].tolist(),
        y=around.xy[rows, 1].tolist(),
        mode="markers+text" if numbered else "markers",
        text=[str(place) for place in around.rank[rows]] if numbered else None,
        textfont={"color": "#ffffff", "size": 11},
        name=name,
        customdata=[
            (str(Markup.escape(around.names[row])), shown_similarity(float(around.similarity[row]))) for row in rows
        ],
        hovertemplate="%{customdata[0]}<br>similarity %{customdata[1]}<extra>" + str(Markup.escape(name)) + "</extra>",
        marker={"size": size, "color": colour, "opacity": opacity},
    )


def nearby_view(around: NeighbourhoodView) -> Markup:
    """Return what the nearest customers hold most, and how far the map is to be trusted."""
    text = f"The map shows {around.variance_shown:.0%} of how products differ; the similarity counts all of it."
    trust = Markup('<p class="quiet">{}</p>').format(text)
    if not around.held_by_neighbours:
        few = empty("Nothing to tell of similar customers", "Too few are known to speak of them without naming one.")
        return Markup("{}{}").format(trust, few)
    columns = [
        Column("Product"),
        Column("Category"),
        Column("Held by", "number", f"of the {around.num_neighbours} most similar customers"),
        Column("Than usual", "number", "their share over the share of all customers"),
    ]
    rows = [
        (
            found.name,
            sentence_case(found.category) or MISSING,
            meter(found.share, shown_number(found.share, SHARE)),
            f"{shown_number(found.lift)} times",
        )
        for found in around.held_by_neighbours
    ]
    title = f"What the {around.num_neighbours} most similar customers hold, and this one does not"
    return Markup("{}<h3>{}</h3>{}").format(trust, title, table(title, columns, rows))


class NeighbourhoodTab:
    """What is near the customer."""

    id = "neighbourhood"
    follows = True

    def __init__(self) -> None:
        with gr.Tab("Neighbourhood", id=self.id, elem_id="tab-neighbourhood") as self.tab:
            self.map = gr.Plot(
                label="Products and customer by similarity", show_label=False, visible=False, elem_id="map"
            )
            self.nearby = html(NOBODY, elem_id="nearby")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.map, self.nearby]

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """See `Tab`."""
        if not asked.person:
            return {self.map: gr.Plot(visible=False), self.nearby: NOBODY}
        request = desk.request(asked.person)
        offers = offers_of(desk, request, asked.top, asked.filters)
        around = desk.neighbourhood.view(request, [offer.product_id for offer in offers], asked.person.id)
        return {
            self.map: gr.Plot(map_figure(around), visible=True),
            self.nearby: join([legend(around), nearby_view(around)]),
        }

    def connect(self, shared: Shared) -> None:
        """See `Tab`; the tab has no controls of its own."""
