"""Write a config as a TOML that explains itself: each key below the docstring of its field."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nextbest.data.config import DataConfig, Rule
from nextbest.data.files import write_text
from nextbest.data.tables.infer_config import suggest_rules

__all__ = ["to_toml", "write_toml"]

SECTION = "data"
"""The part of the TOML that a DataConfig describes."""
_WIDTH = 116
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INTRODUCTION = """\
What the tables mean, as far as their contents tell. Look through it and correct it: above all the columns' roles and
which events count as acquisitions. A line that starts with # is a default, or an example that is not in force."""
_COLUMNS = """\
The feature columns: role is number, category, boolean, date, text or id; numbers take transform = "log1p" or
"quantile"; optional = true allows the column to be absent from a file; unit is for people."""
_SUGGESTIONS = "Rules that the columns' names suggest. Remove the # of those that hold."


def write_toml(config: DataConfig, path: Path) -> None:
    """Write the config to a TOML file, whole or not at all.

    It is the file's section `[data]`; `DataConfig` reads it back to an equal config.
    """
    write_text(path, to_toml(config))


def to_toml(config: DataConfig) -> str:
    """Return the config as TOML text with comments."""
    lines = [*_comment(_INTRODUCTION), "", *_section(SECTION, config)]
    if not config.policy.rules and (rules := suggest_rules(config)):
        lines += ["", *_comment(_SUGGESTIONS)]
        lines += [f"# {line}".rstrip() for rule in rules for line in _rule(rule)]
    return "\n".join([*lines, ""])


def _section(name: str, model: BaseModel) -> Iterator[str]:
    """Yield a model's own keys, then its parts as sections of their own."""
    yield f"[{name}]"
    parts: list[str] = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if isinstance(value, BaseModel):
            parts += ["", *_comment(field.description or ""), *_section(f"{name}.{key}", value)]
        elif isinstance(value, dict):
            parts += ["", *_comment(_COLUMNS), f"[{name}.{key}]"]
            parts += [f"{_key(column)} = {_inline(described)}" for column, described in value.items()]
        elif key == "rules":
            parts += [line for rule in value for line in _rule(rule)]
        else:
            yield from _comment(field.description or "")
            yield f"# {key} =" if value is None else f"{key} = {_value(value)}"
    yield from parts


def _rule(rule: Rule) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in rule.model_dump(exclude_none=True).items()]
    return ["", f"[[{SECTION}.policy.rules]]", *lines]


def _inline(model: BaseModel) -> str:
    values = model.model_dump(exclude_defaults=True)
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in values.items())} }}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """Return a TOML value. JSON writes the same strings, numbers and booleans, except that TOML escapes DEL too."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
