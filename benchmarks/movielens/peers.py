"""The peers, each as strong as its hyper-parameters make it: chosen on the validation film, refitted for the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from benchmarks.peers.ials import IALS, IALSConfig
from nextbest.data.dataset import Dataset
from nextbest.data.settings import SettingsModel
from nextbest.evaluation.baselines import EASE, ItemKNN, Popularity, Scorer
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import TestSet, rank_all
from nextbest.modelling.metrics import per_customer

__all__ = ["Chosen", "Fit", "PeerGrid", "choose", "fits_of", "main_metric"]

Fit = Callable[[Dataset, int], Scorer]
"""The history and its last day, in days since 1970-01-01 -> a fitted scorer."""


class PeerGrid(SettingsModel):
    """The values that are tried, in all combinations."""

    ease_l2: tuple[float, ...] = (20, 50, 100, 200, 300, 500, 1000, 2000)
    """EASE's ridge penalty, the paper's lambda."""
    knn_shrinkage: tuple[float, ...] = (0, 5, 10, 20, 50, 100)
    """What is added to the denominator of item-kNN's cosine."""
    knn_neighbours: tuple[int | None, ...] = (5, 10, 20, 40, None)
    """How many products each held product votes for; None is all."""
    ials_factors: tuple[int, ...] = (16, 32, 64, 128)
    """Dimension of iALS's factors."""
    ials_regularization: tuple[float, ...] = (0.1, 0.3, 1, 3, 10, 20)
    """iALS's ridge penalty."""
    ials_alpha: tuple[float, ...] = (1, 2, 4, 8)
    """iALS's confidence of what is held."""
    ials_iterations: tuple[int, ...] = (15,)
    """iALS's sweeps."""


@dataclass(frozen=True)
class Chosen:
    """A peer with the hyper-parameters that did best on the validation film."""

    fit: Fit
    """Fits it."""
    parameters: Mapping[str, Any]
    """The hyper-parameters."""
    validation: float
    """The main metric on the validation film."""
    tried: int
    """How many combinations were tried."""


def fits_of(grid: PeerGrid, seed: int) -> dict[str, list[tuple[dict[str, Any], Fit]]]:
    """Return each peer's combinations of hyper-parameters and what fits them."""

    def combinations(fit: Callable[..., Scorer], **values: tuple[Any, ...]) -> list[tuple[dict[str, Any], Fit]]:
        named = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
        return [(parameters, partial(fit, **parameters)) for parameters in named]

    def ials(history: Dataset, day: int, **parameters: Any) -> Scorer:
        return IALS.fit(history, day, IALSConfig(**parameters), seed)

    return {
        "popularity": combinations(Popularity.fit),
        "item_knn": combinations(ItemKNN.fit, shrinkage=grid.knn_shrinkage, neighbours=grid.knn_neighbours),
        "ease": combinations(EASE.fit, l2=grid.ease_l2),
        "ials": combinations(
            ials,
            factors=grid.ials_factors,
            regularization=grid.ials_regularization,
            alpha=grid.ials_alpha,
            iterations=grid.ials_iterations,
        ),
    }


def choose(
    candidates: list[tuple[dict[str, Any], Fit]],
    history: Dataset,
    day: int,
    test_set: TestSet,
    config: EvaluationConfig,
) -> Chosen:
    """Return what does best on the validation film; of equals the first.

    Args:
        candidates: Combinations of hyper-parameters and what fits them.
        history: What is known before the validation film.
        day: The history's last day, days since 1970-01-01.
        test_set: The validation.
        config: The main metric.
    """
    best: Chosen | None = None
    for parameters, fit in candidates:
        value = main_metric(fit(history, day), test_set, config)
        if best is None or value > best.validation:
            best = Chosen(fit, parameters, value, len(candidates))
    if best is None:
        raise ValueError("there is nothing to choose from; give the grid at least one value for each hyper-parameter")
    return best


def main_metric(scorer: Scorer, test_set: TestSet, config: EvaluationConfig) -> float:
    """Return a scorer's main metric, the mean over the test set's customers."""
    lists, _ = rank_all({"scorer": scorer}, test_set, config)
    return float(per_customer(lists["scorer"], test_set.relevant, config.ks)[config.main_metric].mean())
