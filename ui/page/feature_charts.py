"""What the models' features add to a score, and what matters over all customers, as tables with drawings.

`waterfall`, `beeswarm` and `shap_waterfall`, the picture of reasons that the package shap draws, are for those who know
the models; the tab Why shows them when it is asked to. `effect_bar` draws a step of a waterfall.
"""

from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup

from nextbest.data.dataset import Array
from nextbest.data.errors import explain_missing_packages
from nextbest.serving.formatting import format_change, format_decimals, format_number, format_probability, sentence_case
from nextbest.serving.insights.explanations import Explanation, FeatureImportance, Importance
from nextbest.serving.insights.reasons import ProductReasons
from nextbest.serving.insights.shapley import import_shap
from nextbest.serving.language import say
from nextbest.ui.page.html import Column, join, table

__all__ = ["add_margin", "beeswarm", "effect_bar", "shap_waterfall", "waterfall"]

_MARGIN = 0.04
"""How much of a drawing's width is left free on either side."""


def waterfall(explanation: Explanation, product: str, most: int) -> Markup:
    """Return what leads from the average score to the customer's, the largest contribution first."""
    contributions = explanation.largest(most)
    ends = np.cumsum([explanation.base, *(found.contribution for found in contributions)])
    low, high = add_margin(float(ends.min()), float(ends.max()))
    typical, this = (
        (_score_name(name, explanation, score), "", *_total(low, high, score))
        for name, score in ((say("typical-score"), explanation.base), (say("this-score"), explanation.score))
    )
    rows: list[Sequence[str]] = [typical]
    for found, start, end in zip(contributions, ends[:-1], ends[1:], strict=True):
        # The sum of the other features has neither a value nor a kind.
        kind = say("feature-kind", kind=found.kind)
        kind = Markup(' <span class="kind">{}</span>').format(kind) if found.value else ""
        name = Markup("{}{}").format(sentence_case(found.name), kind)
        direction = "more" if found.contribution >= 0 else "less"
        drawing = effect_bar(low, high, start, end, direction)
        rows.append((name, found.value, drawing, format_change(found.contribution, 2)))
    rows.append(this)
    columns = [
        Column(say("column-feature")),
        Column(say("profile-value")),
        Column(say("column-score-steps"), "chart"),
        Column(say("column-adds"), "number", say("feature-adds-note", stage=explanation.stage)),
    ]
    title = say("score-caption", product=product)
    return Markup('<p class="sentence">{}</p><div class="waterfall">{}</div>').format(
        explanation.sentence, table(title, columns, rows)
    )


def _score_name(name: str, explanation: Explanation, score: float) -> str:
    """Return a score's name, for the ranking with its probability."""
    if explanation.stage == "retrieval":
        return name
    return say("score-with-probability", score=name, probability=format_probability(1 / (1 + math.exp(-score))))


def add_margin(low: float, high: float) -> tuple[float, float]:
    """Return the ends of a drawing with some room on either side."""
    margin = _MARGIN * (high - low or 1.0)
    return low - margin, high + margin


def _total(low: float, high: float, value: float) -> tuple[Markup, str]:
    return effect_bar(low, high, low, value, "base"), format_change(value, 2).removeprefix("+")


def effect_bar(low: float, high: float, start: float, end: float, kind: str) -> Markup:
    """Return a bar from `start` to `end` in a drawing from `low` to `high`; the kind is more, less or base."""
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
        Column(say("column-feature")),
        Column(say("column-lowers-raises"), "chart"),
        Column(say("column-on-average"), "number", say("column-on-average-note")),
    ]
    little, much = (Markup('<span class="dot level-{}"></span>').format(level) for level in (0, _LEVELS - 1))
    legend = Markup('<p class="muted">{} {} {} {} {}</p>').format(
        say("beeswarm-about"), little, say("beeswarm-little"), much, say("beeswarm-much")
    )
    return Markup('{}<div class="beeswarm">{}</div>').format(legend, table(say("beeswarm-caption"), columns, rows))


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


_DRAWING = threading.Lock()
"""Matplotlib's current figure, on which shap draws, is one for all threads."""


def shap_waterfall(reasons: ProductReasons) -> Markup:
    """Return `shap.plots.waterfall` of the reasons, in percentage points.

    Raises:
        MissingPackageError: shap or matplotlib is not installed.
    """
    with explain_missing_packages():
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    shap, drawn = import_shap(), io.BytesIO()
    with _DRAWING:
        figure = plt.figure()
        try:
            shap.plots.waterfall(reasons.explanation, max_display=len(reasons.groups), show=False)
            figure.savefig(drawn, format="png", dpi=110, bbox_inches="tight")
        finally:
            plt.close(figure)
    largest = ", ".join(f"{group.name} {_signed(group.points)}" for group in reasons.largest_first[:3])
    picture = '<img class="picture" src="data:image/png;base64,{}" alt="{}">'
    return Markup(picture).format(base64.b64encode(drawn.getvalue()).decode(), say("picture-alt", largest=largest))


def _signed(points: float) -> str:
    """Return percentage points with a plain sign, as it is read aloud."""
    return f"{'+' if points >= 0 else ''}{format_decimals(points, 1)}"
