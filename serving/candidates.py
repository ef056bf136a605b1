"""From a customer's embedding to the products that are ranked: the nearest that may be shown, by either index."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
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

    A customer who is left with too few is asked for once more, for many more products, and where that does not do
    either, answered exactly. So nobody gets fewer products than by `ExactCandidates`, and nobody a forbidden one. No
    array has a column per product but those of such customers, some rows at a time.
    """

    _WIDER = 8
    """How many times as many products ScaNN is asked for the second time."""
    _WIDER_ROWS, _EXACT_ROWS = 128, 16
    """How many customers are answered once more at a time."""

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
        self._widens = self._WIDER * retrieved < num_products

    def __call__(self, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor], num: tf.Tensor) -> Found:
        """See `CandidateSearch`."""
        found = self._nearest(embeddings, read, num)
        if self._widens:
            wider = partial(self._nearest, wider=self._WIDER)
            found = _answer_again(found, wider, self._WIDER_ROWS, embeddings, read)
        return _answer_again(found, self._exact, self._EXACT_ROWS, embeddings, read)

    def _nearest(self, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor], num: tf.Tensor, wider: int = 1) -> Found:
        """Return what ScaNN finds and the rules allow."""
        wanted = tf.cast(tf.math.ceil(tf.cast(num, tf.float32) * self._times), tf.int32) * wider
        width = tf.minimum(tf.maximum(wanted, num) + tf.shape(read["exclude"])[1], self._num_products)
        similarity, products = self._retrieval.nearest(embeddings, width)
        allowed = self._eligibility.allowed(read, tf.maximum(products, 0))
        masked = tf.where(tf.logical_and(allowed, products != NO_PRODUCT), similarity, MASKED_SCORE)
        found, places = tf.math.top_k(masked, k=num)
        return _listed(found, tf.gather(products, places, batch_dims=1))


def _answer_again(
    found: Found, search: CandidateSearch, rows_at_a_time: int, embeddings: tf.Tensor, read: Mapping[str, tf.Tensor]
) -> Found:
    """Replace the answers that are not full by those of another search, some rows at a time."""
    short, num = tf.where(found[0][:, -1] <= MASKED_SCORE)[:, 0], tf.shape(found[0])[1]

    def answer(first: tf.Tensor, *before: tf.Tensor) -> tuple[tf.Tensor, ...]:
        rows = short[first : first + rows_at_a_time]
        of_rows = {name: tf.gather(values, rows) for name, values in read.items()}
        after = search(tf.gather(embeddings, rows), of_rows, num)
        similarity, products = (
            tf.tensor_scatter_nd_update(old, rows[:, None], new) for old, new in zip(before, after, strict=True)
        )
        return first + rows_at_a_time, similarity, products

    shapes = (tf.TensorShape([]), *(tf.TensorShape([None, None]) for _ in found))
    count = tf.shape(short)[0]
    _, similarity, products = tf.while_loop(
        lambda first, *_: first < count,
        answer,
        (tf.constant(0), *found),
        shape_invariants=shapes,
        parallel_iterations=1,
    )
    return similarity, products


def _best(masked: tf.Tensor, num: tf.Tensor) -> Found:
    """Return the best so many of all products' masked cosines, [batch, num_products]."""
    similarity, products = tf.math.top_k(masked, k=num)
    return _listed(similarity, products)


def _listed(similarity: tf.Tensor, products: tf.Tensor) -> Found:
    return similarity, tf.where(similarity > MASKED_SCORE, products, NO_PRODUCT)
