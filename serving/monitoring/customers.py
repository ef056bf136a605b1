"""Customers and what they are recommended first, against those of the training: columns, ids, holdings and scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import quote_value
from nextbest.data.padding import concat_padded
from nextbest.serving.artifacts.assets import CUSTOMERS
from nextbest.serving.monitoring.checks import Check, Limits, distribution_check, share_check
from nextbest.serving.monitoring.training_statistics import Distribution, TrainingStatistics
from nextbest.serving.recommender import Recommendations, Recommender, product_categories
from nextbest.serving.requests import take

__all__ = [
    "describe_inputs",
    "describe_scores",
    "held_pairs",
    "input_checks",
    "known_customers",
    "recommend_all",
    "score_checks",
]

_CHUNK = 256
_HELD, _HELD_CATEGORIES = "products held", "categories held"
"""Names that no column has, since a column's is one word."""


def recommend_all(recommender: Recommender, requests: Features, k: int) -> Recommendations:
    """Recommend to many customers, in chunks.

    Args:
        recommender: The loaded export.
        requests: Raw requests, [num_customers, ...], at least one.
        k: How many products at most.
    """
    chunks = range(0, len(requests["as_of_day"]), _CHUNK)
    parts = [recommender.recommend(take(requests, slice(first, first + _CHUNK)), k) for first in chunks]
    joined = {}
    for name in (field.name for field in fields(Recommendations)):
        arrays = [getattr(part, name) for part in parts]
        joined[name] = concat_padded(arrays, "" if name == "product_id" else 0)
    return Recommendations(**joined)


def held_pairs(recommender: Recommender, requests: Features) -> Array:
    """Return what the customers hold of the export's products, each once: row * num_products + product, ascending."""
    positions = recommender.products.positions(requests["held_products"])
    rows, _ = np.nonzero(positions >= 0)
    return np.unique(rows * len(recommender.products.ids) + positions[positions >= 0])


def known_customers(recommender: Recommender, ids: Array) -> Array:
    """Return whom the export knows, bool, [num_customers]; all of them where it holds no customers."""
    if recommender.asset(CUSTOMERS) is None:
        return np.ones(len(ids), bool)
    return np.asarray(recommender.customers().positions(ids) >= 0)


def describe_inputs(recommender: Recommender, requests: Features, known: Array) -> dict[str, Array]:
    """Return the values whose spread is watched: each column's, dates as ages in days, and holdings.

    Args:
        recommender: The loaded export.
        requests: Raw requests, [num_customers, ...].
        known: Whose holdings may be known to be none, bool, [num_customers].
    """
    described = recommender.manifest["customers"]["columns"]
    values: dict[str, Array] = {}
    for name in recommender.customer_columns:
        column, role = requests[name], described[name]["role"]
        if role == "date":
            column = (requests["as_of_day"] - column).astype(np.float32)
        if role == "text":
            column = np.where(column == "", "", "given").astype(object)
        values[name] = column
    pairs, num_products = held_pairs(recommender, requests), len(recommender.products.ids)
    counts = np.bincount(pairs // num_products, minlength=len(known)).astype(np.float32)
    values[_HELD] = counts[known | (counts > 0)]
    values[_HELD_CATEGORIES] = product_categories(recommender)[pairs % num_products]
    return values


def describe_scores(recommender: Recommender, found: Recommendations) -> dict[str, Array]:
    """Return the same of first places: the probability, the product and its category; missing where there is none."""
    first, any_found = found.product_id[:, 0], found.count > 0
    category = product_categories(recommender)[recommender.products.positions(first)]
    return {
        "first probability": np.where(any_found, found.probability[:, 0], np.nan).astype(np.float32),
        "first product": np.where(any_found, first, "").astype(object),
        "first category": np.where(any_found, category, "").astype(object),
    }


def input_checks(
    recommender: Recommender,
    statistics: TrainingStatistics,
    limits: Limits,
    ids: Array,
    requests: Features,
    day: int,
) -> Iterator[Check]:
    """Compare customers with those of the training.

    Args:
        recommender: The loaded export.
        statistics: Its statistics.
        limits: What matters.
        ids: Customer ids, object str, [num_customers].
        requests: Their raw requests, [num_customers, ...].
        day: As of which day they are, days since 1970-01-01.
    """
    known = known_customers(recommender, ids)
    if recommender.asset(CUSTOMERS) is not None:
        joining = statistics.new_customers / max(statistics.customers, 1)
        elapsed = max(1.0, (day - statistics.day) / max(statistics.usual_days, 1))
        unknown = ids[~known]
        detail = f"{len(unknown):,} of {len(ids):,}" + _for_example(unknown)
        limit = limits.max_share + joining * elapsed
        yield share_check("customers", "ids", "unknown", len(unknown), len(ids), limit, detail)
    lists = requests["held_products"]
    held = lists[lists != ""]
    strange = held[recommender.products.positions(held) < 0]
    detail = f"{len(strange):,} of {len(held):,}" + _for_example(strange)
    yield share_check("customers", _HELD, "unknown", len(strange), len(held), limits.max_share, detail)
    for subject, values in describe_inputs(recommender, requests, known).items():
        if subject in statistics.inputs:
            # Those who came since were never any younger.
            days = np.where(known, day - statistics.day, 0) if subject in requests else 0
            yield from _checks_of("customers", subject, statistics.inputs[subject], values, limits, days)


def score_checks(
    recommender: Recommender, statistics: TrainingStatistics, limits: Limits, found: Recommendations
) -> Iterator[Check]:
    """Compare what customers are recommended first with what the training's were."""
    for subject, values in describe_scores(recommender, found).items():
        yield from _checks_of("scores", subject, statistics.scores[subject], values, limits)


def _checks_of(
    group: str, subject: str, before: Distribution, values: Array, limits: Limits, days: Array | float = 0
) -> Iterator[Check]:
    counts, missing = before.count(values, days)
    trained, labels = np.array(before.counts), before.labels()
    limit = limits.max_psi + before.usual
    yield distribution_check(group, subject, labels, before.compared(trained), before.compared(counts), limit)
    usual = before.missing / max(trained.sum() + before.missing, 1)
    yield share_check(group, subject, "missing", missing, len(values), usual + limits.max_share)
    if before.edges is None:
        usual = trained[-1] / max(trained.sum(), 1)
        unseen = before.unseen(values)
        detail = f"{len(unseen):,} of {counts.sum():,}" + _for_example(unseen)
        yield share_check(group, subject, "unseen", len(unseen), counts.sum(), usual + limits.max_unseen, detail)


def _for_example(values: Array) -> str:
    return f", for example {quote_value(str(values[0]))}" if len(values) else ""
