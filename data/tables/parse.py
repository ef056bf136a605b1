"""Turn raw columns into the arrays of a `Dataset`, and say of every value that cannot be one where it stands.

Text, typed Parquet columns and query results take the same way. Each function adds to `problems` and returns an array
of the right shape in any case, so that all problems of all columns are found at once.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import ColumnConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import Problem
from nextbest.data.tables.dates import parse_dates
from nextbest.data.tables.raw_table import (
    MISSING_STRINGS,
    RawTable,
    encode,
    is_number,
    is_text,
    known_text,
    quote_rows,
    report_rows,
    report_wrong_type,
    to_bool,
    to_float,
    to_text,
)

__all__ = [
    "distinct_strings",
    "parse_booleans",
    "parse_column",
    "parse_ids",
    "parse_numbers",
    "parse_references",
    "parse_strings",
    "plain_numbers",
]

TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")
"""How a boolean may be spelt, in any case."""

_BLANK = " '\u2019\u00a0\u202f"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_POINT = rf"^[+-]?(?:(?:\d+|\d{{1,3}}(?:[{_BLANK}]\d{{3}})+)\.?\d*|\.\d+){_EXPONENT} ?%?$|^[+-]?(?i:inf(?:inity)?)$"
_GROUPED = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)? ?%?$"
_COMMA = rf"^[+-]?(?:(?:\d+|\d{{1,3}}(?:[.{_BLANK}]\d{{3}})+)(?:,\d*)?|,\d+){_EXPONENT} ?%?$"
_LARGEST = float(np.finfo(np.float32).max)


def parse_column(table: RawTable, column: str, described: ColumnConfig, problems: list[Problem]) -> Array:
    """Return a feature column as `data.dataset.Features` defines it for its role, [num_rows]."""
    if described.role == "date":
        return parse_dates(table, column, problems, date_format=described.date_format).astype(np.float32)
    if described.role == "number":
        return parse_numbers(table, column, problems, described.decimal)
    return (parse_booleans if described.role == "boolean" else parse_strings)(table, column, problems)


def parse_numbers(table: RawTable, column: str, problems: list[Problem], decimal: str | None = None) -> Array:
    """Return finite numbers, NaN where missing, float32, [num_rows].

    Args:
        table: the table.
        column: the column.
        problems: the list to add to.
        decimal: the column's decimal sign, if it is not the table's.
    """
    raw = table.columns[column]
    if is_text(raw.type):
        values = _numbers_from_text(table, column, decimal or table.notation.decimal, problems)
    elif is_number(raw.type) or pa.types.is_boolean(raw.type):
        values = to_float(raw)
    else:
        report_wrong_type(problems, table, column, "numbers")
        return np.full(len(table), np.nan, np.float32)
    too_large = np.abs(values) > _LARGEST  # false for NaN
    value = quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(too_large),
        lambda row: f"{value(row)} is infinite or too large for a 32-bit number",
        "write a finite number in a larger unit, or leave the value empty",
    )
    return np.where(too_large, np.nan, values).astype(np.float32)


def _numbers_from_text(table: RawTable, column: str, decimal: str | None, problems: list[Problem]) -> Array:
    """Return numbers, infinite where written so, NaN where missing or malformed, float64, [num_rows]."""
    text = known_text(table, column)
    if decimal != ",":
        with suppress(pa.ArrowInvalid):  # which says neither where nor what, so the patterns are tried below
            return to_float(text)
    numbers = plain_numbers(text, decimal)
    malformed = np.flatnonzero(to_bool(pc.and_(pc.is_valid(text), pc.is_null(numbers))))
    comma = to_bool(pc.match_substring_regex(text.take(pa.array(malformed)), f"{_COMMA}|{_GROUPED}"))
    value = quote_rows(table.columns[column])
    report_rows(
        problems,
        table,
        column,
        malformed[comma],
        lambda row: f"{value(row)} has a comma, which may be a decimal comma",
        'set decimal = "," or "." for the table in the config, or write a decimal point and no thousands separators',
    )
    example = "1234,5" if decimal == "," else "1234.5"
    report_rows(
        problems,
        table,
        column,
        malformed[~comma],
        lambda row: f"{value(row)} is not a number",
        f"write a number, for example {example}, or leave the value empty",
    )
    return to_float(numbers)


def plain_numbers(text: pa.ChunkedArray, decimal: str | None) -> pa.ChunkedArray:
    """Return numbers as Arrow casts them: a decimal point, no groups, no percent sign; null where it is no number."""
    pattern = {",": _COMMA, ".": f"{_POINT}|{_GROUPED}", None: _POINT}[decimal]
    text = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
    text = pc.replace_substring_regex(text, f"[{_BLANK}%{'.' if decimal == ',' else ','}]", "")
    return pc.replace_substring(text, ",", ".")


def parse_booleans(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return 1 for true, 0 for false, NaN where missing, float32, [num_rows]."""
    raw = table.columns[column]
    if is_text(raw.type):
        text = pc.utf8_lower(known_text(table, column))
        true, false = (to_bool(pc.is_in(text, value_set=pa.array(names, text.type))) for names in (TRUE, FALSE))
        missing = to_bool(pc.is_null(text))
    elif is_number(raw.type) or pa.types.is_boolean(raw.type):
        values = to_float(raw)
        true, false, missing = values == 1, values == 0, np.isnan(values)
    else:
        report_wrong_type(problems, table, column, "booleans")
        return np.full(len(table), np.nan, np.float32)
    value = quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(~(true | false | missing)),
        lambda row: f"{value(row)} is neither true nor false",
        "write true or false (also 1 or 0, yes or no), or leave the value empty",
    )
    return np.select([true, false], [1.0, 0.0], np.nan).astype(np.float32)


def parse_strings(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return texts without surrounding blanks, '' where missing, object str, [num_rows]."""
    codes, distinct = distinct_strings(table, column, problems)
    return distinct[codes]


def distinct_strings(table: RawTable, column: str, problems: list[Problem]) -> tuple[Array, Array]:
    """Return each row's position in the distinct strings, int32, [num_rows], and these, object str, [num_distinct]."""
    if to_text(table.columns[column]) is None:
        report_wrong_type(problems, table, column, "strings")
        return np.zeros(len(table), np.int32), np.array([""], object)
    codes, texts = encode(pc.fill_null(known_text(table, column, MISSING_STRINGS), ""))
    return codes, texts.to_numpy(zero_copy_only=False).astype(object)


def parse_ids(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return ids without surrounding blanks, none of them empty, object str, [num_rows].

    Whole numbers, of whatever type, become their decimal text.
    """
    text = _id_text(table, column, problems)
    if text is None:
        return np.full(len(table), "", object)
    return text.to_numpy().astype(object)


def parse_references(
    table: RawTable, column: str, known: Array, of: str, problems: list[Problem], drop: bool = False
) -> Array:
    """Return positions in the ids that another table defines, -1 for those that it does not know, int32, [num_rows].

    Args:
        table: the table.
        column: the column that refers to the other table.
        known: the other table's ids, object str, [num_entities].
        of: the other table's file, for people.
        problems: the list to add to.
        drop: whether an unknown id is no problem, unless it is one of another spelling.
    """
    text = _id_text(table, column, problems)
    if text is None:
        return np.full(len(table), -1, np.int32)
    positions = pc.fill_null(pc.index_in(text, value_set=pa.array(known, text.type)), -1).to_numpy()
    unknown = np.flatnonzero((positions < 0) & ~_blank(text))
    if cause := _other_spelling(text.take(pa.array(unknown)), known, of):
        what = f"{len(unknown):,} of {len(text):,} rows name nothing that is in {of}: {cause}"
        problems.append(Problem(table.file, column, None, what, "spell the ids alike in both tables"))
        return positions.astype(np.int32)
    value = quote_rows(text)
    report_rows(
        problems,
        table,
        column,
        unknown[: 0 if drop else len(unknown)],
        lambda row: f"{value(row)} is not in {of}",
        'add it there, or remove the row here, or set interactions.unknown = "drop" in the config',
    )
    return positions.astype(np.int32)


def _other_spelling(unknown: pa.ChunkedArray, known: Array, of: str) -> str | None:
    """Say how two tables spell the same ids, if most of the unknown ones are known otherwise spelt."""
    ours = encode(unknown)[1].to_pylist()
    for simplify in (str.casefold, lambda text: text.lstrip("0"), _letters_and_digits):
        theirs = {simplify(text): text for text in known}
        meeting = [(text, theirs[simplify(text)]) for text in ours if simplify(text) in theirs]
        if ours and 2 * len(meeting) > len(ours):
            return "here they are spelt {!r}, there {!r}".format(*meeting[0])
    return None


def _letters_and_digits(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lstrip("0").casefold()


def _id_text(table: RawTable, column: str, problems: list[Problem]) -> pa.ChunkedArray | None:
    """Return ids as text, '' where missing, or None if the column cannot hold ids."""
    raw = table.columns[column]
    if pa.types.is_floating(raw.type):
        with suppress(pa.ArrowInvalid):  # it has fractions
            raw = pc.cast(raw, pa.int64())
    fractions = pa.types.is_decimal(raw.type) or pa.types.is_floating(raw.type)
    text = None if fractions or pa.types.is_boolean(raw.type) else to_text(raw)
    if text is None:
        report_wrong_type(problems, table, column, "ids", "store ids as text or as whole numbers")
        return None
    text = pc.fill_null(pc.utf8_trim_whitespace(text), "")
    report_rows(
        problems, table, column, np.flatnonzero(_blank(text)), lambda row: "the id is missing", "give the row an id"
    )
    return text


def _blank(text: pa.ChunkedArray) -> Array:
    return to_bool(pc.equal(text, ""))
