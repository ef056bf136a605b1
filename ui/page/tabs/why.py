"""The tab that tells why: what each feature adds to the score of the chosen product, and what matters over all."""

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
from nextbest.serving.formatting import sentence_case, shown_change, shown_number, shown_probability
from nextbest.serving.insights.explanation_data import Stage
from nextbest.serving.insights.explanations import Explanation, FeatureImportance, Importance
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import Column, empty, html, join, notice, table
from nextbest.ui.page.tab import NOBODY, Asked, Shared, Shown, listen
from nextbest.ui.page.version_data import Desk, chosen_of, offers_of

__all__ = ["WhyTab", "beeswarm", "waterfall"]

_STAGES: dict[str, Stage] = {"Probability (second stage)": "ranking", "Similarity (first stage)": "retrieval"}
_UNITS: dict[Stage, str] = {"ranking": "log-odds; 0.69 doubles the odds", "retrieval": "cosine"}
"""What contributions are counted in."""
_MARGIN = 0.04
"""How much of a drawing's width is left free on either side."""
_LEVELS = 5
"""Shades of a beeswarm's points, from little of a feature to much."""
_LANES = 9
"""How many points of one place stand one above the other before they overlap."""
_WITHIN = 0.99
"""The share of points within a beeswarm's edges; a few outliers would else leave no room for the others."""
_BINS = 60
"""Places along a beeswarm."""


def waterfall(explanation: Explanation, product: str, most: int) -> Markup:
    """Return what leads from the average score to the customer's, the largest contribution first."""
    contributions = explanation.largest(most)
    ends = np.cumsum([explanation.base, *(found.contribution for found in contributions)])
    low, high = _widened(float(ends.min()), float(ends.max()))
    typical, this = (
        (_outcome(words, explanation, score), "", *_total(low, high, score))
        for words, score in (("A typical score", explanation.base), ("This score", explanation.score))
    )
    rows: list[Sequence[str]] = [typical]
    for found, start, end in zip(contributions, ends[:-1], ends[1:], strict=True):
        # The sum of the others has no value of its own, and is of no kind.
        kind = Markup(' <span class="kind">{}</span>').format(found.kind) if found.value else ""
        name = Markup("{}{}").format(sentence_case(found.name), kind)
        direction = "more" if found.contribution >= 0 else "less"
        bar = _bar(low, high, start, end, direction)
        rows.append((name, found.value, bar, shown_change(found.contribution, 2)))
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


def _outcome(words: str, explanation: Explanation, score: float) -> str:
    """Return what a score is called; of the ranking with its probability."""
    if explanation.stage == "retrieval":
        return words
    return f"{words}: {shown_probability(1 / (1 + math.exp(-score)))}"


def _widened(low: float, high: float) -> tuple[float, float]:
    margin = _MARGIN * (high - low or 1.0)
    return low - margin, high + margin


def _total(low: float, high: float, value: float) -> tuple[Markup, str]:
    return _bar(low, high, low, value, "base"), shown_change(value, 2).removeprefix("+")


def _bar(low: float, high: float, start: float, end: float, kind: str) -> Markup:
    left, right = sorted((100 * (start - low) / (high - low), 100 * (end - low) / (high - low)))
    bar = '<span class="step" aria-hidden="true"><i class="{}" style="left:{}%;width:{}%"></i></span>'
    return Markup(bar).format(kind, f"{left:.2f}", f"{max(right - left, 0.3):.2f}")


def beeswarm(found: Importance, most: int) -> Markup:
    """Return the most important features over all, with a point for each sampled customer and candidate."""
    shown = found.features[:most]
    largest = max((feature.mean_absolute for feature in shown), default=0.0)
    points = np.abs(np.concatenate([feature.contributions for feature in shown]))
    reach = float(np.quantile(points, _WITHIN)) if len(points) else 1.0
    rows = [
        (
            sentence_case(feature.name),
            _swarm(feature, reach),
            _mean(feature.mean_absolute, largest),
        )
        for feature in shown
    ]
    columns = [
        Column("Feature"),
        Column("Lowers the score · raises it", "chart"),
        Column("On average", "number", "mean of the absolute contribution"),
    ]
    little, much = (Markup('<span class="dot level-{}"></span>').format(level) for level in (0, _LEVELS - 1))
    text = (
        '<p class="quiet">A point is a customer and a product; the outermost 1% stand at the edge. '
        "{} little of the feature {} much</p>"
    )
    legend = Markup(text).format(little, much)
    return Markup('{}<div class="beeswarm">{}</div>').format(legend, table("What matters over all", columns, rows))


def _mean(value: float, largest: float) -> Markup:
    width = 100 * value / largest if largest else 0.0
    bar = '<span class="measured">{}<span class="meter" aria-hidden="true"><i style="width:{}%"></i></span></span>'
    return Markup(bar).format(shown_number(value), f"{width:.1f}")


def _swarm(feature: FeatureImportance, reach: float) -> Markup:
    """Return a strip of points: across, what the feature contributed; the more points in a place, the higher."""
    paths = join(Markup('<path class="{}" d="{}"/>').format(kind, path) for kind, path in _paths(feature, reach))
    strip = '<svg class="swarm" viewBox="0 0 100 {}" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>'
    return Markup(strip).format(2 * _LANES, Markup('<path class="zero" d="M50 0V{}"/>').format(2 * _LANES), paths)


def _paths(feature: FeatureImportance, reach: float) -> Iterator[tuple[str, str]]:
    across = 50 + (50 - 100 * _MARGIN) * np.clip(feature.contributions / (reach or 1.0), -1, 1)
    heights = _LANES + _stacked(across)
    levels = np.where(np.isnan(feature.values), -1, np.clip(feature.values * _LEVELS, 0, _LEVELS - 1)).astype(int)
    for level in np.unique(levels):
        points = zip(across[levels == level], heights[levels == level], strict=True)
        kind = "level-none" if level < 0 else f"level-{level}"
        yield kind, "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


def _stacked(across: Array) -> Array:
    """Return how far each point stands above or below the line, so that those of one place do not hide each other."""
    bins = np.floor(across / 100 * _BINS).astype(int)
    order = np.argsort(bins, kind="stable")
    _, starts, counts = np.unique(bins[order], return_index=True, return_counts=True)
    places = np.empty(len(bins), int)
    places[order] = np.arange(len(bins)) - np.repeat(starts, counts)
    lanes = (places + 1) // 2 * np.where(places % 2, 1, -1)
    return np.clip(lanes, 1 - _LANES, _LANES - 1).astype(float)


class WhyTab:
    """Why the chosen product is recommended."""

    id = "why"
    follows = True

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        with gr.Tab("Why", id=self.id, elem_id="tab-why") as self.tab:
            with gr.Row():
                self.product = gr.Dropdown([], label="Product", elem_id="why-product", min_width=280)
                first = next(iter(_STAGES))
                self.stage = gr.Radio(list(_STAGES), value=first, label="Score", elem_id="why-stage", min_width=280)
            self.view = html(NOBODY, elem_id="why-view")
            html(Markup("<h3>What matters over all customers</h3>"))
            self.importance = html("", elem_id="importance")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.product, self.stage, self.view, self.importance]

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """See `Tab`; the score of the second stage is explained first."""
        first, stage = next(iter(_STAGES.items()))
        return {
            self.stage: first,
            self.importance: self._importance(desk, stage),
            **self._explained(desk, asked, stage),
        }

    def connect(self, shared: Shared) -> None:
        """See `Tab`."""

        def choose(product: str | None, words: str, *given: Any) -> Shown:
            stage = _STAGES[words]

            def question(desk: Desk) -> Shown:
                person, _, *controls = given
                asked = shared.asked(desk, person, product or "", *controls)
                return self._explained(desk, asked, stage) | {self.importance: self._importance(desk, stage)}

            return {shared.chosen: product or ""} | shared.desks.ask(question)

        listen(
            [self.product.input, self.stage.input],
            choose,
            [self.product, self.stage, *shared.inputs],
            [shared.chosen, self.product, self.view, self.importance],
        )

    def _importance(self, desk: Desk, stage: Stage) -> Markup:
        found = desk.importance[stage]
        if found is None:
            return empty("Not measured", "This version was exported without a sample of explanations.")
        return beeswarm(found, self._config.important_features)

    def _explained(self, desk: Desk, asked: Asked, stage: Stage) -> Shown:
        if not asked.person:
            return {self.product: gr.Dropdown([], value=None), self.view: NOBODY}
        request = desk.request(asked.person)
        offers = offers_of(desk, request, asked.top, asked.filters)
        chosen = chosen_of(offers, asked.chosen)
        names = {offer.product_id: f"{offer.rank}. {offer.name}" for offer in offers}
        product = gr.Dropdown([(name, product) for product, name in names.items()], value=chosen or None)
        if not chosen:
            return {self.product: product, self.view: empty("No product is left", "There is nothing to explain.")}
        try:
            explanation = desk.explainer.explain(request, chosen, stage)
        except FailedError as error:
            return {
                self.product: product,
                self.view: notice("warning", "This version cannot be explained.", str(error)),
            }
        return {self.product: product, self.view: waterfall(explanation, names[chosen], self._config.contributions)}
