"""What came since: how much customers did, of what, and whether the recommendations came true.

Activity is compared by strides with those before the cutoff. The recommendations are those for the customers as of a
day, and what they newly acquired after it counts, up to the horizon that a probability speaks of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbest.data.dataset import ACQUIRE, Array, Interactions, positions_of
from nextbest.serving.insights.version_report import METRICS
from nextbest.serving.monitoring.checks import Check, Picture, distribution_check, psi, rate_check, rate_evidence
from nextbest.serving.monitoring.training_statistics import KINDS, TrainingStatistics, is_demand
from nextbest.serving.recommender import Recommendations, Recommender, product_categories

__all__ = ["Outcomes", "activity_checks", "performance_checks"]

_QUIET_DAYS = 7
"""So many days without any event of a kind may be a holiday."""
_IN_WAVES = ("closed",)
"""What is not compared by category: terms that began together end together."""
_FALL = 0.75
"""By how much of its events a product falls within a stride without a reason to look."""
_STRIDES_OF_PRODUCTS = 3
"""The strides before the last one with which a product's events are compared."""
_BINS = 10


@dataclass(frozen=True)
class Outcomes:
    """Interactions of customers of a file with products of the export."""

    events: Interactions
    """Positions are those in the file and in the export, sorted by day."""
    day: int
    """As of which day the customers are."""
    customers: int
    """How many the file has."""

    @property
    def until(self) -> int:
        """The last day of which something is known."""
        return int(self.events.day[-1])

    def stride(self, days: int, back: int = 0) -> Interactions:
        """Return the events of the last stride, or of one before it."""
        last = self.until - days * back
        return self.events.between(last - days, last)


def activity_checks(recommender: Recommender, statistics: TrainingStatistics, outcomes: Outcomes) -> Iterator[Check]:
    """Compare the last stride's events with those of the strides before the cutoff."""
    activity, limits = statistics.activity, statistics.limits
    if not activity.customers:
        return
    days = min(activity.stride_days, outcomes.until - outcomes.day)
    lately = outcomes.stride(days)
    category = positions_of(product_categories(recommender), np.array(activity.categories, object))[lately.product]
    exposure = np.array(activity.customers, float) * activity.stride_days
    for what in activity.events:
        before, is_kind = activity.of(what), lately.kind == KINDS[what]
        rate = before.sum() / max(exposure.sum(), 1)
        if not rate:
            continue
        now = np.bincount(category[is_kind], minlength=before.shape[1])
        factor = _largest_factor(before.sum(axis=1), rate * exposure)
        expected = rate * outcomes.customers * days
        limit = limits.max_factor * factor
        yield rate_check("outcomes", what, "events a customer", float(now.sum()), expected, limit)
        yield _quiet_check(what, outcomes, KINDS[what], rate * outcomes.customers / limit)
        if before.shape[1] > 1 and what not in _IN_WAVES:
            usual = max(psi(before.sum(axis=0), stride) for stride in before)
            limit = limits.max_psi + usual
            labels = [name or "no category" for name in activity.categories]
            yield distribution_check("outcomes", f"{what} by category", labels, before.sum(axis=0), now, limit)
    yield from _product_check(recommender, statistics, outcomes, lately, days)


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
    strides = range(1, _STRIDES_OF_PRODUCTS + 1)
    if outcomes.events.day[0] <= outcomes.until - activity.stride_days * (_STRIDES_OF_PRODUCTS + 1):
        usual = np.mean([_demand(outcomes.stride(days, back), len(ids)) for back in strides], axis=0)
    elif activity.products:
        exposure = np.mean(activity.customers[-len(activity.products) :]) * activity.stride_days
        usual = np.mean(activity.products, axis=0) * outcomes.customers * days / max(exposure, 1)
    else:
        return
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
    statistics: TrainingStatistics,
    outcomes: Outcomes,
    rows: Array,
    found: Recommendations,
    held: Array,
) -> Iterator[Check]:
    """Compare what was recommended with what was newly acquired after the day.

    Args:
        recommender: The loaded export.
        statistics: Its statistics.
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
    yield _calibration_check(probability, hits[listed], metrics, statistics.limits.max_factor)
    k = int(metrics.get("main_metric", "ndcg@5").split("@")[1])
    ndcg = _ndcg(hits, np.bincount(new // num_products, minlength=len(rows)), k)
    if len(ndcg) > 1:
        yield _ndcg_check(ndcg, k, days, metrics, statistics.limits.max_drop)


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
    return Check(
        *(check.group, check.subject, check.measure, check.value, check.limit, check.evidence),
        detail=detail,
        picture=picture,
    )


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
