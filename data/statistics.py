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

from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array, Dataset
from nextbest.data.item_weights import conditional_shares, ease_weights, shrunk_cosine, shrunk_cosines
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import Snapshot, holdings_at, new_acquisitions
from nextbest.data.sparse_table import SparseTable, cell_keys, counts_together, greatest_per_row, split_keys

__all__ = [
    "PairStatistic",
    "ProductStatistics",
    "StatisticsConfig",
    "popularity_features",
    "product_statistics",
]

PairStatistic = Literal["co_holding", "next_after", "ease", "cosine", "conditional"]
"""A matrix that says how much holding one product speaks for another."""


_POPULARITY_PRIOR = 1.0
"""Acquisitions that every product is credited with in every window."""
_SEGMENT_PRIOR = 50.0
"""Strength of the overall shares in a segment's shares, in acquisitions."""
_MAX_CELLS = 5000**2
"""Matrices of more cells are sparse: those of the pairs of more than 5,000 products, and of many segments."""
_MAX_NEIGHBOURS = 100
"""How many others a product keeps there, those that most customers held with it or acquired after it."""
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
    pair_prior: float = Field(20.0, gt=0)
    """Strength of a product's overall share in its share among another product's holders, in holders."""
    next_days: int = Field(365, ge=1)
    """Days before the cutoff in which acquisitions count towards what is acquired next."""
    pairs: tuple[PairStatistic, ...] = ("co_holding", "next_after", "ease", "cosine")
    """Which item-item statistics the ranker knows: how much likelier a product's holders hold another (co_holding), or
    acquire it next (next_after), and the votes of EASE, of item-kNN (cosine) and of what the holders of the same
    products hold (conditional). In a catalogue of more than 5,000 products each has them with the 100 others that most
    customers held together with it or acquired next, and EASE is of the 5,000 most held."""
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
    """Those of `StatisticsConfig.pairs`, in order: how much holding the row's product speaks for the column's, as the
    log lift among its holders or in what they acquire next, EASE's weight, the shrunk cosine or the share of its
    holders; float32 [num_pair_statistics, num_products, num_products], or a table of them for each product's
    _MAX_NEIGHBOURS if there are more than _MAX_CELLS. Votes for all others are 0, and lifts those of them together."""


def product_statistics(
    dataset: Dataset,
    snapshot: Snapshot,
    segment: Array,
    num_segments: int,
    windows: WindowsConfig,
    config: StatisticsConfig,
) -> ProductStatistics:
    """Compute the statistics at the snapshot's day; rows after it change nothing.

    Args:
        dataset: The tables.
        snapshot: The snapshot of that day.
        segment: Each customer's segment index, 0 for unknown, int [num_customers].
        num_segments: The number of segment indices, the 0 included.
        windows: How time is cut.
        config: Settings.
    """
    day = snapshot.day
    return ProductStatistics(
        popularity=popularity_features(dataset, day, config),
        segments=_segment_lift(dataset, segment, num_segments, day, config),
        pairs=_pair_statistics(dataset, snapshot, windows, config),
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
        lift = _log_lift(counts, totals[:, None], overall, _SEGMENT_PRIOR)
        lift[0] = 0.0
        return lift.astype(np.float32)
    known = of_segment > 0
    keys, count = np.unique(cell_keys(of_segment[known], acquired.product[known]), return_counts=True)
    row, column = split_keys(keys)
    lift = _log_lift(count, totals[row], overall[column], _SEGMENT_PRIOR)
    background = _log_lift(0.0, totals, 1.0, _SEGMENT_PRIOR)  # of what a segment did not acquire, the same for all
    background[0] = 0.0
    return SparseTable.from_cells(keys, lift[:, None], background[:, None])


def _log_lift(together: Array | float, holders: Array, share: Array | float, prior: float) -> Array:
    """Return the log of P(column | row held) / P(column), shrunk towards 0 by `prior` holders, cell by cell.

    Args:
        together: How many hold the column's product of the row's holders.
        holders: Of the row.
        share: Of the column, among all.
        prior: Strength of the share, in holders.
    """
    return np.log((together + prior * share) / (holders + prior) / share)


def _pair_statistics(
    dataset: Dataset, snapshot: Snapshot, windows: WindowsConfig, config: StatisticsConfig
) -> Array | SparseTable:
    """Return the `pairs` of `ProductStatistics`."""
    num_products = len(dataset.products)
    if config.pairs and num_products**2 > _MAX_CELLS:
        return _sparse_pair_statistics(dataset, snapshot, windows, config)
    pairs = np.zeros((len(config.pairs), num_products, num_products), np.float32)
    for place, name in enumerate(config.pairs):
        pairs[place] = _pair_statistic(name, dataset, snapshot, windows, config)
    return pairs


def _pair_statistic(
    name: PairStatistic, dataset: Dataset, snapshot: Snapshot, windows: WindowsConfig, config: StatisticsConfig
) -> Array:
    """Return one of the matrices of `ProductStatistics.pairs`, [num_products, num_products]."""
    match name:
        case "co_holding":
            return _co_holding(snapshot.holdings, config)
        case "next_after":
            return _next_after(dataset, snapshot.day, windows, config)
        case "ease":
            return ease_weights(snapshot.holdings, config.ease_l2)
        case "cosine":
            return shrunk_cosines(snapshot.holdings, COSINE_SHRINKAGE).toarray()
        case "conditional":
            return conditional_shares(snapshot.holdings)


def _co_holding(holdings: sp.csr_matrix, config: StatisticsConfig) -> Array:
    together = (holdings.T @ holdings).toarray()
    holders = np.diag(together)
    lift = _log_lift(together, holders[:, None], _share_of_customers(holders, holdings.shape[0]), config.pair_prior)
    np.fill_diagonal(lift, 0.0)
    return lift


def _next_after(dataset: Dataset, day: int, windows: WindowsConfig, config: StatisticsConfig) -> Array:
    held, acquired = _strides(dataset, day, windows, config)
    buyers, share = _buyers_and_share(held, acquired)
    lift = _log_lift((held.T @ acquired).toarray(), buyers[:, None], share, config.pair_prior)
    np.fill_diagonal(lift, 0.0)
    return lift


def _share_of_customers(holders: Array, num_customers: int) -> Array:
    return (holders + _POPULARITY_PRIOR) / (num_customers + _POPULARITY_PRIOR)


def _strides(
    dataset: Dataset, day: int, windows: WindowsConfig, config: StatisticsConfig
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Return what customers held at the start of a stride and what they acquired in it, over the last strides.

    There is a row per stride and customer who acquired something, [num_rows, num_products] each.
    """
    held, acquired = [], []
    for until in range(day, day - config.next_days, -windows.stride_days):
        after = until - windows.stride_days
        events = new_acquisitions(dataset, after, until)
        customers, row = np.unique(events.customer, return_inverse=True)
        shape = len(customers), len(dataset.products)
        acquired.append(sp.csr_matrix((np.ones(len(events)), (row, events.product)), shape=shape))
        held.append(holdings_at(dataset, after)[customers])
    return sp.vstack(held, format="csr"), sp.vstack(acquired, format="csr")


def _buyers_and_share(held: sp.csr_matrix, acquired: sp.csr_matrix) -> tuple[Array, Array]:
    """Return how much the holders of each product acquired, and each product's share in all that was acquired."""
    share = np.bincount(acquired.indices, minlength=acquired.shape[1]) + _POPULARITY_PRIOR
    return held.T @ np.diff(acquired.indptr).astype(np.float64), share / share.sum()


@dataclass(frozen=True)
class _Cells:
    """Pairs of some products with their neighbours, [num_cells] each."""

    rows: Array
    """The products, a range of positions, [num_rows]."""
    row: Array
    column: Array
    common: Array
    """How many hold both."""
    followed: Array
    """How many acquired the column's product in a stride at whose start they held the row's."""

    @classmethod
    def of_block(cls, rows: Array, common: sp.csr_matrix, followed: sp.csr_matrix) -> _Cells:
        """Choose each row's neighbours; the product itself, whose statistics are 0, is one more of them."""
        together = (common + followed + sp.eye(*common.shape, k=rows[0])).tocoo()
        row, column = together.row, together.col.astype(np.int64)
        count = np.where(row + rows[0] == column, np.inf, together.data)
        kept = np.sort(greatest_per_row(row, column, count, _MAX_NEIGHBOURS + 1))  # in the order of the keys
        row, column = row[kept], column[kept]
        counts = (np.asarray(matrix[row, column], np.float64).ravel() for matrix in (common, followed))
        return cls(rows, row + rows[0], column, *counts)

    def sum_per_row(self, values: Array) -> Array:
        """Add up the cells of each row, [num_rows]."""
        return np.bincount(self.row - self.rows[0], values, minlength=len(self.rows))


def _sparse_pair_statistics(
    dataset: Dataset, snapshot: Snapshot, windows: WindowsConfig, config: StatisticsConfig
) -> SparseTable:
    """Return the `pairs` of a large catalogue, counted for some rows at a time."""
    strides = _strides(dataset, snapshot.day, windows, config)
    statistics = _SparsePairs(snapshot.holdings, strides, config)
    keys, values, background = [], [], []
    for rows, counts in counts_together([(snapshot.holdings, snapshot.holdings), strides]):
        cells = _Cells.of_block(rows, *counts)
        keys.append(cell_keys(cells.row, cells.column))
        values.append(statistics.of_cells(cells))
        background.append(statistics.of_others(cells))
    return SparseTable.from_cells(*map(np.concatenate, (keys, values, background)))


class _SparsePairs:
    """The pair statistics of some cells, by the formulas of the dense ones."""

    def __init__(
        self, holdings: sp.csr_matrix, strides: tuple[sp.csr_matrix, sp.csr_matrix], config: StatisticsConfig
    ) -> None:
        self._config = config
        self._holders = np.bincount(holdings.indices, minlength=holdings.shape[1]).astype(np.float64)
        self._share = _share_of_customers(self._holders, holdings.shape[0])
        self._held_in_all = holdings.T @ np.diff(holdings.indptr).astype(np.float64)
        self._buyers, self._next_share = _buyers_and_share(*strides)
        if "ease" in config.pairs:
            most_held = np.sort(np.argsort(-self._holders, kind="stable")[:_EASE_PRODUCTS])
            self._ease = ease_weights(holdings[:, most_held], config.ease_l2)
            self._ease_place = np.full(holdings.shape[1], -1)
            self._ease_place[most_held] = np.arange(len(most_held))

    def of_cells(self, cells: _Cells) -> Array:
        """Return the statistics, float32 [num_cells, num_pair_statistics]."""
        columns = [self._of_cells(name, cells) for name in self._config.pairs]
        values = np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")
        values[cells.row == cells.column] = 0.0
        return values

    def _of_cells(self, name: PairStatistic, cells: _Cells) -> Array:
        config, row, column = self._config, cells.row, cells.column
        match name:
            case "co_holding":
                return _log_lift(cells.common, self._holders[row], self._share[column], config.pair_prior)
            case "next_after":
                return _log_lift(cells.followed, self._buyers[row], self._next_share[column], config.pair_prior)
            case "ease":
                places = self._ease_place[row], self._ease_place[column]
                return np.where(np.minimum(*places) >= 0, self._ease[places], 0.0)
            case "cosine":
                return shrunk_cosine(cells.common, self._holders[row], self._holders[column], COSINE_SHRINKAGE)
            case "conditional":
                return cells.common / np.maximum(self._holders[row], 1)

    def of_others(self, cells: _Cells) -> Array:
        """Return what the rows have with all that is not among their cells, float64 [num_rows, num_pair_statistics]."""
        return np.stack([self._of_others(name, cells) for name in self._config.pairs], axis=1)

    def _of_others(self, name: PairStatistic, cells: _Cells) -> Array:
        match name:
            case "co_holding":
                return self._lift_of_others(cells, cells.common, self._held_in_all, self._holders, self._share)
            case "next_after":
                return self._lift_of_others(cells, cells.followed, self._buyers, self._buyers, self._next_share)
            case _:
                return np.zeros(len(cells.rows))

    def _lift_of_others(self, cells: _Cells, counted: Array, total: Array, holders: Array, share: Array) -> Array:
        """Return the lift of all other products together; where none was left out, it is that of what no one holds.

        Args:
            cells: All of the rows' cells.
            counted: What the rows' holders have of each.
            total: What they have in all.
            holders: Of each row.
            share: Of each column.
        """
        left = total[cells.rows] - cells.sum_per_row(counted)
        share_left = share.sum() - cells.sum_per_row(share[cells.column])
        per_share = left / np.maximum(share_left, np.finfo(float).tiny)  # none is left of a share of 0
        return _log_lift(per_share, holders[cells.rows], 1.0, self._config.pair_prior)
