"""What came since: how much customers did, of what, and whether the recommendations came true.

Activity is compared by strides with those before the cutoff. The recommendations are those for the customers as of a
day, and what they newly acquired after it counts, up to the horizon that a probability speaks of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nextbest.data.dataset import ACQUIRE, Array, Interactions, positions_of
from nextbest.serving.insights.version_report import METRICS
from nextbest.serving.monitoring.checks import (
    Check,
    Limits,
    Picture,
    distribution_check,
    psi,
    rate_check,
    rate_evidence,
)
from nextbest.serving.monitoring.training_statistics import KINDS, TrainingStatistics, is_demand
from nextbest.serving.recommender import Recommendations, Recommender, product_categories

__all__ = ["Outcomes", "activity_checks", "performance_checks"]

_QUIET_DAYS = 7
"""So many days without any event of a kind may be a holiday."""
_IN_WAVES = ("closed",)
"""What is not compared by category: terms that began together end together."""
_FALL = 0.75
"""By how much of its events a product falls within a stride without a reason to look."""
_STRIDES_BEFORE = 3
"""The strides before the last one with which it is compared."""
_BINS = 10


@dataclass(frozen=True)
class Outcomes:
    """Interactions of customers of a file with products of the export."""

    events: Interactions
    """Positions are those in the file and in the export, sorted by day."""
    day: int
    """As of which day the customers are."""
    known: Array
    """Whom of them the export knows: those who joined since begin otherwise, bool, [num_customers]."""

    @property
    def customers(self) -> int:
        """How many the file has."""
        return len(self.known)

    @property
    def until(self) -> int:
        """The last day of which something is known."""
        return int(self.events.day[-1])

    def stride(self, days: int, back: int = 0) -> Interactions:
        """Return the events of the last stride, or of one before it."""
        last = self.until - days * back
        return self.events.between(last - days, last)

    def reaches(self, days: int) -> bool:
        """Return whether the table reaches so far back from its last day."""
        return bool(self.events.day[0] <= self.until - days + _QUIET_DAYS)


def activity_checks(
    recommender: Recommender, statistics: TrainingStatistics, limits: Limits, outcomes: Outcomes
) -> Iterator[Check]:
    """Compare the last stride's events with those of the strides before the cutoff."""
    activity = statistics.activity
    if not activity.customers:
        return
    days = min(activity.stride_days, outcomes.until - outcomes.day)
    lately = outcomes.stride(days)
    category_of = positions_of(product_categories(recommender), np.array(activity.categories, object))
    exposure = np.array(activity.customers, float) * activity.stride_days
    for what in activity.events:
        before, is_kind = activity.of(what), lately.kind == KINDS[what]
        rate = before.sum() / max(exposure.sum(), 1)
        if not rate:
            continue
        now = np.bincount(category_of[lately.product[is_kind]], minlength=before.shape[1])
        factor = _largest_factor(before.sum(axis=1), rate * exposure)
        expected = rate * outcomes.customers * days
        limit = limits.max_factor * factor
        yield rate_check("outcomes", what, "events a customer", float(now.sum()), expected, limit)
        yield _quiet_check(what, outcomes, KINDS[what], rate * outcomes.customers / limit)
        if before.shape[1] > 1 and what not in _IN_WAVES:
            usual = max(psi(before.sum(axis=0), stride) for stride in before)
            subject, labels = f"{what} by category", [name or "no category" for name in activity.categories]
            limit = limits.max_psi + usual
            yield distribution_check("outcomes", subject, labels, before.sum(axis=0), now, limit)
            yield from _change_check(statistics, limits, outcomes, what, subject, category_of, labels)
    yield from _product_check(recommender, statistics, outcomes, lately, days)


def _change_check(
    statistics: TrainingStatistics,
    limits: Limits,
    outcomes: Outcomes,
    what: str,
    subject: str,
    category_of: Array,
    labels: Sequence[str],
) -> Iterator[Check]:
    """Compare the last stride's categories with those of the strides before it, where these are known."""
    activity, stride = statistics.activity, statistics.activity.stride_days

    def count(back: int) -> Array:
        events = outcomes.stride(stride, back)
        events = events[(events.kind == KINDS[what]) & outcomes.known[events.customer]]
        return np.bincount(category_of[events.product], minlength=len(labels))

    before = _before(statistics, outcomes, count, activity.of(what))
    if before is not None:
        counts = before.sum(axis=0), count(0)
        found = distribution_check("outcomes", subject, labels, *counts, limits.max_psi, "before")
        yield replace(found, measure="PSI to the months before", picture=None)


def _before(
    statistics: TrainingStatistics, outcomes: Outcomes, count: Callable[[int], Array], trained: Array
) -> Array | None:
    """Return the counts of the strides before the last one; None where they are not known.

    Those that began before the cutoff are the training's, which leaves out who joined in them.

    Args:
        statistics: The training's statistics.
        outcomes: What came since.
        count: Counts a stride so many before the last one.
        trained: The same counts of the strides before the cutoff, [num_strides, ...].
    """
    stride, found = statistics.activity.stride_days, []
    for back in range(1, _STRIDES_BEFORE + 1):
        begin = outcomes.until - stride * (back + 1)
        ago = -((begin - statistics.day) // stride)  # the stride before the cutoff that begins at or before it
        if 0 < ago <= len(trained):
            found.append(trained[-ago])
        elif ago <= 0 and outcomes.reaches(stride * (back + 1)):
            found.append(count(back))
        else:
            return None
    return np.stack(found)


def _largest_factor(seen: Array, expected: Array) -> float:
    ratio = (seen + 0.5) / (expected + 0.5)
    return float(np.maximum(ratio, 1 / ratio).max())


def _quiet_check(what: str, outcomes: Outcomes, kind: int, rate: float) -> Check:
    """Check for how many days nothing of a kind has come."""
    days_of_kind = outcomes.events.day[outcomes.events.kind == kind]
    last = max(int(days_of_kind[-1]) if len(days_of_kind) else outcomes.day, outcomes.day)
    quiet = outcomes.until - last
    detail = f"none since {np.datetime64(last, 'D')}" if quiet else ""
    return Check("outcomes", what, "days without any", quiet, _QUIET_DAYS, rate * quiet, detail=detail)


def _product_check(
    recommender: Recommender, statistics: TrainingStatistics, outcomes: Outcomes, lately: Interactions, days: int
) -> Iterator[Check]:
    """Check whether a product's events have all but ceased: it may not be sold any more."""
    ids, activity = recommender.products.ids, statistics.activity
    trained = np.array(activity.products, float).reshape(len(activity.products), len(ids))
    trained *= outcomes.customers / max(activity.customers[-1], 1)

    def count(back: int) -> Array:
        return _demand(outcomes.stride(activity.stride_days, back), len(ids))

    before = _before(statistics, outcomes, count, trained)
    usual = (trained if before is None else before).mean(axis=0) * days / activity.stride_days
    seen = _demand(lately, len(ids))
    fall = np.where(usual > 0, 1 - seen / np.maximum(usual, 1e-9), 0)
    evidence = np.array([rate_evidence(now, (1 - _FALL) * was) for now, was in zip(seen, usual, strict=True)])
    evidence[fall <= _FALL] = 0
    worst = np.argsort(-evidence, kind="stable")
    shown = [f"{ids[one]}: {seen[one]:,} events, usual {usual[one]:,.0f}" for one in worst[:3] if evidence[one] > 1]
    first = worst[0]
    yield Check(
        *("outcomes", "products", "fall of the events", float(max(fall[first], 0)), _FALL, float(evidence[first])),
        comparisons=len(ids),
        detail="; ".join(shown),
    )


def _demand(events: Interactions, num_products: int) -> Array:
    return np.bincount(events.product[is_demand(events)], minlength=num_products)


def performance_checks(
    recommender: Recommender,
    limits: Limits,
    outcomes: Outcomes,
    rows: Array,
    found: Recommendations,
    held: Array,
) -> Iterator[Check]:
    """Compare what was recommended with what was newly acquired after the day.

    Args:
        recommender: The loaded export.
        limits: What matters.
        outcomes: What came since.
        rows: Which of the file's customers the recommendations are for, ascending, [num_rows].
        found: The recommendations, [num_rows, k].
        held: What they held, see `held_pairs`, by their place among `rows`.
    """
    horizon, num_products = recommender.manifest["horizon_days"], len(recommender.products.ids)
    until = min(outcomes.day + horizon, outcomes.until)
    acquired = outcomes.events.between(outcomes.day, until)
    acquired = acquired[(acquired.kind == ACQUIRE) & np.isin(acquired.customer, rows)]
    pairs = np.unique(np.searchsorted(rows, acquired.customer).astype(np.int64) * num_products + acquired.product)
    new = pairs[~np.isin(pairs, held)]
    cells = np.arange(len(rows))[:, None] * num_products + recommender.products.positions(found.product_id)
    listed = np.arange(found.product_id.shape[1]) < found.count[:, None]
    hits = np.isin(cells, new) & listed
    metrics = _measured(recommender)
    days = until - outcomes.day
    probability = 1 - (1 - found.probability[listed].astype(float)) ** (days / horizon)
    yield _calibration_check(probability, hits[listed], metrics, limits.max_factor)
    k = int(metrics.get("main_metric", "ndcg@5").split("@")[1])
    ndcg = _ndcg(hits, np.bincount(new // num_products, minlength=len(rows)), k)
    if len(ndcg) > 1:
        yield _ndcg_check(ndcg, k, days, metrics, limits.max_drop)


def _measured(recommender: Recommender) -> Mapping[str, Any]:
    """Return the version's evaluation; empty where it was not pushed."""
    file = recommender.asset(METRICS)
    return {} if file is None else json.load(file)


def _calibration_check(probability: Array, happened: Array, metrics: Mapping[str, Any], limit: float) -> Check:
    measured = metrics.get("calibration")
    trained = measured["base_rate"] / measured["mean_probability"] if measured else 1.0
    said = float(probability.sum())
    check = rate_check("outcomes", "acquisitions", "happened against said", happened.sum(), said * trained, limit)
    order = np.array_split(np.argsort(probability, kind="stable"), min(_BINS, max(len(probability), 1)))
    bins = [(probability[rows].mean(), happened[rows].mean()) for rows in order if len(rows)]
    picture = Picture([f"said {said:.2%}" for said, _ in bins], *zip(*bins, strict=True)) if bins else None
    detail = f"{happened.sum():,} of those recommended were acquired, {said:,.0f} were said"
    return replace(check, detail=detail, picture=picture)


def _ndcg(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return nDCG@k of the customers who acquired something (see `modelling.metrics`), [at most num_rows]."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    rows = num_relevant > 0
    ideal = np.cumsum(discounts)[np.minimum(num_relevant[rows], k) - 1]
    found = hits[rows, :k]
    return np.asarray(found @ discounts[: found.shape[1]] / ideal)


def _ndcg_check(ndcg: Array, k: int, days: int, metrics: Mapping[str, Any], max_drop: float) -> Check:
    now = float(ndcg.mean())
    trained = metrics.get("models", {}).get("ranking", {}).get(f"ndcg@{k}", {}).get("value")
    detail = f"{now:.3f} for {len(ndcg):,} customers in {days} days"
    if not trained:
        return Check("outcomes", f"ndcg@{k}", "drop", 0.0, max_drop, 0.0, detail=f"{detail}; the export has none")
    error = max(float(ndcg.std(ddof=1)) / len(ndcg) ** 0.5, 1e-6)
    beyond = max(0.0, trained * (1 - max_drop) - now) / error
    detail += f", {trained:.3f} when it was measured"
    return Check("outcomes", f"ndcg@{k}", "drop", 1 - now / trained, max_drop, beyond**2 / 2, detail=detail)
