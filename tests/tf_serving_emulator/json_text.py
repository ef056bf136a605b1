"""JSON as RapidJSON reads and writes it; ParseJson, WriteDecimal and JsonValueToString in util/json_tensor.cc."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from tests.tf_serving_emulator.errors import invalid

__all__ = ["decimal", "parse", "type_of", "value_text"]

# Python's words for a syntax error, and RapidJSON's (rapidjson/error/en.h). The offsets are Python's.
_SYNTAX = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


def parse(body: bytes) -> Any:
    """Parse a body. NaN, Infinity and -Infinity are numbers (kParseNanAndInfFlag), but not Inf, which RapidJSON takes.

    Raises:
        ServingError: It is no JSON.
    """
    text = body.decode("utf-8-sig", "surrogateescape")  # RapidJSON does not look at the encoding
    if not text:
        raise invalid("JSON Parse error: The document is empty")
    if not text.strip():
        raise invalid(f"JSON Parse error: The document is empty. at offset: {len(text)}")
    try:
        document = json.loads(text, parse_float=_double, parse_int=_whole)
    except json.JSONDecodeError as error:
        found = _SYNTAX.get(error.msg) or _missing_comma(text[: error.pos])
        raise invalid(f"JSON Parse error: {found} at offset: {error.pos}") from error
    except _TooBigError as error:
        offset = text.index(str(error))
        raise invalid(f"JSON Parse error: Number too big to be stored in double. at offset: {offset}") from error
    if "\\ud" in text.lower():
        _check_surrogates(document)
    return document


def _check_surrogates(document: Any) -> None:
    """Refuse half a surrogate pair, which Python takes. Its offset is not known."""
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error


class _TooBigError(Exception):
    """A number beyond a double."""


def _double(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _TooBigError(token)
    return value


def _whole(token: str) -> int | float:
    """A whole number beyond 64 bits is a double."""
    value = int(token) if len(token) <= len(str(-(2**63))) else None
    return value if value is not None and -(2**63) <= value < 2**64 else _double(token)


def _missing_comma(before: str) -> str:
    """Tell whether the comma is missing in an object or in an array."""
    open_brackets: list[str] = []
    for bracket in re.findall(r"[\[\]{}]", re.sub(r'"(?:\\.|[^"\\])*"', "", before)):
        if bracket in "[{":
            open_brackets.append(bracket)
        else:
            open_brackets.pop()
    if open_brackets[-1] == "{":
        return "Missing a comma or } after an object member."
    return "Missing a comma or ] after an array element."


def decimal(value: np.floating) -> str:
    """Write a float or double: six digits where they round-trip, else all. NaN and Infinity are no JSON."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "-Infinity" if value < 0 else "Infinity"
    text = f"{value:g}"
    if type(value)(text) != value:
        text = f"{value:.{9 if value.dtype == np.float32 else 17}g}"
    return text if "." in text or "e" in text else text + ".0"


def value_text(value: Any) -> str:
    """Return a value as messages show it."""
    if isinstance(value, float):
        in_float = abs(value) <= float(np.finfo(np.float32).max)
        return decimal(np.float32(value) if in_float else np.float64(value))
    return json.dumps(value, indent=4, ensure_ascii=False)


def type_of(value: Any) -> str:
    """Return a type as messages show it (JsonTypeString)."""
    if isinstance(value, bool) or value is None:
        return {True: "True", False: "False", None: "Null"}[value]
    return {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}[type(value)]
