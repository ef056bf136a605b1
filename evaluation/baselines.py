"""All baselines of a config, fitted on the same history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nextbest.data.dataset import Dataset
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.item_item import EASE, ItemKNN
from nextbest.evaluation.popularity import Popularity, Random, RecentPopularity, SegmentPopularity
from nextbest.evaluation.scorer import Scorer

__all__ = ["Baselines", "fit_baselines"]


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines, and why others were not fitted."""

    scorers: dict[str, Scorer]
    """Name -> scorer."""
    skipped: dict[str, str]
    """Name -> why there is none."""


def fit_baselines(history: Dataset, cutoff_day: int, config: EvaluationConfig, segment: str | None = None) -> Baselines:
    """Fit the baselines that the config names.

    Args:
        history: What was known at the cutoff (`dataset.until(cutoff_day)`).
        cutoff_day: Days since 1970-01-01.
        config: Names, hyper-parameters and the seed.
        segment: The customers' category column of segment_popularity, which is skipped without one.
    """
    options = config.baselines
    fits: dict[str, Callable[[], Scorer]] = {
        "random": lambda: Random.fit(history, cutoff_day, seed=config.seed),
        "popularity": lambda: Popularity.fit(history, cutoff_day),
        "recent_popularity": lambda: RecentPopularity.fit(history, cutoff_day, half_life_days=options.half_life_days),
        "segment_popularity": lambda: SegmentPopularity.fit(
            history, cutoff_day, segment=str(segment), prior=options.segment_prior
        ),
        "item_knn": lambda: ItemKNN.fit(
            history, cutoff_day, shrinkage=options.knn_shrinkage, neighbours=options.knn_neighbours
        ),
        "ease": lambda: EASE.fit(history, cutoff_day, l2=options.ease_l2),
    }
    skipped = _skipped(history, config, segment)
    return Baselines({name: fits[name]() for name in options.fit if name not in skipped}, skipped)


def _skipped(history: Dataset, config: EvaluationConfig, segment: str | None) -> dict[str, str]:
    options = config.baselines
    reasons: dict[str, str] = {}
    if segment is None:
        reasons["segment_popularity"] = "the data config names no segment column"
    if len(history.products) > options.ease_max_products:
        reasons["ease"] = (
            f"{len(history.products)} products are more than ease_max_products = {options.ease_max_products}"
        )
    return {name: reason for name, reason in reasons.items() if name in options.fit}
