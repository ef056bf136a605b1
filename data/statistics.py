"""Statistics of the catalogue at a cutoff: popularity and its trend, popularity by segment, what goes with what.

`product_statistics` computes all that the ranker reads; EASE's and item-kNN's weights also are baselines of their own.
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
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import Snapshot, holdings_at, new_acquisitions

__all__ = [
    "PairStatistic",
    "ProductStatistics",
    "StatisticsConfig",
    "conditional_shares",
    "ease_weights",
    "popularity_features",
    "product_statistics",
    "shrunk_cosines",
]

PairStatistic = Literal["co_holding", "next_after", "ease", "cosine", "conditional"]
"""A matrix that says how much holding one product speaks for another."""


_POPULARITY_PRIOR = 1.0
"""Acquisitions that every product is credited with in every window."""
_SEGMENT_PRIOR = 50.0
"""Strength of the overall shares in a segment's shares, in acquisitions."""
_MAX_PRODUCTS = 5000
"""Catalogues above this size get no pair statistics: they are dense [num_products, num_products] matrices."""


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
    products hold (conditional)."""
    ease_l2: float = Field(300.0, gt=0)
    """Regularisation of EASE (Steck 2019)."""
    cosine_shrinkage: float = Field(50.0, gt=0)
    """Added to the denominator of item-kNN's cosines, in holders, so that few common holders count for little."""

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
    segments: Array
    """Per segment log of (share in the segment / overall share), row 0 (unknown) is 0, float32
    [num_segments, num_products]."""
    pairs: Array
    """Those of `StatisticsConfig.pairs`, in order: how much holding the row's product speaks for the column's, as the
    log lift among its holders or in what they acquire next, EASE's weight, the shrunk cosine or the share of its
    holders; float32 [num_pair_statistics, num_products, num_products], or [num_pair_statistics, 0, 0]."""


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
    num_products = len(dataset.products)
    size = num_products if num_products <= _MAX_PRODUCTS else 0
    pairs = np.zeros((len(config.pairs), size, size), np.float32)
    for place, name in enumerate(config.pairs if size else ()):
        pairs[place] = _pair_statistic(name, dataset, snapshot, windows, config)
    return ProductStatistics(
        popularity=popularity_features(dataset, day, config),
        segments=_segment_lift(dataset, segment, num_segments, day, config),
        pairs=pairs,
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


def _segment_lift(dataset: Dataset, segment: Array, num_segments: int, day: int, config: StatisticsConfig) -> Array:
    acquired = dataset.interactions.acquisitions.between(day - config.segment_days, day)
    counts = np.zeros((num_segments, len(dataset.products)))
    np.add.at(counts, (segment[acquired.customer], acquired.product), 1)
    overall = counts.sum(axis=0) + _POPULARITY_PRIOR
    overall /= overall.sum()
    shares = (counts + _SEGMENT_PRIOR * overall) / (counts.sum(axis=1, keepdims=True) + _SEGMENT_PRIOR)
    lift = np.log(shares / overall)
    lift[0] = 0.0
    return lift.astype(np.float32)


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
            return shrunk_cosines(snapshot.holdings, config.cosine_shrinkage).toarray()
        case "conditional":
            return conditional_shares(snapshot.holdings)


def _co_holding(holdings: sp.csr_matrix, config: StatisticsConfig) -> Array:
    together = (holdings.T @ holdings).toarray()
    holders = np.diag(together)
    share = (holders + _POPULARITY_PRIOR) / (holdings.shape[0] + _POPULARITY_PRIOR)
    return _log_lift(together, holders, share, config.pair_prior)


def _next_after(dataset: Dataset, day: int, windows: WindowsConfig, config: StatisticsConfig) -> Array:
    """What the holders of a product at the start of a stride acquired in that stride, over the last strides."""
    num_customers, num_products = len(dataset.customers), len(dataset.products)
    together, buyers = np.zeros((num_products, num_products)), np.zeros(num_products)
    acquired_of_product = np.zeros(num_products)
    for until in range(day, day - config.next_days, -windows.stride_days):
        after = until - windows.stride_days
        events = new_acquisitions(dataset, after, until)
        ones = np.ones(len(events), np.float32)
        acquired = sp.csr_matrix((ones, (events.customer, events.product)), shape=(num_customers, num_products))
        held = holdings_at(dataset, after)
        together += (held.T @ acquired).toarray()
        buyers += held.T @ np.asarray(acquired.sum(axis=1)).ravel()
        acquired_of_product += np.asarray(acquired.sum(axis=0)).ravel()
    share = acquired_of_product + _POPULARITY_PRIOR
    return _log_lift(together, buyers, share / share.sum(), config.pair_prior)


def _log_lift(together: Array, holders: Array, share: Array, prior: float) -> Array:
    """Log of P(column | row held) / P(column), shrunk towards 0 by `prior` holders; 0 on the diagonal."""
    conditional = (together + prior * share) / (holders[:, None] + prior)
    lift = np.log(conditional / share)
    np.fill_diagonal(lift, 0.0)
    return lift


def ease_weights(holdings: sp.csr_matrix, l2: float) -> Array:
    """Return EASE's item-item weights in closed form, float64 [num_products, num_products], 0 on the diagonal.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8. Memory grows with the square
    of the catalogue, time with its cube.

    Args:
        holdings: 1 where held, [num_customers, num_products].
        l2: Regularisation, lambda in the paper.
    """
    gram = _common_holders(holdings)
    gram[np.diag_indices_from(gram)] += l2
    precision = np.linalg.inv(gram)
    weights = precision / -np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return weights


def shrunk_cosines(holdings: sp.csr_matrix, shrinkage: float, neighbours: int | None = None) -> sp.csr_matrix:
    """Return item-kNN's weights, sparse float64 [num_products, num_products], nothing on the diagonal.

    Common holders / (sqrt(holders_i * holders_j) + shrinkage): the cosine (Sarwar et al., WWW 2001), where few common
    holders count for little (Bell and Koren, ICDM 2007).

    Args:
        holdings: 1 where held, [num_customers, num_products].
        shrinkage: Holders.
        neighbours: How many of the greatest weights a row keeps, the lower column first where they are equal; all of
            them without it.
    """
    common = (holdings.T @ holdings).tocoo()
    holders = common.diagonal().astype(np.float64)
    pairs = common.row != common.col
    row, column = common.row[pairs], common.col[pairs]
    cosine = common.data[pairs] / (np.sqrt(holders[row] * holders[column]) + shrinkage)
    if neighbours is not None:
        kept = _greatest_per_row(row, column, cosine, neighbours)
        row, column, cosine = row[kept], column[kept], cosine[kept]
    return sp.csr_matrix((cosine, (row, column)), shape=common.shape)


def _greatest_per_row(row: Array, column: Array, value: Array, limit: int) -> Array:
    """Return the entries that are among their row's `limit` greatest values; ties go to the lower column."""
    order = np.lexsort((column, -value, row))
    place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
    return order[place < limit]


def conditional_shares(holdings: sp.csr_matrix) -> Array:
    """Return which share of a product's holders hold another one, float64 [num_products, num_products].

    The diagonal is 0, and so is the row of a product that no one holds. It is the conditional probability of Deshpande
    and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, without their penalty for what many hold:
    that is likely, which a cosine does not say.

    Args:
        holdings: 1 where held, [num_customers, num_products].
    """
    common = _common_holders(holdings)
    shares = common / np.maximum(np.diag(common), 1)[:, None]
    np.fill_diagonal(shares, 0.0)
    return shares


def _common_holders(holdings: sp.csr_matrix) -> Array:
    """Return how many hold both products, on the diagonal the one, float64 [num_products, num_products]."""
    return np.asarray((holdings.T @ holdings).todense(), np.float64)
