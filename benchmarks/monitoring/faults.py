"""Five faults, one of two sizes, each in a month of a future: what it changes, and which alarms have found it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.monitoring.future import Future, Month
from nextbest.data.bank.categories import CATEGORIES
from nextbest.data.dataset import ACQUIRE, RELEASE, SIGNAL
from nextbest.serving.monitoring.checks import Check

__all__ = ["FAULTS", "Fault", "inject"]

FAULTS = (
    "a column's unit changes",
    "a category is renamed",
    "a product is withdrawn",
    "a feed stops",
    "behaviour shifts",
    "behaviour shifts less",
)
_UNITS = (
    ("income", 1 / 1000), ("income", 1 / 12), ("savings", 1 / 1000), ("savings", 100), ("loan_balance", 1 / 1000),
    ("credit_utilisation", 100), ("digital_engagement", 100), ("age", 12), ("tenure_years", 12), ("tenure_years", 365),
)  # fmt: skip
"""Thousands or cents in place of euros, a month's income in place of a year's, percent, months, days."""
_LEAST_SHARE = 0.03
"""A word is renamed that at least so many customers have."""
_BEST_SELLERS = 20
"""A product is withdrawn that is one of so many with the most events in the month before."""
_SHIFT, _SMALLER_SHIFT = 1.5, 1.0
"""Standard deviation of what is added to the utility of each category: the odds of one change by a factor of 4.5, or of
2.7. A campaign adds 0.8 for one segment and category."""
_FEEDS = {"opened": ACQUIRE, "closed": RELEASE, "looked at": SIGNAL}
_COLUMNS = ("income", "credit_score", "segment", "last_event")


@dataclass(frozen=True)
class Fault:
    """A month with a fault."""

    what: str
    detail: str
    month: Month
    is_found: Callable[[Check], bool]
    """Whether an alarm is about it."""


def inject(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    """Return the month that a future has just lived with one of FAULTS in it."""
    made = dict(zip(FAULTS, (_unit, _renamed, _withdrawn, _feed, _shift, _shift), strict=True))
    return made[what](what, future, month, rng)


def _unit(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    column, factor = _UNITS[rng.integers(len(_UNITS))]
    values = (month.requests[column] * factor).astype(np.float32)
    changed = replace(month, requests=month.requests | {column: values})
    return Fault(what, f"{column} x {factor:.4g}", changed, lambda alarm: alarm.subject == column)


def _renamed(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    columns = [name for name, values in month.requests.items() if values.ndim == 1 and values.dtype == object]
    column = columns[rng.integers(len(columns))]
    words, counts = np.unique(month.requests[column].astype(str), return_counts=True)
    word = rng.choice(words[counts >= _LEAST_SHARE * len(month.ids)])
    values = np.where(month.requests[column] == word, f"{word} (new)", month.requests[column]).astype(object)
    changed = replace(month, requests=month.requests | {column: values})
    return Fault(what, f"{column}: {word}", changed, lambda alarm: alarm.subject == column)


def _withdrawn(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    before = future.last_month(month)
    product = future.product_ids[rng.choice(np.argsort(-before, kind="stable")[:_BEST_SELLERS])]
    events = int(before[future.product_ids == product].sum())
    changed = future.otherwise(rng, withdrawn=product)
    return Fault(what, f"{product}, {events} events before", changed, lambda alarm: product in alarm.detail)


def _feed(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    name = rng.choice([*_FEEDS, *_COLUMNS])
    if name in _FEEDS:
        stopped = (month.events.kind == _FEEDS[name]) & (month.events.day > month.day)
        changed = replace(month, events=month.events[~stopped])
    else:
        values = month.requests[name]
        empty = np.full(len(values), "", object) if values.dtype == object else np.full(len(values), np.nan, np.float32)
        changed = replace(month, requests=month.requests | {name: empty})
    return Fault(what, name, changed, lambda alarm: alarm.subject == name)


def _shift(what: str, future: Future, month: Month, rng: np.random.Generator) -> Fault:
    needs = (_SHIFT if what == FAULTS[4] else _SMALLER_SHIFT) * rng.normal(size=len(CATEGORIES))
    changed = future.otherwise(rng, needs=needs)
    return Fault(what, f"largest {np.abs(needs).max():.1f}", changed, lambda alarm: alarm.group == "outcomes")
