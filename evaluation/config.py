"""What is measured, for whom, and against which baselines: the part of the TOML that the evaluation reads."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from nextbest.data.config import StrictModel
from nextbest.evaluation.blessing_config import BlessingConfig
from nextbest.evaluation.verdicts import stage_pairs

__all__ = ["BaselineName", "BaselinesConfig", "EvaluationConfig", "Measure"]

Measure = Literal["ndcg", "recall", "precision", "hit_rate", "mrr", "coverage"]
BaselineName = Literal["random", "popularity", "recent_popularity", "segment_popularity", "item_knn", "ease"]


class BaselinesConfig(StrictModel):
    """The baselines and their hyper-parameters."""

    fit: tuple[BaselineName, ...] = get_args(BaselineName)
    """Which baselines are fitted."""
    half_life_days: float = Field(30.0, gt=0)
    """recent_popularity: the age in days at which an acquisition counts half."""
    segment_prior: float = Field(200.0, ge=0)
    """segment_popularity: how many acquisitions the overall shares are worth against the segment's own."""
    knn_shrinkage: float = Field(5.0, ge=0)
    """item_knn: added to the denominator of the cosine, so that few common holders count for little."""
    knn_neighbours: int | None = Field(None, ge=1)
    """item_knn: how many nearest products each held product votes for; all of them without it."""
    ease_l2: float = Field(50.0, gt=0)
    """ease: the ridge penalty (lambda of Steck 2019)."""
    ease_max_products: int = Field(10_000, ge=1)
    """ease: above so many products it is skipped, since it inverts a [products, products] matrix."""


class EvaluationConfig(StrictModel):
    """What is measured, for whom, and how sure we are of it."""

    ks: tuple[int, ...] = (1, 3, 5, 10, 20)
    """List lengths at which every measure is taken; ascending."""
    main_metric: str = "ndcg@5"
    """The metric that slices, verdicts and the report's first figure are about: MEASURE@K with K one of `ks`."""
    resamples: int = Field(1000, ge=100)
    """Bootstrap resamples of the customers."""
    level: float = Field(0.95, gt=0, lt=1)
    """Level of the intervals."""
    seed: int = Field(0, ge=0)
    """Seed of the resamples and of the random baseline."""
    slices: tuple[str, ...] = ()
    """Customer columns by which the main metric is broken down."""
    min_holdings: int = Field(0, ge=0)
    """Only customers who held at least so many products at the cutoff are evaluated."""
    customers: str | None = None
    """A file with the ids of the customers to evaluate; all of them without it."""
    oracle: str | None = None
    """A .parquet file with customer_id, product_id and the true probability, where one is known."""
    batch: int = Field(1024, ge=1)
    """Customers scored at once."""
    batch_scores: int = Field(8_388_608, ge=1)
    """Scores (customers x products) held at once: a large catalogue makes the batch smaller."""
    calibration_bins: int = Field(10, ge=2)
    """Bins of the reliability table, of about equal numbers of pairs."""
    baselines: BaselinesConfig = BaselinesConfig()
    """The baselines."""
    blessing: BlessingConfig = BlessingConfig()
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
        models = [*self.baselines.fit, "retrieval", "ranking", *(["oracle"] if self.oracle is not None else [])]
        measured = [f"{measure}@{k}" for measure in get_args(Measure) for k in self.ks]
        pairs = [f"{model}-{other}" for model, other in stage_pairs(models)]
        problems += self.blessing.problems(models, measured, known, pairs)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def main_measure(self) -> str:
        """The measure of the main metric, for example ndcg."""
        return self.main_metric.split("@")[0]

    @property
    def main_k(self) -> int:
        """The list length of the main metric."""
        return int(self.main_metric.split("@")[1])
