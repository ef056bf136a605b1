r"""Whether a difference is large enough to matter and too large to be chance: both are needed for an alarm.

A check has a `value` with a `limit`, which is about what matters, and `evidence` against chance in nats: the logarithm
of how much likelier what was seen is under the best explanation than under the one that would be no fault. By
Chernoff's bound, chance alone reaches evidence x with a probability of about exp(-x) at most. With m comparisons an
alarm needs more than ln(m / FALSE_ALARMS) (Bonferroni), so that a small file or many columns cry no wolf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np

from nextbest.data.dataset import Array

__all__ = [
    "FALSE_ALARMS",
    "Check",
    "Limits",
    "Picture",
    "alarms",
    "distribution_check",
    "needed_evidence",
    "psi",
    "rate_check",
    "rate_evidence",
    "share_check",
]

FALSE_ALARMS = 0.01
"""The chance that a healthy month has an alarm at all."""
_PRIOR = 0.5
"""What every bin is credited with (Jeffreys), so that an empty one has no infinite index."""


@dataclass(frozen=True)
class Limits:
    """From where on a difference from the training matters."""

    max_psi: float = 0.25
    """Population stability index, beyond what is usual. By custom 0.1 is a small and 0.25 a large shift."""
    max_share: float = 0.05
    """By how much the share of missing values, of unknown ids and of unknown products may exceed the training's."""
    max_unseen: float = 0.01
    """By how much the share of words may that no customer of the training had."""
    max_factor: float = 2.0
    """By which factor the rate of events, and the acquisitions against their probabilities, may be off."""
    max_drop: float = 0.3
    """By which share nDCG may fall below what was measured."""


@dataclass(frozen=True)
class Picture:
    """What was usual and what is now, by bin, as shares."""

    labels: Sequence[str]
    before: Sequence[float]
    now: Sequence[float]


@dataclass(frozen=True)
class Check:
    """One comparison with the training, or several alike of which the worst counts."""

    group: str
    """customers, scores or outcomes."""
    subject: str
    """What is compared: a column, or what people call it."""
    measure: str
    """How."""
    value: float
    limit: float
    """A larger value matters."""
    evidence: float
    """Against chance, nats."""
    comparisons: int = 1
    detail: str = ""
    """For people: what was seen."""
    picture: Picture | None = None

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.subject}: {self.measure} {self.value:.3g}, limit {self.limit:.3g}{detail}"


def needed_evidence(checks: Sequence[Check]) -> float:
    """Return how much evidence an alarm needs, nats."""
    return log(max(1, sum(check.comparisons for check in checks)) / FALSE_ALARMS)


def alarms(checks: Sequence[Check]) -> list[Check]:
    """Return the checks whose value passes its limit, and not by chance."""
    needed = needed_evidence(checks)
    return [check for check in checks if check.value > check.limit and check.evidence > needed]


def psi(before: Array, now: Array) -> float:
    """Return the population stability index of two samples by their counts, less what chance adds to it, at least 0.

    Of samples of one distribution it is (1 / n + 1 / m) times a chi-squared variable with one degree of freedom less
    than there are bins (Yurdakul, *Statistical properties of the population stability index*, 2018).

    Args:
        before: Counts, [num_bins].
        now: Counts in the same bins.
    """
    sizes = before.sum(), now.sum()
    if not all(sizes):
        return 0.0
    p, q = ((counts + _PRIOR) / (counts + _PRIOR).sum() for counts in (before, now))
    chance = (1 / sizes[0] + 1 / sizes[1]) * (len(before) - 1)
    return max(0.0, float(np.sum((q - p) * np.log(q / p))) - chance)


def distribution_check(
    group: str, subject: str, labels: Sequence[str], before: Array, now: Array, limit: float, since: str = "in training"
) -> Check:
    """Compare two samples by their counts.

    The evidence is that of the bin that differs most: the likelihood ratio of two shares to a common one.

    Args:
        group: See `Check`.
        subject: See `Check`.
        labels: The bins' names.
        before: Counts, [num_bins].
        now: Counts, [num_bins].
        limit: Of the population stability index.
        since: What people call the time of `before`.
    """
    totals = np.array([before.sum(), now.sum()], float)
    evidence = np.zeros(len(before))
    if totals.all():
        counts = np.stack([before, now]).astype(float)
        common = counts.sum(axis=0) / totals.sum()
        evidence = sum(total * _divergence(row / total, common) for row, total in zip(counts, totals, strict=True))
    worst = int(np.argmax(evidence))
    shares = [counts / max(counts.sum(), 1) for counts in (before, now)]
    detail = f"{labels[worst]}: {shares[1][worst]:.1%}, {since} {shares[0][worst]:.1%}"
    picture = Picture(labels, shares[0].tolist(), shares[1].tolist())
    return Check(group, subject, "PSI", psi(before, now), limit, float(evidence[worst]), len(before), detail, picture)


def share_check(
    group: str, subject: str, measure: str, count: int, total: int, limit: float, detail: str = ""
) -> Check:
    """Compare a share with the largest that is no fault; the evidence is that even this is exceeded."""
    share = count / max(total, 1)
    limit = min(max(limit, 1e-6), 0.999)  # its logarithms are finite
    evidence = total * float(_divergence(np.array(share), np.array(limit))) if share > limit else 0.0
    return Check(group, subject, measure, share, limit, evidence, detail=detail or f"{count:,} of {total:,}")


def rate_check(group: str, subject: str, measure: str, seen: float, expected: float, limit: float) -> Check:
    """Compare a number of events with the expected one, by the factor between them; Poisson's evidence is beyond it."""
    factor = max((seen + _PRIOR) / (expected + _PRIOR), (expected + _PRIOR) / (seen + _PRIOR))
    bound = expected * limit if seen > expected else expected / limit
    evidence = rate_evidence(seen, bound) if factor > limit else 0.0
    return Check(group, subject, measure, factor, limit, evidence, detail=f"{seen:,.0f}, expected {expected:,.0f}")


def rate_evidence(seen: float, bound: float) -> float:
    """Return Poisson's evidence that a number of events is not of this mean, nats."""
    if bound <= 0:
        return inf if seen else 0.0
    return (seen * log(seen / bound) if seen else 0.0) - (seen - bound)


def _divergence(share: Array, other: Array) -> Array:
    """Return the Kullback-Leibler divergence of shares of yes and no, nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        yes = np.where(share > 0, share * np.log(share / other), 0.0)
        no = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - other)), 0.0)
    return yes + no
