"""Settings of the hyper-parameter search: the section `[tune]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat, JsonValue, model_validator

from nextbest.data.config import StrictModel

__all__ = ["Parameter", "Stage", "TuneConfig"]

Stage = Literal["retrieval", "ranking"]


class Parameter(StrictModel):
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
    "ranking.cross_layers": Parameter(low=1, high=3),
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
    "encoder": "retrieval",
    "ranking": "ranking",
    "statistics": "ranking",
}


class TuneConfig(StrictModel):
    """How `nextbest tune` searches."""

    space: dict[str, Parameter] = Field(default_factory=dict)
    """What each setting may be, by its dotted key in quotes, such as "retrieval.learning_rate". Those of the sections
    retrieval and encoder are tried with the retriever, those of ranking and statistics with the ranker (of statistics
    every value costs retrievers of its own, since they read them too). A stage without any has a default space."""
    startup_trials: int = Field(10, ge=1)
    """So many trials are drawn at random before TPE (Bergstra et al., NeurIPS 2011) learns from them."""
    prune: bool = True
    """Whether a trial ends early whose validation score is below the median of the others after as many epochs."""
    prune_after_trials: int = Field(5, ge=1)
    """How many trials must have run to their end before one ends early."""
    prune_after_epochs: int = Field(3, ge=1)
    """How many epochs every trial has."""

    def stage_of(self, key: str) -> Stage | None:
        """Return the stage that a setting is tried with, None if it is of no section that can be tuned."""
        return _STAGES.get(key.split(".")[0])

    def space_of(self, stage: Stage) -> dict[str, Parameter]:
        """Return what is searched in a stage."""
        named = {key: parameter for key, parameter in self.space.items() if self.stage_of(key) == stage}
        return named or _DEFAULT_SPACE[stage]
