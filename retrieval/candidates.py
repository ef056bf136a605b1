"""A retriever's candidates for the customers of a snapshot: score, mask, then top k."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nextbest.data.candidates import Candidates
from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, Snapshot
from nextbest.data.tensorflow import tf
from nextbest.retrieval.training import Retriever

__all__ = ["propose"]

_CHUNK = 4096


def propose(
    retriever: Retriever,
    history: Dataset,
    snapshot: Snapshot,
    suitable: Callable[[Array], Array],
    rows: Array,
    k: int,
) -> Candidates:
    """Return each customer's best products among those that are available, suitable and not held.

    Args:
        retriever: A retriever in the positions of `history`.
        history: The tables up to the snapshot's day.
        snapshot: The snapshot.
        suitable: Customer positions -> whether the policy allows each product, bool [num_rows, num_products].
        rows: Customer positions, [num_rows].
        k: How many, at most the catalogue's size.
    """
    k = min(k, len(history.products))
    products, scores = [], []
    for first in range(0, max(len(rows), 1), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        cosines = retriever.embed_customers(snapshot, chunk) @ retriever.product_embeddings.T
        allowed = suitable(chunk) & snapshot.available & (snapshot.holdings[chunk].toarray() == 0)
        top = tf.math.top_k(np.where(allowed, cosines, -np.inf), k)
        found = np.isfinite(top.values.numpy())
        products.append(np.where(found, top.indices.numpy(), NO_PRODUCT).astype(np.int32))
        scores.append(np.where(found, top.values.numpy(), 0.0).astype(np.float32))
    return Candidates(
        history.customers.ids[rows], history.products.ids, np.concatenate(products), np.concatenate(scores)
    )
