"""From a customer's embedding to the products that are ranked: the nearest that may be shown, by either index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE
from nextbest.serving.eligibility import Eligibility

__all__ = ["CandidateSearch", "ExactCandidates", "ScannCandidates"]

Found = tuple[tf.Tensor, tf.Tensor]
"""Cosines float32 and product positions int32, [batch, num], best first; where nothing is left NO_PRODUCT and
MASKED_SCORE."""


class CandidateSearch(Protocol):
    """Finds candidates."""

    def __call__(self, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor], num: tf.Tensor) -> Found:
        """Find the nearest products that may be shown.

        Args:
            embeddings: The customers', [batch, embedding_dim].
            read: What `Eligibility.read` returned of their requests.
            num: How many, at most the catalogue's size, int32 scalar.
        """


class ExactCandidates:
    """Compares every product with every customer."""

    def __init__(self, retrieval: Any, eligibility: Eligibility) -> None:
        """Search by the retrieval stage's loaded model."""
        self._retrieval, self._eligibility = retrieval, eligibility

    def __call__(self, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor], num: tf.Tensor) -> Found:
        """See `CandidateSearch`."""
        similarity = self._retrieval.similarities(embeddings)
        return _best(tf.where(self._eligibility.allowed(read), similarity, MASKED_SCORE), num)


class ScannCandidates:
    """Asks ScaNN for more products than are needed, and checks the rules on those that it finds.

    A customer who is left with too few is answered exactly. So nobody gets fewer products than by `ExactCandidates`,
    and nobody a forbidden one. No array has a column per product but those of such customers, some rows at a time.
    """

    _EXACT_ROWS = 16
    """How many customers are answered exactly at a time."""

    def __init__(
        self, retrieval: Any, eligibility: Eligibility, *, num_products: int, candidates: int, retrieved: int
    ) -> None:
        """Search by the retrieval stage's loaded model.

        Args:
            retrieval: The model, with ScaNN's index.
            eligibility: What may be shown.
            num_products: The catalogue's size.
            candidates: How many products are usually wanted.
            retrieved: How many ScaNN is asked for then; where more are wanted, more in proportion.
        """
        self._retrieval, self._eligibility = retrieval, eligibility
        self._exact = ExactCandidates(retrieval, eligibility)
        self._num_products, self._times = num_products, retrieved / candidates

    def __call__(self, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor], num: tf.Tensor) -> Found:
        """See `CandidateSearch`."""
        wanted = tf.cast(tf.math.ceil(tf.cast(num, tf.float32) * self._times), tf.int32)
        width = tf.minimum(tf.maximum(wanted, num) + tf.shape(read["exclude"])[1], self._num_products)
        similarity, products = self._retrieval.nearest(embeddings, width)
        allowed = self._eligibility.allowed(read, tf.maximum(products, 0))
        masked = tf.where(tf.logical_and(allowed, products != NO_PRODUCT), similarity, MASKED_SCORE)
        found, places = tf.math.top_k(masked, k=num)
        listed = _listed(found, tf.gather(products, places, batch_dims=1))
        short = tf.where(found[:, -1] <= MASKED_SCORE)[:, 0]
        return self._corrected(listed, short, embeddings, read)

    def _corrected(self, listed: Found, rows: tf.Tensor, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor]) -> Found:
        """Replace some rows of what was found, int64 [num_rows], by their exact answer."""
        count, num = tf.shape(rows)[0], tf.shape(listed[0])[1]

        def answer(first: tf.Tensor, similarity: tf.Tensor, products: tf.Tensor) -> tuple[tf.Tensor, ...]:
            chunk = rows[first : first + self._EXACT_ROWS]
            of_chunk = {name: tf.gather(values, chunk) for name, values in read.items()}
            found = self._exact(tf.gather(embeddings, chunk), of_chunk, num)
            places = chunk[:, None]
            similarity, products = (
                tf.tensor_scatter_nd_update(before, places, after)
                for before, after in zip((similarity, products), found, strict=True)
            )
            return first + self._EXACT_ROWS, similarity, products

        begin = (tf.constant(0), *listed)
        shapes = (tf.TensorShape([]), *(tf.TensorShape([None, None]) for _ in listed))
        _, similarity, products = tf.while_loop(
            lambda first, *_: first < count, answer, begin, shape_invariants=shapes, parallel_iterations=1
        )
        return similarity, products


def _best(masked: tf.Tensor, num: tf.Tensor) -> Found:
    """Return the best so many of all products' masked cosines, [batch, num_products]."""
    similarity, products = tf.math.top_k(masked, k=num)
    return _listed(similarity, products)


def _listed(similarity: tf.Tensor, products: tf.Tensor) -> Found:
    return similarity, tf.where(similarity > MASKED_SCORE, products, NO_PRODUCT)
