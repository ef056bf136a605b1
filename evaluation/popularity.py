"""Baselines that count acquisitions, and the one that guesses. All read only what happened up to the cutoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from nextbest.data.dataset import ALWAYS, Array, Dataset, Interactions

__all__ = ["Popularity", "Random", "RecentPopularity", "SameForAll", "SegmentPopularity", "acquisition_counts"]


def _acquisitions(history: Dataset, cutoff_day: int) -> Interactions:
    return history.interactions.between(ALWAYS, cutoff_day).acquisitions


def acquisition_counts(history: Dataset, cutoff_day: int) -> Array:
    """Return how often each product was acquired at or before the cutoff, float32, [num_products]."""
    product = _acquisitions(history, cutoff_day).product
    return np.bincount(product, minlength=len(history.products)).astype(np.float32)


@dataclass(frozen=True)
class SameForAll:
    """The same list for everyone."""

    scores: Array
    """Of every product, float32, [num_products]."""

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        return np.tile(self.scores, (len(customers), 1))


class Popularity(SameForAll):
    """The same list for everyone: products by number of acquisitions."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int) -> Self:
        """Count the acquisitions at or before the cutoff."""
        return cls(acquisition_counts(history, cutoff_day))


class RecentPopularity(SameForAll):
    """The same list for everyone: products by acquisitions that fade with age."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, half_life_days: float) -> Self:
        """Sum the acquisitions, each halved in weight per `half_life_days` of age at the cutoff."""
        acquired = _acquisitions(history, cutoff_day)
        weights = 0.5 ** ((cutoff_day - acquired.day) / half_life_days)
        return cls(np.bincount(acquired.product, weights, minlength=len(history.products)).astype(np.float32))


@dataclass(frozen=True)
class SegmentPopularity:
    """One list per segment of customers, shrunk towards the overall list where the segment has seen little."""

    segment: Array
    """Each customer's row in `shares`, int, [num_customers]."""
    shares: Array
    """A product's share of the segment's acquisitions, float32, [num_segments, num_products]."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, segment: str, prior: float) -> Self:
        """Estimate each segment's shares, with the overall shares worth `prior` acquisitions (empirical Bayes).

        A customer's segment is the one at the cutoff; customers whose segment is missing get the overall shares.
        """
        labels, codes = np.unique(history.customers.at(cutoff_day)[segment].astype(str), return_inverse=True)
        acquired = _acquisitions(history, cutoff_day)
        shape = (len(labels), len(history.products))
        cell = codes[acquired.customer] * shape[1] + acquired.product
        counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
        overall = counts.sum(axis=0) / max(counts.sum(), 1)
        counts[labels == ""] = 0
        total = counts.sum(axis=1, keepdims=True)
        shares = np.tile(overall, (len(labels), 1))
        np.divide(counts + prior * overall, total + prior, out=shares, where=total > 0)
        return cls(codes, shares.astype(np.float32))

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        return self.shares[self.segment[customers]]


@dataclass(frozen=True)
class Random:
    """A random order, drawn from the ids: it does not depend on who else is in the batch or in the data."""

    customers: Array
    """Hash of each customer's id, uint64, [num_customers]."""
    products: Array
    """Hash of each product's id, uint64, [num_products]."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, seed: int) -> Self:
        """Hash the ids; the customers' with the seed."""
        seeded = _hashes(history.customers.ids) ^ _mix(np.array([seed], np.uint64))
        return cls(seeded, _hashes(history.products.ids))

    def score(self, customers: Array) -> Array:
        """Score every product, uniform in [0, 1), float32, [n, num_products]."""
        mixed = _mix(self.customers[customers][:, None] ^ self.products[None, :])
        return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _hashes(ids: Array) -> Array:
    from pandas.util import hash_array

    return _mix(hash_array(ids, categorize=False))


def _mix(values: Array) -> Array:
    """Scramble integers as SplitMix64 does (Steele, Lea and Flood 2014), uint64, same shape."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
