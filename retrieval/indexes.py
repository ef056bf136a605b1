"""Indexes over product embeddings: exact and ScaNN, both masking before the top k, and the choice between them."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from pydantic import Field

from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE, is_listed, mask_of_products
from nextbest.graph.signatures import graph_function
from nextbest.retrieval.config import IndexKind

__all__ = ["SCANN_FROM", "ExactIndex", "IndexChoice", "ScannConfig", "ScannIndex", "choose_index"]

_HASH_CLUSTERS = 16  # of each block of ScaNN's asymmetric hash (lut16)


class _MaskingTopK(tfrs.layers.factorized_top_k.TopK):
    """A TopK layer with exclusions that cannot leak: fewer than k are returned as fewer, padded with NO_PRODUCT."""

    def search(self, queries: tf.Tensor, exclude: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find each query's best products that are not excluded.

        Args:
            queries: Embeddings, [batch, embedding_dim].
            exclude: Product positions that must not come back, NO_PRODUCT is padding, int32 [batch, any].
            k: How many, an int or an int32 scalar; more than the catalogue means all of it.

        Returns:
            Cosines float32 and product positions int32, [batch, min(k, num_products)], best first; where nothing is
            left the position is NO_PRODUCT and the cosine MASKED_SCORE.
        """
        raise NotImplementedError

    def call(self, queries: tf.Tensor, k: int | tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Find each query's best products: `search` without exclusions."""
        none = tf.fill([tf.shape(queries)[0], 0], NO_PRODUCT)
        return self.search(queries, none, self._k if k is None else k)


class ExactIndex(_MaskingTopK):
    """Scores every product."""

    def __init__(self, k: int = 10) -> None:
        super().__init__(k=k, name="exact_index")

    def index(self, candidates: tf.Tensor, identifiers: tf.Tensor | None = None) -> ExactIndex:
        """Take over the embeddings, [num_products, embedding_dim]. Identifiers are their positions."""
        if identifiers is not None:
            raise ValueError("identifiers are the products' positions here; look the ids up outside of the index")
        self._candidates = tf.Variable(candidates, trainable=False, name="candidates")
        return self

    def scores(self, queries: tf.Tensor) -> tf.Tensor:
        """Return the cosines of all products, [batch, num_products]."""
        return tf.matmul(queries, self._candidates, transpose_b=True)

    def search(self, queries: tf.Tensor, exclude: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class."""
        scores = self.scores(queries)
        batch, num_products = tf.shape(scores)[0], tf.shape(scores)[1]
        scores = tf.where(mask_of_products(exclude, self._candidates.shape[0]), MASKED_SCORE, scores)
        products = tf.broadcast_to(tf.range(num_products)[None, :], [batch, num_products])
        return _top_k(scores, products, k)

    def is_exact(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class ScannConfig:
    """How a ScaNN index is built and searched."""

    leaves: int | None = None
    """Partitions; by default about the square root of the catalogue's size."""
    leaves_searched: int = 110
    """Partitions searched per query."""
    reordered: int = 1000
    """Candidates rescored exactly per query."""
    dims_per_block: int = 2
    """Dimensions per block of the asymmetric hash."""
    anisotropic_threshold: float = 0.2
    """Threshold of the anisotropic quantisation loss."""
    training_sample: int = 250_000
    """Products that train the partitions and the hash."""


class ScannIndex(_MaskingTopK):
    """ScaNN, built with its own builder: TFRS's layer hides the anisotropic threshold and the training sample.

    Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML 2020.
    """

    def __init__(self, config: ScannConfig = ScannConfig(), k: int = 10) -> None:
        super().__init__(k=k, name="scann_index")
        self.config = config

    def index(self, candidates: tf.Tensor, identifiers: tf.Tensor | None = None) -> ScannIndex:
        """Build over the embeddings, [num_products, embedding_dim]. Identifiers are their positions."""
        if identifiers is not None:
            raise ValueError("identifiers are the products' positions here; look the ids up outside of the index")
        from scann import scann_ops  # loads the op library; only needed where this index is

        config, num_products = self.config, len(candidates)
        leaves = min(config.leaves or max(1, int(num_products**0.5)), num_products)
        # Fewer rows than partitions or clusters can train neither.
        sample = min(max(config.training_sample, leaves, _HASH_CLUSTERS), num_products)
        builder = scann_ops.builder(candidates, min(self._k, num_products), "dot_product")
        builder = builder.tree(
            num_leaves=leaves,
            num_leaves_to_search=min(config.leaves_searched, leaves),
            training_sample_size=sample,
        )
        if num_products < _HASH_CLUSTERS:
            builder = builder.score_brute_force()
        else:
            builder = builder.score_ah(
                config.dims_per_block,
                anisotropic_quantization_threshold=config.anisotropic_threshold,
                training_sample_size=sample,
            )
        searcher = builder.reorder(min(config.reordered, num_products)).build()
        self._state = searcher.serialize_to_module()  # a tf.Module of variables: a SavedModel holds the index
        self._num_products, self._leaves = num_products, leaves
        return self

    def search(self, queries: tf.Tensor, exclude: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class. Searches for as many more as may be excluded, then masks, then takes the top k."""
        from scann import scann_ops

        config, num_products = self.config, self._num_products
        wanted = tf.minimum(k + tf.shape(exclude)[1], num_products)
        # The share of the leaves that is searched is at least the share of the catalogue that is wanted.
        share = tf.cast(wanted, tf.float32) / num_products
        leaves = tf.maximum(tf.cast(tf.math.ceil(share * self._leaves), tf.int32), config.leaves_searched)
        # The searcher's handle is made from the state by an op, which keeps the searcher after its first run. A handle
        # from outside of the graph could not be saved.
        products, scores = scann_ops.searcher_from_module(self._state).search_batched(
            queries,
            final_num_neighbors=wanted,
            pre_reorder_num_neighbors=tf.minimum(tf.maximum(wanted, config.reordered), num_products),
            leaves_to_search=tf.minimum(leaves, self._leaves),
        )
        missing = tf.math.is_nan(scores)  # ScaNN pads with NaN when the searched leaves hold fewer
        masked = tf.logical_or(is_listed(products, exclude), missing)
        return _top_k(tf.where(masked, MASKED_SCORE, scores), products, k)

    def is_exact(self) -> bool:
        """Never."""
        return False


def _top_k(scores: tf.Tensor, products: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    top_scores, columns = tf.math.top_k(scores, k=tf.minimum(k, tf.shape(scores)[1]))
    found = tf.gather(products, columns, batch_dims=1)
    return top_scores, tf.where(top_scores <= MASKED_SCORE, NO_PRODUCT, found)


class IndexChoice(SettingsModel):
    """Which index was chosen, and why."""

    kind: str
    """exact or scann."""
    reason: str
    """For people."""
    recall: float | None = None
    """ScaNN's share of the exact top k."""
    milliseconds: dict[str, float] = Field(default_factory=dict)
    """Median time of a call, by `kind/batch`."""


SCANN_FROM = 10_000
"""On smaller catalogues exact search was always faster than ScaNN."""


def choose_index(
    exact: ExactIndex,
    scann: ScannIndex | None,
    queries: Array,
    kind: IndexKind = "auto",
    *,
    least_recall: float = 0.98,
    k: int = 100,
) -> IndexChoice:
    """Choose by the config, or by measurement.

    Args:
        exact: The exact index.
        scann: The ScaNN index, or None where the catalogue is too small to try.
        queries: Sample of query embeddings, [num_queries, embedding_dim].
        kind: The config's `retrieval.index`.
        least_recall: ScaNN is taken only with at least this share of the exact top k.
        k: At which k they are measured, at most the catalogue's size.
    """
    if kind != "auto":
        return IndexChoice(kind=kind, reason=f"retrieval.index = {kind!r}")
    num_products = len(exact.get_weights()[0])
    if scann is None:
        return IndexChoice(
            kind="exact",
            reason=f"{num_products} products, fewer than {SCANN_FROM:,}: "
            "exact search is faster on catalogues this small",
        )
    k = min(k, num_products)
    _, true = exact(queries, k=k)
    _, found = scann(queries, k=k)
    matched = (np.asarray(found)[:, :, None] == np.asarray(true)[:, None, :]).any(axis=2)
    recall = float(matched.mean())
    times = {
        f"{kind}/{batch}": _median_milliseconds(index, queries[:batch], k)
        for kind, index in (("exact", exact), ("scann", scann))
        for batch in (1, min(256, len(queries)))
    }
    measured = ", ".join(f"{name} {value:.2f} ms" for name, value in times.items())
    faster = sum(times[name] for name in times if name.startswith("scann")) < sum(
        times[name] for name in times if name.startswith("exact")
    )
    chosen = "scann" if recall >= least_recall and faster else "exact"
    why = (
        "ScaNN is faster and accurate enough"
        if chosen == "scann"
        else ("ScaNN is not faster" if recall >= least_recall else f"ScaNN misses the recall of {least_recall}")
    )
    return IndexChoice(
        kind=chosen, reason=f"{why}: recall@{k} {recall:.3f}; {measured}", recall=recall, milliseconds=times
    )


def _median_milliseconds(index: _MaskingTopK, queries: Array, k: int, repeats: int = 9) -> float:
    call = graph_function(lambda batch: index(batch, k=k))
    batch = tf.constant(queries)
    call(batch)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000
