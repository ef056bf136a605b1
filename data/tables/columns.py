"""One column of a table as strings, how a table's columns are read, and which role their values have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from nextbest.data.config import ColumnConfig, Role, TableConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.data.settings import fill_in
from nextbest.data.tables.dates import guess_date_formats, parse_dates
from nextbest.data.tables.notation import NEARLY_ALL, date_formats
from nextbest.data.tables.parse import distinct_strings, parse_booleans, parse_numbers
from nextbest.data.tables.raw_table import MISSING, RawTable
from nextbest.data.tables.read import read_table
from nextbest.data.tables.words import is_named, kind_of_event, unit_of

__all__ = [
    "DOUBTFUL",
    "Column",
    "find_as_of",
    "held_column",
    "likeness_to_events",
    "lost_role",
    "may_be_events",
    "read_columns",
    "role_of",
    "share_of",
    "table_at",
]

SKEWED = 2.0
"""A non-negative number more skewed than this (an exponential distribution's skewness), and less after log1p, is
given log1p."""
FEW_VALUES = 10
"""So few distinct strings are categories even in a small table; so few distinct numbers are levels, never skewed."""
MAX_CATEGORIES = 1000
"""A column with more distinct strings is not a category."""
MAX_EVENTS = 50
"""A column with more distinct strings is not a kind of event."""
DOUBTFUL = 0.5
"""A column of words of which so many are numbers, dates or booleans may have lost its role to a few slips."""
MOST = 0.9
"""Codes without blanks are a category though most of a small catalogue have their own."""

_LEADING_ZERO = re.compile(r"0\d+")


@dataclass(frozen=True)
class Column:
    """The strings of one column."""

    table: RawTable
    name: str
    codes: Array
    """Position in `strings`, [num_rows]."""
    strings: Array
    """Distinct strings, object str, [num_distinct]."""
    formats: tuple[str, ...] = ()
    """The notations in which it is dates."""
    decimal: str | None = None
    """Its own decimal sign."""

    @cached_property
    def is_known(self) -> Array:
        """Whether a string does not stand for a missing value, bool, [num_distinct]."""
        return np.fromiter((string.lower() not in MISSING for string in self.strings), bool, len(self.strings))

    @cached_property
    def known(self) -> set[str]:
        """The strings that do not stand for a missing value."""
        return set(self.strings[self.is_known])

    @property
    def complete(self) -> bool:
        """Whether no row lacks a string."""
        return bool(self.is_known.all())

    @property
    def example(self) -> str:
        """A value."""
        return str(self.strings[np.argmax(self.is_known)]) if self.known else ""

    def share(self, parse: Callable[[RawTable, str, list[Problem]], Array]) -> float:
        """Return the share of the known values that can be read so."""
        good = int(np.count_nonzero(~np.isnan(parse(self.table, self.name, []))))
        return good / max(1, int(np.count_nonzero(self.is_known[self.codes])))

    def values(self, parse: Callable[[RawTable, str, list[Problem]], Array]) -> Array | None:
        """Return the values, NaN where missing or bad, [num_rows], or None where too many of them are bad."""
        found = parse(self.table, self.name, [])
        good = np.count_nonzero(~np.isnan(found))
        return found if self.known and good >= NEARLY_ALL * np.count_nonzero(self.is_known[self.codes]) else None

    @property
    def may_be_dates(self) -> bool:
        """Whether the values are dates by type, or texts in a notation of dates."""
        kind = self.table.columns[self.name].type
        return bool(self.formats) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)

    def days(self, table: RawTable, name: str, problems: list[Problem]) -> Array:
        """Read dates in the column's own notation."""
        return parse_dates(table, name, problems, date_format=self.formats[0] if self.formats else None)

    def numbers(self, table: RawTable, name: str, problems: list[Problem]) -> Array:
        """Read numbers with the column's own decimal sign."""
        return parse_numbers(table, name, problems, self.decimal)


def may_be_events(column: Column) -> bool:
    """Return whether a column of the interactions may say what happened."""
    words = column.known
    numbers = column.share(column.numbers) if words else 1
    return column.complete and 1 < len(words) <= MAX_EVENTS and numbers < DOUBTFUL and not column.formats


def held_column(columns: Sequence[Column]) -> Column | None:
    """Return the column of snapshots in which 1, or an amount above 0, says that a product is held, if one does."""
    numbers = [(column, column.values(column.numbers)) for column in columns if column.complete]
    found = [(column, values) for column, values in numbers if values is not None and (values == 0).any()]
    return min(found, key=lambda pair: len(np.unique(pair[1])), default=(None, None))[0]


def likeness_to_events(column: Column) -> tuple[float, bool, int]:
    """Return how much a column looks as if it said what happened: by its words, its name, and how few they are."""
    known = sum(kind_of_event(word) is not None for word in column.known)
    return known / len(column.known), is_named(column.name, "event"), -len(column.known)


def find_as_of(key: Column, columns: Sequence[Column]) -> Column | None:
    """Return the date column that tells an entity's rows apart, or that is named like one."""
    repeats = len(key.codes) > len(key.strings)
    candidates = []
    for column in columns:
        named = is_named(column.name, "as_of")
        wanted = column.complete and (named or repeats) and column.may_be_dates
        days = column.values(column.days) if wanted else None
        if days is not None and (named or _tells_apart(key.codes, days)):
            candidates.append(column)

    def rank(column: Column) -> tuple[bool, bool]:
        return not is_named(column.name, "as_of"), not is_named(column.name, "time")

    return min(candidates, key=rank, default=None)


def _tells_apart(entity: Array, day: Array) -> bool:
    """Whether most rows that repeat an entity differ in their day; both [num_rows]."""
    entities, pairs = len(np.unique(entity)), len(np.unique(np.stack([entity, day], axis=1), axis=0))
    return 2 * (pairs - entities) > len(entity) - entities


def role_of(column: Column, num_entities: int) -> ColumnConfig:
    """Return the narrowest role that holds nearly all values of a column."""
    if not column.known:
        return ColumnConfig(role="category")
    if column.values(parse_booleans) is not None and column.known not in ({"0"}, {"1"}):
        return ColumnConfig(role="boolean")
    if column.may_be_dates and column.values(column.days) is not None:
        return ColumnConfig(role="date")
    is_code = is_named(column.name, "code") or any(map(_LEADING_ZERO.fullmatch, column.known))
    values = None if is_code else column.values(column.numbers)
    if values is not None:
        return ColumnConfig(
            role="number",
            transform="log1p" if _is_skewed(values) else "none",
            unit=unit_of(column.name),
            zero_means="open-ended" if is_named(column.name, "duration") and (values == 0).any() else "",
        )
    return ColumnConfig(role=_role_of_strings(column, num_entities))


def share_of(column: Column, role: Role) -> float:
    """Return the share of the known values that have a role."""
    parsers = {"number": column.numbers, "boolean": parse_booleans, "date": column.days}
    return column.share(parsers[role]) if role in parsers and column.known else 1.0


def lost_role(column: Column, role: Role) -> list[str]:
    """Say of a column of words that most of its values are numbers, dates or booleans."""
    if role not in ("category", "text") or not column.known or is_named(column.name, "code"):
        return []
    known = column.is_known[column.codes]
    for name, parse in (("numbers", column.numbers), ("dates", column.days), ("booleans", parse_booleans)):
        if name == "dates" and not guess_date_formats(pa.array(sorted(column.known)), DOUBTFUL):
            continue
        good = ~np.isnan(parse(column.table, column.name, []))
        if DOUBTFUL < np.count_nonzero(good & known) / np.count_nonzero(known) < NEARLY_ALL:
            strange = column.strings[column.codes[np.argmax(known & ~good)]]
            return [f"most values are {name}, but not all ({quote_value(strange)}), so it is taken for {role}"]
    return []


def _role_of_strings(column: Column, num_entities: int) -> Role:
    known, blanks = column.known, any(" " in word for word in column.known)
    if len(known) >= NEARLY_ALL * num_entities > 1:  # each entity has its own
        return "text" if blanks else "id"
    most = num_entities / 2 if blanks or is_named(column.name, "text") else MOST * num_entities
    return "category" if len(known) <= min(MAX_CATEGORIES, max(FEW_VALUES, most)) else "text"


def _is_skewed(values: Array) -> bool:
    known = values[~np.isnan(values)].astype(np.float64)
    if (known < 0).any() or len(np.unique(known)) <= FEW_VALUES:
        return False
    return bool(abs(_skewness(np.log1p(known))) < SKEWED < _skewness(known))


def _skewness(values: Array) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)


def read_columns(source: TableConfig, folder: Path) -> list[Column]:
    """Read a table's columns, except nested and binary ones, which no model reads.

    Args:
        source: Where the table is; `${NAME}` in its path is a variable of the environment.
        folder: Where a relative path starts; it need not be there.

    Raises:
        InputError: The table cannot be read, or no column of it.
    """
    problems: list[Problem] = []
    path = fill_in(source.path, source.path, "", problems)
    if problems:
        raise InputError(problems)
    if _is_file(path):
        path = os.path.normpath(folder / path)
    table = read_table(source.model_copy(update={"path": path}), folder)
    # Trying roles makes problems that no one reads; their lines need not be looked up.
    table = replace(table, locate=lambda: ("row", np.arange(1, len(table) + 1)), parts=())
    columns = []
    for name in table.columns.column_names:
        unreadable: list[Problem] = []
        codes, strings = distinct_strings(table, name, unreadable)
        if not unreadable:
            columns.append(Column(table, name, codes, strings, date_formats(table, name)))
    if not columns:
        what = "no column holds plain values"
        raise InputError([Problem(table.file, None, None, what, "name a table with ids, words, numbers or dates")])
    return columns


def table_at(place: str | Path, folder: Path, query: str | None = None) -> TableConfig:
    """Return a table as a TOML in a folder names it.

    Args:
        place: A file, which is named by the way to it; an address, an SQLAlchemy URL, or a variable like `${BANK}` that
            holds one, which are named as they are.
        folder: The folder of the TOML.
        query: Of a database, the SQL.
    """
    path = str(place)
    return TableConfig(path=os.path.relpath(Path(path).resolve(), folder) if _is_file(path) else path, query=query)


def _is_file(path: str) -> bool:
    return "://" not in path and not path.startswith("${")
