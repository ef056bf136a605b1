"""Snapshots of what customers hold, as interactions: what appears was acquired, what disappears was given up.

A snapshot is a customer's rows of one day. It is compared with the customer's one before, whenever that was: without a
row nothing is known, and what was held goes on. So a missing month, or a customer who leaves and comes back, changes
nothing but what the rows say. What is held in the first snapshots of all was held before, and is no acquisition; what
somebody holds who comes later was acquired on the day of the first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import takewhile

import numpy as np

from nextbest.data.config import InteractionsConfig
from nextbest.data.dataset import ACQUIRE, HELD, RELEASE, Array, EntityTable, Interactions
from nextbest.data.errors import Problem, quote_value
from nextbest.data.tables.parse import parse_booleans, parse_numbers, parse_references
from nextbest.data.tables.raw_table import RawTable, report_rows

__all__ = ["are_snapshots", "matching_columns", "pattern_of", "snapshot_interactions"]

_PERIOD_DAYS = 25
"""Snapshots lie at least so far apart: those of months."""
_GO_ON = 0.7
"""Of what is held in a snapshot, so much is held in the next one too; what is bought is seldom bought again at once."""


def are_snapshots(customer: Array, product: Array, day: Array) -> bool:
    """Whether rows say again and again, month by month, who holds what, and not what happened.

    Args:
        customer: A number for each customer, [num_rows].
        product: A number for each product, [num_rows].
        day: Days without gaps, [num_rows].
    """
    days, period = np.unique(day, return_inverse=True)
    if len(days) < 3 or np.diff(days).min() < _PERIOD_DAYS:
        return False
    pair = customer.astype(np.int64) * (int(product.max()) + 1) + product
    _, pair = np.unique(pair, return_inverse=True)
    seen = np.unique(pair.astype(np.int64) * len(days) + period)
    last = seen % len(days) == len(days) - 1
    return bool(np.isin(seen[~last] + 1, seen).mean() >= _GO_ON)


def matching_columns(patterns: Sequence[str], header: Sequence[str], but: Sequence[str] = ()) -> list[str]:
    """Return the columns that match a pattern such as ind_*, in the file's order.

    Args:
        patterns: The patterns, in which * stands for any letters.
        header: All columns.
        but: Columns that are something else.
    """
    return [name for name in header if name not in but and any(fnmatchcase(name, one) for one in patterns)]


def pattern_of(names: Sequence[str], header: Sequence[str]) -> tuple[str, ...]:
    """Return a pattern that matches these columns of a header and no other, or else the columns."""
    begins, ends = _shared_start(names), _shared_start([name[::-1] for name in names])[::-1]
    for pattern in (f"{begins}*", f"{begins}*{ends}"):
        if pattern.strip("*") and matching_columns([pattern], header) == list(names):
            return (pattern,)
    return tuple(names)


def _shared_start(names: Sequence[str]) -> str:
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)


def snapshot_interactions(
    table: RawTable,
    source: InteractionsConfig,
    customer: Array,
    day: Array,
    products: EntityTable,
    of: str,
    problems: list[Problem],
) -> Interactions:
    """Return what happened between the snapshots of a table.

    Args:
        table: The rows.
        source: What they mean.
        customer: Each row's customer, -1 for an unknown one, whose rows are left out, int32 [num_rows].
        day: Each row's day, int32 [num_rows].
        products: The products.
        of: Their file, for people.
        problems: The list to add to.

    Returns:
        The interactions in any order; a product that the products' table lacks has the position -1.
    """
    if source.products:
        rows, product = _held_columns(table, source, customer, day, products, of, problems)
    else:
        rows, product = _held_rows(table, source, products, of, problems)
    known = customer >= 0
    kept = known[rows]
    return _changes(customer, day, np.flatnonzero(known), rows[kept], product[kept])


def _held_rows(
    table: RawTable, source: InteractionsConfig, products: EntityTable, of: str, problems: list[Problem]
) -> tuple[Array, Array]:
    """Return the rows that say that a product is held, and the products."""
    drop = source.unknown == "drop"
    product = parse_references(table, source.product_id, products.ids, of, problems, drop)
    if source.held is None:
        return np.arange(len(table)), product
    held = parse_numbers(table, source.held, problems)
    rows = np.flatnonzero(held > 0)  # a missing amount is none
    return rows, product[rows]


def _held_columns(
    table: RawTable,
    source: InteractionsConfig,
    customer: Array,
    day: Array,
    products: EntityTable,
    of: str,
    problems: list[Problem],
) -> tuple[Array, Array]:
    """Return each row and product of which the row says, or the customer's last row that did, that it is held."""
    _check_one_row_a_day(table, source.customer_id, customer, day, problems)
    names = matching_columns(source.products, table.columns.column_names, (source.customer_id, source.timestamp))
    positions = products.positions(np.array(names, object))
    for name, position in zip(names, positions, strict=True):
        if position < 0 and source.unknown == "error":
            ids = ", ".join(map(quote_value, products.ids[:3]))
            remedy = f'add it there (it has {ids}), narrow interactions.products, or set interactions.unknown to "drop"'
            problems.append(Problem(table.file, name, None, f"the column is no product of {of}", remedy))
    order = np.lexsort((day, customer))
    first = np.append(True, np.diff(customer[order]) != 0)
    rows: list[Array] = []
    found: list[Array] = []
    for name, position in zip(names, positions, strict=True):
        held = _last_known(parse_booleans(table, name, problems)[order], first)
        rows.append(order[held == 1])
        found.append(np.full(len(rows[-1]), position, np.int64))
    return np.concatenate([np.zeros(0, np.int64), *rows]), np.concatenate([np.zeros(0, np.int64), *found])


def _last_known(values: Array, first: Array) -> Array:
    """Replace missing values by the customer's last one before, [num_rows]; rows are sorted by customer and day."""
    place = np.where(np.isnan(values) & ~first, 0, np.arange(len(values)))
    return np.nan_to_num(values[np.maximum.accumulate(place)])


def _check_one_row_a_day(table: RawTable, column: str, customer: Array, day: Array, problems: list[Problem]) -> None:
    order = np.lexsort((day, customer))
    again = (np.diff(customer[order]) == 0) & (np.diff(day[order]) == 0) & (customer[order][1:] >= 0)
    report_rows(
        problems,
        table,
        column,
        np.sort(order[1:][again]),
        lambda row: f"the customer has two rows of {np.datetime64(int(day[row]), 'D')}",
        "keep one of them",
    )


def _changes(customer: Array, day: Array, seen: Array, rows: Array, product: Array) -> Interactions:
    """Compare each snapshot with the customer's one before.

    Args:
        customer: Each row's customer, [num_rows].
        day: Each row's day, [num_rows].
        seen: The rows that count, [any].
        rows: Of these, those that say that a product is held, [num_held].
        product: The product of each, [num_held].
    """
    if not len(seen):
        none = np.zeros(0, np.int32)
        return Interactions(none, none, none, none.astype(np.int8), none.astype(np.float32))
    # A snapshot's number; a customer's follow each other.
    keys = np.stack([customer, day], axis=1)
    snapshots, number = np.unique(keys[seen], axis=0, return_inverse=True)
    number_of_row = np.full(len(customer), -1, np.int64)
    number_of_row[seen] = number.ravel()
    whose, when = snapshots[:, 0], snapshots[:, 1]
    width = int(product.max(initial=-1)) + 2
    held = np.unique(number_of_row[rows] * width + product + 1)  # one number for a snapshot and a product
    before, later = held - width, held + width  # the same product in the neighbouring snapshots
    snapshot = held // width
    is_first = np.append(True, whose[1:] != whose[:-1])
    is_last = np.append(is_first[1:], True)
    appears = is_first[snapshot] | ~np.isin(before, held, assume_unique=True)
    disappears = ~is_last[snapshot] & ~np.isin(later, held, assume_unique=True)
    acquired, released = snapshot[appears], snapshot[disappears] + 1
    kind = np.where(when[acquired] == when.min(), HELD, ACQUIRE)
    at = np.concatenate([acquired, released])
    return Interactions(
        customer=whose[at].astype(np.int32),
        product=(np.concatenate([held[appears], held[disappears]]) % width - 1).astype(np.int32),
        day=when[at].astype(np.int32),
        kind=np.concatenate([kind, np.full(len(released), RELEASE)]).astype(np.int8),
        weight=np.ones(len(at), np.float32),
    )
