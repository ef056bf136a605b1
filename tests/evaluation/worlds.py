"""Small banks whose right answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import ACQUIRE, ALWAYS, Array, Dataset, EntityTable, Features, Interactions
from nextbest.data.snapshot import holdings_at, new_acquisitions
from nextbest.evaluation.test_set import TestSet


def entities(ids: Sequence[str], columns: Features | None = None) -> EntityTable:
    rows = np.arange(len(ids), dtype=np.int32)
    return EntityTable(np.array(ids, object), rows, np.full(len(ids), ALWAYS, np.int32), columns or {})


def bank(
    customers: Sequence[str],
    products: Sequence[str],
    events: Sequence[tuple[str, str, int, int]],
    segments: Sequence[str] | None = None,
) -> Dataset:
    """Build a dataset from (customer, product, day, kind)."""
    columns = {} if segments is None else {"segment": np.array(segments, object)}
    customer_table, product_table = entities(customers, columns), entities(products)
    events = sorted(events, key=lambda event: event[2])
    names = [np.array([event[side] for event in events], object) for side in (0, 1)]
    interactions = Interactions(
        customer_table.positions(names[0]).astype(np.int32),
        product_table.positions(names[1]).astype(np.int32),
        np.array([event[2] for event in events], np.int32),
        np.array([event[3] for event in events], np.int8),
        np.ones(len(events), np.float32),
    )
    return Dataset(customer_table, product_table, interactions)


@dataclass(frozen=True)
class Planted:
    """A bank in which each customer belongs to one of four blocks of products and only takes products of it."""

    history: Dataset
    cutoff_day: int
    test_set: TestSet

    @property
    def num_products(self) -> int:
        return len(self.history.products)


def planted_world(num_customers: int = 800, seed: int = 3) -> Planted:
    """Plant four blocks of six products; every customer takes five of a block's six, the last two in the window.

    The blocks' sizes differ (40%, 30%, 20%, 10% of the customers), so popularity knows something, but a product
    that suits a customer is always one of the three or so that the customer's own block still offers. The segment
    names the block for 80% of the customers. Product p99 is never bought, the last customer never buys.
    """
    rng = np.random.default_rng(seed)
    block = rng.choice(4, num_customers, p=[0.4, 0.3, 0.2, 0.1])
    acquired = block[:, None] * 6 + np.argsort(rng.random((num_customers, 6)), axis=1)[:, :5]
    days = np.sort(rng.integers(0, 100, (num_customers, 5)), axis=1)
    days[:, 3:] = rng.integers(101, 131, (num_customers, 2))
    segment = np.where(rng.random(num_customers) < 0.8, block, rng.integers(0, 4, num_customers))
    customer_ids = [f"c{number:05d}" for number in range(num_customers)] + ["newcomer"]
    dataset = Dataset(
        entities(customer_ids, {"segment": np.array([*(f"s{code}" for code in segment), ""], object)}),
        entities([f"p{number:02d}" for number in range(24)] + ["p99"]),
        _by_day(np.repeat(np.arange(num_customers), 5), acquired.ravel(), days.ravel()),
    )
    return Planted(dataset.until(100), 100, planted_test_set(dataset, 100, 131))


def _by_day(customer: Array, product: Array, day: Array) -> Interactions:
    order = np.argsort(day, kind="stable")
    return Interactions(
        customer[order].astype(np.int32),
        product[order].astype(np.int32),
        day[order].astype(np.int32),
        np.full(len(day), ACQUIRE, np.int8),
        np.ones(len(day), np.float32),
    )


def planted_test_set(dataset: Dataset, after: int, until: int) -> TestSet:
    """What was newly acquired in the window; whatever is not held is allowed."""
    acquired = new_acquisitions(dataset, after, until)
    shape = (len(dataset.customers), len(dataset.products))
    relevant = sp.csr_matrix((np.ones(len(acquired), np.float32), (acquired.customer, acquired.product)), shape=shape)
    customers = np.unique(acquired.customer).astype(np.int64)
    held = holdings_at(dataset, after)
    return TestSet(
        customers=customers,
        relevant=relevant[customers],
        allowed=lambda rows: held[customers[rows]].toarray() == 0,
        cutoff=date(2024, 1, 31),
        until=date(2024, 4, 30),
        slices={"segment": dataset.customers.columns["segment"][customers]},
    )
