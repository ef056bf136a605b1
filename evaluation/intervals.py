"""How sure we are of a mean over customers: bootstrap intervals, from the same resamples for every model.

`BootstrappedMetrics` holds all models' metrics and answers with intervals, paired differences and shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from nextbest.data.dataset import Array
from nextbest.evaluation.baselines import RANDOM_SEED
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.results import LEVEL, Difference, Interval

__all__ = ["BootstrappedMetrics", "percentile_interval", "resampled_means"]


_RESAMPLES = 1000


@dataclass(frozen=True)
class BootstrappedMetrics:
    """Every model's metrics per customer, and their means in the same resamples."""

    models: list[str]
    """Names of the models."""
    metrics: list[str]
    """Names of the metrics that have a value per customer."""
    values: Array
    """float32, [num_customers, num_models, num_metrics]."""
    means: Array
    """Over all customers, float64, [num_models, num_metrics]."""
    resampled: Array
    """Over each resample, float64, [resamples, num_models, num_metrics]."""
    config: EvaluationConfig
    """It names the main metric."""

    @classmethod
    def from_values(cls, found: Mapping[str, Mapping[str, Array]], config: EvaluationConfig) -> Self:
        """Resample model -> metric -> value per customer, [num_customers]."""
        models, metrics = list(found), list(next(iter(found.values())))
        values = np.stack([np.stack([found[model][metric] for metric in metrics], -1) for model in models], 1)
        return cls._resample(models, metrics, values.astype(np.float32), config)

    @classmethod
    def _resample(cls, models: list[str], metrics: list[str], values: Array, config: EvaluationConfig) -> Self:
        flat = resampled_means(values.reshape(len(values), -1), resamples=_RESAMPLES, seed=RANDOM_SEED)
        resampled = flat.reshape(-1, *values.shape[1:])
        return cls(models, metrics, values, values.mean(axis=0, dtype=np.float64), resampled, config)

    def part(self, rows: Array, metrics: Sequence[str]) -> Self:
        """Resample these metrics of these customers alone."""
        places = [self.metrics.index(metric) for metric in metrics]
        return self._resample(self.models, list(metrics), self.values[rows][:, :, places], self.config)

    def values_of(self, model: str, metric: str) -> Array:
        """Return a model's metric of each customer, float32, [num_customers]."""
        return self.values[:, self.models.index(model), self.metrics.index(metric)]

    def intervals(self) -> dict[str, dict[str, Interval]]:
        """Return model -> metric -> mean with its interval."""
        low, high = percentile_interval(self.resampled, LEVEL)
        return {
            model: {
                metric: Interval(value=float(self.means[i, j]), low=float(low[i, j]), high=float(high[i, j]))
                for j, metric in enumerate(self.metrics)
            }
            for i, model in enumerate(self.models)
        }

    def differences(self, model: str, other: str) -> dict[str, Difference]:
        """Return metric -> model's less other's."""
        a, b = self.models.index(model), self.models.index(other)
        resampled = self.resampled[:, a] - self.resampled[:, b]
        low, high = percentile_interval(resampled, LEVEL)
        positive = (resampled > 0).mean(axis=0)
        return {
            metric: Difference(
                difference=float(self.means[a, j] - self.means[b, j]),
                low=float(low[j]),
                high=float(high[j]),
                share_positive=float(positive[j]),
            )
            for j, metric in enumerate(self.metrics)
        }

    def shares_of(self, best: str) -> dict[str, Interval]:
        """Return model -> its main metric over the best model's; empty where that is 0."""
        main, b = self.metrics.index(self.config.main_metric), self.models.index(best)
        if not self.resampled[:, b, main].all():
            return {}
        low, high = percentile_interval(self.resampled[:, :, main] / self.resampled[:, [b], main], LEVEL)
        shares = self.means[:, main] / self.means[b, main]
        return {
            model: Interval(value=float(shares[i]), low=float(low[i]), high=float(high[i]))
            for i, model in enumerate(self.models)
            if model != best
        }


def resampled_means(values: Array, *, resamples: int, seed: int, chunk: int = 4096) -> Array:
    """Return the means of bootstrap resamples of the rows, float64, [at most resamples, num_columns].

    A row's weight in a resample is Poisson(1) (Chamandy et al., *Estimating uncertainty for massive data streams*,
    2012), so rows are drawn chunk by chunk and memory does not grow with them. All columns share the weights:
    a difference of two columns is a paired comparison. A resample that drew no row at all (likely only with a
    handful of rows) is dropped.

    Args:
        values: One row per customer, [n, num_columns], n >= 1.
        resamples: How many resamples.
        seed: Seed of the weights.
        chunk: Rows whose weights are held at once.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((resamples, values.shape[1]))
    totals = np.zeros((resamples, 1))
    for start in range(0, len(values), chunk):
        rows = values[start : start + chunk].astype(np.float64)
        weights = rng.poisson(1.0, size=(resamples, len(rows))).astype(np.float64)
        sums += weights @ rows
        totals += weights.sum(axis=1, keepdims=True)
    drawn = totals[:, 0] > 0
    return sums[drawn] / totals[drawn]


def percentile_interval(resampled: Array, level: float) -> tuple[Array, Array]:
    """Return the percentile interval of each column (Efron 1981): low and high, [num_columns] each.

    Args:
        resampled: Means of resamples, [resamples, num_columns].
        level: Level of the interval, for example 0.95.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return low, high
