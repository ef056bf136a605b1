"""The customer towers as they are served: the trained pairs side by side, so that each step is one for all of them.

Batch normalisations stand in the dense layers' weights. What each pair has of its own is [num_tower_pairs, ...].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.modelling.layers import masked_mean

__all__ = ["FoldedTower", "ServedTowers"]


@dataclass(frozen=True)
class FoldedTower:
    """A trained customer tower's weights."""

    categories: Array | None
    """Embeddings of all category columns' indices, one column after the other, [num_indices, dim]."""
    tokens: Array | None
    """Embeddings of words, [num_buckets, dim]."""
    products: Array
    """Embeddings of product positions, [num_products, embedding_dim]."""
    decays: Mapping[HistoryList, float]
    """By how much a product of a list fades per day."""
    blocks: Sequence[tuple[Array, Array]]
    """The dense blocks' kernels [inputs, units] and biases [units], normalisation included."""
    project: tuple[Array, Array]
    """From the last block to the embedding."""
    from_products: Array
    """From the pooled lists to the embedding, [inputs, embedding_dim]."""


class ServedTowers:
    """What `CustomerTowers.served` returns; its methods are those of `CustomerTowers`, and answer the same."""

    def __init__(self, towers: Sequence[FoldedTower], offsets: Array | None) -> None:
        """Put the towers side by side.

        Args:
            towers: The pairs' customer towers.
            offsets: Where each category column's indices begin in the towers' `categories`, [num_categories].
        """
        self._towers, self._offsets = list(towers), offsets
        # The largest of the weights, which a graph reads from a variable; it holds the others.
        self._products = tf.Variable(self._stacked("products"), trainable=False, name="pooled_products")

    @property
    def variables(self) -> list[tf.Variable]:
        """What a graph that calls this reads."""
        return [self._products]

    def __call__(self, encoded: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embed encoded queries, [batch, num_tower_pairs * embedding_dim], each of length 1."""
        return self._embed(*self._features(encoded))

    def features(self, encoded: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the pairs' features side by side, [batch, any]."""
        features = tf.transpose(tf.concat(self._features(encoded), axis=2), [1, 0, 2])
        return tf.reshape(features, [-1, features.shape[1] * features.shape[2]])

    def embed(self, features: tf.Tensor) -> tf.Tensor:
        """Embed what `features` returned, [batch, num_tower_pairs * embedding_dim]."""
        num_pairs, num_pooled = len(self._towers), self._towers[0].from_products.shape[0]
        by_pair = tf.reshape(features, [-1, num_pairs, features.shape[1] // num_pairs])
        return self._embed(*tf.split(tf.transpose(by_pair, [1, 0, 2]), [-1, num_pooled], axis=2))

    def _features(self, encoded: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the columns, and the lists of products, pooled; [num_tower_pairs, batch, any] each."""
        num_pairs = len(self._towers)
        columns = [tf.tile(encoded["floats"][None], [num_pairs, 1, 1])]
        if self._offsets is not None:
            tables = self._stacked("categories")
            first = np.arange(num_pairs, dtype=np.int32)[:, None, None] * tables.shape[1]
            indices = encoded["categories"] + (first + self._offsets)
            columns += tf.unstack(tf.gather(tables.reshape([-1, tables.shape[2]]), indices), axis=2)
        if self._towers[0].tokens is not None:
            vectors = tf.gather(self._stacked("tokens"), encoded["tokens"], axis=1)
            columns.append(masked_mean(vectors, tf.cast(encoded["tokens"] > 0, tf.float32)[None]))
        pools = [self._pool(name, encoded[name], encoded[f"{name}_age"]) for name in self._towers[0].decays]
        return tf.concat(columns, axis=2), tf.concat(pools, axis=2)

    def _pool(self, name: HistoryList, products: tf.Tensor, age: tf.Tensor) -> tf.Tensor:
        """Pool a list evenly and by age, and count it, [num_tower_pairs, batch, 2 * embedding_dim + 1]."""
        num_pairs, width = len(self._towers), 2 * self._products.shape[2]
        present = tf.cast(products != NO_PRODUCT, tf.float32)
        fade = np.array([[0.0, -tower.decays[name]] for tower in self._towers], np.float32)
        weights = present[:, None, :] * tf.exp(age[:, None, :] * fade[:, None, :, None])
        norm = tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(weights), axis=3, keepdims=True), 1e-6))
        vectors = tf.gather(self._products, tf.maximum(products, 0), axis=1)
        pools = tf.reshape(tf.matmul(weights * norm, vectors), [num_pairs, -1, width])
        count = tf.math.log1p(tf.reduce_sum(present, axis=1, keepdims=True))
        return tf.concat([pools, tf.tile(count[None], [num_pairs, 1, 1])], axis=2)

    def _embed(self, columns: tf.Tensor, pools: tf.Tensor) -> tf.Tensor:
        hidden = tf.concat([columns, pools], axis=2)
        for number in range(len(self._towers[0].blocks)):
            kernels, biases = zip(*(tower.blocks[number] for tower in self._towers), strict=True)
            hidden = tf.nn.relu(tf.matmul(hidden, np.stack(kernels)) + np.stack(biases)[:, None])
        kernels, biases = zip(*(tower.project for tower in self._towers), strict=True)
        both = np.concatenate([np.stack(kernels), self._stacked("from_products")], axis=1)
        embeddings = tf.matmul(tf.concat([hidden, pools], axis=2), both) + np.stack(biases)[:, None]
        embeddings = tf.transpose(tf.math.l2_normalize(embeddings, axis=2), [1, 0, 2])
        num_pairs = len(self._towers)
        # Of length 1 again, side by side: dot products become the mean of the pairs'.
        return tf.reshape(embeddings, [-1, num_pairs * embeddings.shape[2]]) / math.sqrt(num_pairs)

    def _stacked(self, name: str) -> Array:
        return np.stack([getattr(tower, name) for tower in self._towers])
