"""Names and values as people read them: on the page, in explanations and on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "MISSING",
    "SHARE",
    "column_title",
    "column_words",
    "format_change",
    "format_name",
    "format_number",
    "format_probability",
    "format_similarity",
    "format_value",
    "is_money",
    "sentence_case",
]

MISSING = "-"
"""What stands where a value is missing."""
SHARE = "share"
"""The unit of a number from 0 to 1 that people read as a percentage."""

_MONEY = re.compile("[A-Z]{3}(/.*)?")
_WHOLE_FROM = 1000
"""Numbers from here on are rounded to whole ones."""
_DECIMALS = 2
"""How many decimals smaller numbers have, and how many digits those have that would round to zero."""


def is_money(unit: str) -> bool:
    """Return whether a unit is a currency (ISO 4217, such as EUR), also by period (EUR/year)."""
    return _MONEY.fullmatch(unit) is not None


def format_name(column: str) -> str:
    """Return a column's name as people read it."""
    return column.replace("_", " ")


def format_value(value: Any, column: Mapping[str, Any]) -> str:
    """Return a raw value as people read it, with its unit; MISSING for NaN, an infinity and ''.

    Args:
        value: One cell of `data.dataset.Features`.
        column: What the manifest says of its column (a dumped `ColumnConfig`).
    """
    if isinstance(value, str):
        return value or MISSING
    if not np.isfinite(value):
        return MISSING
    if column["role"] == "date":
        return str(np.datetime64(int(value), "D"))
    if column["role"] == "boolean":
        return "yes" if value else "no"
    if value == 0 and column.get("zero_means"):  # exports of 0.3.0 have none
        return str(column["zero_means"])
    return format_number(float(value), column["unit"])


def format_number(value: float, unit: str = "") -> str:
    """Return a finite number, sensibly rounded, with its unit: 42,137 EUR; 129.90 EUR/year; 2.5 years; 43%."""
    if unit == SHARE:
        return f"{_rounded(100 * value, 1)}%"
    if unit.startswith("%"):
        return _rounded(value, _DECIMALS) + unit
    return f"{_rounded(value, _DECIMALS, cents=is_money(unit))} {unit}".strip()


def _rounded(value: float, decimals: int, cents: bool = False) -> str:
    """Round to whole numbers from `_WHOLE_FROM`, else to decimals; zeros at the end go unless they are of cents."""
    rounded = round(value, 0 if abs(value) >= _WHOLE_FROM else decimals) + 0.0  # no minus before a zero
    if rounded == round(rounded):
        tiny = rounded == 0 != value
        return np.format_float_positional(value, _DECIMALS, fractional=False, trim="-") if tiny else f"{rounded:,.0f}"
    return f"{rounded:.{decimals}f}" if cents else f"{rounded:.{decimals}f}".rstrip("0")


def format_probability(value: float) -> str:
    """Return a probability with one decimal, so that those of a column stand below each other: 6.0%."""
    return f"{value:.1%}"


def format_similarity(value: float) -> str:
    """Return a cosine with two decimals, for the same reason: 0.30."""
    return f"{value:.2f}"


def format_change(value: float, decimals: int) -> str:
    """Return a difference with its sign, and a minus as wide as the plus: +0.42."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def sentence_case(name: str) -> str:
    """Return a column's, a category's or a model's name as a title: 'current_account' is 'Current account'."""
    title = format_name(name)
    return title[:1].upper() + title[1:]


def column_title(name: str, unit: str) -> str:
    """Return a column's name as the title of values that carry the unit: duration_months in months is 'Duration'."""
    return sentence_case(column_words(name, unit))


def column_words(name: str, unit: str) -> str:
    """Return the same within a sentence: 'duration'."""
    words = format_name(name)
    return words.removesuffix(f" {unit}") if unit else words
