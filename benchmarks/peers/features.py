"""The candidates of a customer and what LambdaRank reads about each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from benchmarks.peers.config import LambdaRankConfig
from benchmarks.peers.known import Known
from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.modelling.metrics import top_k

__all__ = ["candidate_features", "propose"]


def propose(known: Known, customers: Array, config: LambdaRankConfig) -> Array:
    """Return item-kNN's candidates and then those of decayed popularity, int32, [n, knn + recent], NO_PRODUCT pads."""
    allowed = known.allowed(customers)
    near = top_k(known.knn.score(customers), allowed, config.knn_candidates)
    rows, places = np.nonzero(near != NO_PRODUCT)
    allowed[rows, near[rows, places]] = False
    recent = top_k(np.tile(known.recent, (len(customers), 1)), allowed, config.recent_candidates)
    return np.concatenate([near, recent], axis=1)


def candidate_features(known: Known, customers: Array, candidates: Array) -> tuple[list[str], Array]:
    """Return the features' names, and the features of each candidate, float32, [n, num_candidates, num_features].

    Args:
        known: What is known on the day.
        customers: Positions, [n].
        candidates: Product positions, NO_PRODUCT pads, [n, num_candidates].
    """
    named = dict(_features(known, customers, np.maximum(candidates, 0)))
    return list(named), np.stack(list(named.values()), axis=-1).astype(np.float32)


def _features(known: Known, customers: Array, candidates: Array) -> Iterator[tuple[str, Array]]:
    def of(matrix: Array) -> Array:
        return np.take_along_axis(matrix, candidates, axis=1)

    holdings = known.snapshot.holdings[customers]
    for name, scorer in (("ease", known.ease), ("knn", known.knn)):
        score = of(scorer.score(customers))
        yield name, score
        yield f"{name}_rank", _rank(score)
        yield f"{name}_of_best", score / np.maximum(score.max(axis=1, keepdims=True), 1e-9)
    for name, weights in (("held_with", known.held_with), ("bought_with", known.bought_with)):
        yield f"{name}_sum", of(np.asarray(holdings @ weights))
        yield f"{name}_max", of(_largest(holdings, weights))
    for name, values in known.of_product.items():
        yield name, values[candidates]
    yield "recent_rank", _rank(known.recent[candidates])
    for name, values in known.of_customer.items():
        yield f"customer_{name}", np.broadcast_to(values[customers][:, None], candidates.shape)
    yield "segment_lift", of(known.segment_shares[known.segment[customers]])
    per_category = (
        holdings @ sp.csr_matrix(np.eye(known.category.max() + 1, dtype=np.float32)[known.category])
    ).toarray()
    in_category = np.take_along_axis(per_category, known.category[candidates], axis=1)
    yield "num_held_in_category", in_category
    yield "share_held_in_category", in_category / np.maximum(per_category.sum(axis=1, keepdims=True), 1)


def _rank(scores: Array) -> Array:
    """Return each candidate's place by its score, 0 is the best, [n, num_candidates]."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)


def _largest(holdings: sp.csr_matrix, weights: Array) -> Array:
    """Return the largest weight that a held product gives to each product, 0 without any, [n, num_products]."""
    largest = np.zeros((holdings.shape[0], weights.shape[1]), np.float32)
    some = np.diff(holdings.indptr) > 0
    largest[some] = np.maximum.reduceat(weights[holdings.indices], holdings.indptr[:-1][some], axis=0)
    return largest
