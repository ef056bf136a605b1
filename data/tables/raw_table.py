"""A table as it was read: Arrow columns, nothing checked yet, their text, and the place of each row for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import NotationConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import EXAMPLES, InputError, Problem, more_like_these, quote_value

__all__ = [
    "MISSING",
    "MISSING_STRINGS",
    "Places",
    "RawTable",
    "encode",
    "is_number",
    "is_text",
    "known_text",
    "quote_rows",
    "repeated_columns",
    "report_rows",
    "report_wrong_type",
    "to_bool",
    "to_float",
    "to_text",
]

MISSING = ("", "-", "?", "#n/a", "n/a", "na", "nan", "none", "null", "\\n")
"""How a missing number, boolean or date may be spelt, in any case."""
MISSING_STRINGS = ("", "null", "\\n")
"""How a missing category or text may be spelt, in any case: `none` and `NA` may be values."""
Places = tuple[str, Array]
"""What rows are counted in ('line', 'row' or 'record') and each row's number, int64, [num_rows]."""


@dataclass(frozen=True)
class RawTable:
    """The columns of one table, unchecked."""

    file: str
    """The file, or the database's URL without its password."""
    header: tuple[str, ...]
    """The names of all columns, also of those that were not read."""
    columns: pa.Table
    """The columns read, [num_rows]; those of a CSV file are all text."""
    locate: Callable[[], Places]
    """Finds the rows' places; called only when there is something to report, because it may read the file again."""
    notation: NotationConfig = field(default_factory=NotationConfig)
    """How values are written; of a CSV file `delimiter` is the one that was found."""
    parts: tuple[RawTable, ...] = ()
    """Of a table in several files, each of them."""
    rejected: dict[int, Problem] | None = None
    """Row -> the first thing that is wrong with it, where such rows are left out and not refused; filled while values
    are parsed."""
    examples: int = EXAMPLES
    """How many rows with the same problem are named one by one."""

    @classmethod
    def with_rows(
        cls, file: str, header: Sequence[str], columns: pa.Table, unit: str, notation: NotationConfig
    ) -> RawTable:
        """Return a table whose rows are counted from 1; raise InputError when it has none."""
        if not columns.num_rows:
            raise InputError([Problem(file, None, None, "the table has no rows", "give it at least one row")])
        return cls(file, tuple(header), columns, lambda: (unit, np.arange(1, columns.num_rows + 1)), notation)

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def __contains__(self, column: str) -> bool:
        return column in self.columns.column_names

    @cached_property
    def places(self) -> Places:
        """The rows' places in the file."""
        return self.locate()

    def place_of(self, row: int) -> tuple[str, str, int]:
        """Return the file in which a row stands, what its rows are counted in, and the row's number there."""
        for part in self.parts:
            if row < len(part):
                return part.place_of(row)
            row -= len(part)
        unit, numbers = self.places
        return self.file, unit, int(numbers[row])


def repeated_columns(file: str, header: Sequence[str], wanted: Sequence[str] | None) -> list[Problem]:
    """Return a problem for each column (of the `wanted` ones) that the header names more than once."""
    return [
        Problem(file, name, None, f"the header names this column {count} times", "rename or remove all but one")
        for name, count in Counter(header).items()
        if count > 1 and (wanted is None or name in wanted)
    ]


def report_rows(
    problems: list[Problem], table: RawTable, column: str, rows: Array, what: Callable[[int], str], remedy: str
) -> None:
    """Add a problem for each of the `rows` (positions, [num_bad]), or for the first `table.examples` and the total.

    Where the table rejects rows, they are rejected instead.

    Args:
        problems: the list to add to.
        table: the table.
        column: the column to blame.
        rows: positions of the offending rows.
        what: says what is wrong with a row, given its position.
        remedy: what to do about it.
    """

    def problem(row: int) -> Problem:
        file, unit, number = table.place_of(row)
        return Problem(file, column, number, what(row), remedy, unit)

    if table.rejected is not None:
        for row in rows.tolist():
            if row not in table.rejected:
                table.rejected[row] = problem(row)
        return
    problems.extend(map(problem, rows[: table.examples].tolist()))
    problems.extend(more_like_these(table.file, column, len(rows), table.examples))


def report_wrong_type(
    problems: list[Problem], table: RawTable, column: str, expected: str, remedy: str | None = None
) -> None:
    """Add the problem that a column's type cannot hold what is expected."""
    what = f"the column holds {table.columns[column].type}, not {expected}"
    remedy = remedy or "store it as such (or as text), or fix the column's role in the config"
    problems.append(Problem(table.file, column, None, what, remedy))


def quote_rows(raw: pa.ChunkedArray) -> Callable[[int], str]:
    """Return what repeats a row's value in a message."""

    def quote(row: int) -> str:
        text = raw[row].cast(pa.large_string()).as_py()  # Arrow, unlike Python, can write the year 12000
        return quote_value(text) if is_text(raw.type) else str(text)

    return quote


def to_text(raw: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column as text; None where its type has no plain text."""
    if pa.types.is_nested(raw.type) or pa.types.is_binary(raw.type) or pa.types.is_large_binary(raw.type):
        return None
    return pc.cast(raw, pa.large_string())


def known_text(table: RawTable, column: str, words: tuple[str, ...] = MISSING) -> pa.ChunkedArray:
    """Return trimmed texts with null for those that mean a missing value: these words, or those of the config."""
    text = pc.utf8_trim_whitespace(to_text(table.columns[column]))
    stated = table.notation.missing
    known = words if stated is None else ("", *(word.lower() for word in stated))
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(known, pa.large_string()))
    return pc.if_else(missing, None, text)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column holds strings, plain or by dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column holds numbers, or nothing at all."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def encode(text: pa.ChunkedArray) -> tuple[Array, pa.Array]:
    """Return each row's position in the distinct texts (-1: null), [num_rows], and these, [num_distinct]."""
    encoded = pc.dictionary_encode(text).unify_dictionaries().combine_chunks()
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), encoded.dictionary


def to_float(values: pa.ChunkedArray | pa.Array) -> Array:
    """Return values as float64, NaN where null."""
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def to_bool(values: pa.ChunkedArray | pa.Array) -> Array:
    """Return booleans without nulls."""
    return np.asarray(values, bool)
