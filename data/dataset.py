"""The checked tables as arrays: entities are positions in sorted id arrays, time is whole days.

Everything downstream reads a `Dataset`. `Dataset.until(day)` is the only way into the past: it drops every row
after the day and every entity that is not yet known, so what is computed from it cannot have seen the future.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACQUIRE",
    "ALWAYS",
    "HELD",
    "REFUSE",
    "RELEASE",
    "SIGNAL",
    "Array",
    "Dataset",
    "EntityTable",
    "Features",
    "Interactions",
    "positions_of",
]

Array = npt.NDArray[Any]
Features = dict[str, Array]
"""Column -> values, [num_rows]. Numbers, booleans (1/0) and dates (days since 1970-01-01) are float32 with NaN for
missing; categories, texts and ids are objects holding str, with '' for missing."""

ACQUIRE, RELEASE, SIGNAL, HELD, REFUSE = 1, 2, 0, 3, 4
"""Kinds of interaction: comes to hold, ceases to hold, shows interest, is first seen to hold (since when is not known,
so it is no acquisition), refuses."""
ALWAYS = np.iinfo(np.int32).min
"""The day of a row without `as_of`: it has always held."""


def positions_of(ids: Array, known: Array) -> Array:
    """Return the positions of `ids` in the sorted `known`, -1 for an unknown one, int64, same shape as `ids`."""
    if not len(known):
        return np.full(np.shape(ids), -1, np.int64)
    found = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[found] == ids, found, -1)


@dataclass(frozen=True)
class EntityTable:
    """Customers or products, with one or several dated rows each."""

    ids: Array
    """Sorted unique ids, object str, [num_entities]."""
    row_entity: Array
    """Position in `ids` that a row belongs to, int32, [num_rows]; rows are sorted by (entity, day)."""
    row_day: Array
    """Day from which a row holds, or ALWAYS, int32, [num_rows]."""
    columns: Features
    """Feature column -> values, [num_rows]."""

    def __len__(self) -> int:
        return len(self.ids)

    def rows_at(self, day: int) -> Array:
        """Return each entity's newest row at or before `day`, -1 where there is none yet, int64, [num_entities]."""
        rows = np.full(len(self.ids), -1, np.int64)
        known = np.flatnonzero(self.row_day <= day)
        rows[self.row_entity[known]] = known  # rows are sorted by day, so the newest is written last
        return rows

    def at(self, day: int) -> Features:
        """Return the features at `day`, [num_entities]; an entity without a row yet has missing values."""
        rows = self.rows_at(day)
        unknown = rows < 0
        features = {}
        for name, values in self.columns.items():
            found = values[rows]
            if unknown.any():
                found[unknown] = np.nan if values.dtype.kind == "f" else ""
            features[name] = found
        return features

    def positions(self, ids: Array) -> Array:
        """Return the positions of `ids` in this table, -1 for an unknown one, int64, same shape as `ids`."""
        return positions_of(ids, self.ids)

    def until(self, day: int) -> tuple[EntityTable, Array]:
        """Drop rows after `day` and entities without any row by then.

        Returns:
            The smaller table, and the new position of each old entity (-1: dropped), int64, [num_entities].
        """
        rows = self.row_day <= day
        kept = np.zeros(len(self.ids), bool)
        kept[self.row_entity[rows]] = True
        position = np.where(kept, np.cumsum(kept) - 1, -1)
        table = EntityTable(
            ids=self.ids[kept],
            row_entity=position[self.row_entity[rows]].astype(np.int32),
            row_day=self.row_day[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
        )
        return table, position


@dataclass(frozen=True)
class Interactions:
    """Dated interactions, sorted by day (then customer, product, kind)."""

    customer: Array
    """Position of the customer, int32, [num_interactions]."""
    product: Array
    """Position of the product, int32, [num_interactions]."""
    day: Array
    """Days since 1970-01-01, int32, [num_interactions]."""
    kind: Array
    """ACQUIRE, RELEASE, SIGNAL, HELD or REFUSE, int8, [num_interactions]."""
    weight: Array
    """Non-negative weight, float32, [num_interactions]."""

    def __len__(self) -> int:
        return len(self.day)

    def __getitem__(self, rows: Any) -> Interactions:
        return Interactions(self.customer[rows], self.product[rows], self.day[rows], self.kind[rows], self.weight[rows])

    def between(self, after: int, until: int) -> Interactions:
        """Return the interactions with `after < day <= until`."""
        first, last = np.searchsorted(self.day, [after, until], side="right")
        return self[first:last]

    @cached_property
    def acquisitions(self) -> Interactions:
        """The interactions by which a customer came to hold a product."""
        return self[self.kind == ACQUIRE]


@dataclass(frozen=True)
class Dataset:
    """The three tables as arrays."""

    customers: EntityTable
    products: EntityTable
    interactions: Interactions
    repeatable: Array = field(default_factory=lambda: np.zeros(0, bool))
    """Which products may be held twice, bool, [num_products]; none where it is left out."""

    def __post_init__(self) -> None:
        if not len(self.repeatable):
            object.__setattr__(self, "repeatable", np.zeros(len(self.products), bool))

    def until(self, day: int) -> Dataset:
        """Return what was known at the end of `day`: later rows, and entities first known later, are gone."""
        customers, customer_position = self.customers.until(day)
        products, product_position = self.products.until(day)
        past = self.interactions[self.interactions.day <= day]
        customer, product = customer_position[past.customer], product_position[past.product]
        known = (customer >= 0) & (product >= 0)
        interactions = Interactions(
            customer[known].astype(np.int32),
            product[known].astype(np.int32),
            past.day[known],
            past.kind[known],
            past.weight[known],
        )
        return Dataset(customers, products, interactions, self.repeatable[product_position >= 0])
