"""Statistics of the catalogue at a cutoff: popularity and its trend, popularity by segment, what goes with what.

`product_statistics` computes all that the ranker reads, as matrices, and as tables of few cells where those are large.
All are functions of the interactions at or before the cutoff, and are refreshed without retraining a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field, field_validator

from nextbest.data.dataset import Array, Dataset
from nextbest.data.item_weights import conditional_shares, ease_weights, shrunk_cosine, shrunk_cosines
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import Snapshot
from nextbest.data.sparse_table import SparseTable, cell_keys, common_holders, greatest_per_row, split_keys

__all__ = [
    "PairStatistic",
    "ProductStatistics",
    "StatisticsConfig",
    "popularity_features",
    "product_statistics",
]

PairStatistic = Literal["ease", "cosine", "conditional"]
"""A matrix that says how much holding one product speaks for another."""

_POPULARITY_PRIOR = 1.0
"""Acquisitions that every product is credited with in every window."""
_SEGMENT_PRIOR = 50.0
"""Strength of the overall shares in a segment's shares, in acquisitions."""
_MAX_CELLS = 5000**2
"""Matrices of more cells are sparse: those of the pairs of more than 5,000 products, and of many segments."""
_MAX_NEIGHBOURS = 100
"""How many others a product keeps there, those that most customers hold with it."""
_EASE_PRODUCTS = 5000
"""EASE's votes are there of so many products, the most held: it inverts a dense matrix."""
COSINE_SHRINKAGE = 50.0
"""Added to the denominator of item-kNN's cosines, in holders, so that few common holders count for little."""


class StatisticsConfig(SettingsModel):
    """How the statistics are smoothed."""

    popularity_days: tuple[int, ...] = (30, 91, 182, 365)
    """Windows before the cutoff in which acquisitions are counted, days, increasing."""
    segment_days: int = Field(365, ge=1)
    """Days before the cutoff in which a segment's acquisitions are counted."""
    pairs: tuple[PairStatistic, ...] = ("ease", "cosine")
    """Which item-item statistics the ranker knows: the votes of EASE, of item-kNN (cosine) and of what the holders of
    the same products hold (conditional). In a catalogue of more than 5,000 products each has them with the 100 others
    that most customers hold together with it, and EASE is of the 5,000 most held."""
    ease_l2: float = Field(300.0, gt=0)
    """Regularisation of EASE (Steck 2019)."""

    @property
    def num_popularity(self) -> int:
        """How many popularity features a product has."""
        return 2 * len(self.popularity_days)

    @field_validator("pairs")
    @classmethod
    def _pairs_differ(cls, pairs: tuple[PairStatistic, ...]) -> tuple[PairStatistic, ...]:
        if len(set(pairs)) < len(pairs):
            raise ValueError(f"pairs = {list(pairs)}: name each once")
        return pairs

    @field_validator("popularity_days")
    @classmethod
    def _days_increase(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or min(days) < 1 or list(days) != sorted(set(days)):
            raise ValueError(f"popularity_days = {list(days)}: give one or more different numbers from 1 on, ascending")
        return days


@dataclass(frozen=True)
class ProductStatistics:
    """Statistics at one cutoff. Shares are logarithms relative to a uniform share, so that 0 is neutral."""

    popularity: Array
    """Per product log share in each window, its differences from one window to the next (the trend), and the age of
    its last acquisition, float32, [num_products, 2 * num_windows]."""
    segments: Array | SparseTable
    """Per segment log of (share in the segment / overall share), row 0 (unknown) is 0, float32
    [num_segments, num_products], or a table of one number if there are more than _MAX_CELLS."""
    pairs: Array | SparseTable
    """Those of `StatisticsConfig.pairs`, in order: how much holding the row's product speaks for the column's, as
    EASE's weight, the shrunk cosine or the share of its holders; float32 [num_pair_statistics, num_products,
    num_products], or a table of them for each product's _MAX_NEIGHBOURS if there are more than _MAX_CELLS, where all
    others have 0."""


def product_statistics(
    dataset: Dataset,
    snapshot: Snapshot,
    segment: Array,
    num_segments: int,
    config: StatisticsConfig,
) -> ProductStatistics:
    """Compute the statistics at the snapshot's day; rows after it change nothing.

    Args:
        dataset: The tables.
        snapshot: The snapshot of that day.
        segment: Each customer's segment index, 0 for unknown, int [num_customers].
        num_segments: The number of segment indices, the 0 included.
        config: Settings.
    """
    day = snapshot.day
    return ProductStatistics(
        popularity=popularity_features(dataset, day, config),
        segments=_segment_lift(dataset, segment, num_segments, day, config),
        pairs=_pair_statistics(snapshot.holdings, config),
    )


def popularity_features(dataset: Dataset, day: int, config: StatisticsConfig) -> Array:
    """Return the `popularity` of `ProductStatistics` alone, float32 [num_products, 2 * num_windows]."""
    num_products = len(dataset.products)
    past = dataset.interactions.acquisitions
    counts = np.stack(
        [np.bincount(past.between(day - days, day).product, minlength=num_products) for days in config.popularity_days]
    )
    shares = _log_shares(counts, _POPULARITY_PRIOR)
    trend = shares[:-1] - shares[1:]
    last_day = np.full(num_products, day - 2 * max(config.popularity_days))
    past = past[past.day <= day]
    np.maximum.at(last_day, past.product, past.day)
    last_age = np.log1p(day - last_day) - np.log1p(max(config.popularity_days))
    return np.concatenate([shares, trend, last_age[None, :]]).T.astype(np.float32)


def _log_shares(counts: Array, prior: float) -> Array:
    """Log of smoothed shares relative to a uniform share, [..., num_products]."""
    smoothed = counts + prior
    return np.log(smoothed / smoothed.mean(axis=-1, keepdims=True))


def _segment_lift(
    dataset: Dataset, segment: Array, num_segments: int, day: int, config: StatisticsConfig
) -> Array | SparseTable:
    num_products = len(dataset.products)
    acquired = dataset.interactions.acquisitions.between(day - config.segment_days, day)
    of_segment = segment[acquired.customer]
    overall = np.bincount(acquired.product, minlength=num_products) + _POPULARITY_PRIOR
    overall /= overall.sum()
    totals = np.bincount(of_segment, minlength=num_segments)
    if num_segments * num_products <= _MAX_CELLS:
        counts = np.zeros((num_segments, num_products))
        np.add.at(counts, (of_segment, acquired.product), 1)
        lift = _log_lift(counts, totals[:, None], overall)
        lift[0] = 0.0
        return lift.astype(np.float32)
    known = of_segment > 0
    keys, count = np.unique(cell_keys(of_segment[known], acquired.product[known]), return_counts=True)
    row, column = split_keys(keys)
    lift = _log_lift(count, totals[row], overall[column])
    background = _log_lift(0.0, totals, 1.0)  # of what a segment did not acquire, the same for all
    background[0] = 0.0
    return SparseTable.from_cells(keys, lift[:, None], background[:, None])


def _log_lift(count: Array | float, total: Array, share: Array | float) -> Array:
    """Return the log of P(product | segment) / P(product), shrunk towards 0 by _SEGMENT_PRIOR, cell by cell.

    Args:
        count: Acquisitions of the product in the segment.
        total: All acquisitions in the segment.
        share: The product's share of all acquisitions.
    """
    return np.log((count + _SEGMENT_PRIOR * share) / (total + _SEGMENT_PRIOR) / share)


def _pair_statistics(holdings: sp.csr_matrix, config: StatisticsConfig) -> Array | SparseTable:
    """Return the `pairs` of `ProductStatistics`."""
    num_products = holdings.shape[1]
    if config.pairs and num_products**2 > _MAX_CELLS:
        return _sparse_pair_statistics(holdings, config)
    pairs = np.zeros((len(config.pairs), num_products, num_products), np.float32)
    for place, name in enumerate(config.pairs):
        pairs[place] = _pair_statistic(name, holdings, config)
    return pairs


def _pair_statistic(name: PairStatistic, holdings: sp.csr_matrix, config: StatisticsConfig) -> Array:
    """Return one of the matrices of `ProductStatistics.pairs`, [num_products, num_products]."""
    match name:
        case "ease":
            return ease_weights(holdings, config.ease_l2)
        case "cosine":
            return shrunk_cosines(holdings, COSINE_SHRINKAGE).toarray()
        case "conditional":
            return conditional_shares(holdings)


def _sparse_pair_statistics(holdings: sp.csr_matrix, config: StatisticsConfig) -> SparseTable:
    """Return the `pairs` of a large catalogue, counted for some rows at a time."""
    statistics = _SparsePairs(holdings, config)
    cells = [_Cells.of_block(rows, common) for rows, common in common_holders(holdings)]
    keys = np.concatenate([cell_keys(block.row, block.column) for block in cells])
    values = np.concatenate([statistics.of_cells(block) for block in cells])
    return SparseTable.from_cells(keys, values, background=np.zeros((holdings.shape[1], len(config.pairs))))


@dataclass(frozen=True)
class _Cells:
    """Pairs of some products with their neighbours, [num_cells] each."""

    row: Array
    column: Array
    common: Array
    """How many hold both."""

    @classmethod
    def of_block(cls, rows: Array, common: sp.csr_matrix) -> _Cells:
        """Choose each row's neighbours.

        Args:
            rows: The products, a range of positions, [num_rows].
            common: How many hold both, [num_rows, num_products].
        """
        cells = common.tocoo()
        row, column = cells.row + rows[0], cells.col.astype(np.int64)
        others = np.flatnonzero(row != column)
        kept = others[greatest_per_row(row[others], column[others], cells.data[others], _MAX_NEIGHBOURS)]
        kept.sort()  # into the order of the keys
        return cls(row[kept], column[kept], cells.data[kept])


class _SparsePairs:
    """The pair statistics of some cells, by the formulas of the dense ones."""

    def __init__(self, holdings: sp.csr_matrix, config: StatisticsConfig) -> None:
        self._pairs = config.pairs
        self._holders = np.bincount(holdings.indices, minlength=holdings.shape[1]).astype(np.float64)
        if "ease" in config.pairs:
            most_held = np.sort(np.argsort(-self._holders, kind="stable")[:_EASE_PRODUCTS])
            self._ease = ease_weights(holdings[:, most_held], config.ease_l2)
            self._ease_place = np.full(holdings.shape[1], -1)
            self._ease_place[most_held] = np.arange(len(most_held))

    def of_cells(self, cells: _Cells) -> Array:
        """Return the statistics, float32 [num_cells, num_pair_statistics]."""
        columns = [self._of_cells(name, cells) for name in self._pairs]
        return np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")

    def _of_cells(self, name: PairStatistic, cells: _Cells) -> Array:
        row, column = cells.row, cells.column
        match name:
            case "ease":
                places = self._ease_place[row], self._ease_place[column]
                return np.where(np.minimum(*places) >= 0, self._ease[places], 0.0)
            case "cosine":
                return shrunk_cosine(cells.common, self._holders[row], self._holders[column], COSINE_SHRINKAGE)
            case "conditional":
                return cells.common / self._holders[row]
