"""How sure we are of a mean over customers: the bootstrap, the same resamples for every model."""

from __future__ import annotations

import numpy as np

from nextbest.data.dataset import Array

__all__ = ["percentile_interval", "resampled_means"]


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
