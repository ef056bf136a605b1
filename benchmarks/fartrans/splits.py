"""Which splits are meant, and which of them are trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fartrans.source import split_numbers
from nextbest.data.errors import InputError, Problem

__all__ = ["choose_splits", "parse_splits", "schedule"]

_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::([1-9]\d*))?)?")


def parse_splits(text: str) -> list[int]:
    """Return the splits that a list such as "3", "0-34", "0,4,8-12" or "0-34:4" (every fourth) names, ascending.

    Raises:
        InputError: A part of the text means nothing.
    """
    found: set[int] = set()
    problems = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last, step = (int(number or 0) for number in match.groups()) if match else (1, 0, 0)
        last = last if match and match[2] else first
        if match is None or last < first:
            what = f"{part.strip()!r} names no splits"
            problems.append(Problem("--splits", None, None, what, "write for example 0-34, 0,4,8 or 0-34:4"))
        else:
            found.update(range(first, last + 1, step or 1))
    if problems:
        raise InputError(problems)
    return sorted(found)


def choose_splits(source: Path, text: str | None) -> list[int]:
    """Return the splits that are named, or all of the folder's.

    Raises:
        InputError: The text means nothing, or the folder lacks one of the splits.
    """
    known = split_numbers(source)
    wanted = known if text is None else parse_splits(text)
    if unknown := [split for split in wanted if split not in known]:
        what = f"there is no split {', '.join(map(str, unknown))}"
        remedy = f"it has {', '.join(map(str, known))}"
        raise InputError([Problem(str(source / "splits.csv"), "split", None, what, remedy)])
    return wanted


def schedule(splits: Sequence[int], every: int) -> dict[int, int]:
    """Return for each split the one whose training makes its models: itself, or the trained one before it."""
    return {split: splits[place - place % every] for place, split in enumerate(splits)}
