"""Where a value stands among the customers: sorted columns, made once, in which a value is found by bisection."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from nextbest.data.dataset import Array

__all__ = ["NumberColumn", "Segments", "WordColumn", "percentile_rank"]


def percentile_rank(value: np.float32, ordered: Array) -> float:
    """Return the percentage of values below one, and half of those equal to it; from 0 to 100.

    The mid-rank: of two equal customers both stand at 50, and few distinct values (dependants) lean to neither side.

    Args:
        value: The value.
        ordered: Known values, ascending, float32, [n] with n > 0.
    """
    below, at_most = (np.searchsorted(ordered, value, side=side) for side in ("left", "right"))
    return float(50 * (below + at_most) / len(ordered))


class Segments:
    """Which segment each customer is in."""

    def __init__(self, labels: Array) -> None:
        """Number the segments.

        Args:
            labels: Each customer's, '' for unknown, object str, [num_customers].
        """
        self.labels, codes = np.unique(labels.astype(str), return_inverse=True)
        self.codes = codes.astype(np.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def code(self, label: str) -> int | None:
        """Return a segment's number; None for an unknown one."""
        found = int(np.searchsorted(self.labels, label))
        return found if label and found < len(self) and self.labels[found] == label else None


class NumberColumn:
    """The known values of a column, overall and by segment, ascending."""

    def __init__(self, values: Array, segments: Segments) -> None:
        """Sort a column.

        Args:
            values: NaN for missing, float32, [num_customers].
            segments: The customers' segments.
        """
        known = np.isfinite(values)
        values, codes = values[known], segments.codes[known]
        order = np.lexsort((values, codes))
        self._by_segment = values[order]
        self._starts = np.searchsorted(codes[order], np.arange(len(segments) + 1))
        self.ordered = np.sort(values)
        """All known values."""

    def of_segment(self, code: int) -> Array:
        """Return a segment's known values."""
        return self._by_segment[self._starts[code] : self._starts[code + 1]]


class Share(NamedTuple):
    """How many of the customers with a known value have the same one."""

    same: int
    known: int


class WordColumn:
    """How many customers have each value of a column, overall and by segment."""

    def __init__(self, values: Array, segments: Segments) -> None:
        """Count a column's values.

        Args:
            values: Words with '' for missing or numbers with NaN, [num_customers].
            segments: The customers' segments.
        """
        is_float = values.dtype.kind == "f"
        known = np.isfinite(values) if is_float else values != ""
        self.values, positions = np.unique(
            values[known] if is_float else values[known].astype(str), return_inverse=True
        )
        """The distinct known values, ascending."""
        cells = segments.codes[known].astype(np.int64) * len(self.values) + positions
        counts = np.bincount(cells, minlength=len(segments) * len(self.values))
        self._counts = counts.reshape(len(segments), len(self.values))
        self.counts = self._counts.sum(axis=0)
        """How many customers have each of them."""

    def share(self, value: Hashable, code: int | None = None) -> Share:
        """Count the customers with a value, of one segment or of all."""
        counts = self.counts if code is None else self._counts[code]
        return Share(int(counts[self.values == value].sum()), int(counts.sum()))
