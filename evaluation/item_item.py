"""Linear item-item baselines: a product's score is the sum of the held products' votes for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import holdings_at
from nextbest.data.statistics import ease_weights
from nextbest.evaluation.popularity import acquisition_counts

__all__ = ["EASE", "ItemItem", "ItemKNN"]


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
