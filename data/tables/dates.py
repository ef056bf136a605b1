"""Dates in any notation: days from texts, numbers and times, and which notation a column has."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import ISO_DATE
from nextbest.data.dataset import Array
from nextbest.data.errors import Problem
from nextbest.data.tables.raw_table import (
    RawTable,
    encode,
    is_text,
    known_text,
    quote_rows,
    report_rows,
    report_wrong_type,
    to_bool,
)

__all__ = ["DaysOfTexts", "days_from_texts", "guess_date_formats", "parse_dates"]

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
"""Dates outside these years are slips or stand for 'never', and would distort every age computed from them."""
_FIRST_DAY, _LAST_DAY = (
    (date(_FIRST_YEAR, 1, 1) - date(1970, 1, 1)).days,
    (date(_LAST_YEAR, 12, 31) - date(1970, 1, 1)).days,
)

_SECONDS_PER_DAY = 86_400
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCHS = {"epoch_s": 1, "epoch_ms": 10**3}
"""Notation -> its ticks a second."""
_FIRST_EPOCH_DAY = (date(1980, 1, 1) - date(1970, 1, 1)).days
"""Whole numbers are guessed to be seconds or milliseconds only from here on, where they cannot be mistaken."""
_KNOWN = (
    ISO_DATE, "yyyy/mm/dd", "yyyy.mm.dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "dd-mm-yyyy", "mm-dd-yyyy",
    "dd-mmm-yyyy", "dd mmm yyyy", "dd.mm.yy", "dd/mm/yy", "mm/dd/yy", "dd-mmm-yy", "yyyymmdd", "yyyy-mm", "yyyy/mm",
    "mm/yyyy", "mm.yyyy", "yyyymm", "epoch_s", "epoch_ms",
)  # fmt: skip
"""The notations that a column is tried for."""
_LIKE_A_DATE = r"^\d{1,4}[-./ ](?:\d{1,4}|[A-Za-z]{3})|^\d{6,14}$"
"""What all of them begin with, which is tried first."""
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_CENTURY_STARTS = 69
"""A year of two digits from here on is of the last century, as POSIX has it."""
_TIME = (
    r"(?:[T ]+(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?)?"
    r"(?: ?(?P<zone>Z|[+-]\d{2}(?::?[0-5]\d)?))?)?"
)
_PLACES = {"yyyy": r"(?P<year>\d{4})", "yy": r"(?P<year>\d{2})", "mmm": "(?P<month>[A-Za-z]{3})"}


def parse_dates(
    table: RawTable, column: str, problems: list[Problem], required: bool = False, date_format: str | None = None
) -> Array:
    """Return whole days since 1970-01-01, NaN where missing, float64, [num_rows].

    Args:
        table: the table.
        column: the column.
        problems: the list to add to.
        required: whether a missing date is a problem.
        date_format: how the column writes a date, if not as the table does.
    """
    raw, notation = table.columns[column], table.notation
    date_format = date_format or notation.date_format
    try:
        if pa.types.is_null(raw.type):
            days, missing = np.full(len(table), np.nan), pc.is_null(raw)
        elif pa.types.is_date(raw.type) or pa.types.is_timestamp(raw.type):
            days, missing = _days_from_times(raw, notation.time_zone), pc.is_null(raw)
        elif pa.types.is_integer(raw.type) and date_format.startswith("epoch"):
            days, missing = _days_from_numbers(raw, date_format), pc.is_null(raw)
        elif is_text(raw.type) or (pa.types.is_integer(raw.type) and date_format != ISO_DATE):
            missing = pc.is_null(known_text(table, column))
            days = _dates_from_text(table, column, date_format, problems)
        else:
            remedy = _date_remedy(pc.cast(raw, pa.large_string())) if pa.types.is_integer(raw.type) else None
            report_wrong_type(problems, table, column, "dates", remedy)
            return np.full(len(table), np.nan)
    except ValueError as error:
        problems.append(Problem(table.file, column, None, str(error), "set time_zone to a zone such as Europe/Vienna"))
        return np.full(len(table), np.nan)
    if required:
        report_rows(
            problems,
            table,
            column,
            np.flatnonzero(to_bool(missing)),
            lambda row: "the date is missing",
            "give the row a date",
        )
    implausible = (days < _FIRST_DAY) | (days > _LAST_DAY)
    value = quote_rows(raw)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(implausible),
        lambda row: f"{value(row)} is not a plausible date",
        f"write a date in {_FIRST_YEAR} to {_LAST_YEAR}, or leave the value empty",
    )
    return np.where(implausible, np.nan, days)


def _dates_from_text(table: RawTable, column: str, date_format: str, problems: list[Problem]) -> Array:
    """Return days since 1970-01-01, NaN where missing or bad, float64, [num_rows]."""
    raw, time_zone = table.columns[column], table.notation.time_zone
    text = known_text(table, column)
    if date_format == ISO_DATE and (whole := _whole_iso_days(text, time_zone)) is not None:
        return whole
    codes, texts = encode(text)  # days repeat, so that each is parsed once
    found = days_from_texts(texts, date_format, time_zone)
    if date_format != ISO_DATE:
        found |= days_from_texts(texts, ISO_DATE, time_zone)
    known = np.flatnonzero(codes >= 0)

    def rows_with(bad: Array) -> Array:
        return known[bad[codes[known]]] if bad.any() else np.zeros(0, np.int64)

    value = quote_rows(raw)
    malformed = rows_with(~found.wellformed)
    remedy = _date_remedy(text.take(pa.array(malformed)), date_format) if len(malformed) else ""
    report_rows(problems, table, column, malformed, lambda row: f"{value(row)} is not a date", remedy)
    report_rows(
        problems,
        table,
        column,
        rows_with(found.wellformed & np.isnan(found.days)),
        lambda row: f"{value(row)} does not exist",
        "write a day and a time that the calendar has",
    )
    values = np.full(len(raw), np.nan)
    values[known] = found.days[codes[known]]
    return values


def _date_remedy(malformed: pa.ChunkedArray, date_format: str = ISO_DATE) -> str:
    """Say how a date is written, or which notation all of these have."""
    if formats := guess_date_formats(encode(malformed)[1], share=1):
        return f"set date_format = {' or '.join(map(repr, formats))} for the table in the config".replace("'", '"')
    if date_format == ISO_DATE:
        return "write YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with or without a zone, or leave the value empty"
    return f"write it as {date_format}, or leave the value empty"


@dataclass(frozen=True)
class DaysOfTexts:
    """What texts mean as dates."""

    days: Array
    """Days since 1970-01-01, NaN where the text is no date, float64, [num_texts]."""
    wellformed: Array
    """Whether a text has the notation, bool, [num_texts]."""

    def __or__(self, other: DaysOfTexts) -> DaysOfTexts:
        """Return the days of what either understands, ours first."""
        days = np.where(np.isnan(self.days), other.days, self.days)
        return DaysOfTexts(days, self.wellformed | other.wellformed)


@cache
def _pattern(date_format: str) -> str:
    """Return the regular expression of a notation; days and months may have one digit where a separator follows."""
    width = "{1,2}" if re.search("[-./ ]", date_format) else "{2}"

    def place(token: re.Match[str]) -> str:
        return _PLACES.get(token[0]) or rf"(?P<{'day' if token[0] == 'dd' else 'month'}>\d{width})"

    separated = "".join(rf"\{part}" if part in "-./" else part for part in re.split("([-./ ])", date_format))
    return "^" + re.sub("yyyy|yy|mmm|mm|dd", place, separated) + _TIME + "$"


def days_from_texts(texts: pa.Array, date_format: str, time_zone: str | None = None) -> DaysOfTexts:
    """Read texts of one notation.

    Args:
        texts: Without missing values, [num_texts].
        date_format: See `NotationConfig`.
        time_zone: The zone in which a day is cut where a time states another zone; without it the day is as written.

    Raises:
        ValueError: No such zone is known here.
    """
    if date_format in _EPOCHS:
        wellformed = to_bool(pc.match_substring_regex(texts, r"^-?\d{1,18}$"))
        numbers = pc.cast(pc.if_else(wellformed, texts, None), pa.int64())
        return DaysOfTexts(_days_from_numbers(numbers, date_format), wellformed)
    parts = pc.extract_regex(texts, _pattern(date_format))
    wellformed = to_bool(pc.is_valid(parts))
    year, month, day = _year(parts, date_format), _month(parts, date_format), _number(parts, "day", default=0)
    start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
    day = np.where(day == 0, length, day) if "dd" not in date_format else day
    time = [_number(parts, name) for name in ("hour", "minute", "second")]
    exists = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    exists &= (time[0] < 24) & (time[1] < 60) & (time[2] < 60)
    days = start.astype("datetime64[D]").astype(np.int64) + day - 1
    if time_zone is not None:
        days = _in_zone(days, time, parts, time_zone)
    return DaysOfTexts(np.where(wellformed & exists, days, np.nan), wellformed)


def _number(parts: pa.StructArray, name: str, default: int = 0) -> Array:
    """Return a part as a number, the default where it is absent, int64, [num_texts]."""
    if name not in [field.name for field in parts.type]:
        return np.full(len(parts), default, np.int64)
    text = parts.field(name)
    return pc.fill_null(pc.cast(pc.if_else(pc.equal(text, ""), None, text), pa.int64()), default).to_numpy(False)


def _year(parts: pa.StructArray, date_format: str) -> Array:
    year = _number(parts, "year", 1970)
    return year if "yyyy" in date_format else year + np.where(year < _CENTURY_STARTS, 2000, 1900)


def _month(parts: pa.StructArray, date_format: str) -> Array:
    if "mmm" not in date_format:
        return _number(parts, "month", 1)
    found = pc.index_in(pc.utf8_lower(parts.field("month")), value_set=_MONTHS)
    return pc.fill_null(found, -1).to_numpy(False).astype(np.int64) + 1


def _in_zone(days: Array, time: list[Array], parts: pa.StructArray, time_zone: str) -> Array:
    """Return the days in a zone, where the times state one."""
    zone = parts.field("zone").to_pylist()
    stated = np.array([bool(text) for text in zone], bool)
    if not stated.any():
        return days
    seconds = days * _SECONDS_PER_DAY + time[0] * 3600 + time[1] * 60 + time[2]
    offsets = np.array([_offset(text) if text else 0 for text in zone], np.int64)
    utc = pa.array(np.where(stated, seconds - offsets, 0), pa.timestamp("s", "UTC"))
    return np.where(stated, _days_from_times(utc, time_zone), days)


@cache
def _offset(zone: str) -> int:
    """Return an offset like +01:00 in seconds."""
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (int(digits[:2]) * 60 + int(digits[2:])) * (-60 if zone[0] == "-" else 60)


def _whole_iso_days(text: pa.ChunkedArray, time_zone: str | None) -> Array | None:
    """Return the days of a column in which all dates are ISO's; None where one is not; Arrow is fast at them.

    Args:
        text: Null where missing, [num_rows].
        time_zone: As for `days_from_texts`.
    """
    with suppress(pa.ArrowInvalid):  # none has a zone
        return _days_from_times(pc.cast(text, pa.timestamp("us")), None)
    with suppress(pa.ArrowInvalid):  # all have one
        times = pc.cast(text, pa.timestamp("us", "UTC"))
        if time_zone is not None:
            return _days_from_times(times, time_zone)
        return _days_from_times(pc.cast(pc.utf8_slice_codeunits(text, 0, 10), pa.date32()), None)
    return None


def _days_from_times(times: pa.ChunkedArray | pa.Array, time_zone: str | None) -> Array:
    """Return the days of dates or timestamps, NaN where missing, float64, [num_rows].

    Args:
        times: Dates or timestamps; those with a zone count for their day there.
        time_zone: Another zone for those.

    Raises:
        ValueError: No such zone is known here.
    """
    if pa.types.is_date(times.type):
        times = pc.cast(times, pa.timestamp("ms"))
    if times.type.tz is not None:
        try:
            times = pc.local_timestamp(pc.cast(times, pa.timestamp(times.type.unit, time_zone or times.type.tz)))
        except pa.ArrowInvalid as error:
            raise ValueError(f"the time zone {time_zone or times.type.tz!r} is not known here") from error
    ticks = pc.fill_null(pc.cast(times, pa.int64()), 0).to_numpy()
    days = ticks // (_SECONDS_PER_DAY * _TICKS[times.type.unit])  # rounds down before 1970 too
    return np.where(to_bool(pc.is_null(times)), np.nan, days)


def _days_from_numbers(numbers: pa.ChunkedArray | pa.Array, date_format: str) -> Array:
    """Return the days of seconds or milliseconds since 1970 (UTC), NaN where missing, float64, [num_rows]."""
    ticks = pc.cast(numbers, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    days: Array = np.floor(ticks / (_SECONDS_PER_DAY * _EPOCHS[date_format]))
    return days


def guess_date_formats(texts: pa.Array, share: float) -> tuple[str, ...]:
    """Return the notations in which texts are dates that the calendar has, the commonest first.

    More than one is a question: 03/04/2024 may be of March or of April.

    Args:
        texts: The distinct values of a column that are not missing.
        share: How many of them must be dates.
    """
    fitting = {}
    alike = np.count_nonzero(to_bool(pc.match_substring_regex(texts, _LIKE_A_DATE)))
    for date_format in _KNOWN if alike >= share * len(texts) > 0 else ():
        days = days_from_texts(texts, date_format).days
        first = _FIRST_EPOCH_DAY if date_format in _EPOCHS else _FIRST_DAY
        good = np.count_nonzero((days >= first) & (days <= _LAST_DAY))
        if good and good >= share * len(texts):
            fitting[date_format] = good
    plain = [date_format for date_format in fitting if date_format not in _EPOCHS]
    most = max(fitting.values(), default=0)
    return tuple(date_format for date_format in plain or fitting if fitting[date_format] == most)
