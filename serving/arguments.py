"""What callers pass, as the types that are meant: 3.0 and '3' are 3, the id 1 is '1', a word is a list of one.

Whatever cannot be meant is refused by the argument's name. Notebooks, the page's endpoints and JSON clients share it.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem, quote_value

__all__ = ["as_count", "as_id", "as_ids", "as_number", "as_words"]


def _refused(name: str, value: Any, remedy: str) -> InputError:
    """Return the error that an argument's value cannot be used."""
    return InputError([Problem("arguments", None, None, f"{name} = {quote_value(value)} cannot be used", remedy)])


def as_count(name: str, value: Any, most: int | None = None) -> int:
    """Return a whole number of at least 1, also from 3.0 and '3'.

    Raises:
        InputError: It is no such number, or above `most`.
    """
    number = _number(value)
    if number is None or number != int(number) or number < 1 or (most is not None and number > most):
        raise _refused(name, value, "give a whole number from 1 on" if most is None else f"give 1 to {most}")
    return int(number)


def as_number(name: str, value: Any) -> float | None:
    """Return a number, also from its text; None, '' and NaN are none.

    Raises:
        InputError: It is no number.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    number = _number(value)
    if number is None:
        raise _refused(name, value, "give a number, or none")
    return number


def as_words(name: str, value: Any) -> tuple[str, ...]:
    """Return words, also from a single one; None is none, and an empty word is padding.

    Raises:
        InputError: Something is no word.
    """
    if value is None:
        return ()
    given = [value] if isinstance(value, str | bytes | numbers.Number) or not isinstance(value, Iterable) else value
    return tuple(as_id(name, word) for word in given if not (isinstance(word, str) and not word.strip()))


def as_id(name: str, value: Any) -> str:
    """Return an id as its text without surrounding blanks; a whole number is its digits.

    Raises:
        InputError: It is missing, or no id.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value.strip():
        return value.strip()
    number = None if isinstance(value, str) else _number(value)
    if number is None or number != int(number):
        raise _refused(name, value, "give an id: a text or a whole number")
    return str(int(value))


def as_ids(name: str, values: Any) -> Array:
    """Return ids as texts, object str, [num_ids].

    Raises:
        InputError: Something is no id; all such are named.
    """
    single = isinstance(values, str | bytes | numbers.Number) or not isinstance(values, Iterable)
    given = [values] if single else list(values)
    ids: list[str] = []
    problems: list[Problem] = []
    for value in given:
        try:
            ids.append(as_id(name, value))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return np.array(ids, object)


def _number(value: Any) -> float | None:
    """Return a finite number, None where the value is none; a boolean is none."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | numbers.Real | np.generic):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
