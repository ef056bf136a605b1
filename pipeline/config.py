"""The whole TOML: one section per package."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from nextbest.data.config import DataConfig, EncoderConfig
from nextbest.data.settings import SettingsModel, read_settings
from nextbest.data.statistics import StatisticsConfig
from nextbest.evaluation.config import EvaluationConfig
from nextbest.pipeline.tune_space import TuneConfig, space_problems
from nextbest.ranking.config import RankingConfig
from nextbest.retrieval.config import RetrievalConfig
from nextbest.serving.config import ExportConfig

__all__ = ["RunConfig", "load_config"]


class RunConfig(SettingsModel):
    """A run: the tables, and how models are made of them."""

    data: DataConfig
    """What the tables mean, the windows and the policy."""
    seed: int = Field(0, ge=0, lt=2**20)
    """The same data, config and seed give the same metrics on one machine."""
    encoder: EncoderConfig = EncoderConfig()
    """How raw features become tensors."""
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

    @model_validator(mode="after")
    def _sections_agree(self) -> RunConfig:
        customers, products = self.data.customers.columns, self.data.products.columns
        problems = [
            f"evaluation.slices names {column!r}, which is not a column of customers"
            for column in self.evaluation.slices
            if column not in customers
        ]
        problems += [
            f"ranking.category_crosses names {column!r}, which is not a category column of {table}"
            for pair in self.ranking.category_crosses or ()
            for column, table, columns in zip(pair, ("customers", "products"), (customers, products), strict=True)
            if column not in columns or columns[column].role != "category"
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
