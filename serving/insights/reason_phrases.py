"""What can be said aloud of a customer: phrases such as 'holds two funds' or 'is 34 years old', by templates.

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
from nextbest.serving.formatting import format_name, format_number, is_money
from nextbest.serving.insights.profiles import Attribute
from nextbest.serving.insights.reason_groups import is_protected

__all__ = ["Phrase", "column_phrase", "count_nouns", "join_words", "number_word", "plural"]

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NOUNS = (
    *("account", "bond", "card", "certificate", "contract", "credit", "deposit", "etf", "fund", "guarantee", "lease"),
    *(
        "line",
        "loan",
        "mortgage",
        "overdraft",
        "pension",
        "plan",
        "policy",
        "portfolio",
        "product",
        "scheme",
        "service",
    ),
    *("share", "stock", "warrant"),
)
"""Nouns that people count; a category that ends in another word is counted by its products."""
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


def number_word(count: int) -> str:
    """Return a count as a word up to twelve: 'two', '13'."""
    return _NUMBERS[count] if 0 <= count < len(_NUMBERS) else f"{count:,}"


def join_words(words: Sequence[str]) -> str:
    """Return 'a, b and c'."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def plural(noun: str) -> str:
    """Return an English noun in the plural."""
    if re.search("[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search("(s|x|z|ch|sh)$", noun) else f"{noun}s"


def count_nouns(category: str, count: int | None = None) -> str:
    """Return so many products of a category: 'two funds', 'one home insurance policy'; without a count 'funds'."""
    noun = _noun(format_name(category).strip())
    return plural(noun) if count is None else f"{number_word(count)} {noun if count == 1 else plural(noun)}"


def _noun(category: str) -> str:
    """Return what one product of a category is called."""
    first, last = category.rpartition(" ")[0], category.rpartition(" ")[2]
    if last.lower() == "insurance":
        return f"{category} policy"
    for noun in _NOUNS:
        if last.lower() in (noun, plural(noun)):
            singular = last if last.lower() == noun else noun
            return f"{first} {singular}".strip()
    return f"{category} product".strip()


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
            return Phrase(f'is {"" if raw else "not "}marked as "{attribute.label}"')
        case "category" if _is_speakable(attribute.label):
            return _category(attribute, is_segment)
    return None


def _category(attribute: Attribute, is_segment: bool) -> Phrase | None:
    value = format_name(attribute.value).strip()
    if value.lower() in _NOTHING_SAID or re.search("\\d", value) or is_named(value, "protected"):
        return None
    if is_segment:
        return Phrase(f'belongs to the segment "{value}"')
    return Phrase(f'is listed as "{value}" under {attribute.label}')


def _date(attribute: Attribute, value: int, day: int) -> Phrase | None:
    if is_named(attribute.name, "birth"):
        return _age(int((day - value) / _DAYS_PER_YEAR), attribute, older_from=_LOW, younger_from=_HIGH)
    if is_named(attribute.name, "tenure"):
        return Phrase(f"has been a customer since {np.datetime64(value, 'D').item():%Y}")
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
        comparison = f"older than {others}" if older else f"younger than {others}" if younger else ""
    return Phrase(f"is {years} year{'' if years == 1 else 's'} old", comparison)


def _number(attribute: Attribute, value: float, column: Mapping[str, Any]) -> Phrase | None:
    unit, label = column.get("unit", ""), attribute.label
    if is_named(attribute.name, "age") and unit in ("", "years"):
        return _age(int(value), attribute)
    if is_named(attribute.name, "tenure") and unit in ("years", "months"):
        return _tenure(attribute, value, unit)
    if not _is_speakable(label) or (value == 0 and column.get("zero_means")):
        return None
    label = label.removesuffix(f" {unit}") if unit else label
    is_plural = re.search("[^suio]s$", label) is not None
    if value == 0 and (is_money(unit) or is_plural):
        return Phrase(f"has no {label}")
    if is_plural and not unit and value == int(value) > 0:
        return _count(attribute, label, int(value))
    article = "" if is_plural else f"{_article(label)} "
    others = _compared(attribute, "above {}", "below {}")
    text = f"has {article}{label} of {_spoken_number(value, unit)}"
    return Phrase(text, others, f"has {article}{label} {others}" if others else "")


def _count(attribute: Attribute, label: str, count: int) -> Phrase:
    """Return how many there are of what a plural names, as 'has two dependants'."""
    noun = label if count > 1 else f"{label[:-3]}y" if label.endswith("ies") else label[:-1]
    return Phrase(f"has {number_word(count)} {noun}", _compared(attribute, "more than {}", "fewer than {}"))


def _tenure(attribute: Attribute, value: float, unit: str) -> Phrase:
    whole = int(value)
    time = f"{number_word(whole)} {unit if whole > 1 else unit[:-1]}" if whole else f"less than a {unit[:-1]}"
    compared = _compared(attribute, "longer than {}", "not as long as {}")
    return Phrase(f"has been a customer for {time}", compared)


def _compared(attribute: Attribute, above: str, below: str) -> str:
    """Return how a value compares with most of the segment, or of all; '' where it is among the middle half."""
    others, percentile = _others(attribute)
    if percentile is None or _LOW < percentile < _HIGH:
        return ""
    return (above if percentile >= _HIGH else below).format(others)


def _others(attribute: Attribute) -> tuple[str, float | None]:
    if attribute.percentile is not None:
        return "most of the segment", attribute.percentile
    return "most customers", attribute.percentile_overall


def _spoken_number(value: float, unit: str) -> str:
    amount, _, period = unit.partition("/")
    if abs(value) == 1 and amount.endswith("s"):
        amount = amount[:-1]
    return format_number(value, amount) + (f" a {period}" if period else "")


def _article(noun: str) -> str:
    """Return 'a' or 'an' by how a noun begins; 'a utilisation', since that is no vowel when it is spoken."""
    return "an" if re.match("(?!eu|u[bcfhjkqrstn][aeiou])[aeiou]", noun.lower()) else "a"


def _is_speakable(label: str) -> bool:
    """Return whether a column's name is made of words, and not a code such as x17 or ind_nom."""
    words = label.split()
    return (
        bool(words)
        and all(re.fullmatch("[^\\W\\d_]{3,}|of|in|to|at", word) for word in words)
        and words[0].lower() not in ("ind", "num", "avg", "cod", "days", "months", "number", "count", "flag")
    )
