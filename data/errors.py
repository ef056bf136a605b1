"""Errors for people: what is wrong with an input, all at once, each with its place and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["EXAMPLES", "FailedError", "InputError", "Problem", "more_like_these", "quote_value"]

EXAMPLES = 20
"""How many rows with the same problem are named one by one."""
SHOWN_CHARACTERS = 60
"""How much of a bad value is repeated."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input, where it stands and what to do about it."""

    file: str
    """The file, or the database's URL without its password."""
    column: str | None
    """The column, when one is to blame."""
    row: int | None
    """The place in the file, counted in `unit`s from 1. A CSV file's header stands on line 1."""
    what: str
    """What is wrong, with the value."""
    remedy: str
    """What to do about it."""
    unit: str = "line"
    """What `row` counts: 'line' of a text file, 'row' of a Parquet file or a query, 'record' if lines are unknown."""

    def __str__(self) -> str:
        place = [self.file]
        if self.column is not None:
            place.append(f"column {self.column!r}")
        if self.row is not None:
            place.append(f"{self.unit} {self.row}")
        return f"{', '.join(place)}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


class InputError(Exception):
    """An input cannot be used. Carries every problem found, and reads as one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class FailedError(RuntimeError):
    """Something failed though nothing is wrong with the input; the message says what, and what to do about it."""


def more_like_these(file: str, column: str | None, total: int) -> list[Problem]:
    """Return what follows the first `EXAMPLES` problems of one kind: nothing, or how many there are in all."""
    if total <= EXAMPLES:
        return []
    return [Problem(file, column, None, f"and {total - EXAMPLES:,} more like these, {total:,} in all", "")]


def quote_value(value: Any) -> str:
    """Return a value as a message repeats it: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
