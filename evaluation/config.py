"""What is measured, for whom, and what a run must reach: the part of the TOML that the evaluation reads.

The baselines' own settings stand beside them (`evaluation.baselines`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from pydantic import Field, FiniteFloat, model_validator

from nextbest.data.settings import SettingsModel
from nextbest.evaluation.baselines import BaselineName, BaselinesConfig
from nextbest.evaluation.results import stage_pairs, summary_metrics

__all__ = ["CALIBRATION_ERRORS", "ApprovalConfig", "EvaluationConfig", "Measure"]

Measure = Literal["ndcg", "recall", "precision", "hit_rate", "mrr", "coverage"]


CALIBRATION_ERRORS = ("ece", "brier", "log_loss")
"""What of metrics.json's calibration may be bounded, as calibration/NAME."""


class ApprovalConfig(SettingsModel):
    """The thresholds of a run. Values have the names of metrics.json: "ranking/ndcg@5", "calibration/ece".

    An interval must keep to its threshold as a whole, so that no model is approved for its luck with the customers of
    the test: the lower end counts against `lowest`, the upper end against `highest`. What has no interval (coverage
    and the calibration's errors) counts by its value. A threshold that is just met is met.
    """

    lowest: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Value thresholds from below: name -> the least that is required."""
    highest: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Value thresholds from above: name -> the most that is allowed."""
    must_beat: tuple[str, ...] = ("ranking-popularity",)
    """Pairs "A-B" of compared models: the whole interval of A's main metric less B's, on the same customers, must be
    above 0. By default the ranking must beat the list that is the same for everyone."""
    max_drop: float = Field(0.02, ge=0)
    """The change threshold: how much worse than the last approved version the ranking may be. The lower end of the
    paired interval of the difference must be at or above -max_drop, so few test customers ask for more room than
    many: of a model that was trained again with another seed it lay about 0.04 below the difference with 200 test
    customers, which is 0.012 with 2,000. 1 allows every drop."""

    def problems(self, models: Collection[str], metrics: Collection[str], pairs: Collection[str]) -> list[str]:
        """Return what is wrong with the names, given what is measured.

        Args:
            models: The models.
            metrics: Every model's metrics, MEASURE@K.
            pairs: The compared pairs, A-B.
        """
        problems = [
            f"approval.{key} names {name!r}: {fault}"
            for key, bounds in (("lowest", self.lowest), ("highest", self.highest))
            for name in bounds
            if (fault := _fault(name, models, metrics))
        ]
        problems += [
            f"approval asks for {name} of at least {least:g} and at most {self.highest[name]:g}; fix one of them"
            for name, least in self.lowest.items()
            if name in self.highest and least > self.highest[name]
        ]
        problems += [
            f"approval.must_beat names {pair!r}, which is not compared; choose from {', '.join(pairs)}"
            for pair in self.must_beat
            if pair not in pairs
        ]
        return problems


class EvaluationConfig(SettingsModel):
    """What is measured, for whom, and how sure we are of it."""

    ks: tuple[int, ...] = (1, 3, 5, 10, 20)
    """List lengths at which every measure is computed; ascending."""
    main_metric: str = "ndcg@5"
    """The metric that slices, comparisons and the report's first figure are about: MEASURE@K with K one of `ks`."""
    slices: tuple[str, ...] = ()
    """Further customer columns by which all is broken down. Beside them it always is by the segment, what is protected
    by `protected` or by name, age, time as a customer, known or new, and product category and launch."""
    min_holdings: int = Field(0, ge=0)
    """Only customers who held at least so many products at the cutoff are evaluated."""
    customers: str | None = None
    """A file with the ids of the customers to evaluate; all of them without it."""
    oracle: str | None = None
    """A .parquet file with customer_id, product_id and the true probability, where one is known."""
    baselines: BaselinesConfig = BaselinesConfig()
    """The baselines."""
    approval: ApprovalConfig = ApprovalConfig()
    """What the run must reach before it may be served."""

    @model_validator(mode="after")
    def _metrics_exist(self) -> EvaluationConfig:
        problems = []
        if not self.ks or min(self.ks) < 1 or list(self.ks) != sorted(set(self.ks)):
            problems.append(f"ks = {list(self.ks)}: give one or more different lengths of at least 1, ascending")
        per_customer = [measure for measure in get_args(Measure) if measure != "coverage"]
        known = [f"{measure}@{k}" for measure in per_customer for k in self.ks]
        if self.main_metric not in known:
            problems.append(f"main_metric = {self.main_metric!r} is not measured; choose one of {', '.join(known)}")
        models = [*get_args(BaselineName), "retrieval", "ranking", *(["oracle"] if self.oracle is not None else [])]
        measured = [f"{measure}@{k}" for measure in get_args(Measure) for k in self.ks]
        pairs = [f"{model}-{other}" for model, other in stage_pairs(models)]
        problems += self.approval.problems(models, measured, pairs)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def summary_metrics(self) -> list[str]:
        """The metrics that people read first."""
        return summary_metrics(self.main_metric)

    @property
    def main_k(self) -> int:
        """The list length of the main metric."""
        return int(self.main_metric.split("@")[1])


def _fault(name: str, models: Collection[str], metrics: Collection[str]) -> str | None:
    """Return what is wrong with the name of a value, None if it is one."""
    model, _, metric = name.partition("/")
    if model == "calibration":
        models, metrics = (model,), CALIBRATION_ERRORS
    if model not in models:
        return f"there is no model {model!r}; choose from {', '.join(models)}, or calibration"
    if metric not in metrics:
        return f"{metric!r} is not measured of {model}; choose from {', '.join(metrics)}"
    return None
