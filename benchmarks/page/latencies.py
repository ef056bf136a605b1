"""How long answers took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Latencies", "latencies"]


@dataclass(frozen=True)
class Latencies:
    """Percentiles of times, in milliseconds; None where nothing was answered."""

    answers: int
    p50: float | None
    p95: float | None
    p99: float | None


def latencies(seconds: Sequence[float]) -> Latencies:
    """Return the percentiles of times: the smallest that at least so many percent of the answers kept to."""
    if not seconds:
        return Latencies(0, None, None, None)
    found = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99], method="inverted_cdf")
    return Latencies(len(seconds), *found.tolist())
