"""All baselines of a config, fitted on the same history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import ALWAYS, Array, Dataset, Interactions
from nextbest.data.snapshot import holdings_at
from nextbest.data.statistics import ease_weights
from nextbest.evaluation.config import EvaluationConfig

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EASE",
    "Baselines",
    "ItemItem",
    "ItemKNN",
    "Oracle",
    "Popularity",
    "Random",
    "RecentPopularity",
    "SameForAll",
    "Scorer",
    "SegmentPopularity",
    "acquisition_counts",
    "fit_baselines",
]


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines, and why others were not fitted."""

    scorers: dict[str, Scorer]
    """Name -> scorer."""
    skipped: dict[str, str]
    """Name -> why there is none."""


def fit_baselines(history: Dataset, cutoff_day: int, config: EvaluationConfig, segment: str | None = None) -> Baselines:
    """Fit the baselines that the config names.

    Args:
        history: What was known at the cutoff (`dataset.until(cutoff_day)`).
        cutoff_day: Days since 1970-01-01.
        config: Names, hyper-parameters and the seed.
        segment: The customers' category column of segment_popularity, which is skipped without one.
    """
    options = config.baselines
    fits: dict[str, Callable[[], Scorer]] = {
        "random": lambda: Random.fit(history, cutoff_day, seed=config.seed),
        "popularity": lambda: Popularity.fit(history, cutoff_day),
        "recent_popularity": lambda: RecentPopularity.fit(history, cutoff_day, half_life_days=options.half_life_days),
        "segment_popularity": lambda: SegmentPopularity.fit(
            history, cutoff_day, segment=str(segment), prior=options.segment_prior
        ),
        "item_knn": lambda: ItemKNN.fit(
            history, cutoff_day, shrinkage=options.knn_shrinkage, neighbours=options.knn_neighbours
        ),
        "ease": lambda: EASE.fit(history, cutoff_day, l2=options.ease_l2),
    }
    skipped = _skipped(history, config, segment)
    return Baselines({name: fits[name]() for name in options.fit if name not in skipped}, skipped)


def _skipped(history: Dataset, config: EvaluationConfig, segment: str | None) -> dict[str, str]:
    options = config.baselines
    reasons: dict[str, str] = {}
    if segment is None:
        reasons["segment_popularity"] = "the data config names no segment column"
    if len(history.products) > options.ease_max_products:
        reasons["ease"] = (
            f"{len(history.products)} products are more than ease_max_products = {options.ease_max_products}"
        )
    return {name: reason for name, reason in reasons.items() if name in options.fit}


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


@dataclass(frozen=True)
class ItemItem:
    """Scores = holdings x weights. A customer whom the weights say nothing about gets the popular products."""

    holdings: sp.csr_matrix
    """1 where a customer holds a product, float32, [num_customers, num_products]."""
    weights: Array | sp.csr_matrix
    """How much holding the row's product speaks for the column's, float32, [num_products, num_products]."""
    popularity: Array
    """Acquisitions, float32, [num_products]."""

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        votes = self.holdings[customers] @ self.weights
        scores = votes.toarray() if sp.issparse(votes) else np.asarray(votes)
        silent = ~scores.any(axis=1)
        scores[silent] = self.popularity
        return scores


@dataclass(frozen=True)
class ItemKNN(ItemItem):
    """Neighbours by the cosine of their holders (Sarwar et al. 2001), shrunk as by Bell and Koren (2007)."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, shrinkage: float, neighbours: int | None = None) -> Self:
        """Compute common holders / (sqrt(holders_i * holders_j) + shrinkage) for every two products.

        Args:
            history: What was known at the cutoff.
            cutoff_day: Days since 1970-01-01.
            shrinkage: Added to the denominator, so that few common holders count for little.
            neighbours: How many products each held product votes for; all of them without it.
        """
        holdings = holdings_at(history, cutoff_day)
        common = sp.coo_matrix(holdings.T @ holdings)
        holders = common.diagonal()
        other = common.row != common.col
        row, column = common.row[other], common.col[other]
        cosine = common.data[other] / (np.sqrt(holders[row] * holders[column]) + np.float32(shrinkage))
        if neighbours is not None:
            nearest = _first_per_row(row, column, cosine, neighbours)
            row, column, cosine = row[nearest], column[nearest], cosine[nearest]
        weights = sp.csr_matrix((cosine.astype(np.float32), (row, column)), shape=common.shape)
        return cls(holdings, weights, acquisition_counts(history, cutoff_day))


def _first_per_row(row: Array, column: Array, value: Array, limit: int) -> Array:
    """Return the entries that are among their row's `limit` greatest values; ties go to the lower column."""
    order = np.lexsort((column, -value, row))
    place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
    return order[place < limit]


@dataclass(frozen=True)
class EASE(ItemItem):
    """The closed-form linear autoencoder (Steck, *Embarrassingly shallow autoencoders for sparse data*, 2019)."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, l2: float) -> Self:
        """Solve for the weights that best rebuild the holdings with a zero diagonal; see `ease_weights`.

        Args:
            history: What was known at the cutoff.
            cutoff_day: Days since 1970-01-01.
            l2: The ridge penalty, the paper's lambda.
        """
        holdings = holdings_at(history, cutoff_day)
        weights = ease_weights(holdings, l2).astype(np.float32)
        return cls(holdings, weights, acquisition_counts(history, cutoff_day))


class Scorer(Protocol):
    """Scores every product for given customers; tests/contracts.py holds what every scorer must satisfy."""

    def score(self, customers: Array) -> Array:
        """Score every product for each customer.

        Args:
            customers: Positions in the customers of the dataset that ends at the cutoff, int, [n].

        Returns:
            Scores, float32, [n, num_products]: higher is better, -inf is never recommended, NaN is an error.
        """
        ...


_COLUMNS = ("customer_id", "product_id", "probability")


@dataclass(frozen=True)
class Oracle:
    """Scores with the probabilities that the outcomes were drawn from."""

    probabilities: sp.csr_matrix
    """The true probability of acquiring, 0 for a pair that was not given, float32, [num_customers, num_products]."""

    @classmethod
    def read(cls, path: Path, history: Dataset) -> Self:
        """Read the .parquet file of columns customer_id, product_id, probability.

        Raises:
            ValueError: As for `from_frame`, with the file's name.
        """
        import pandas as pd

        try:
            return cls.from_frame(pd.read_parquet(path), history)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, history: Dataset) -> Self:
        """Take the probabilities of the customers and products that were known at the cutoff; others are ignored.

        Raises:
            ValueError: A column is missing, a probability is none, a pair occurs twice, or no one is known.
        """
        if missing := [column for column in _COLUMNS if column not in frame.columns]:
            raise ValueError(f"the oracle lacks the columns {missing}; it has {list(frame.columns)}")
        customer = history.customers.positions(frame["customer_id"].astype(str).to_numpy(dtype=object))
        product = history.products.positions(frame["product_id"].astype(str).to_numpy(dtype=object))
        probability = frame["probability"].to_numpy(dtype=np.float32)
        known = (customer >= 0) & (product >= 0)
        customer, product = customer[known], product[known]
        shape = (len(history.customers), len(history.products))
        problems = []
        # An unbiased estimate of a probability may exceed 1, so only what cannot be an estimate is refused.
        if wrong := int(np.sum(~((probability >= 0) & np.isfinite(probability)))):
            problems.append(f"{wrong} probabilities are missing, negative or infinite")
        if not known.any():
            problems.append("no pair has a known customer and product; are the ids of the same bank?")
        if repeated := len(customer) - len(np.unique(customer * shape[1] + product)):
            problems.append(f"{repeated} pairs of customer and product occur again; keep one of each")
        if problems:
            raise ValueError("the oracle is unusable: " + "; ".join(problems))
        return cls(sp.csr_matrix((probability[known], (customer, product)), shape=shape))

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        return self.probabilities[customers].toarray()
