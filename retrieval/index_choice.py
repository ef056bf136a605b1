"""How hard ScaNN searches, by a recall target, and which index a recommender uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel
from nextbest.graph.catalogue import MASKED_SCORE
from nextbest.retrieval.config import IndexKind
from nextbest.retrieval.indexes import ExactIndex, ScannIndex

__all__ = ["SCANN_FROM", "IndexChoice", "choose_index", "enough_to_retrieve", "tune"]

SCANN_FROM = 30_000
"""On a catalogue of this size ScaNN was measured to answer sooner at one customer and at many, and on 10,000
products not (`python -m benchmarks.catalogue_size`)."""
LEAST_RECALL = 0.99
"""The share of the exact answer that ScaNN must find of queries that it was not tuned on."""
_TUNED_RECALL = 0.995
"""What it is tuned to: above the target, since the queries that it is tuned on are a sample."""
_LEAST_LEAVES, _LEAST_REORDERED = 10, 200
"""Less search than this saves nothing, and makes the few products of a small catalogue a matter of luck."""
_QUERIES_PER_CHUNK = 64
"""So many rows of [num_products] are in memory at once."""


class IndexChoice(SettingsModel):
    """Which index the local clients use, and how ScaNN's searches."""

    kind: IndexKind
    """exact or scann."""
    reason: str
    """For people."""
    recall: float
    """ScaNN's share of the exact products among those that are retrieved, of held-back queries."""
    retrieved: int
    """How many products ScaNN retrieves for the ranker's candidates: some of them may not be shown."""
    leaves: int
    """ScaNN's partitions."""
    leaves_searched: int
    """Partitions searched per query."""
    reordered: int
    """Products rescored exactly per query."""


def choose_index(
    exact: ExactIndex, scann: ScannIndex, queries: Array, retrieved: int, kind: IndexKind = "auto"
) -> IndexChoice:
    """Tune ScaNN, measure it, and choose by the config or by the catalogue's size.

    Args:
        exact: The exact index.
        scann: The ScaNN index.
        queries: A sample of query embeddings, [num_queries, embedding_dim]: every second one tunes, the others measure.
        retrieved: See `IndexChoice`.
        kind: The config's `retrieval.index`.
    """
    tuned = tune(scann, exact, queries[::2], retrieved)
    recall = measure_recall(tuned, exact, queries[1::2] if len(queries) > 1 else queries, retrieved)
    num_products = exact.num_products
    if kind != "auto":
        reason = f"retrieval.index = {kind!r}"
    elif num_products < SCANN_FROM:
        kind, reason = "exact", f"{num_products:,} products: below {SCANN_FROM:,} ScaNN was not found to be faster"
    elif recall < LEAST_RECALL:
        kind, reason = "exact", f"ScaNN finds {recall:.3f} of the exact answer, and {LEAST_RECALL} is asked"
    else:
        kind, reason = "scann", f"{num_products:,} products: from {SCANN_FROM:,} on ScaNN answers sooner"
    return IndexChoice(
        kind=kind,
        reason=reason,
        recall=recall,
        retrieved=retrieved,
        leaves=scann.leaves,
        leaves_searched=tuned.config.leaves_searched,
        reordered=tuned.config.reordered,
    )


def tune(scann: ScannIndex, exact: ExactIndex, queries: Array, k: int) -> ScannIndex:
    """Return the index with the cheapest search that finds enough of the exact top k of the queries.

    Args:
        scann: The ScaNN index.
        exact: The exact index over the same products.
        queries: Query embeddings, [num_queries, embedding_dim].
        k: How many products are meant.
    """
    true = _nearest(exact, queries, k)
    for leaves_searched, reordered in _efforts(scann, k):
        tuned = scann.searching(leaves_searched, reordered)
        if _shared(_nearest(tuned, queries, k), true) >= _TUNED_RECALL:
            break
    return tuned


def _efforts(scann: ScannIndex, k: int) -> list[tuple[int, int]]:
    """Return how many leaves may be searched and products reordered, the cheapest pair first."""
    num_products, dim = scann.embeddings.shape
    shares, times = [0.01 * 1.4**step for step in range(15)], (1.5, 2.5, 4, 6, 10)
    leaves = {min(scann.leaves, max(_LEAST_LEAVES, round(scann.leaves * share))) for share in shares}
    reordered = {min(num_products, max(_LEAST_REORDERED, round(k * factor))) for factor in times}

    def cost(searched: int, rescored: int) -> float:
        """Count multiplications: the hash compares sixteen products in the time of one, rows lie apart in memory."""
        return num_products * searched / scann.leaves * dim / 16 + 2 * rescored * dim

    pairs = [(searched, rescored) for searched in leaves for rescored in reordered]
    return sorted(pairs, key=lambda pair: (cost(*pair), pair))


def measure_recall(scann: ScannIndex, exact: ExactIndex, queries: Array, k: int) -> float:
    """Return which share of the exact top k of some queries, [num_queries, embedding_dim], ScaNN finds."""
    return _shared(_nearest(scann, queries, k), _nearest(exact, queries, k))


def _nearest(index: ExactIndex | ScannIndex, queries: Array, k: int) -> Array:
    """Return the positions of each query's nearest products, [num_queries, k]."""
    chunks = [queries[first : first + _QUERIES_PER_CHUNK] for first in range(0, len(queries), _QUERIES_PER_CHUNK)]
    return np.concatenate([index(tf.constant(chunk), k=k)[1].numpy() for chunk in chunks])


def _shared(found: Array, true: Array) -> float:
    """Return the share of the true products that were found, [num_queries, k] each."""
    return float(np.mean([np.isin(wanted, given).mean() for given, wanted in zip(found, true, strict=True)]))


_OFTEN_ENOUGH = 0.95
"""For so many customers enough is retrieved; the others are answered exactly."""
_MOST_TIMES = 20
"""No more than so many times the candidates are retrieved."""


def enough_to_retrieve(embeddings: Array, queries: Array, allowed: Callable[[slice], Array], candidates: int) -> int:
    """Return how many of the nearest products hold, for most customers, as many that may be shown as are wanted.

    Args:
        embeddings: The products', [num_products, embedding_dim].
        queries: A sample of the customers', [num_queries, embedding_dim].
        allowed: Some rows of the sample -> whether each product may be shown, bool [num_rows, num_products].
        candidates: How many are wanted. Customers to whom fewer may be shown are left out: nothing helps them.
    """
    places = []
    for first in range(0, len(queries), _QUERIES_PER_CHUNK):
        rows = slice(first, first + _QUERIES_PER_CHUNK)
        cosines, may_be_shown = queries[rows] @ embeddings.T, allowed(rows)
        helped = may_be_shown.sum(axis=1) >= candidates
        masked = np.where(may_be_shown, cosines, MASKED_SCORE)[helped]
        last = np.partition(masked, -candidates, axis=1)[:, -candidates, None]
        places.append((cosines[helped] >= last).sum(axis=1))
    found = np.concatenate(places)
    needed = int(np.quantile(found, _OFTEN_ENOUGH)) if len(found) else candidates
    return min(max(needed, candidates), _MOST_TIMES * candidates, len(embeddings))
