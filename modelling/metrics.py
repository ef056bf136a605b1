"""Top-k lists from scores, and what they are worth: nDCG, recall and the like, one value per customer.

`top_k` makes a list per customer, `find_hits` compares it with what the customer acquired, and every measure is a
function of these hits; `per_customer` does the last two for all measures. Both the evaluation and the ranker's early
stopping use them. All is NumPy; only `top_k` asks TensorFlow, which it imports when it is called.

Relevance is binary. A list may be shorter than k (padded with NO_PRODUCT): an empty place counts as a miss. All
definitions are those of Manning, Raghavan and Schuetze, *Introduction to Information Retrieval* (2008), chapter 8, and
of Jarvelin and Kekalainen, *Cumulated gain-based evaluation of IR techniques* (2002) for nDCG.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT

__all__ = ["coverage", "find_hits", "hit_rate", "mrr", "ndcg", "per_customer", "precision", "recall", "top_k"]


def top_k(scores: Array, allowed: Array, k: int) -> Array:
    """Return each customer's best allowed products; of equal scores the lower position comes first.

    Args:
        scores: Higher is better, -inf is never recommended, float32, [n, num_products].
        allowed: Which products may be recommended, bool, [n, num_products].
        k: The length of the lists.

    Returns:
        Product positions, best first, padded with NO_PRODUCT, int32, [n, k].

    Raises:
        ValueError: A score is NaN, or the shapes differ.
    """
    import tensorflow as tf

    if scores.shape != allowed.shape:
        raise ValueError(f"scores have the shape {scores.shape}, allowed has {allowed.shape}; they must be equal")
    if np.isnan(scores).any():
        row, product = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"the score of row {row}, product {product} is NaN; a scorer gives -inf to leave one out")
    masked = np.where(allowed, scores, -np.inf).astype(np.float32)
    best, products = tf.math.top_k(masked, min(k, scores.shape[1]))  # of equal values it takes the lower index first
    ranked = np.full((len(scores), k), NO_PRODUCT, np.int32)
    ranked[:, : products.shape[1]] = np.where(best.numpy() == -np.inf, NO_PRODUCT, products.numpy())
    return ranked


def find_hits(ranked: Array, relevant: sp.csr_matrix) -> Array:
    """Return where a list names a relevant product, bool, [n, length].

    Args:
        ranked: Product positions, best first, padded with NO_PRODUCT, [n, length].
        relevant: Nonzero where relevant, [n, num_products].
    """
    rows, products = relevant.nonzero()
    num_products = relevant.shape[1]
    cells = np.arange(len(ranked))[:, None] * num_products + ranked
    wanted = rows.astype(np.int64) * num_products + products
    return np.isin(cells, wanted) & (ranked != NO_PRODUCT)


def ndcg(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return nDCG@k: the sum of 1 / log2(place + 1) over hits, over that of the ideal list, [n].

    The ideal list has min(k, num_relevant) hits in front (gain 1, Jarvelin and Kekalainen 2002).
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(num_relevant, k) - 1]
    found = hits[:, :k]
    return found @ discounts[: found.shape[1]] / ideal


def recall(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return recall@k: the share of the relevant products that are among the first k, [n]."""
    return hits[:, :k].sum(axis=1) / num_relevant


def precision(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return precision@k: hits among the first k, over k, [n]."""
    return hits[:, :k].sum(axis=1) / k


def hit_rate(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return hit rate@k: 1 if there is a hit among the first k, else 0, [n]."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def mrr(hits: Array, num_relevant: Array, k: int) -> Array:
    """Return reciprocal rank@k: 1 / the place of the first hit among the first k, 0 without one, [n].

    Its mean over customers is MRR@k (Voorhees, *The TREC-8 question answering track report*, 1999, cut at k).
    """
    found = hits[:, :k]
    return np.where(found.any(axis=1), 1 / (found.argmax(axis=1) + 1), 0.0)


def coverage(ranked: Array, num_products: int, k: int) -> float:
    """Return coverage@k: the share of the catalogue that is among the first k of at least one customer."""
    named = np.unique(ranked[:, :k])
    return float(np.sum(named != NO_PRODUCT) / num_products)


_PER_CUSTOMER: dict[str, Callable[[Array, Array, int], Array]] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "mrr": mrr,
}


def per_customer(ranked: Array, relevant: sp.csr_matrix, ks: Sequence[int]) -> dict[str, Array]:
    """Return every metric that has a value per customer: MEASURE@K -> float64, [n].

    Args:
        ranked: Product positions, best first, padded with NO_PRODUCT, [n, at least max(ks)].
        relevant: Nonzero where relevant, at least one per row, [n, num_products].
        ks: List lengths.
    """
    hits = find_hits(ranked, relevant)
    num_relevant = np.asarray((relevant != 0).sum(axis=1)).ravel()
    return {f"{name}@{k}": measure(hits, num_relevant, k) for name, measure in _PER_CUSTOMER.items() for k in ks}
