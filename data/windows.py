"""How time is cut into windows, and what happened in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Dataset, Interactions
from nextbest.data.snapshot import new_acquisitions

__all__ = ["EPOCH", "Window", "Windows", "cut_windows", "day_of", "labels"]

EPOCH = date(1970, 1, 1)


def day_of(when: date) -> int:
    """Return days since 1970-01-01."""
    return (when - EPOCH).days


@dataclass(frozen=True)
class Window:
    """The days with `cutoff < day <= until`; days since 1970-01-01."""

    cutoff: int
    until: int

    @property
    def dates(self) -> tuple[date, date]:
        """The cutoff and the last day as dates."""
        return EPOCH + timedelta(self.cutoff), EPOCH + timedelta(self.until)


@dataclass(frozen=True)
class Windows:
    """All windows of a run, none overlapping another."""

    ranking: tuple[Window, ...]
    """The windows that train the ranker, the oldest first; the last validates it before it trains too."""
    test: Window
    """The last window: its labels are read by the evaluation alone."""

    @property
    def measured(self) -> bool:
        """Whether days are kept back to measure by."""
        return self.test.until > self.test.cutoff

    def dates(self) -> dict[str, list[list[str]]]:
        """Return the windows for a manifest: [cutoff, last day] each, ISO dates."""
        return {
            "ranking": [[str(day) for day in window.dates] for window in self.ranking],
            "test": [[str(day) for day in self.test.dates]],
        }


def cut_windows(config: WindowsConfig, first_day: int, last_day: int, selection: bool = True) -> Windows:
    """Cut time.

    Args:
        config: How.
        first_day: Day of the first interaction.
        last_day: Day of the last interaction.
        selection: Whether the time before the ranking windows must have room for one that chooses the retriever's
            epochs, and for a stride before that.

    Raises:
        ValueError: The interactions do not reach far enough.
    """
    horizon = config.horizon_days
    test_days = horizon if config.test_days is None else config.test_days
    test = last_day - test_days if config.test_cutoff is None else day_of(config.test_cutoff)
    needed_days = test_days + horizon * (config.ranking_windows + selection) + (config.stride_days if selection else 0)
    span = (
        f"all lie on one day, {EPOCH + timedelta(first_day)}"
        if first_day == last_day
        else f"run from {EPOCH + timedelta(first_day)} to {EPOCH + timedelta(last_day)}"
    )
    if not first_day < test <= last_day - min(test_days, 1):
        if config.test_cutoff is None:
            raise ValueError(
                f"the interactions {span}, and the windows need {needed_days} days of them: lower "
                "windows.horizon_days, windows.ranking_windows or windows.stride_days, or give a longer history"
            )
        raise ValueError(
            f"the test cutoff {EPOCH + timedelta(test)} must lie within the interactions, which {span}; fix "
            "windows.test_cutoff"
        )
    cutoffs = [test - horizon * back for back in range(config.ranking_windows, 0, -1)]
    needed = cutoffs[0] - (horizon + config.stride_days if selection else 0)
    if needed < first_day:
        raise ValueError(
            f"{config.ranking_windows} ranking windows of {horizon} days before {EPOCH + timedelta(test)} need "
            f"interactions from {EPOCH + timedelta(needed)} on, but they begin on {EPOCH + timedelta(first_day)}; "
            "lower windows.ranking_windows, windows.horizon_days or windows.stride_days, or set retrieval.patience = 0"
        )
    return Windows(tuple(Window(cutoff, cutoff + horizon) for cutoff in cutoffs), Window(test, test + test_days))


def labels(dataset: Dataset, history: Dataset, window: Window) -> Interactions:
    """Return the new acquisitions in a window in the positions of `history`.

    Those of customers or products that `history` does not know are left out: nothing could have predicted them.

    Args:
        dataset: Tables that reach to the window's end.
        history: `dataset.until(window.cutoff)`.
        window: The window.
    """
    acquired = new_acquisitions(dataset, window.cutoff, window.until)
    customer = history.customers.positions(dataset.customers.ids[acquired.customer])
    product = history.products.positions(dataset.products.ids[acquired.product])
    known = (customer >= 0) & (product >= 0)
    moved = Interactions(customer, product, acquired.day, acquired.kind, acquired.weight)[known]
    return Interactions(
        moved.customer.astype(np.int32), moved.product.astype(np.int32), moved.day, moved.kind, moved.weight
    )
