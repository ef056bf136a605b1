"""The baselines that the models are compared with, the oracle, and what all scorers have in common.

`Scorer` is the contract. `fit_baselines` fits those that the settings name, on the same history: random, three kinds of
popularity, item-kNN and EASE. To add one, write a class with `fit` and `score` and name it in `BaselineName` and
`fit_baselines`. The weights of item-kNN and EASE are those of `data.statistics`, with settings of the baselines' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from nextbest.data.dataset import ALWAYS, Array, Dataset, Interactions
from nextbest.data.item_weights import ease_weights, shrunk_cosines
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import holdings_at

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EASE",
    "EASE_MAX_PRODUCTS",
    "RANDOM_SEED",
    "BaselineName",
    "Baselines",
    "BaselinesConfig",
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

BaselineName = Literal["random", "popularity", "recent_popularity", "segment_popularity", "item_knn", "ease"]


_SEGMENT_PRIOR = 200.0
"""segment_popularity: how many acquisitions the overall shares are worth against the segment's own."""
EASE_MAX_PRODUCTS = 10_000
"""ease is skipped above so many products, since it inverts a [products, products] matrix."""
RANDOM_SEED = 0
"""Draws the random baseline and the resamples of the customers."""


class BaselinesConfig(SettingsModel):
    """The baselines' hyper-parameters."""

    half_life_days: float = Field(30.0, gt=0)
    """recent_popularity: the age in days at which an acquisition counts half."""
    knn_shrinkage: float = Field(5.0, ge=0)
    """item_knn: added to the denominator of the cosine, so that few common holders count for little. It is not
    that of the ranker's `cosine`: the ranker's features may change, and what it is compared with stays."""
    ease_l2: float = Field(50.0, gt=0)
    """ease: the ridge penalty (lambda of Steck 2019); not `statistics.ease_l2`, for the same reason."""


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


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines, and why others were not fitted."""

    scorers: dict[str, Scorer]
    """Name -> scorer."""
    skipped: dict[str, str]
    """Name -> why there is none."""


def fit_baselines(
    history: Dataset,
    cutoff_day: int,
    config: BaselinesConfig,
    *,
    segment: str | None = None,
    names: Sequence[BaselineName] = get_args(BaselineName),
) -> Baselines:
    """Fit baselines.

    Args:
        history: What was known at the cutoff (`dataset.until(cutoff_day)`).
        cutoff_day: Days since 1970-01-01.
        config: Hyper-parameters.
        segment: The customers' category column of segment_popularity, which is skipped without one.
        names: Which.
    """
    fits: dict[str, Callable[[], Scorer]] = {
        "random": lambda: Random.fit(history, cutoff_day, seed=RANDOM_SEED),
        "popularity": lambda: Popularity.fit(history, cutoff_day),
        "recent_popularity": lambda: RecentPopularity.fit(history, cutoff_day, half_life_days=config.half_life_days),
        "segment_popularity": lambda: SegmentPopularity.fit(
            history, cutoff_day, segment=str(segment), prior=_SEGMENT_PRIOR
        ),
        "item_knn": lambda: ItemKNN.fit(history, cutoff_day, shrinkage=config.knn_shrinkage),
        "ease": lambda: EASE.fit(history, cutoff_day, l2=config.ease_l2),
    }
    skipped = {name: why for name, why in _skipped(history, segment).items() if name in names}
    return Baselines({name: fits[name]() for name in names if name not in skipped}, skipped)


def _skipped(history: Dataset, segment: str | None) -> dict[str, str]:
    reasons: dict[str, str] = {}
    if segment is None:
        reasons["segment_popularity"] = "the data config names no segment column"
    if len(history.products) > EASE_MAX_PRODUCTS:
        reasons["ease"] = (
            f"{len(history.products):,} products are more than {EASE_MAX_PRODUCTS:,}, too many for a matrix of them all"
        )
    return reasons


@dataclass(frozen=True)
class Random:
    """A random order for each customer, who has a generator of the customer's own: it does not depend on the batch."""

    seed: int
    """Seed of all orders."""
    num_products: int
    """How many products are scored."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, *, seed: int) -> Self:
        """Count the products."""
        return cls(seed, len(history.products))

    def score(self, customers: Array) -> Array:
        """Score every product, uniform in [0, 1), float32, [n, num_products]."""
        scores = np.empty((len(customers), self.num_products), np.float32)
        for row, customer in zip(scores, customers.tolist(), strict=True):
            np.random.default_rng([self.seed, customer]).random(out=row, dtype=np.float32)
        return scores


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
        without_votes = ~scores.any(axis=1)
        scores[without_votes] = self.popularity
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
        weights = shrunk_cosines(holdings, shrinkage, neighbours).astype(np.float32)
        return cls(holdings, weights, acquisition_counts(history, cutoff_day))


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


def acquisition_counts(history: Dataset, cutoff_day: int) -> Array:
    """Return how often each product was acquired at or before the cutoff, float32, [num_products]."""
    product = _acquisitions(history, cutoff_day).product
    return np.bincount(product, minlength=len(history.products)).astype(np.float32)


def _acquisitions(history: Dataset, cutoff_day: int) -> Interactions:
    return history.interactions.between(ALWAYS, cutoff_day).acquisitions


_ORACLE_COLUMNS = ("customer_id", "product_id", "probability")


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
        if missing := [column for column in _ORACLE_COLUMNS if column not in frame.columns]:
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
