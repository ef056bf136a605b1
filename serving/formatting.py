"""Names and values as people read them: on the page, in explanations and on the terminal.

Numbers and dates are written as the current language writes them (see `language`). English needs no package for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from nextbest.serving.language import ENGLISH, babel_locale, current_language, say

__all__ = [
    "MISSING",
    "SHARE",
    "column_title",
    "column_words",
    "format_change",
    "format_date",
    "format_decimals",
    "format_month",
    "format_name",
    "format_number",
    "format_percentage",
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
        day: date = np.datetime64(int(value), "D").item()
        return day.isoformat() if _is_english() else format_date(day)
    if column["role"] == "boolean":
        if _is_english():
            return "yes" if value else "no"
        return say("yes-or-no", answer="yes" if value else "no")
    if value == 0 and column.get("zero_means"):  # exports of 0.3.0 have none
        return str(column["zero_means"])
    return format_number(float(value), column["unit"])


def format_number(value: float, unit: str = "") -> str:
    """Return a finite number, sensibly rounded, with its unit: 42,137 EUR; 129.90 EUR/year; 2.5 years; 43%."""
    if unit == SHARE:
        return _with_unit(_rounded(100 * value, 1), "%", value)
    return _with_unit(_rounded(value, _DECIMALS, cents=is_money(unit)), unit, value)


def _with_unit(number: str, unit: str, value: float) -> str:
    if _is_english():
        return f"{number}{unit}" if unit.startswith("%") else f"{number} {unit}".strip()
    space = "\N{NO-BREAK SPACE}" if unit.startswith("%") else " "
    named = "/".join(say("unit", unit=part, count=value) for part in unit.split("/"))
    return f"{_in_language(number)}{space}{named}".strip()


def _in_language(number: str) -> str:
    """Return a number as the current language writes it, from how English does."""
    if _is_english():
        return number
    symbols = babel_locale().number_symbols["latn"]
    return number.translate(str.maketrans({",": symbols["group"], ".": symbols["decimal"]}))


def _is_english() -> bool:
    return current_language() == ENGLISH


def _rounded(value: float, decimals: int, cents: bool = False) -> str:
    """Round to whole numbers from `_WHOLE_FROM`, else to decimals; zeros at the end go unless they are of cents."""
    rounded = round(value, 0 if abs(value) >= _WHOLE_FROM else decimals) + 0.0  # no minus before a zero
    if rounded == round(rounded):
        tiny = rounded == 0 != value
        return np.format_float_positional(value, _DECIMALS, fractional=False, trim="-") if tiny else f"{rounded:,.0f}"
    return f"{rounded:.{decimals}f}" if cents else f"{rounded:.{decimals}f}".rstrip("0")


def format_percentage(share: float, decimals: int = 0) -> str:
    """Return a share from 0 to 1 as a percentage: 43%."""
    return _with_unit(f"{100 * share:.{decimals}f}", "%", share)


def format_probability(value: float | None) -> str:
    """Return a probability with one decimal, for a column of them: 6.0%; MISSING for None."""
    return MISSING if value is None else format_percentage(value, 1)


def format_similarity(value: float) -> str:
    """Return a cosine with two decimals, for the same reason: 0.30."""
    return format_decimals(value, 2)


def format_decimals(value: float, decimals: int) -> str:
    """Return a number with so many decimals: 0.300."""
    return _in_language(f"{value:.{decimals}f}")


def format_change(value: float, decimals: int) -> str:
    """Return a difference with its sign, and a minus as wide as the plus: +0.42."""
    return _in_language(f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}"))


def format_date(day: date) -> str:
    """Return a day: 27 Sep 2024."""
    if _is_english():
        return f"{day:%d %b %Y}"
    from babel import dates

    return dates.format_date(day, "medium", locale=babel_locale())


def format_month(day: date) -> str:
    """Return a day's month and year: Sep 2024."""
    if _is_english():
        return f"{day:%b %Y}"
    from babel import dates

    return dates.format_skeleton("yMMM", day, locale=babel_locale())


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
