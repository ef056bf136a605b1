"""LightGBM's LambdaRank (Burges, *From RankNet to LambdaRank to LambdaMART*, 2010) over two baselines' candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from benchmarks.peers.lambdarank_features import DayStatistics, FeatureConfig, candidate_features, propose
from nextbest.data.config import DataConfig
from nextbest.data.dataset import ALWAYS, Array, Dataset
from nextbest.data.errors import InputError, Problem
from nextbest.data.snapshot import NO_PRODUCT, new_acquisitions

if TYPE_CHECKING:
    import lightgbm

__all__ = ["LambdaRank", "LambdaRankConfig"]


class LambdaRankConfig(FeatureConfig):
    """LightGBM's LambdaRank over the candidates of two baselines.

    The size of the trees is the best of five settings on FAR-Trans's splits 4, 16, 28 and 34, and the windows and the
    start from EASE, without which the trees fall behind it, are the best of four on the splits 9, 13 and 22.
    """

    horizon_days: int = Field(60, ge=1)
    """Length of the training windows."""
    stride_days: int = Field(30, ge=1)
    """Days from one training window's cutoff to the next; the windows may overlap, since all end before the test."""
    max_windows: int = Field(8, ge=1)
    """How many training windows there are at most."""
    min_customers: int = Field(50, ge=1)
    """A window in which fewer customers acquired a candidate is not used."""
    ease_weight: float = Field(1.0, ge=0)
    """Boosting starts from so many times the logarithm of EASE's score; at 0 it starts from 0."""
    smallest_share: float = Field(1e-3, gt=0)
    """EASE scores below this share of a customer's best candidate's start alike."""
    learning_rate: float = Field(0.03, gt=0)
    """LightGBM's."""
    num_leaves: int = Field(7, ge=2)
    """LightGBM's."""
    min_data_in_leaf: int = Field(500, ge=1)
    """LightGBM's."""
    feature_fraction: float = Field(0.5, gt=0, le=1)
    """LightGBM's."""
    max_rounds: int = Field(500, ge=1)
    """Trees at most."""
    default_rounds: int = Field(50, ge=1)
    """Trees where no window lies before the newest one, so that their number cannot be chosen."""
    patience: int = Field(50, ge=1)
    """Trees without a better nDCG on the last window after which training ends."""
    num_threads: int = Field(1, ge=1)
    """Threads; fixed, so that the result does not depend on the machine."""


@dataclass(frozen=True)
class _Examples:
    """One training window: the candidates of those who acquired at least one of them."""

    cutoff: int
    """The last day that the features know."""
    until: int
    """The last day of the labels."""
    features: Array
    """float32, [num_pairs, num_features]."""
    start: Array
    """The score that boosting starts from, float64, [num_pairs]."""
    labels: Array
    """1 where the candidate was acquired, int8, [num_pairs]."""
    groups: Array
    """How many candidates each customer has; their pairs follow one another, int64, [num_customers]."""


@dataclass(frozen=True)
class LambdaRank:
    """Scores the candidates by gradient-boosted trees; other products are never recommended.

    Where no window before the cutoff could be used, the candidates are in EASE's order.
    """

    statistics: DayStatistics
    """The statistics at the cutoff."""
    booster: lightgbm.Booster | None
    """The trees; None where no window could be used."""
    config: LambdaRankConfig
    """Settings."""

    @classmethod
    def fit(
        cls, history: Dataset, cutoff_day: int, data: DataConfig, config: LambdaRankConfig, seed: int
    ) -> LambdaRank:
        """Learn from windows that end at or before the cutoff, each with the features of the day before it.

        The number of trees is chosen on the newest window, by trees of the windows that end before it begins; then it
        learns from all windows.

        Args:
            history: What was known at the cutoff.
            cutoff_day: Days since 1970-01-01.
            data: What the tables mean.
            config: Settings.
            seed: Seed of the feature sampling.

        Raises:
            InputError: LightGBM is not installed.
        """
        windows = [_examples(history, day, data, config) for day in _cutoffs(history, cutoff_day, config)]
        windows = [window for window in windows if len(window.groups) >= config.min_customers]
        booster = _boost(windows, config, seed) if windows else None
        return cls(DayStatistics.at(history, cutoff_day, data, config), booster, config)

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        candidates = propose(self.statistics, customers, self.config)
        if self.booster is None:
            found = np.take_along_axis(self.statistics.ease.score(customers), np.maximum(candidates, 0), axis=1)
        else:
            names, features = candidate_features(self.statistics, customers, candidates)
            flat = features.reshape(-1, features.shape[-1])
            found = np.asarray(self.booster.predict(flat)).reshape(candidates.shape)
            found += _start(names, features, self.config)
        scores = np.full((len(customers), self.statistics.snapshot.holdings.shape[1] + 1), -np.inf, np.float32)
        np.put_along_axis(scores, candidates, found.astype(np.float32), axis=1)  # the last column takes NO_PRODUCT
        return scores[:, :-1]


def _cutoffs(history: Dataset, cutoff_day: int, config: LambdaRankConfig) -> list[int]:
    """Return the days before the training windows, the newest first; some history precedes each."""
    newest = cutoff_day - config.horizon_days
    days = [newest - config.stride_days * back for back in range(config.max_windows)]
    first = int(history.interactions.between(ALWAYS, cutoff_day).day.min(initial=cutoff_day))
    return [day for day in days if day >= first]


def _examples(history: Dataset, day: int, data: DataConfig, config: LambdaRankConfig) -> _Examples:
    statistics = DayStatistics.at(history, day, data, config)
    acquired = new_acquisitions(history, day, day + config.horizon_days)
    held = np.flatnonzero(statistics.snapshot.num_held >= max(data.windows.min_holdings, 1))
    customers = np.intersect1d(acquired.customer, held)
    candidates = propose(statistics, customers, config)
    num_products = len(history.products)
    pairs = acquired.customer.astype(np.int64) * num_products + acquired.product
    labels = np.isin(customers[:, None] * num_products + candidates, pairs) & (candidates != NO_PRODUCT)
    some = labels.any(axis=1)
    candidates = candidates[some]
    real = candidates != NO_PRODUCT
    names, features = candidate_features(statistics, customers[some], candidates)
    start = _start(names, features, config)
    until = day + config.horizon_days
    return _Examples(day, until, features[real], start[real], labels[some][real].astype(np.int8), real.sum(axis=1))


def _start(names: Sequence[str], features: Array, config: LambdaRankConfig) -> Array:
    """Return the score that boosting starts from: the logarithm of EASE's share of the best candidate's."""
    share = features[..., names.index("ease_of_best")].astype(np.float64)
    return config.ease_weight * np.log(np.maximum(share, config.smallest_share))


def _boost(windows: list[_Examples], config: LambdaRankConfig, seed: int) -> lightgbm.Booster:
    """Boost trees on the windows, the newest first."""
    lightgbm = _import_lightgbm()
    options = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "lambdarank_truncation_level": 20,
        "learning_rate": config.learning_rate,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_data_in_leaf,
        "feature_fraction": config.feature_fraction,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.num_threads,
        "verbosity": -1,
    }
    newest, rounds = windows[0], config.default_rounds
    if older := [window for window in windows if window.until <= newest.cutoff]:
        stop = lightgbm.early_stopping(config.patience, verbose=False)
        chosen = lightgbm.train(
            options,
            _dataset(lightgbm, older),
            config.max_rounds,
            valid_sets=[_dataset(lightgbm, [newest])],
            callbacks=[stop],
        )
        rounds = chosen.best_iteration
    return lightgbm.train(options, _dataset(lightgbm, windows), rounds)


def _dataset(lightgbm: Any, windows: list[_Examples]) -> Any:
    features, start, labels, groups = (
        np.concatenate([getattr(window, name) for window in windows])
        for name in ("features", "start", "labels", "groups")
    )
    return lightgbm.Dataset(features, labels, group=groups, init_score=start)


def _import_lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        remedy = "install the extra: pip install nextbest[benchmarks], or leave the model out of --models"
        raise InputError(
            [Problem("lightgbm", None, None, f"the library cannot be imported ({error})", remedy)]
        ) from None
    return lightgbm
