"""The two towers: customer and product to L2-normalised embeddings whose product is a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array
from nextbest.data.feature_names import NamedFeature
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import Encoders, multi_hot
from nextbest.graph.encoders import EncoderState
from nextbest.modelling.layers import (
    CATEGORY_DROPOUT,
    MULTI_HOT_UP_TO,
    DenseBlocks,
    FeatureEmbedding,
    SeededDropout,
)
from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.inference import FoldedTower, ServedTowers

__all__ = ["CustomerTower", "CustomerTowers", "ProductTower", "ProductTowers", "TowerPair", "pool_products"]


_SEEDS_PER_PAIR = 10_000
_CATEGORY_DIM = 8
"""Dimension of the embedding of a category or a word."""
_PRODUCT_UNITS = (64,)
"""Widths of the product tower's dense blocks: it reads less than the customer tower."""


class TowerPair(tf.keras.layers.Layer):
    """A customer tower and a product tower, which share the embedding of the products' positions."""

    def __init__(
        self,
        encoders: Encoders,
        num_popularity: int,
        config: RetrievalConfig,
        seed: int,
        number: int,
        step: tf.Variable,
    ) -> None:
        """Build the towers.

        Args:
            encoders: Encoders at the cutoff.
            num_popularity: Number of popularity features per product.
            config: Settings.
            seed: Seed of the model.
            number: Which pair this is.
            step: Counter of training steps.
        """
        super().__init__()
        first = seed * 2 + number * _SEEDS_PER_PAIR
        self.product_embedding = tf.keras.layers.Embedding(len(encoders.product_ids), config.embedding_dim)
        self.customer_tower = CustomerTower(encoders, self.product_embedding, config, first, step)
        self.product_tower = ProductTower(
            encoders.products, num_popularity, self.product_embedding, config, first + 1, step
        )


class CustomerTower(tf.keras.layers.Layer):
    """Attributes, and what is held, recent and, where that is recorded, closed and refused, to an embedding.

    It has no embedding of the customer's id: a customer who was not in the training data is answered as well.
    """

    def __init__(
        self,
        encoders: Encoders,
        product_embedding: tf.keras.layers.Embedding,
        config: RetrievalConfig,
        seed: int,
        step: tf.Variable,
    ) -> None:
        """Build the tower.

        Args:
            encoders: Encoders at the cutoff.
            product_embedding: The Embedding layer of product positions, shared with the product tower.
            config: Settings.
            seed: Seed of the dropouts.
            step: Counter of training steps.
        """
        super().__init__(name="customer_tower")
        seeds = _seeds(seed)
        self._product_embedding = product_embedding
        dropout = SeededDropout(CATEGORY_DROPOUT, next(seeds), step)
        self._features = FeatureEmbedding(encoders.customers, _CATEGORY_DIM, dropout)
        self._pools: dict[HistoryList, _RecencyPooling] = {
            name: _RecencyPooling(product_embedding, SeededDropout(config.holdings_dropout, next(seeds), step))
            for name in encoders.list_lengths
        }
        self._blocks = DenseBlocks(config.customer_units, config.dropout, next(seeds), step)
        self._project = tf.keras.layers.Dense(config.embedding_dim)
        self._from_products = tf.keras.layers.Dense(config.embedding_dim, use_bias=False)

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """See `FeatureEmbedding.tables`."""
        return self._features.tables

    def call(self, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Embed encoded queries, [batch, embedding_dim], each of length 1."""
        columns, pools = self._parts(encoded, training)
        return self._embed(columns, pools, training)

    def features(self, encoded: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return what the embedding is a function of: columns, and the lists of products, pooled; [batch, any]."""
        return tf.concat(self._parts(encoded), axis=1)

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """Embed what `features` returned, [batch, embedding_dim]."""
        return self._embed(*tf.split(features, [self._features.output_dim, -1], axis=1))

    def _parts(self, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        columns = self._features(encoded, training=training)
        pools = [pool(encoded[name], encoded[f"{name}_age"], training=training) for name, pool in self._pools.items()]
        return columns, tf.concat(pools, axis=1)

    def _embed(self, columns: tf.Tensor, pools: tf.Tensor, training: bool = False) -> tf.Tensor:
        deep = self._project(self._blocks(tf.concat([columns, pools], axis=1), training=training))
        return tf.math.l2_normalize(deep + self._from_products(pools), axis=1)

    def folded(self) -> FoldedTower:
        """Return the trained tower's weights, its normalisations in its dense layers."""
        categories, tokens = self._features.embeddings()
        return FoldedTower(
            categories=categories,
            tokens=tokens,
            products=self._product_embedding.embeddings.numpy(),
            decays={name: pool.decay() for name, pool in self._pools.items()},
            blocks=self._blocks.folded(),
            project=(self._project.kernel.numpy(), self._project.bias.numpy()),
            from_products=self._from_products.kernel.numpy(),
        )

    @property
    def category_offsets(self) -> Array | None:
        """See `FeatureEmbedding.offsets`."""
        return self._features.offsets

    def named_features(self) -> list[NamedFeature]:
        """Return what people call the places of `features`: the columns, and each list of products."""
        named = [NamedFeature.from_columns("customer", *found) for found in self._features.places.items() if found[1]]
        first, width = self._features.output_dim, 2 * self._product_embedding.output_dim + 1
        for number, name in enumerate(self._pools):
            places = tuple(range(first + number * width, first + (number + 1) * width))
            named.append(NamedFeature(kind="customer", name=name, places=places))
        return named


class ProductTower(tf.keras.layers.Layer):
    """Id, attributes and popularity to an embedding."""

    def __init__(
        self,
        state: EncoderState,
        num_extra_floats: int,
        product_embedding: tf.keras.layers.Embedding,
        config: RetrievalConfig,
        seed: int,
        step: tf.Variable,
    ) -> None:
        """Build the tower; arguments as for `CustomerTower`, and the number of popularity features."""
        super().__init__(name="product_tower")
        seeds = _seeds(seed)
        self._product_embedding = product_embedding
        dropout = SeededDropout(CATEGORY_DROPOUT, next(seeds), step)
        self._features = FeatureEmbedding(state, _CATEGORY_DIM, dropout, num_extra_floats)
        self._blocks = DenseBlocks(_PRODUCT_UNITS, config.dropout, next(seeds), step)
        self._project = tf.keras.layers.Dense(config.embedding_dim)

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """See `FeatureEmbedding.tables`."""
        return self._features.tables

    def call(self, products: tf.Tensor, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Embed products.

        Args:
            products: Product positions, int32 [num].
            encoded: Their encoded features, [num, width] each.
            training: Whether dropout is on.

        Returns:
            Embeddings of length 1, [num, embedding_dim].
        """
        own = self._product_embedding(products)
        inputs = tf.concat([own, self._features(encoded, training=training)], axis=1)
        deep = self._project(self._blocks(inputs, training=training))
        return tf.math.l2_normalize(own + deep, axis=1)


class _RecencyPooling(tf.keras.layers.Layer):
    """Pools a list of products: once evenly, once by a learned exponential decay of their age."""

    def __init__(self, embedding: tf.keras.layers.Embedding, dropout: SeededDropout) -> None:
        super().__init__()
        self._embedding = embedding
        self._dropout = dropout
        # softplus(-4.6) is about 0.01 per day: a half-life near 70 days to begin with.
        self._decay = self.add_weight(name="decay", shape=[], initializer=tf.constant_initializer(-4.6))

    def decay(self) -> float:
        """Return by how much a product fades per day."""
        return float(tf.nn.softplus(self._decay))

    def call(self, products: tf.Tensor, age: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Pool.

        Args:
            products: Product positions, NO_PRODUCT is padding, [batch, length].
            age: Days, [batch, length].
            training: Whether some products are hidden.

        Returns:
            Both pools and the log of the number of products, [batch, 2 * dim + 1].
        """
        is_there = products != NO_PRODUCT
        if training:
            is_there = tf.logical_and(is_there, self._dropout.keep(tf.shape(products)))
        present = tf.cast(is_there, tf.float32)
        recent = present * tf.exp(-tf.nn.softplus(self._decay) * age)
        count = tf.math.log1p(tf.reduce_sum(present, axis=1, keepdims=True))
        if training and self._embedding.input_dim <= MULTI_HOT_UP_TO:
            everything = self._embedding(tf.range(self._embedding.input_dim))
            pools = [_pool_by_matmul(everything, products, weights) for weights in (present, recent)]
        else:
            pools = [pool_products(self._embedding, products, tf.stack([present, recent], axis=2))]
        return tf.concat([*pools, count], axis=1)


def pool_products(embedding: Callable[[tf.Tensor], tf.Tensor], products: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return weighted sums of listed products' vectors, each by the root of its squared weights' sum.

    The root keeps the length of a sum of independent vectors at one, whether few or many are held. Vectors are fetched
    of real products alone: most of a batch of lists is padding.

    Args:
        embedding: Product positions [num] -> vectors [num, dim].
        products: Product positions, NO_PRODUCT is padding, [batch, length].
        weights: Non-negative, 0 for padding, [batch, length, pools].

    Returns:
        [batch, pools * dim].
    """
    real = tf.where(products != NO_PRODUCT)
    vectors = embedding(tf.gather_nd(products, real))
    weighted = vectors[:, None, :] * tf.gather_nd(_of_unit_length(weights), real)[:, :, None]
    sums = tf.math.unsorted_segment_sum(weighted, real[:, 0], tf.shape(products)[0])
    return tf.reshape(sums, [-1, weights.shape[2] * vectors.shape[1]])


def _pool_by_matmul(vectors: tf.Tensor, products: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return one of the pools of `pool_products`, [batch, dim].

    Args:
        vectors: Of all products, [num_products, dim].
        products: Product positions, NO_PRODUCT is padding, [batch, length].
        weights: Non-negative, 0 for padding, [batch, length].
    """
    return tf.matmul(multi_hot(products, _of_unit_length(weights), vectors.shape[0]), vectors)


def _of_unit_length(weights: tf.Tensor) -> tf.Tensor:
    """Divide a list's weights, [batch, length, ...], by the root of their squares' sum."""
    return weights / tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(weights), axis=1, keepdims=True), 1e-6))


def _seeds(base: int) -> Iterator[int]:
    """Yield distinct dropout seeds, far enough apart for the blocks to count up from each."""
    return iter(range(base, base + 10_000, 100))


"""A pair's dropouts are seeded so far from the next one's."""


class CustomerTowers(tf.keras.layers.Layer):
    """The pairs' customer towers as one."""

    def __init__(self, towers: Sequence[CustomerTower]) -> None:
        super().__init__(name="customer_towers")
        self._towers = list(towers)

    def call(self, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Embed encoded queries, [batch, num_tower_pairs * embedding_dim], each of length 1."""
        return _concat_embeddings([tower(encoded, training=training) for tower in self._towers])

    def served(self) -> ServedTowers:
        """Return the trained towers as they are served."""
        return ServedTowers([tower.folded() for tower in self._towers], self._towers[0].category_offsets)

    def named_features(self) -> list[NamedFeature]:
        """Return what people call the places of `features`: each feature has places in all pairs' parts."""
        named = self._towers[0].named_features()
        width = sum(len(feature.places) for feature in named)
        firsts = [number * width for number in range(len(self._towers))]
        return [
            feature.model_copy(update={"places": tuple(first + place for first in firsts for place in feature.places)})
            for feature in named
        ]


class ProductTowers(tf.keras.layers.Layer):
    """The pairs' product towers as one."""

    def __init__(self, towers: Sequence[ProductTower]) -> None:
        super().__init__(name="product_towers")
        self._towers = list(towers)

    def call(self, products: tf.Tensor, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Embed products, [num, num_tower_pairs * embedding_dim], each of length 1; arguments as for `ProductTower`."""
        return _concat_embeddings([tower(products, encoded, training=training) for tower in self._towers])


def _concat_embeddings(embeddings: Sequence[tf.Tensor]) -> tf.Tensor:
    """Put embeddings of length 1 side by side and bring them to length 1: dot products become the mean of theirs."""
    return tf.concat(embeddings, axis=1) / math.sqrt(len(embeddings))
