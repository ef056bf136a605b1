"""Find how tables write numbers and dates; what can be read in two ways is a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import ISO_DATE, NotationConfig
from nextbest.data.tables.dates import guess_date_formats
from nextbest.data.tables.parse import plain_numbers
from nextbest.data.tables.raw_table import RawTable, encode, is_text, known_text, to_bool
from nextbest.data.tables.words import is_named

__all__ = ["NEARLY_ALL", "FoundNotation", "NotationQuestion", "date_formats", "find_notation"]

NEARLY_ALL = 0.99
"""The share of a column's values that a role must hold, so that a single slip does not turn a number into text."""
_LIKE_NUMBERS = ("yyyymm", "mm.yyyy", "epoch_s", "epoch_ms")
"""Notations of dates that only a column's name tells from numbers."""


@dataclass(frozen=True)
class NotationQuestion:
    """A setting of a table that its values leave open."""

    table: str
    """customers, products or interactions."""
    setting: str
    options: tuple[str, ...]
    example: str
    """A value that can be read in each of these ways."""

    @property
    def why(self) -> str:
        """What is open, for people."""
        return f"{self.example!r} can be read as {' or '.join(self.options)}"


@dataclass(frozen=True)
class FoundNotation:
    """How a table writes its values."""

    notation: NotationConfig
    columns: Mapping[str, str]
    """Column -> its own notation of dates, or its own decimal sign, where it is not the table's."""
    questions: tuple[NotationQuestion, ...]


def date_formats(table: RawTable, column: str) -> tuple[str, ...]:
    """Return the notations in which a column's values are dates; () where they are none."""
    raw = table.columns[column]
    if not (is_text(raw.type) or pa.types.is_integer(raw.type)):
        return ()
    _, texts = encode(known_text(table, column))
    formats = guess_date_formats(texts, NEARLY_ALL)
    return formats if is_named(column, "time") else tuple(found for found in formats if found not in _LIKE_NUMBERS)


def find_notation(
    table: RawTable, name: str, formats: Mapping[str, tuple[str, ...]], elsewhere: frozenset[str]
) -> FoundNotation:
    """Find how a table writes its values.

    Args:
        table: The table.
        name: customers, products or interactions.
        formats: Column -> the notations in which its values are dates, where there are any.
        elsewhere: Notations that other tables surely have; they answer what this one leaves open.
    """
    questions: list[NotationQuestion] = []
    sure = Counter(found[0] for found in formats.values() if len(found) == 1)
    likely = [*(found for found, _ in sure.most_common()), *sorted(elsewhere)]
    chosen = next((found for found in likely if any(found in some for some in formats.values())), None)
    own: dict[str, str] = {}
    for column, found in formats.items():
        if chosen in found or found == (ISO_DATE,):
            continue
        known = [option for option in found if option in likely] or list(found)
        if len(known) > 1 and not any(question.setting == "date_format" for question in questions):
            example = encode(known_text(table, column))[1][0].as_py()
            questions.append(NotationQuestion(name, "date_format", found, example))
        if chosen is None:
            chosen = known[0]
        elif known[0] != chosen:
            own[column] = known[0]
    decimal, question = _find_decimal(table, name, set(formats))
    if decimal == ",":
        own |= dict.fromkeys(_with_points(table, set(formats)), ".")
    notation = table.notation.model_copy(update={"decimal": decimal, "date_format": chosen or ISO_DATE})
    return FoundNotation(notation, own, (*questions, *([question] if question else [])))


def _find_decimal(table: RawTable, name: str, dates: set[str]) -> tuple[str | None, NotationQuestion | None]:
    """Return the decimal sign by which most columns are numbers, None where no comma occurs, and what is left open."""
    counts = dict.fromkeys((None, ",", "."), 0)
    example = None
    for column in table.columns.column_names:
        if column in dates or not is_text(table.columns[column].type):
            continue
        _, texts = encode(known_text(table, column))
        texts = texts.filter(pc.match_substring_regex(texts, r"\d"))
        if not len(texts) or not pc.any(pc.match_substring(texts, ",")).as_py():
            continue
        fits = {sign: _share(texts, sign) >= NEARLY_ALL for sign in counts}
        for sign, fit in fits.items():
            counts[sign] += fit
        if fits[","] and fits["."]:
            commas = texts.filter(pc.match_substring(texts, ","))
            example = commas[0].as_py()
    if counts[","] != counts["."]:
        return max((",", "."), key=counts.__getitem__), None
    if not counts[","] or example is None:
        return None, None
    likely = "," if table.notation.delimiter == ";" else "."
    return likely, NotationQuestion(name, "decimal", (",", "."), example)


def _with_points(table: RawTable, dates: set[str]) -> list[str]:
    """Return the columns that are numbers with a decimal point alone, in a table that has decimal commas."""
    found = []
    for column in table.columns.column_names:
        if column not in dates and is_text(table.columns[column].type):
            _, texts = encode(known_text(table, column))
            if len(texts) and _share(texts, ",") < NEARLY_ALL <= _share(texts, None):
                found.append(column)
    return found


def _share(texts: pa.Array, sign: str | None) -> float:
    return float(np.mean(to_bool(pc.is_valid(plain_numbers(texts, sign)))))
