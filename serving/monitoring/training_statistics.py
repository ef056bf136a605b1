"""The training's statistics in an export: how inputs, holdings, scores and events were spread when it was made.

`TrainingStatistics` is a small JSON file in `assets.extra`. It holds counts and the edges of their bins, no customer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from nextbest.data.dataset import ACQUIRE, REFUSE, RELEASE, SIGNAL, Array, Interactions, positions_of
from nextbest.data.errors import InputError, Problem
from nextbest.serving.artifacts.assets import MONITORING
from nextbest.serving.recommender import Recommender

__all__ = [
    "KINDS",
    "STATISTICS_FORMAT",
    "Activity",
    "Distribution",
    "TrainingStatistics",
    "is_demand",
    "read_statistics",
]

STATISTICS_FORMAT = 1
"""The file's `format`; it rises when an older program could not read the file any more."""
KINDS: Mapping[str, int] = {"opened": ACQUIRE, "closed": RELEASE, "looked at": SIGNAL, "refused": REFUSE}
"""What is counted of events: what people call it -> its kind."""
_LEVELS = (0.01, *np.round(np.arange(0.1, 1, 0.1), 1).tolist(), 0.99)
"""Quantiles between which numbers are counted. The tails are bins of their own: another unit puts nearly all there."""
_MOST_WORDS = 1000
"""How many different words of a column are counted one by one, the commonest."""
_SHOWN_WORDS = 20
"""How many of them are bins of their own when distributions are compared."""


class _Statistics(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Statistics):
    """How values are spread over bins: of numbers between edges, of words a bin each and one for all others."""

    edges: tuple[float, ...] | None
    """Of numbers, ascending: a bin begins with its edge. None for words."""
    words: tuple[str, ...] = ()
    """The commonest first."""
    counts: tuple[int, ...]
    """Of numbers one more than edges, of words one more than words."""
    missing: int
    """Values that are in no bin."""
    usual: float = 0.0
    """The largest population stability index of these values against earlier ones, up to
    `TrainingStatistics.usual_days` before, of which the time that passed was made good."""
    per_day: float = 0.0
    """Of numbers that grow alike for all customers, such as an age: by how much in a day. 0 for all others."""

    @classmethod
    def from_values(cls, values: Array) -> Self:
        """Count values: float with NaN for missing, or object str with '' for missing, [num_values]."""
        if values.dtype == object:
            words, counts = np.unique(values[values != ""], return_counts=True)
            order = np.lexsort((words, -counts))[:_MOST_WORDS]
            empty = cls(edges=None, words=tuple(words[order].tolist()), counts=(0,) * (len(order) + 1), missing=0)
        else:
            known = values[~np.isnan(values)]
            # Edges are values that occur, so that those which many customers share stand in a bin of their own.
            edges = np.unique(np.quantile(known, _LEVELS, method="inverted_cdf")) if len(known) else np.zeros(0)
            empty = cls(edges=tuple(edges.tolist()), counts=(0,) * (len(edges) + 1), missing=0)
        counted, missing = empty.count(values)
        return empty.model_copy(update={"counts": tuple(counted.tolist()), "missing": missing})

    def count(self, values: Array, days: Array | float = 0) -> tuple[Array, int]:
        """Count other values in these bins; also return how many are missing.

        Args:
            values: As for `from_values`.
            days: How many days later they are, which is made good, perhaps one by one; below zero for earlier ones.
        """
        if self.edges is None:
            known = values[values != ""]
            bins = self._places(known)
        else:
            then = values - (np.float32(self.per_day) * days if self.per_day else 0)
            known = then[~np.isnan(then)]
            bins = np.searchsorted(self.edges, known, side="right")
        return np.bincount(bins, minlength=len(self.counts)), len(values) - len(known)

    def unseen(self, values: Array) -> Array:
        """Return the words among values that are none of these, object str."""
        known = values[values != ""]
        return known[self._places(known) == len(self.words)]

    def _places(self, words: Array) -> Array:
        """Return the bin of each word, int64, [num_words]."""
        order = np.argsort(np.array(self.words, object))
        place = positions_of(words, np.array(self.words, object)[order])
        return np.where(place < 0, len(order), order[place] if len(order) else 0)

    def compared(self, counts: Array) -> Array:
        """Return counts by the bins that are compared: of words only the commonest have one of their own."""
        if self.edges is not None or len(self.words) <= _SHOWN_WORDS:
            return counts
        return np.append(counts[:_SHOWN_WORDS], counts[_SHOWN_WORDS:].sum())

    def labels(self) -> list[str]:
        """Return the names of the bins that are compared."""
        if self.edges is None:
            return [*self.words[:_SHOWN_WORDS], "all others"]
        shown = [f"{edge:g}" for edge in self.edges]
        if not shown:
            return ["any"]
        between = [f"{low} to {high}" for low, high in pairwise(shown)]
        return [f"below {shown[0]}", *between, f"{shown[-1]} and more"]


class Activity(_Statistics):
    """What customers did in the strides before the cutoff, the oldest first; only those who were known before each."""

    stride_days: int
    customers: tuple[int, ...]
    """How many were known before each stride, [num_strides]."""
    categories: tuple[str, ...]
    """The products' categories; one, '', where there are none."""
    events: dict[str, tuple[tuple[int, ...], ...]]
    """What was done (see KINDS) -> events by stride and category, [num_strides, num_categories]."""
    products: tuple[tuple[int, ...], ...]
    """Events that show demand for each of the export's products, in the last strides, [at most 3, num_products]."""

    def of(self, kind: str) -> Array:
        """Return the events of a kind, int64, [num_strides, num_categories]."""
        return np.array(self.events[kind], np.int64).reshape(len(self.customers), len(self.categories))


def is_demand(events: Interactions) -> Array:
    """Return whether each event shows demand for its product, bool, [num_events]; what ends also does unasked."""
    return np.isin(events.kind, (ACQUIRE, SIGNAL))


class TrainingStatistics(_Statistics):
    """What an export's customers, scores and events were like on its cutoff."""

    format: int = STATISTICS_FORMAT
    day: int
    """The cutoff, days since 1970-01-01."""
    usual_days: int
    """How far before it the values were with which `Distribution.usual` compares."""
    customers: int
    new_customers: int
    """Those of them who were not known `usual_days` before."""
    inputs: dict[str, Distribution]
    """What the models read of customers and what these hold, by name."""
    scores: dict[str, Distribution]
    """What the customers were recommended first."""
    activity: Activity


def read_statistics(recommender: Recommender) -> TrainingStatistics:
    """Read an export's statistics.

    Raises:
        InputError: It has none, or in a format that this program does not read.
    """
    file = recommender.asset(MONITORING)
    content = None if file is None else json.load(file)
    if content is not None and content.get("format") == STATISTICS_FORMAT:
        return TrainingStatistics.model_validate(content)
    what = "it was exported without the training's statistics, which monitoring compares with"
    if content is not None:
        what = f"its statistics have format {content.get('format')}, and this nextbest reads format {STATISTICS_FORMAT}"
    remedy = "refresh the run with `nextbest refresh --models`, or train and export it again"
    raise InputError([Problem(str(recommender.folder), None, None, what, remedy)])
