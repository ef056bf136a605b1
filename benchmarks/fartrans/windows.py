"""How the history before a split's time point is cut into training windows."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array
from nextbest.data.windows import EPOCH

__all__ = ["choose_windows"]

_HORIZON_DAYS = 100
"""Long enough for purchases to learn from in the quiet first year, short enough to follow a drift."""
_MOST = 6
"""More windows would only add older ones."""


def choose_windows(training_days: Array, time_point: int, test_end: int) -> WindowsConfig:
    """Choose the ranker's windows: as many of about `_HORIZON_DAYS` as fit, of one length, that all hold purchases.

    The first day of the history stands for all that is older, so it can label nothing: the windows lie between it and
    the time point. A window's retriever learns from what was held at its cutoff, of which the first day has enough.

    Args:
        training_days: Days of the purchases to learn from, since 1970-01-01, ascending.
        time_point: The last day that may be known.
        test_end: The last day of the test.

    Raises:
        ValueError: No purchase has a day after the first.
    """
    first = int(training_days[0])
    if int(training_days[-1]) <= first:
        raise ValueError(f"no purchase is known after the first day of the history, {EPOCH + timedelta(first)}")
    span = time_point - first
    most = int(np.clip(round(span / _HORIZON_DAYS), 1, _MOST))
    choices = (_windows(count, min(span // count, _HORIZON_DAYS), time_point, test_end) for count in range(most, 1, -1))
    whole = _windows(1, span, time_point, test_end)
    return next((windows for windows in choices if _have_purchases(windows, training_days, time_point)), whole)


def _have_purchases(windows: WindowsConfig, training_days: Array, time_point: int) -> bool:
    """Return whether each ranking window holds purchases to learn from."""
    edges = time_point - windows.horizon_days * np.arange(windows.ranking_windows, -1, -1)
    return bool((np.diff(np.searchsorted(training_days, edges, side="right")) > 0).all())


def _windows(count: int, horizon: int, time_point: int, test_end: int) -> WindowsConfig:
    return WindowsConfig(
        horizon_days=horizon,
        test_days=test_end - time_point,
        test_cutoff=EPOCH + timedelta(time_point),
        ranking_windows=count,
        min_holdings=1,
    )
