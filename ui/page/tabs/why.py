"""The tab of why: what each feature adds to the score of the selected product, and what matters over all customers.

`waterfall` and `beeswarm` are its views.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Array
from nextbest.data.errors import FailedError
from nextbest.serving.formatting import format_change, format_number, format_probability, sentence_case
from nextbest.serving.insights.explanation_data import Stage
from nextbest.serving.insights.explanations import Explanation, FeatureImportance, Importance
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import Column, alert, empty_state, html, join, table
from nextbest.ui.page.tab import NO_CUSTOMER, Selection, SharedComponents, Updates, listen
from nextbest.ui.page.version_data import VersionData, recommend_products, selected_product

__all__ = ["WhyTab", "beeswarm", "waterfall"]

_STAGES: dict[str, Stage] = {"Probability (second stage)": "ranking", "Similarity (first stage)": "retrieval"}
_UNITS: dict[Stage, str] = {"ranking": "log-odds; 0.69 doubles the odds", "retrieval": "cosine"}
"""The unit of the contributions."""


class WhyTab:
    """Why the selected product is recommended."""

    id = "why"
    depends_on_controls = True

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        with gr.Tab("Why", id=self.id, elem_id="tab-why") as self.tab:
            with gr.Row():
                self.product = gr.Dropdown([], label="Product", elem_id="why-product", min_width=280)
                first = next(iter(_STAGES))
                self.stage = gr.Radio(list(_STAGES), value=first, label="Score", elem_id="why-stage", min_width=280)
            self.view = html(NO_CUSTOMER, elem_id="why-view")
            html(Markup("<h3>What matters over all customers</h3>"))
            self.importance = html("", elem_id="importance")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.product, self.stage, self.view, self.importance]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; the score of the second stage is explained first."""
        label, stage = next(iter(_STAGES.items()))
        return {
            self.stage: label,
            self.importance: self._importance_view(data, stage),
            **self._explain(data, selection, stage),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def select(product: str | None, label: str, *inputs: Any) -> Updates:
            customer, _, *controls = inputs
            stage = _STAGES[label]

            def explain(data: VersionData) -> Updates:
                selection = shared.selection(data, customer, product or "", *controls)
                return self._explain(data, selection, stage) | {self.importance: self._importance_view(data, stage)}

            return {shared.product_id: product or ""} | shared.current.ask(explain)

        listen(
            [self.product.input, self.stage.input],
            select,
            [self.product, self.stage, *shared.inputs],
            [shared.product_id, self.product, self.view, self.importance],
        )

    def _importance_view(self, data: VersionData, stage: Stage) -> Markup:
        found = data.importance[stage]
        if found is None:
            return empty_state("Not measured", "This version was exported without a sample of explanations.")
        return beeswarm(found, self._config.important_features)

    def _explain(self, data: VersionData, selection: Selection, stage: Stage) -> Updates:
        if not selection.customer:
            return {self.product: gr.Dropdown([], value=None), self.view: NO_CUSTOMER}
        request = data.request(selection.customer)
        recommendations = recommend_products(data, request, selection.top, selection.filters)
        selected = selected_product(recommendations, selection.product_id)
        names = {one.product_id: f"{one.rank}. {one.name}" for one in recommendations}
        choice = gr.Dropdown([(name, product) for product, name in names.items()], value=selected or None)
        if not selected:
            view = empty_state("No product is left", "There is nothing to explain.")
            return {self.product: choice, self.view: view}
        try:
            explanation = data.explainer.explain(request, selected, stage)
        except FailedError as error:
            view = alert("warning", "This version cannot be explained.", str(error))
        else:
            view = waterfall(explanation, names[selected], self._config.contributions)
        return {self.product: choice, self.view: view}


_MARGIN = 0.04
"""How much of a drawing's width is left free on either side."""


def waterfall(explanation: Explanation, product: str, most: int) -> Markup:
    """Return what leads from the average score to the customer's, the largest contribution first."""
    contributions = explanation.largest(most)
    ends = np.cumsum([explanation.base, *(found.contribution for found in contributions)])
    low, high = _add_margin(float(ends.min()), float(ends.max()))
    typical, this = (
        (_score_name(name, explanation, score), "", *_total(low, high, score))
        for name, score in (("A typical score", explanation.base), ("This score", explanation.score))
    )
    rows: list[Sequence[str]] = [typical]
    for found, start, end in zip(contributions, ends[:-1], ends[1:], strict=True):
        # The sum of the other features has neither a value nor a kind.
        kind = Markup(' <span class="kind">{}</span>').format(found.kind) if found.value else ""
        name = Markup("{}{}").format(sentence_case(found.name), kind)
        direction = "more" if found.contribution >= 0 else "less"
        drawing = _bar(low, high, start, end, direction)
        rows.append((name, found.value, drawing, format_change(found.contribution, 2)))
    rows.append(this)
    columns = [
        Column("Feature"),
        Column("Value"),
        Column("From a typical score to this one", "chart"),
        Column("Adds", "number", _UNITS[explanation.stage]),
    ]
    title = f"What leads to the score of {product}"
    return Markup('<p class="sentence">{}</p><div class="waterfall">{}</div>').format(
        explanation.sentence, table(title, columns, rows)
    )


def _score_name(name: str, explanation: Explanation, score: float) -> str:
    """Return a score's name, for the ranking with its probability."""
    if explanation.stage == "retrieval":
        return name
    return f"{name}: {format_probability(1 / (1 + math.exp(-score)))}"


def _add_margin(low: float, high: float) -> tuple[float, float]:
    margin = _MARGIN * (high - low or 1.0)
    return low - margin, high + margin


def _total(low: float, high: float, value: float) -> tuple[Markup, str]:
    return _bar(low, high, low, value, "base"), format_change(value, 2).removeprefix("+")


def _bar(low: float, high: float, start: float, end: float, kind: str) -> Markup:
    left, right = sorted((100 * (start - low) / (high - low), 100 * (end - low) / (high - low)))
    drawing = '<span class="step" aria-hidden="true"><i class="{}" style="left:{}%;width:{}%"></i></span>'
    return Markup(drawing).format(kind, f"{left:.2f}", f"{max(right - left, 0.3):.2f}")


_LEVELS = 5
"""Shades of a beeswarm's points, from little of a feature to much."""
_LANES = 9
"""How many points of one place are stacked before they overlap."""
_WITHIN = 0.99
"""The share of points within a beeswarm's edges; a few outliers would else leave no room for the others."""
_BINS = 60
"""Places along a beeswarm."""


def beeswarm(found: Importance, most: int) -> Markup:
    """Return the most important features over all, with a point for each sampled customer and candidate."""
    features = found.features[:most]
    largest = max((feature.mean_absolute for feature in features), default=0.0)
    points = np.abs(np.concatenate([feature.contributions for feature in features]))
    reach = float(np.quantile(points, _WITHIN)) if len(points) else 1.0
    rows = [
        (
            sentence_case(feature.name),
            _swarm(feature, reach),
            _mean(feature.mean_absolute, largest),
        )
        for feature in features
    ]
    columns = [
        Column("Feature"),
        Column("Lowers the score · raises it", "chart"),
        Column("On average", "number", "mean of the absolute contribution"),
    ]
    little, much = (Markup('<span class="dot level-{}"></span>').format(level) for level in (0, _LEVELS - 1))
    text = (
        '<p class="muted">A point is a customer and a product; the outermost 1% are at the edge. '
        "{} little of the feature {} much</p>"
    )
    legend = Markup(text).format(little, much)
    return Markup('{}<div class="beeswarm">{}</div>').format(legend, table("What matters over all", columns, rows))


def _mean(value: float, largest: float) -> Markup:
    width = 100 * value / largest if largest else 0.0
    drawing = '<span class="with-bar">{}<span class="bar" aria-hidden="true"><i style="width:{}%"></i></span></span>'
    return Markup(drawing).format(format_number(value), f"{width:.1f}")


def _swarm(feature: FeatureImportance, reach: float) -> Markup:
    """Return a strip of points: across, what the feature contributed; the more points in a place, the higher."""
    paths = join(Markup('<path class="{}" d="{}"/>').format(kind, path) for kind, path in _paths(feature, reach))
    strip = '<svg class="swarm" viewBox="0 0 100 {}" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>'
    return Markup(strip).format(2 * _LANES, Markup('<path class="zero" d="M50 0V{}"/>').format(2 * _LANES), paths)


def _paths(feature: FeatureImportance, reach: float) -> Iterator[tuple[str, str]]:
    across = 50 + (50 - 100 * _MARGIN) * np.clip(feature.contributions / (reach or 1.0), -1, 1)
    heights = _LANES + _stack(across)
    levels = np.where(np.isnan(feature.values), -1, np.clip(feature.values * _LEVELS, 0, _LEVELS - 1)).astype(int)
    for level in np.unique(levels):
        points = zip(across[levels == level], heights[levels == level], strict=True)
        kind = "level-none" if level < 0 else f"level-{level}"
        yield kind, "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


def _stack(across: Array) -> Array:
    """Return each point's distance from the line, so that the points of one place do not hide each other."""
    bins = np.floor(across / 100 * _BINS).astype(int)
    order = np.argsort(bins, kind="stable")
    _, starts, counts = np.unique(bins[order], return_index=True, return_counts=True)
    places = np.empty(len(bins), int)
    places[order] = np.arange(len(bins)) - np.repeat(starts, counts)
    lanes = (places + 1) // 2 * np.where(places % 2, 1, -1)
    return np.clip(lanes, 1 - _LANES, _LANES - 1).astype(float)
