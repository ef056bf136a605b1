"""What may be said of many groups: comparisons with their p-values, and the correction for their number.

The correction is Holm's ("A simple sequentially rejective multiple test procedure", 1979): the chance that even one
group is named wrongly is below 5 %, however the groups overlap. Benjamini and Hochberg's, which finds more, bounds the
share of the wrong ones among those that are named, and each name in a model card must stand for itself.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from scipy.special import gammainc, gammaincc, gammaincinv

from nextbest.data.dataset import Array
from nextbest.evaluation.results import LEVEL, GroupCalibration, GroupDifference, Interval

__all__ = ["calibrate", "compare", "holm"]


def compare(ours: Array, theirs: Array, least: int) -> GroupDifference | None:
    """Compare the mean of a group with that of all others; None where one has fewer than `least` customers, at least 2.

    The standard error is Welch's, with each side's variance at least that of all together: a small group of which all
    happen to have the same value is not taken for one that always has it.
    """
    if min(len(ours), len(theirs)) < max(least, 2):
        return None
    sides = [side.astype(np.float64) for side in (ours, theirs)]
    pooled = np.concatenate(sides).var(ddof=1)
    error = float(np.sqrt(sum(max(side.var(ddof=1), pooled) / len(side) for side in sides)))
    difference = float(sides[0].mean() - sides[1].mean())
    normal = NormalDist()
    half = normal.inv_cdf((1 + LEVEL) / 2) * error
    p = 2 * normal.cdf(-abs(difference) / error) if error else 1.0
    return GroupDifference(difference=difference, low=difference - half, high=difference + half, p=p)


def calibrate(pairs: int, expected: float, count: float, dispersion: float) -> GroupCalibration | None:
    """Compare how often pairs came true with how often their probabilities say; None where they say never.

    The interval is Garwood's (1936) of a Poisson count over what was expected, both divided by the dispersion.

    Args:
        pairs: How many pairs.
        expected: The sum of their probabilities.
        count: How many came true.
        dispersion: See `Outcomes.dispersion`.
    """
    if not expected:
        return None
    said, happened = expected / dispersion, count / dispersion
    tail = (1 - LEVEL) / 2
    low = float(gammaincinv(happened, tail)) if happened else 0.0
    high = float(gammaincinv(happened + 1, 1 - tail))
    at_least = float(gammainc(happened, said)) if happened else 1.0
    at_most = float(gammaincc(happened + 1, said))
    return GroupCalibration(
        pairs=pairs,
        said=expected / pairs,
        happened=count / pairs,
        ratio=Interval(value=count / expected, low=low / said, high=high / said),
        p=min(1.0, 2 * min(at_least, at_most)),
    )


def holm(p: Array) -> Array:
    """Return p-values that are corrected for their number (Holm 1979), [n]: at most one in 20 sets has one below 0.05.

    The smallest of n is multiplied by n, the next by n - 1 and so on, and none is smaller than one before it.

    Args:
        p: p-values in any order, [n].
    """
    order = np.argsort(p, kind="stable")
    scaled = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(scaled)
    return adjusted
