"""Turn raw columns into the arrays of a `Dataset`, and say of every value that cannot be one where it stands.

Text, typed Parquet columns and query results take the same way. Each function adds to `problems` and returns an array
of the right shape in any case, so that all problems of all columns are found at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import Role
from nextbest.data.dataset import Array
from nextbest.data.errors import EXAMPLES, Problem, more_like_these, quote_value
from nextbest.data.tables.raw_table import RawTable

__all__ = [
    "distinct_strings",
    "parse_booleans",
    "parse_column",
    "parse_dates",
    "parse_ids",
    "parse_numbers",
    "parse_references",
    "parse_strings",
    "report_rows",
]

MISSING = ("", "na", "n/a", "nan", "null", "none")
"""How a missing number, boolean or date may be spelt, in any case. A missing string is the empty text alone."""
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
"""How a boolean may be spelt, in any case."""
FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Dates outside these years are slips or stand for 'never', and would distort every age computed from them."""

_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf(inity)?))$"
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}([. ]\d{3})+),\d+$"
_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,9})?)?)?( ?(Z|[+-]\d{2}(:?[0-5]\d)?))?)?$"
_LARGEST = float(np.finfo(np.float32).max)
_SECONDS_PER_DAY = 86_400
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def report_rows(
    problems: list[Problem], table: RawTable, column: str, rows: Array, what: Callable[[int], str], remedy: str
) -> None:
    """Add a problem for each of the `rows` (positions, [num_bad]), or for the first `EXAMPLES` and the total.

    Args:
        problems: the list to add to.
        table: the table.
        column: the column to blame.
        rows: positions of the offending rows.
        what: says what is wrong with a row, given its position.
        remedy: what to do about it.
    """
    if not len(rows):
        return
    unit, numbers = table.places
    for row in rows[:EXAMPLES].tolist():
        problems.append(Problem(table.file, column, int(numbers[row]), what(row), remedy, unit))
    problems.extend(more_like_these(table.file, column, len(rows)))


def parse_column(table: RawTable, column: str, role: Role, problems: list[Problem]) -> Array:
    """Return a feature column as `data.dataset.Features` defines it for its role, [num_rows]."""
    parsers: dict[Role, Callable[[RawTable, str, list[Problem]], Array]] = {
        "number": parse_numbers,
        "boolean": parse_booleans,
        "date": lambda *arguments: parse_dates(*arguments).astype(np.float32),
    }
    return parsers.get(role, parse_strings)(table, column, problems)


def parse_numbers(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return finite numbers, NaN where missing, float32, [num_rows]."""
    raw = table.columns[column]
    if _is_text(raw.type):
        values = _numbers_from_text(table, column, problems)
    elif _is_number(raw.type) or pa.types.is_boolean(raw.type):
        values = _to_float(raw)
    else:
        _wrong_type(problems, table, column, "numbers")
        return np.full(len(table), np.nan, np.float32)
    too_large = np.abs(values) > _LARGEST  # false for NaN
    value = _quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(too_large),
        lambda row: f"{value(row)} is infinite or too large for a 32-bit number",
        "write a finite number in a larger unit, or leave the value empty",
    )
    return np.where(too_large, np.nan, values).astype(np.float32)


def _numbers_from_text(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return numbers, infinite where written so, NaN where missing or malformed, float64, [num_rows]."""
    raw = table.columns[column]
    text = _null_where_missing(raw)
    with suppress(pa.ArrowInvalid):  # which says neither where nor what, so the pattern is tried below
        return _to_float(text)
    wellformed = pc.match_substring_regex(text, _NUMBER)
    malformed = np.flatnonzero(~_to_bool(pc.fill_null(wellformed, True)))
    comma = _to_bool(pc.match_substring_regex(text.take(pa.array(malformed)), _DECIMAL_COMMA))
    value = _quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        malformed[comma],
        lambda row: f"{value(row)} has a decimal comma",
        "write a decimal point and no thousands separators, for example 1234.5",
    )
    report_rows(
        problems,
        table,
        column,
        malformed[~comma],
        lambda row: f"{value(row)} is not a number",
        "write a number, for example 1234.5, or leave the value empty",
    )
    return _to_float(pc.if_else(wellformed, text, None))


def parse_booleans(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return 1 for true, 0 for false, NaN where missing, float32, [num_rows]."""
    raw = table.columns[column]
    if _is_text(raw.type):
        text = pc.utf8_lower(_null_where_missing(raw))
        true, false = (_to_bool(pc.is_in(text, value_set=pa.array(names, text.type))) for names in (TRUE, FALSE))
        missing = _to_bool(pc.is_null(text))
    elif _is_number(raw.type) or pa.types.is_boolean(raw.type):
        values = _to_float(raw)
        true, false, missing = values == 1, values == 0, np.isnan(values)
    else:
        _wrong_type(problems, table, column, "booleans")
        return np.full(len(table), np.nan, np.float32)
    value = _quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(~(true | false | missing)),
        lambda row: f"{value(row)} is neither true nor false",
        "write true or false (also 1 or 0, yes or no), or leave the value empty",
    )
    return np.select([true, false], [1.0, 0.0], np.nan).astype(np.float32)


def parse_dates(table: RawTable, column: str, problems: list[Problem], required: bool = False) -> Array:
    """Return whole days (UTC) since 1970-01-01, NaN where missing, float64, [num_rows].

    Args:
        table: the table.
        column: the column.
        problems: the list to add to.
        required: whether a missing date is a problem.
    """
    raw = table.columns[column]
    if _is_text(raw.type):
        days = _dates_from_text(table, column, problems)
        missing = pc.is_null(_null_where_missing(raw)) if required else None
    elif pa.types.is_date(raw.type) or pa.types.is_timestamp(raw.type):
        days = _dates_from_times(raw)
        missing = pc.is_null(raw) if required else None
    else:
        _wrong_type(problems, table, column, "dates")
        return np.full(len(table), np.nan)
    if missing is not None:
        report_rows(
            problems,
            table,
            column,
            np.flatnonzero(_to_bool(missing)),
            lambda row: "the date is missing",
            "give the row a date",
        )
    first, last = (_day(date(year, 1, 1)) for year in (FIRST_YEAR, LAST_YEAR + 1))
    implausible = (days < first) | (days >= last)
    value = _quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(implausible),
        lambda row: f"{value(row)} is not a plausible date",
        f"write a date in {FIRST_YEAR} to {LAST_YEAR}, or leave the value empty",
    )
    return np.where(implausible, np.nan, days)


def _dates_from_times(raw: pa.ChunkedArray) -> Array:
    """Return days since 1970-01-01, NaN where missing, float64, [num_rows]. Times with a zone are kept in UTC."""
    if pa.types.is_date(raw.type):
        raw = pc.cast(raw, pa.timestamp("ms"))
    ticks = pc.fill_null(pc.cast(raw, pa.int64()), 0).to_numpy()
    days = ticks // (_SECONDS_PER_DAY * _TICKS[raw.type.unit])  # rounds down before 1970 too
    return np.where(_to_bool(pc.is_null(raw)), np.nan, days)


def _dates_from_text(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return days since 1970-01-01, NaN where missing or bad, infinity in year 0 or 9999, float64, [num_rows]."""
    raw = table.columns[column]
    text = _null_where_missing(raw)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):  # none has a zone, or all have one
        with suppress(pa.ArrowInvalid):
            return _dates_from_times(pc.cast(text, kind))
    codes, texts = _encode(text)  # days repeat, so that each is parsed once
    wellformed = _to_bool(pc.match_substring_regex(texts, _DATE))
    years = _to_float(pc.if_else(wellformed, pc.utf8_slice_codeunits(texts, 0, 4), None))
    # Far years are not missing: the caller judges them.
    days = np.where(wellformed, np.inf, np.nan)
    near = np.flatnonzero((years >= FIRST_YEAR - 1) & (years <= LAST_YEAR + 1))
    days[near] = [_day_of_text(texts[place].as_py()) for place in near]
    known = np.flatnonzero(codes >= 0)

    def rows_with(bad: Array) -> Array:
        return known[bad[codes[known]]] if bad.any() else np.zeros(0, np.int64)

    value = _quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        rows_with(~wellformed),
        lambda row: f"{value(row)} is not a date",
        "write YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with or without a zone, or leave the value empty",
    )
    report_rows(
        problems,
        table,
        column,
        rows_with(wellformed & np.isnan(days)),
        lambda row: f"{value(row)} does not exist",
        "write a day and a time that the calendar has",
    )
    values = np.full(len(raw), np.nan)
    values[known] = days[codes[known]]
    return values


def parse_strings(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return texts exactly as they stand, '' where missing, object str, [num_rows]."""
    codes, distinct = distinct_strings(table, column, problems)
    return distinct[codes]


def distinct_strings(table: RawTable, column: str, problems: list[Problem]) -> tuple[Array, Array]:
    """Return each row's position in the distinct strings, int32, [num_rows], and these, object str, [num_distinct]."""
    text = _to_text(table.columns[column])
    if text is None:
        _wrong_type(problems, table, column, "strings")
        return np.zeros(len(table), np.int32), np.array([""], object)
    codes, texts = _encode(pc.fill_null(text, ""))
    return codes, texts.to_numpy(zero_copy_only=False).astype(object)


def parse_ids(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return ids, none of them empty, object str, [num_rows]. Integers become their decimal text."""
    text = _id_text(table, column, problems)
    if text is None:
        return np.full(len(table), "", object)
    return text.to_numpy().astype(object)


def parse_references(table: RawTable, column: str, known: Array, of: str, problems: list[Problem]) -> Array:
    """Return positions in the ids that another table defines, int32, [num_rows].

    Args:
        table: the table.
        column: the column that refers to the other table.
        known: the other table's ids, object str, [num_entities].
        of: the other table's file, for people.
        problems: the list to add to.
    """
    text = _id_text(table, column, problems)
    if text is None:
        return np.full(len(table), -1, np.int32)
    positions = pc.fill_null(pc.index_in(text, value_set=pa.array(known, text.type)), -1).to_numpy()
    unknown = np.flatnonzero((positions < 0) & ~_blank(text))
    value = _quote_rows(text)
    report_rows(
        problems,
        table,
        column,
        unknown,
        lambda row: f"{value(row)} is not in {of}",
        "add it there, or remove the row here",
    )
    return positions.astype(np.int32)


def _id_text(table: RawTable, column: str, problems: list[Problem]) -> pa.ChunkedArray | None:
    """Return ids as text, '' where missing, or None if the column cannot hold ids."""
    raw = table.columns[column]
    text = None if pa.types.is_floating(raw.type) or pa.types.is_boolean(raw.type) else _to_text(raw)
    if text is None:
        _wrong_type(problems, table, column, "ids", "store ids as text or as whole numbers")
        return None
    text = pc.fill_null(text, "")
    report_rows(
        problems, table, column, np.flatnonzero(_blank(text)), lambda row: "the id is missing", "give the row an id"
    )
    return text


def _day_of_text(text: str) -> float:
    """Return the day (UTC, since 1970-01-01) of a text like `_DATE`, NaN where the calendar has no such time."""
    try:
        time = datetime.fromisoformat(text[:11] + text[11:].replace(" ", ""))  # no space before the zone
    except ValueError:
        return np.nan
    return _day((time if time.tzinfo is None else time.astimezone(UTC)).date())


def _blank(text: pa.ChunkedArray) -> Array:
    return _to_bool(pc.equal(pc.utf8_trim_whitespace(text), ""))


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _wrong_type(
    problems: list[Problem], table: RawTable, column: str, expected: str, remedy: str | None = None
) -> None:
    what = f"the column holds {table.columns[column].type}, not {expected}"
    remedy = remedy or "store it as such (or as text), or fix the column's role in the config"
    problems.append(Problem(table.file, column, None, what, remedy))


def _quote_rows(raw: pa.ChunkedArray) -> Callable[[int], str]:
    """Return what repeats a row's value in a message."""

    def quote(row: int) -> str:
        text = raw[row].cast(pa.large_string()).as_py()  # Arrow, unlike Python, can write the year 12000
        return quote_value(text) if _is_text(raw.type) else str(text)

    return quote


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _to_text(raw: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column as text; None where its type has no plain text."""
    if pa.types.is_nested(raw.type) or pa.types.is_binary(raw.type) or pa.types.is_large_binary(raw.type):
        return None
    return pc.cast(raw, pa.large_string())


def _null_where_missing(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return trimmed texts with null for those that mean a missing value."""
    text = pc.utf8_trim_whitespace(_to_text(raw))
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(MISSING, pa.large_string()))
    return pc.if_else(missing, None, text)


def _encode(text: pa.ChunkedArray) -> tuple[Array, pa.Array]:
    """Return each row's position in the distinct texts (-1: null), [num_rows], and these, [num_distinct]."""
    encoded = pc.dictionary_encode(text).unify_dictionaries().combine_chunks()
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), encoded.dictionary


def _to_float(values: pa.ChunkedArray | pa.Array) -> Array:
    return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _to_bool(values: pa.ChunkedArray | pa.Array) -> Array:
    return np.asarray(values, bool)
