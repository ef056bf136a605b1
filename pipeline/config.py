"""The whole TOML: one section per package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from nextbest.data.config import DataConfig
from nextbest.data.settings import SettingsModel, read_settings
from nextbest.data.statistics import StatisticsConfig
from nextbest.evaluation.config import EvaluationConfig
from nextbest.pipeline.tune_space import TuneConfig, space_problems
from nextbest.ranking.config import RankingConfig
from nextbest.retrieval.config import RetrievalConfig
from nextbest.serving.config import ExportConfig

__all__ = ["CHANGED_MOST", "RunConfig", "load_config", "set_in_toml"]

CHANGED_MOST = (
    "size",
    "seed",
    "retrieval.loss",
    "retrieval.hard_negatives",
    "retrieval.mixed_negatives",
    "retrieval.epochs",
    "retrieval.index",
    "ranking.candidates",
    "ranking.epochs",
    "evaluation.main_metric",
    "evaluation.ks",
    "evaluation.slices",
    "evaluation.min_holdings",
    "evaluation.customers",
    "evaluation.approval.lowest",
    "evaluation.approval.must_beat",
    "evaluation.approval.max_drop",
    "export.default_k",
    "export.keep_versions",
    "export.customer_snapshot",
)
"""The settings that users touch: `nextbest schema` writes them as comments."""


_TINY: Mapping[str, dict[str, Any]] = {
    "retrieval": {
        "embedding_dim": 8,
        "customer_units": (16,),
        "epochs": 2,
        "patience": 1,
        "training_windows": 4,
        "batch_size": 128,
        "learning_rate": 0.01,
    },
    "ranking": {
        "candidates": 20,
        "product_dim": 4,
        "units": (16,),
        "epochs": 2,
        "patience": 1,
        "batch_size": 16,
        "learning_rate": 0.01,
    },
}
"""What `size = "tiny"` sets."""


class RunConfig(SettingsModel):
    """A run: the tables, and how models are made of them."""

    data: DataConfig
    """What the tables mean, the windows and the policy."""
    size: Literal["full", "tiny"] = "full"
    """tiny trains small models for a few epochs, where the TOML does not say otherwise: to try out tables, not
    to serve."""
    seed: int = Field(0, ge=0, lt=2**20)
    """The same data, config and seed give the same metrics on one machine."""
    statistics: StatisticsConfig = StatisticsConfig()
    """How the catalogue's statistics are smoothed."""
    retrieval: RetrievalConfig = RetrievalConfig()
    """The two-tower model."""
    ranking: RankingConfig = RankingConfig()
    """The cross-feature ranker."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured."""
    export: ExportConfig = ExportConfig()
    """What is exported."""
    tune: TuneConfig = TuneConfig()
    """How better settings are searched for; no part of a run."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_tiny(cls, content: Any) -> Any:
        if not isinstance(content, dict) or content.get("size") != "tiny":
            return content
        sections = {name: content.get(name, {}) for name in _TINY}
        return content | {name: _TINY[name] | given for name, given in sections.items() if isinstance(given, dict)}

    @model_validator(mode="after")
    def _sections_agree(self) -> RunConfig:
        problems = [
            f"evaluation.slices names {column!r}, which is not a column of customers"
            for column in self.evaluation.slices
            if column not in self.data.customers.columns
        ]
        problems += space_problems(self, self.tune)
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_config(path: Path) -> RunConfig:
    """Read a TOML.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems; all of them are listed.
    """
    return read_settings(RunConfig, path, if_missing="write one, or infer it with `nextbest schema`")


def set_in_toml(text: str, settings: Mapping[str, Any]) -> str:
    """Return the text of a TOML with other values of some settings; its comments stay.

    Args:
        text: The TOML.
        settings: Dotted key -> value.
    """
    import tomlkit  # most who read a config write none

    document = tomlkit.parse(text)
    for key, value in settings.items():
        section: Any = document
        *sections, field = key.split(".")
        for name in sections:
            section = section.setdefault(name, tomlkit.table())
        section[field] = value
    return tomlkit.dumps(document)
