"""Indexes over product embeddings: exact and ScaNN, both masking before the top k."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE, is_listed, mask_of_products

__all__ = ["ExactIndex", "ProductIndex", "ScannConfig", "ScannIndex"]

_HASH_CLUSTERS = 16  # of each block of ScaNN's asymmetric hash (lut16)


class ProductIndex(tfrs.layers.factorized_top_k.TopK):
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

    def index(self, candidates: tf.Tensor, identifiers: tf.Tensor | None = None) -> Self:
        """Build over the embeddings, [num_products, embedding_dim]. Identifiers are their positions."""
        if identifiers is not None:
            raise ValueError("identifiers are the products' positions here; look the ids up outside of the index")
        self.embeddings = tf.Variable(candidates, trainable=False, name="embeddings")
        self.num_products = int(self.embeddings.shape[0])
        self._build()
        return self

    def _build(self) -> None:
        """Make what `search` needs besides the embeddings."""


class ExactIndex(ProductIndex):
    """Scores every product."""

    def __init__(self, k: int = 10) -> None:
        super().__init__(k=k, name="exact_index")

    def scores(self, queries: tf.Tensor) -> tf.Tensor:
        """Return the cosines of all products, [batch, num_products]."""
        return tf.matmul(queries, self.embeddings, transpose_b=True)

    def search(self, queries: tf.Tensor, exclude: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class."""
        scores = self.scores(queries)
        scores = tf.where(mask_of_products(exclude, self.num_products), MASKED_SCORE, scores)
        products = tf.broadcast_to(tf.range(self.num_products)[None, :], tf.shape(scores))
        return _top_k(scores, products, k)

    def is_exact(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class ScannConfig:
    """How a ScaNN index is built and searched."""

    leaves: int | None = None
    """Partitions; by default `num_products ** 0.55`, 158 of 10,000 and 1,995 of a million."""
    leaves_searched: int = 110
    """Partitions searched per query; see `ScannIndex.searching`."""
    reordered: int = 1000
    """Candidates rescored exactly per query; see `ScannIndex.searching`."""
    dims_per_block: int = 2
    """Dimensions per block of the asymmetric hash."""
    anisotropic_threshold: float = 0.2
    """Threshold of the anisotropic quantisation loss."""
    training_sample: int = 250_000
    """Products that train the partitions and the hash."""


class ScannIndex(ProductIndex):
    """ScaNN, built with its own builder: TFRS's layer hides the anisotropic threshold and the training sample.

    Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML 2020. SOAR (Sun et al.,
    NeurIPS 2023), which spills each product to a second leaf, cannot be had: ScaNN's TensorFlow ops refuse it.
    """

    def __init__(self, config: ScannConfig = ScannConfig(), k: int = 10) -> None:
        super().__init__(k=k, name="scann_index")
        self.config = config

    def _build(self) -> None:
        from scann import scann_ops  # loads the op library; only needed where this index is

        config, num_products = self.config, self.num_products
        leaves = min(config.leaves or int(num_products**0.55), num_products)
        # Fewer rows than partitions or clusters can train neither.
        sample = min(max(config.training_sample, leaves, _HASH_CLUSTERS), num_products)
        builder = scann_ops.builder(self.embeddings, min(self._k, num_products), "dot_product")
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
        self.leaves = leaves

    def searching(self, leaves_searched: int, reordered: int) -> ScannIndex:
        """Return the same index, searched otherwise; arguments as in `ScannConfig`."""
        other = ScannIndex(replace(self.config, leaves_searched=leaves_searched, reordered=reordered), self._k)
        other.embeddings, other.num_products = self.embeddings, self.num_products
        other._state, other.leaves = self._state, self.leaves
        return other

    def search(self, queries: tf.Tensor, exclude: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the base class. Searches for as many more as may be excluded, then masks, then takes the top k."""
        from scann import scann_ops

        config, num_products = self.config, self.num_products
        batch, width = tf.shape(queries)[0], tf.minimum(k, num_products)
        # ScaNN refuses a batch of no customers, so it gets one whose answer is dropped.
        no_rows = [[0, tf.cast(batch == 0, tf.int32)], [0, 0]]
        queries, exclude = tf.pad(queries, no_rows), tf.pad(exclude, no_rows)
        wanted = tf.minimum(k + tf.shape(exclude)[1], num_products)
        # The share of the leaves that is searched is at least the share of the catalogue that is wanted.
        share = tf.cast(wanted, tf.float32) / num_products
        leaves = tf.maximum(tf.cast(tf.math.ceil(share * self.leaves), tf.int32), config.leaves_searched)
        # The searcher's handle is made from the state by an op, which keeps the searcher after its first run. A handle
        # from outside of the graph could not be saved.
        products, scores = scann_ops.searcher_from_module(self._state).search_batched(
            queries,
            final_num_neighbors=wanted,
            pre_reorder_num_neighbors=tf.minimum(tf.maximum(wanted, config.reordered), num_products),
            leaves_to_search=tf.minimum(leaves, self.leaves),
        )
        missing = tf.math.is_nan(scores)  # ScaNN pads with NaN when the searched leaves hold fewer
        masked = tf.logical_or(is_listed(products, exclude), missing)
        best = _top_k(tf.where(masked, MASKED_SCORE, scores), products, width)
        # Its ops state no shape.
        top_scores, found = (tf.ensure_shape(tensor[:batch], [None, None]) for tensor in best)
        return top_scores, found

    def is_exact(self) -> bool:
        """Never."""
        return False


def _top_k(scores: tf.Tensor, products: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    top_scores, columns = tf.math.top_k(scores, k=tf.minimum(k, tf.shape(scores)[1]))
    found = tf.gather(products, columns, batch_dims=1)
    return top_scores, tf.where(top_scores <= MASKED_SCORE, NO_PRODUCT, found)
