"""By what results are broken down: groups of customers and of products, as of the test cutoff.

`customer_groupings` and `product_groupings` give every customer and product a label. Numbers become bands: ages
decades, others quarters of the customers. Nothing of it is an input of a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from nextbest.data.config import ColumnConfig, DataConfig
from nextbest.data.dataset import ALWAYS, Array, Dataset, EntityTable, Interactions
from nextbest.data.snapshot import Snapshot
from nextbest.data.tables.words import is_named

__all__ = [
    "KNOWN_OR_NEW",
    "LAUNCH",
    "OTHER",
    "TENURE",
    "customer_groupings",
    "label_column",
    "label_order",
    "product_groupings",
]

KNOWN_OR_NEW, TENURE, LAUNCH = "known or new", "time as a customer", "time on offer"
"""Groupings that are no columns; a column of customers cannot be called so."""
OTHER = "(other)"
"""The label of the smallest groups where there are more than so many:"""
_MOST_GROUPS = 50
_DAYS_PER_YEAR = 365.25
_YEARS = ((1, "0 to 1 years"), (2, "1 to 2 years"), (5, "2 to 5 years"), (10, "5 to 10 years"))
_MONTHS_ON_OFFER = ((91 / _DAYS_PER_YEAR, "0 to 3 months"), (1.0, "3 to 12 months"))
_FEW_VALUES = 6
"""So many different numbers are groups of their own."""
_MEASURABLE = ("category", "boolean", "number", "date")
_YEARS_PER_UNIT = {"years": 1.0, "months": 1 / 12, "days": 1 / _DAYS_PER_YEAR}


def customer_groupings(
    data: DataConfig, slices: Sequence[str], history: Dataset, snapshot: Snapshot
) -> dict[str, Array]:
    """Return grouping -> each customer's label, '' where it is missing, object str, [num_customers].

    They are the segment, the columns of `slices`, those that are protected by setting or by name, the age, the time as
    a customer, and known or new: new is who came in the last `windows.horizon_days`, or did nothing yet.

    Args:
        data: What the tables mean.
        slices: Further columns.
        history: What was known at the cutoff.
        snapshot: The same day's.
    """
    columns, interactions = data.customers.columns, history.interactions
    labels = {
        name: label_column(name, columns[name], snapshot.customers[name], snapshot.day)
        for name in _columns(data, slices)
    }
    years = _years_known(history.customers, interactions.customer, interactions, snapshot.day)
    if not any(is_named(name, "tenure") for name in labels):
        labels[TENURE] = _bands(years, _YEARS)
    did_something = np.bincount(interactions.customer, minlength=len(history.customers)) > 0
    known = did_something & (years * _DAYS_PER_YEAR > data.windows.horizon_days)
    labels[KNOWN_OR_NEW] = np.where(known, "known", "new").astype(object)
    return {name: _largest(found) for name, found in labels.items()}


def product_groupings(data: DataConfig, history: Dataset, snapshot: Snapshot) -> dict[str, Array]:
    """Return grouping -> each product's label, object str, [num_products]: its category, and how long it is on offer.

    A product is on offer since its first row or, where rows have no dates, since the first that is known to hold it.
    """
    labels = {}
    if data.policy.category_column is not None:
        labels[data.policy.category_column] = _largest(snapshot.products[data.policy.category_column])
    years = _years_known(history.products, history.interactions.product, history.interactions, snapshot.day)
    return labels | {LAUNCH: _bands(years, _MONTHS_ON_OFFER, "12 months and more")}


def _columns(data: DataConfig, slices: Sequence[str]) -> Iterator[str]:
    """Yield the columns by which customers are grouped, each once."""
    columns = data.customers.columns
    measurable = {name: column for name, column in columns.items() if column.role in _MEASURABLE}
    protected = [name for name, column in measurable.items() if _is_protected(name, column)]
    ages = [name for name, column in measurable.items() if _is_age(name, column)]
    tenures = [name for name, column in measurable.items() if is_named(name, "tenure") and column.role == "number"]
    tenures += [name for name, column in measurable.items() if is_named(name, "tenure") and column.role == "date"]
    segment = [data.segment] if data.segment else []
    yield from dict.fromkeys([*segment, *slices, *protected, *ages[:1], *tenures[:1]])


def _is_protected(name: str, column: ColumnConfig) -> bool:
    return is_named(name, "protected") if column.protected is None else column.protected


def _is_age(name: str, column: ColumnConfig) -> bool:
    if column.role == "date":
        return is_named(name, "birth")
    return column.role == "number" and is_named(name, "age") and column.unit in ("", "years")


def label_column(name: str, column: ColumnConfig, values: Array, day: int) -> Array:
    """Return the labels of a column's values, '' where they are missing, object str, [num_rows].

    Args:
        name: The column.
        column: What it means.
        values: Its values, [num_rows].
        day: The day at which dates become ages, days since 1970-01-01.
    """
    if column.role == "boolean":
        return np.select([values == 1, values == 0], ["yes", "no"], "").astype(object)
    if column.role == "date":
        values = (day - values) / _DAYS_PER_YEAR
        return _decades(values) if _is_age(name, column) else _bands(values, _YEARS)
    if column.role != "number":
        return values.astype(object)
    if _is_age(name, column):
        return _decades(values)
    if is_named(name, "tenure") and column.unit in _YEARS_PER_UNIT:
        return _bands(values * _YEARS_PER_UNIT[column.unit], _YEARS)
    return _quarters(values)


def _decades(years: Array) -> Array:
    known = np.isfinite(years)
    first = (np.floor(np.where(known, years, 0) / 10) * 10).astype(int)
    return np.array([f"{low} to {low + 9}" if good else "" for low, good in zip(first, known, strict=True)], object)


def _bands(years: Array, bands: Sequence[tuple[float, str]], last: str = "10 years and more") -> Array:
    """Return the first band whose upper end a value is below."""
    names = np.array([*(name for _, name in bands), last, ""], object)
    place = np.searchsorted([end for end, _ in bands], years, side="right")
    return names[np.where(np.isfinite(years), place, len(names) - 1)]


def _quarters(values: Array) -> Array:
    """Return bands with a quarter of the known values each, or the values where there are few different ones."""
    known = values[np.isfinite(values)]
    different = np.unique(known)
    if len(different) <= _FEW_VALUES:
        return np.array([_number(value) if np.isfinite(value) else "" for value in values], object)
    edges = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1]))
    names = [f"{_number(low)} to {_number(high)}" for low, high in pairwise(edges)]
    place = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(names) - 1)  # (low, high], the first [ ]
    return np.where(np.isfinite(values), np.array(names, object)[place], "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _years_known(table: EntityTable, entity: Array, interactions: Interactions, day: int) -> Array:
    """Return for how many years each entity is known: since its first row, or else its first interaction; NaN: none.

    Args:
        table: The entities.
        entity: The entity of each interaction, [num_interactions].
        interactions: Those at or before the cutoff.
        day: The cutoff, days since 1970-01-01.
    """
    first = np.full(len(table), np.inf)
    np.minimum.at(first, table.row_entity, np.where(table.row_day == ALWAYS, np.inf, table.row_day))
    acted = np.full(len(table), np.inf)
    np.minimum.at(acted, entity, interactions.day)
    since = np.where(np.isfinite(first), first, acted)
    return np.where(np.isfinite(since), (day - since) / _DAYS_PER_YEAR, np.nan)


def _largest(labels: Array) -> Array:
    """Return labels of which the rarest are one, so that no more than `_MOST_GROUPS` are left."""
    names, counts = np.unique(labels.astype(str), return_counts=True)
    if len(names) <= _MOST_GROUPS:
        return labels
    kept = set(names[np.argsort(-counts, kind="stable")][: _MOST_GROUPS - 1].tolist()) | {""}
    return np.array([label if label in kept else OTHER for label in labels], object)


_LEADING_NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:e[+-]?\d+)?")


def label_order(label: str) -> tuple[float, str]:
    """Return what labels are sorted by: bands by the number that they begin with, then words."""
    found = _LEADING_NUMBER.match(label)
    return (float(found.group().replace(",", "")) if found else np.inf), label
