"""The search space over a config: its keys are those of the config, and its values what the config accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from nextbest.pipeline.tune_config import Parameter, Stage, TuneConfig

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Dimension", "dimensions", "space_problems", "with_settings"]

Config = TypeVar("Config", bound=BaseModel)

_SCORING = ("retrieval.validation_k", "ranking.validation_k", "ranking.customers_per_window", "ranking.silent_share")


@dataclass(frozen=True)
class Dimension:
    """One setting to tune, with the config's own value within its bounds or among its choices."""

    key: str
    """The setting's dotted key."""
    own: Any
    """The config's own value."""
    bounds: tuple[float, float] | None = None
    """Lowest and highest value of a range."""
    log: bool = False
    """Whether the range is searched on a logarithmic scale."""
    choices: tuple[Any, ...] = ()
    """The values where it is no range."""

    def distribution(self) -> BaseDistribution:
        """Return the dimension as Optuna has it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.bounds is None:
            return CategoricalDistribution([self.encode(choice) for choice in self.choices])
        low, high = self.bounds
        if isinstance(self.own, int):
            return IntDistribution(int(low), int(high), log=self.log)
        return FloatDistribution(low, high, log=self.log)

    def encode(self, value: Any) -> Any:
        """Return a value as Optuna keeps it: a choice as JSON, since it may be a list."""
        return json.dumps(value) if self.choices else value

    def decode(self, kept: Any) -> Any:
        """Return the value that Optuna keeps."""
        return json.loads(kept) if self.choices else kept


def dimensions(config: BaseModel, tune: TuneConfig, stage: Stage) -> tuple[Dimension, ...]:
    """Return what is searched in a stage.

    Args:
        config: The whole config, without `space_problems`.
        tune: Its section.
        stage: The stage.
    """
    return tuple(_dimension(config, key, parameter) for key, parameter in tune.space_of(stage).items())


def space_problems(config: BaseModel, tune: TuneConfig) -> list[str]:
    """Return what is wrong with the space that a config names: unknown keys, values that no config may have."""
    problems = []
    for key, parameter in tune.space.items():
        if tune.stage_of(key) is None:
            problems.append(f"tune.space names {key!r}; only retrieval, encoder, ranking and statistics can be tuned")
        elif key in _SCORING or key.startswith("retrieval.index."):
            problems.append(f"tune.space names {key!r}, which makes no model better: it says how one is judged or used")
        else:
            try:
                _dimension(config, key, parameter)
            except ValueError as error:
                problems.append(str(error))
    return problems


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """Return a config with other values, by dotted key."""
    content = config.model_dump()
    for key, value in settings.items():
        *sections, field = key.split(".")
        reduce(getitem, sections, content)[field] = value
    return type(config).model_validate(content)


def _dimension(config: BaseModel, key: str, parameter: Parameter) -> Dimension:
    section, field = _place(config, key)
    own = _plain(getattr(section, field))
    if parameter.choices is not None:
        choices = _accepted(section, field, key, parameter.choices)
        return Dimension(key, own, choices=tuple({json.dumps(value): value for value in (own, *choices)}.values()))
    low, high = _accepted(section, field, key, (parameter.low, parameter.high))
    if not _is_number(low):
        raise ValueError(f"tune.space.{key} is no number, so it has no range; give choices")
    if not _is_number(own):
        raise ValueError(f"tune.space.{key} is a range, but {key} = {json.dumps(own)}; set it, or give choices")
    if parameter.log and own <= 0:
        raise ValueError(f"tune.space.{key}: {key} = {own} has no logarithm; leave log out, or give choices")
    return Dimension(key, own, bounds=(min(low, own), max(high, own)), log=parameter.log)


def _place(config: BaseModel, key: str) -> tuple[BaseModel, str]:
    """Return the section that has a setting, and the setting's name in it."""
    *sections, field = key.split(".")
    section: Any = config
    for name in sections:
        section = getattr(section, name) if isinstance(section, BaseModel) and name in _fields(section) else None
    if not isinstance(section, BaseModel) or field not in _fields(section):
        known = f": {'.'.join(sections)} has {', '.join(_fields(section))}" if isinstance(section, BaseModel) else ""
        raise ValueError(f"tune.space names {key!r}, which is no key of the config; correct it{known}")
    if isinstance(getattr(section, field), BaseModel):
        raise ValueError(f"tune.space names {key!r}, which is a section; name one of its keys")
    return section, field


def _fields(section: BaseModel) -> list[str]:
    return list(type(section).model_fields)


def _accepted(section: BaseModel, field: str, key: str, values: tuple[Any, ...]) -> list[Any]:
    """Return values as the section reads them; all that it refuses are named at once."""
    accepted, refused = [], []
    for value in values:
        try:
            read = type(section).model_validate(section.model_dump() | {field: value})
        except ValidationError as error:
            refused += [f"tune.space.{key}: {value!r}: {found['msg']}" for found in error.errors()]
        else:
            accepted.append(_plain(getattr(read, field)))
    if refused:
        raise ValueError("; ".join(refused))
    return accepted


def _plain(value: Any) -> Any:
    """Return a setting as JSON has it: a tuple as a list."""
    return json.loads(json.dumps(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
