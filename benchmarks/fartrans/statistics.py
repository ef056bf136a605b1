"""Means over splits, and paired differences over splits that do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import sqrt

import numpy as np

from nextbest.data.dataset import Array
from nextbest.evaluation.intervals import percentile_interval, resampled_means

__all__ = ["Window", "families", "interval_of_mean", "resampled_means_of", "standard_error"]

Window = tuple[date, date]
"""The last day that is known, and the last day of the test."""


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of the mean of independent values, None of a single one."""
    return float(np.std(values, ddof=1) / sqrt(len(values))) if len(values) > 1 else None


def families(windows: Mapping[int, Window]) -> list[list[int]]:
    """Return every family of splits whose tests do not overlap.

    Each begins at another of the splits that begin within the first test, and goes on with the next split that begins
    when the test before it has ended.

    Args:
        windows: Split -> its window, in the order of time.
    """
    splits = sorted(windows, key=lambda split: windows[split])
    _, first_end = windows[splits[0]]
    found = []
    for start in (split for split in splits if windows[split][0] < first_end):
        family = [start]
        for split in splits:
            if windows[split][0] >= windows[family[-1]][1]:
                family.append(split)
        found.append(family)
    return found


def resampled_means_of(values: Mapping[int, Array], *, resamples: int, seed: int) -> dict[int, Array]:
    """Resample the customers of each split by themselves: split -> means, float64, [resamples].

    Args:
        values: Split -> value of each customer, [n].
        resamples: How many resamples.
        seed: Seed; every split has a stream of its own.
    """
    found = {}
    for split, of_customers in values.items():
        stream = int(np.random.SeedSequence([seed, split]).generate_state(1)[0])
        found[split] = resampled_means(of_customers[:, None], resamples=resamples, seed=stream)[:, 0]
    shortest = min(map(len, found.values()))  # a handful of customers may lose a resample that drew none of them
    return {split: means[:shortest] for split, means in found.items()}


def interval_of_mean(resampled: Sequence[Array], level: float) -> tuple[float, float]:
    """Return the interval of the mean over strata that were resampled by themselves."""
    low, high = percentile_interval(np.mean(resampled, axis=0)[:, None], level)
    return float(low[0]), float(high[0])
