"""Point-in-time joins: everything that may be known about each customer and product at the end of a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import ACQUIRE, REFUSE, RELEASE, SIGNAL, Array, Dataset, Features, Interactions
from nextbest.data.padding import lists_by_row

__all__ = ["NO_PRODUCT", "History", "Snapshot", "holdings_at", "new_acquisitions", "take_snapshot"]

NO_PRODUCT = -1
"""Padding in lists of product positions."""


@dataclass(frozen=True)
class History:
    """Per customer a list of products with the day of each, the newest first, padded with NO_PRODUCT and day 0."""

    products: Array
    """Product positions, int32, [num_customers, length]."""
    days: Array
    """Days since 1970-01-01, int32, [num_customers, length]."""

    def take(self, rows: Array) -> History:
        """Return the given customers' lists, [len(rows), length]."""
        return History(self.products[rows], self.days[rows])


@dataclass(frozen=True)
class Snapshot:
    """What is known at the end of `day`."""

    day: int
    customers: Features
    """Customer features, [num_customers]."""
    products: Features
    """Product features, [num_products]."""
    product_ids: Array
    """Sorted ids, object str, [num_products]."""
    available: Array
    """Whether a product is known by `day`, bool, [num_products]."""
    repeatable: Array
    """Whether it may be held twice, bool, [num_products]."""
    held: History
    """What each customer holds."""
    recent: History
    """What each customer took or looked at lately."""
    closed: History
    """What each customer closed lately."""
    refused: History
    """What each customer refused lately."""
    holdings: sp.csr_matrix
    """1 where a customer holds a product, float32, [num_customers, num_products]."""

    @property
    def num_held(self) -> Array:
        """How many products each customer holds, int64, [num_customers]."""
        return np.diff(self.holdings.indptr).astype(np.int64)

    def can_acquire(self, rows: Array) -> Array:
        """Return whether each product is known and not held by the given customers, bool, [len(rows), num_products].

        What may be held twice they can acquire all the same.
        """
        not_held: Array = self.holdings[rows].toarray() == 0
        return self.available & (not_held | self.repeatable)


def take_snapshot(dataset: Dataset, day: int, windows: WindowsConfig) -> Snapshot:
    """Join everything that is known at the end of `day`. Rows after it change nothing."""
    num_customers, num_products = len(dataset.customers), len(dataset.products)
    held = _held_pairs(dataset, day)
    lately = dataset.interactions.between(day - windows.recent_days, day)

    def of_kinds(*kinds: int) -> History:
        events = lately[np.isin(lately.kind, kinds)]
        return _newest_first(_last_event_per_pair(events, num_products), num_customers)

    return Snapshot(
        day=day,
        customers=dataset.customers.at(day),
        products=dataset.products.at(day),
        product_ids=dataset.products.ids,
        available=dataset.products.rows_at(day) >= 0,
        repeatable=dataset.repeatable,
        held=_newest_first(held, num_customers),
        recent=of_kinds(ACQUIRE, SIGNAL),
        closed=of_kinds(RELEASE),
        refused=of_kinds(REFUSE),
        holdings=_holdings_matrix(held, (num_customers, num_products)),
    )


def holdings_at(dataset: Dataset, day: int) -> sp.csr_matrix:
    """Return who holds what at the end of `day`: 1 where held, float32, [num_customers, num_products]."""
    return _holdings_matrix(_held_pairs(dataset, day), (len(dataset.customers), len(dataset.products)))


def new_acquisitions(dataset: Dataset, after: int, until: int) -> Interactions:
    """Return the first acquisition of each product in `after < day <= until` that was not held at `after`.

    What may be held twice counts again.
    """
    num_products = len(dataset.products)
    acquired = dataset.interactions.between(after, until).acquisitions
    _, first = np.unique(_pair_numbers(acquired, num_products), return_index=True)
    acquired = acquired[np.sort(first)]
    held = _pair_numbers(_held_pairs(dataset, after), num_products)
    again = np.isin(_pair_numbers(acquired, num_products), held)
    return acquired[~again | dataset.repeatable[acquired.product]]


def _pair_numbers(events: Interactions, num_products: int) -> Array:
    """Return one number per (customer, product) pair, int64 [num_events]."""
    return events.customer.astype(np.int64) * num_products + events.product


def _last_event_per_pair(events: Interactions, num_products: int) -> Interactions:
    """Keep each (customer, product) pair's last event. Events are sorted by day."""
    _, from_the_end = np.unique(_pair_numbers(events, num_products)[::-1], return_index=True)
    return events[len(events) - 1 - from_the_end]


def _held_pairs(dataset: Dataset, day: int) -> Interactions:
    """Return what made each pair held that is held at `day`: its last acquisition, or that it was first seen so."""
    past = dataset.interactions[: np.searchsorted(dataset.interactions.day, day, side="right")]
    past = past[~np.isin(past.kind, (SIGNAL, REFUSE))]
    last = _last_event_per_pair(past, len(dataset.products))
    return last[last.kind != RELEASE]


def _holdings_matrix(pairs: Interactions, shape: tuple[int, int]) -> sp.csr_matrix:
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, (pairs.customer, pairs.product)), shape=shape)


def _newest_first(events: Interactions, num_customers: int) -> History:
    order = np.lexsort((events.product, -events.day.astype(np.int64), events.customer))
    customer = events.customer[order]
    return History(
        products=lists_by_row(events.product[order], customer, num_customers, NO_PRODUCT),
        days=lists_by_row(events.day[order], customer, num_customers, 0),
    )
