"""Time in the simulation: steps of about a month, laid so that the test cutoff falls between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from nextbest.data.bank.config import BankConfig
from nextbest.data.dataset import Array

__all__ = ["Timeline", "make_timeline"]

DAYS_PER_MONTH = 365.25 / 12
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Timeline:
    """Step t covers the days `bounds[t] < day <= bounds[t + 1]`."""

    bounds: Array
    """Days since 1970-01-01, int64, [num_steps + 1]."""
    cutoff_step: int
    """The first step after the test cutoff."""
    refresh: Array
    """Whether customers get a new dated row at the start of a step, bool, [num_steps]."""
    months: Array
    """Month of the year (0-11) of the middle of each step, int64, [num_steps]."""

    def __len__(self) -> int:
        return len(self.months)

    @property
    def cutoff(self) -> int:
        """The test cutoff, in days since 1970-01-01: the day before the test window."""
        return int(self.bounds[self.cutoff_step])


def make_timeline(config: BankConfig) -> Timeline:
    """Cut the horizon, and the years before it, into equal steps of about a month.

    The rows of the customers are refreshed at the cutoff and every `refresh_months` before and after it, so that what
    decides on purchases in a short horizon is what the bank knew at the cutoff.
    """
    horizon_steps = max(1, round(config.horizon_days / DAYS_PER_MONTH))
    length = config.horizon_days / horizon_steps
    total = max(horizon_steps + 2, round(config.years * 365.25 / length))
    bounds = (config.start - EPOCH).days - 1 + np.round(np.arange(total + 1) * length).astype(np.int64)
    bounds[-1] = bounds[-1 - horizon_steps] + config.horizon_days
    cutoff_step = total - horizon_steps
    steps = np.arange(total)
    middle = (bounds[:-1] + bounds[1:]) // 2
    return Timeline(
        bounds=bounds,
        cutoff_step=cutoff_step,
        refresh=(steps - cutoff_step) % config.refresh_months == 0,
        months=middle.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12,
    )
