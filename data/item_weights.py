"""Item-item weights: how much holding one product votes for another, by EASE, by item-kNN and by conditional shares.

The ranker reads them among its statistics of pairs; EASE and item-kNN are baselines of their own.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.sparse_table import greatest_per_row

__all__ = ["conditional_shares", "ease_weights", "shrunk_cosine", "shrunk_cosines"]


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
    cosine = shrunk_cosine(common.data[pairs], holders[row], holders[column], shrinkage)
    if neighbours is not None:
        kept = greatest_per_row(row, column, cosine, neighbours)
        row, column, cosine = row[kept], column[kept], cosine[kept]
    return sp.csr_matrix((cosine, (row, column)), shape=common.shape)


def shrunk_cosine(common: Array, of_row: Array, of_column: Array, shrinkage: float) -> Array:
    """Return the weight of `shrunk_cosines` from the holders of both products and of each, pair by pair."""
    return common / (np.sqrt(of_row * of_column) + shrinkage)


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
