"""Write a config as a TOML that explains itself: each key below the docstring of its field."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel

from nextbest.data.config import QUESTION, DataConfig, EntityConfig
from nextbest.data.files import write_text
from nextbest.data.rules import Condition, Rule
from nextbest.data.tables.infer_config import Question
from nextbest.data.tables.notation import NotationQuestion
from nextbest.data.tables.words import is_named, plain

__all__ = ["suggest_rules", "to_toml", "toml_value", "write_toml"]

SECTION = "data"
"""The part of the TOML that a DataConfig describes."""
_WIDTH = 116
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_INTRODUCTION = """\
What the tables mean, as far as their contents tell. Look through it and correct it: above all the columns' roles and
which events count as acquisitions. A line that starts with # is a default, or an example that is not in force."""
_DEFAULTS = "The settings that people change most. Each is at its default; remove the # to change it."
_COLUMNS = """\
The feature columns: role is number, category, boolean, date, text or id; numbers take transform = "log1p" or
"quantile"; optional = true allows the column to be absent from a file; unit is for people; protected = true keeps a
column of customers from all models, which are measured by it all the same."""
_SUGGESTIONS = "Rules that the columns' names suggest. Remove the # of those that hold."


def write_toml(
    config: DataConfig,
    path: Path,
    whole: type[BaseModel] | None = None,
    keys: Sequence[str] = (),
    questions: Sequence[Question] = (),
) -> None:
    """Write the config to a TOML file, whole or not at all.

    It is the file's section `[data]`; `DataConfig` reads it back to an equal config.

    Args:
        config: The config.
        path: The file.
        whole: The config of all sections.
        keys: Dotted keys of it that are written as comments with their defaults, for a person to change.
        questions: What is open: its setting is "?", which is refused until a person answers.
    """
    write_text(path, to_toml(config, whole, keys, questions))


def to_toml(
    config: DataConfig,
    whole: type[BaseModel] | None = None,
    keys: Sequence[str] = (),
    questions: Sequence[Question] = (),
) -> str:
    """Return the config as TOML text with comments; arguments as for `write_toml`."""
    lines = [*_comment(_INTRODUCTION), ""]
    if whole is not None and (above := [key for key in keys if "." not in key]):
        lines += [*_comment(_DEFAULTS), *(line for key in above for line in _default(whole, key)), ""]
    lines += _section(SECTION, config, {_setting(question): question for question in questions})
    if not config.policy.rules and (rules := suggest_rules(config)):
        lines += ["", *_comment(_SUGGESTIONS)]
        lines += [f"# {line}".rstrip() for rule in rules for line in _entry(f"{SECTION}.policy.rules", rule)]
    if whole is not None:
        lines += _other_sections(whole, [key for key in keys if "." in key])
    return "\n".join([*lines, ""])


def _other_sections(whole: type[BaseModel], keys: Sequence[str]) -> Iterator[str]:
    """Yield the sections of keys, in which all is a comment but the section itself."""
    for section, group in groupby(keys, lambda key: key.rpartition(".")[0]):
        model = whole
        for name in section.split("."):
            model = cast("type[BaseModel]", model.model_fields[name].annotation)
        yield from ("", f"[{section}]")
        for key in group:
            yield from _default(model, key.rpartition(".")[2])


def _default(model: type[BaseModel], key: str) -> Iterator[str]:
    """Yield a setting's description and its default, all as comments."""
    field = model.model_fields[key]
    yield from _comment(field.description or "")
    default = field.get_default(call_default_factory=True)
    yield f"# {key} =" if default is None else f"# {key} = {toml_value(default)}"


def _section(name: str, model: BaseModel, questions: Mapping[str, Question]) -> Iterator[str]:
    """Yield a model's own keys, then its parts as sections of their own."""
    yield f"[{name}]"
    parts: list[str] = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if isinstance(value, Condition):
            yield from (*_comment(field.description or ""), f"{key} = {_inline_model(value)}")
        elif isinstance(value, BaseModel):
            parts += ["", *_comment(field.description or ""), *_section(f"{name}.{key}", value, questions)]
        elif isinstance(value, dict):
            parts += ["", *_comment(_COLUMNS), f"[{name}.{key}]"]
            parts += [f"{_key(column)} = {_inline(described)}" for column, described in value.items()]
        elif key in ("rules", "caps"):
            parts += [line for one in value for line in _entry(f"{name}.{key}", one)]
        else:
            yield from _comment(field.description or "")
            if question := questions.get(f"{name}.{key}"):
                yield from _comment(f"QUESTION: {question.why} {_how_to_answer(question)}")
                value = QUESTION
            yield f"# {key} =" if value is None else f"{key} = {toml_value(value)}"
    yield from parts


def _setting(question: Question) -> str:
    """Return the dotted key of the setting that a question leaves open."""
    if isinstance(question, NotationQuestion):
        return f"{SECTION}.{question.table}.{question.setting}"
    return f"{SECTION}.interactions.event"


def _how_to_answer(question: Question) -> str:
    if isinstance(question, NotationQuestion):
        return f"Write one of {', '.join(map(toml_value, question.options))} in place of the question mark."
    return (
        "Put each of these words into acquire, release, interest, refuse or ignore below, and write "
        f"{toml_value(question.column)} in place of the question mark. If every row is an acquisition, remove this "
        "line and those of the five lists instead."
    )


def _entry(name: str, entry: BaseModel) -> list[str]:
    """Return an entry of a list of sections, a rule for example."""
    lines = [f"{key} = {toml_value(value)}" for key, value in entry.model_dump(exclude_defaults=True).items()]
    return ["", f"[[{name}]]", *lines]


def _inline_model(model: BaseModel) -> str:
    return toml_value(model.model_dump(exclude_defaults=True))


def _inline(model: BaseModel) -> str:
    return toml_value(model.model_dump(exclude_defaults=True))


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_value(value: Any) -> str:
    """Return a TOML value on one line. JSON writes the same strings and numbers, except that TOML escapes DEL too."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {toml_value(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


_BOUNDS: dict[str, tuple[Literal[">=", "<="], str]] = {
    **dict.fromkeys(("minimum", "minimalni", "minimo", "mindest", "min"), (">=", "below")),
    **dict.fromkeys(("maximum", "maximalni", "maximo", "hochst", "max"), ("<=", "above")),
}
"""Beginning or end of a product column's name, as `plain` writes it -> how the customer's column of the rest of the
name compares with it. Longer words first: `minimum` is not the `min` of an `imum`."""


def suggest_rules(config: DataConfig) -> list[Rule]:
    """Return the policy rules that the names of number columns suggest, such as income >= min_income."""
    ours = _numbers(config.customers)
    rules = []
    for name, product in _numbers(config.products).items():
        for bound, (op, side) in _BOUNDS.items():
            rests = (name.removeprefix(bound), name.removesuffix(bound))
            customer = next((ours[rest] for rest in rests if rest != name and rest in ours), None)
            if customer is not None:
                reason = f"the customer's {customer} is {side} the product's {product}"
                rules.append(Rule(customer=customer, op=op, product=product, reason=" ".join(reason.split())))
                break
    risk = config.policy.risk_column
    willing = next((name for name in ours.values() if is_named(name, "risk")), None)
    if risk and willing:
        reason = f"the product's {risk} is above the customer's {willing}"
        rules.append(Rule(customer=willing, op=">=", product=risk, reason=" ".join(reason.split())))
    return rules


def _numbers(entity: EntityConfig) -> dict[str, str]:
    return {plain(name): name for name, column in entity.columns.items() if column.role == "number"}
