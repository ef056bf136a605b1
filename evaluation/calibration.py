"""Whether a probability means what it says."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from nextbest.data.dataset import Array
from nextbest.evaluation.results import LEVEL, Bin, Calibration

__all__ = ["measure_calibration"]


def measure_calibration(probabilities: Array, outcomes: Array, *, bins: int = 10, level: float = LEVEL) -> Calibration:
    """Measure the calibration of probabilities.

    Bins have about equal counts (Nixon et al., *Measuring calibration in deep learning*, 2019), with equal
    probabilities always in one bin; the expected calibration error is that of Naeini et al. (2015).

    Args:
        probabilities: Predicted probabilities in [0, 1], float, [num_pairs].
        outcomes: Whether each pair came true, bool or 0/1, [num_pairs].
        bins: The number of bins; fewer where probabilities repeat.
        level: Level of the bins' intervals (Wilson 1927).

    Raises:
        ValueError: There is no pair, the lengths differ, or a value is out of range.
    """
    _check(probabilities, outcomes)
    predicted, came_true = probabilities.astype(np.float64), outcomes.astype(np.float64)
    table = _reliability(predicted, came_true, bins, level)
    gaps = [one.count * abs(one.probability - one.rate) for one in table]
    return Calibration(
        pairs=len(predicted),
        base_rate=float(came_true.mean()),
        mean_probability=float(predicted.mean()),
        ece=sum(gaps) / len(predicted),
        brier=float(np.mean((predicted - came_true) ** 2)),
        log_loss=_log_loss(predicted, came_true, np.finfo(probabilities.dtype).eps),
        bins=table,
    )


def _check(probabilities: Array, outcomes: Array) -> None:
    problems = []
    if not len(probabilities) or probabilities.shape != outcomes.shape:
        problems.append(f"shapes {probabilities.shape} and {outcomes.shape} must be equal and not empty")
    if outside := int(np.sum(~((probabilities >= 0) & (probabilities <= 1)))):
        problems.append(f"{outside} probabilities are NaN or outside [0, 1]; calibrate scores first")
    if other := int(np.sum(~np.isin(outcomes, (0, 1)))):
        problems.append(f"{other} outcomes are neither 0 nor 1")
    if problems:
        raise ValueError("calibration cannot be measured: " + "; ".join(problems))


def _log_loss(predicted: Array, came_true: Array, eps: float) -> float:
    """Return the mean negative log-likelihood; a certain and wrong prediction costs -log(eps), not infinity."""
    likelihood = np.where(came_true == 1, predicted, 1 - predicted)
    return float(-np.log(np.clip(likelihood, eps, 1)).mean())


def _reliability(predicted: Array, came_true: Array, bins: int, level: float) -> tuple[Bin, ...]:
    inner_edges = np.unique(np.quantile(predicted, np.arange(1, bins) / bins))
    number = np.searchsorted(inner_edges, predicted, side="left")
    counts = np.bincount(number)
    filled = counts > 0
    counts = counts[filled]
    probability = np.bincount(number, predicted)[filled] / counts
    rate = np.bincount(number, came_true)[filled] / counts
    low, high = _wilson(rate, counts, level)
    columns = (values.tolist() for values in (counts, probability, rate, low, high))
    return tuple(
        Bin(count=count, probability=mean, rate=share, low=bottom, high=top)
        for count, mean, share, bottom, top in zip(*columns, strict=True)
    )


def _wilson(rate: Array, counts: Array, level: float) -> tuple[Array, Array]:
    """Return the score interval of a share (Wilson 1927), which never leaves [0, 1]."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (rate + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z * np.sqrt(rate * (1 - rate) / counts + z**2 / (4 * counts**2)) / (1 + z**2 / counts)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
