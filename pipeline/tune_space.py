"""What `nextbest tune` searches: the section [tune], and its space over the config's own keys.

A space's values are what the config accepts. It loads without TensorFlow and Optuna.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, JsonValue, ValidationError, model_validator

from nextbest.data.settings import RENAMED, SettingsModel

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


__all__ = ["Dimension", "Parameter", "Stage", "TuneConfig", "dimensions", "space_problems", "with_settings"]

Config = TypeVar("Config", bound=BaseModel)


Stage = Literal["retrieval", "ranking"]
"""Each is searched by itself, the retriever first."""


class Parameter(SettingsModel):
    """What one setting may be: a range, or one of some choices. The config's own value always belongs to it."""

    low: FiniteFloat | None = None
    """The range's lower end; of a setting that is a whole number, so are the values."""
    high: FiniteFloat | None = None
    """The range's upper end, which belongs to it."""
    log: bool = False
    """Whether the range is searched on a logarithmic scale."""
    choices: tuple[JsonValue, ...] | None = None
    """The values, written as the setting itself is."""

    @model_validator(mode="after")
    def _range_or_choices(self) -> Parameter:
        if self.choices is not None:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("give low and high, or choices, not both")
            if not self.choices:
                raise ValueError("choices is empty; give at least one")
        elif self.low is None or self.high is None:
            raise ValueError("give low and high, or choices")
        elif self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        elif self.log and self.low <= 0:
            raise ValueError(f"low = {self.low:g} has no logarithm; raise it above 0, or leave log out")
        return self


_RETRIEVAL_SPACE = {
    "retrieval.learning_rate": Parameter(low=5e-4, high=1e-2, log=True),
    "retrieval.embedding_dim": Parameter(choices=(32, 64, 128)),
    "retrieval.temperature": Parameter(low=0.05, high=0.3, log=True),
    "retrieval.dropout": Parameter(low=0.0, high=0.4),
    "retrieval.holdings_dropout": Parameter(low=0.0, high=0.4),
    "retrieval.batch_size": Parameter(choices=(256, 512, 1024)),
    "retrieval.recency_half_life_days": Parameter(low=90, high=1460, log=True),
}


_RANKING_SPACE = {
    "ranking.learning_rate": Parameter(low=1e-4, high=5e-3, log=True),
    "ranking.units": Parameter(choices=([64], [64, 32], [128, 64])),
    "ranking.product_dim": Parameter(choices=(0, 8, 16)),
    "ranking.dropout": Parameter(low=0.0, high=0.5),
    "ranking.probability_weight": Parameter(low=0.0, high=1.0),
    "ranking.trend_prior": Parameter(low=0.0, high=0.4),
    "ranking.votes_saturation": Parameter(low=0.0, high=2.0),
    "ranking.batch_size": Parameter(choices=(64, 128, 256)),
}


_DEFAULT_SPACE: dict[Stage, dict[str, Parameter]] = {"retrieval": _RETRIEVAL_SPACE, "ranking": _RANKING_SPACE}


_STAGES: dict[str, Stage] = {
    "retrieval": "retrieval",
    "ranking": "ranking",
    "statistics": "ranking",
}


class TuneConfig(SettingsModel):
    """How `nextbest tune` searches."""

    space: dict[str, Parameter] = Field(default_factory=dict)
    """What each setting may be, by its dotted key in quotes, such as "retrieval.learning_rate". Those of the sections
    retrieval are tried with the retriever, those of ranking and statistics with the ranker (of statistics
    every value costs retrievers of its own, since they read them too). A stage without any has a default space."""

    def stage_of(self, key: str) -> Stage | None:
        """Return the stage that a setting is tried with, None if its section cannot be tuned."""
        return _STAGES.get(key.split(".")[0])

    def space_of(self, stage: Stage) -> dict[str, Parameter]:
        """Return what is searched in a stage."""
        named = {key: parameter for key, parameter in self.space.items() if self.stage_of(key) == stage}
        return named or _DEFAULT_SPACE[stage]


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
    """The values where it has no bounds."""

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
        """Return a value as Optuna stores it: a choice as JSON, since it may be a list."""
        return json.dumps(value) if self.choices else value

    def decode(self, stored: Any) -> Any:
        """Return the value that Optuna stores."""
        return json.loads(stored) if self.choices else stored


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
            problems.append(f"tune.space names {key!r}; only retrieval, ranking and statistics can be tuned")
        elif key == "retrieval.index":
            problems.append(
                f"tune.space names {key!r}, which makes no model better: it says how one is measured or used"
            )
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
        raise ValueError(f"tune.space.{key} is not a number, so it cannot have a range; give choices")
    if not _is_number(own):
        raise ValueError(f"tune.space.{key} is a range, but {key} = {json.dumps(own)}; set it, or give choices")
    if parameter.log and own <= 0:
        raise ValueError(f"tune.space.{key}: {key} = {own} has no logarithm; leave log out, or give choices")
    return Dimension(key, own, bounds=(min(low, own), max(high, own)), log=parameter.log)


def _place(config: BaseModel, key: str) -> tuple[BaseModel, str]:
    """Return the section that has a setting, and the setting's name in it."""
    if key in RENAMED:
        raise ValueError(f"tune.space names {key!r}, which has another name now; rename it to {RENAMED[key]}")
    *sections, field = key.split(".")
    section: Any = config
    for name in sections:
        section = getattr(section, name) if isinstance(section, BaseModel) and name in _fields(section) else None
    if not isinstance(section, BaseModel) or field not in _fields(section):
        known = f": {'.'.join(sections)} has {', '.join(_fields(section))}" if isinstance(section, BaseModel) else ""
        raise ValueError(f"tune.space names {key!r}, which is not a key of the config; correct it{known}")
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
