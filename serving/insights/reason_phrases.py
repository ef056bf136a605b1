"""What can be said aloud of a customer: phrases such as 'holds two funds' or 'is 34 years old', by templates of words/.

A phrase is what follows the customer as the subject. What has no phrase is not said: missing values, texts, columns
whose names are no words, and whatever is protected (see `reason_groups.is_protected`). So a bank's own columns give
phrases that are plain at worst, and never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbest.data.tables.words import is_named
from nextbest.serving.english import is_plural
from nextbest.serving.formatting import format_name, format_number, is_money
from nextbest.serving.insights.profiles import Attribute
from nextbest.serving.insights.reason_groups import is_protected
from nextbest.serving.language import say

__all__ = ["Phrase", "column_phrase", "count_nouns", "join_words"]

_HIGH, _LOW = 75.0, 25.0
"""A percentile from or up to which a value is above or below most others."""
_NOTHING_SAID = {"", "none", "unknown", "other", "no", "yes", "na", "n/a", "-", "0", "1", "true", "false"}
"""Categories that say nothing when read aloud."""
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Phrase:
    """Something said of a customer."""

    text: str
    """Such as 'has savings of 104,400 EUR'."""
    comparison: str = ""
    """What sets the customer apart from others, such as 'above most of the segment'."""
    short: str = ""
    """The same in a few words, such as 'has savings above most of the segment'; the text where it is ''."""

    @property
    def full(self) -> str:
        """The text with the comparison."""
        return f"{self.text}, {self.comparison}" if self.comparison else self.text

    @property
    def brief(self) -> str:
        """The text in a few words."""
        return self.short or self.text


def join_words(words: Sequence[str]) -> str:
    """Return 'a, b and c'."""
    *others, last = words
    return say("words-and", words=", ".join(others), last=last) if others else last


def count_nouns(category: str, count: int | None = None) -> str:
    """Return so many products of a category: 'two funds', 'one home insurance policy'; without a count 'funds'."""
    name = format_name(category).strip()
    return say("products-like", category=name) if count is None else say("products-of", category=name, count=count)


def column_phrase(
    attribute: Attribute, raw: Any, column: Mapping[str, Any], day: int, is_segment: bool
) -> Phrase | None:
    """Return what is said of a column's value; None where nothing is.

    Args:
        attribute: The value, compared with others (see `profiles`).
        raw: The raw value.
        column: What the manifest says of the column.
        day: The day of the request, days since 1970-01-01.
        is_segment: Whether it is the column of segments.
    """
    if attribute.missing or is_protected(attribute.name, column):
        return None
    match attribute.role:
        case "number":
            return _number(attribute, float(raw), column)
        case "date":
            return _date(attribute, int(raw), day)
        case "boolean" if _is_speakable(attribute.label):
            return Phrase(say("said-marked", answer="yes" if raw else "no", label=attribute.label))
        case "category" if _is_speakable(attribute.label):
            return _category(attribute, is_segment)
    return None


def _category(attribute: Attribute, is_segment: bool) -> Phrase | None:
    value = format_name(attribute.value).strip()
    if value.lower() in _NOTHING_SAID or re.search("\\d", value) or is_named(value, "protected"):
        return None
    if is_segment:
        return Phrase(say("said-segment", segment=value))
    return Phrase(say("said-listed", value=value, label=attribute.label))


def _date(attribute: Attribute, value: int, day: int) -> Phrase | None:
    if is_named(attribute.name, "birth"):
        return _age(int((day - value) / _DAYS_PER_YEAR), attribute, older_from=_LOW, younger_from=_HIGH)
    if is_named(attribute.name, "tenure"):
        return Phrase(say("said-since", year=f"{np.datetime64(value, 'D').item():%Y}"))
    return None


def _age(years: int, attribute: Attribute, older_from: float = _HIGH, younger_from: float = _LOW) -> Phrase | None:
    """Return an age; of a date of birth, the older have the lower percentiles."""
    if years < 0:
        return None
    others, percentile = _others(attribute)
    comparison = ""
    if percentile is not None:
        rising = older_from > younger_from
        older = percentile >= older_from if rising else percentile <= older_from
        younger = percentile <= younger_from if rising else percentile >= younger_from
        if older or younger:
            comparison = say("compared", how="older" if older else "younger", others=others)
    return Phrase(say("said-age", years=years), comparison)


def _number(attribute: Attribute, value: float, column: Mapping[str, Any]) -> Phrase | None:
    unit, label = column.get("unit", ""), attribute.label
    if is_named(attribute.name, "age") and unit in ("", "years"):
        return _age(int(value), attribute)
    if is_named(attribute.name, "tenure") and unit in ("years", "months"):
        text = say("said-tenure", unit=unit, count=int(value))
        return Phrase(text, _compared(attribute, "longer", "shorter"))
    if not _is_speakable(label) or (value == 0 and column.get("zero_means")):
        return None
    label = label.removesuffix(f" {unit}") if unit else label
    if value == 0 and (is_money(unit) or is_plural(label)):
        return Phrase(say("said-nothing", label=label))
    if is_plural(label) and not unit and value == int(value) > 0:
        return Phrase(say("said-count", label=label, count=int(value)), _compared(attribute, "more", "fewer"))
    text = say("said-number", label=label, value=_spoken_number(value, unit))
    compared = _compared(attribute, "above", "below")
    return Phrase(text, compared, _compared(attribute, "above", "below", "said-number-compared", label=label))


def _compared(attribute: Attribute, above: str, below: str, message: str = "compared", **values: str) -> str:
    """Return how a value compares with most of the segment, or of all; '' where it is among the middle half."""
    others, percentile = _others(attribute)
    if percentile is None or _LOW < percentile < _HIGH:
        return ""
    return say(message, how=above if percentile >= _HIGH else below, others=others, **values)


def _others(attribute: Attribute) -> tuple[str, float | None]:
    """Return with whom a value is compared, and its percentile."""
    if attribute.percentile is not None:
        return "segment", attribute.percentile
    return "all", attribute.percentile_overall


def _spoken_number(value: float, unit: str) -> str:
    amount, _, period = unit.partition("/")
    if abs(value) == 1 and amount.endswith("s"):
        amount = amount[:-1]
    number = format_number(value, amount)
    return say("number-by-period", number=number, period=period) if period else number


def _is_speakable(label: str) -> bool:
    """Return whether a column's name is made of words, and not a code such as x17 or ind_nom."""
    words = label.split()
    return (
        bool(words)
        and all(re.fullmatch("[^\\W\\d_]{3,}|of|in|to|at", word) for word in words)
        and words[0].lower() not in ("ind", "num", "avg", "cod", "days", "months", "number", "count", "flag")
    )
