"""Pairs of towers that learn side by side, and what they are together: one pair, whose cosine is the mean of theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nextbest.data.catalogue import Encoders
from nextbest.data.named_features import NamedFeature
from nextbest.data.tensorflow import tf
from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.towers import CustomerTower, ProductTower

__all__ = ["CustomerTowers", "Member", "ProductTowers"]

_SEEDS = 10_000
"""A member's dropouts are seeded so far from the next one's."""


class Member(tf.keras.layers.Layer):
    """A customer tower and a product tower, which share the embedding of the products' positions."""

    def __init__(
        self, encoders: Encoders, num_popularity: int, config: RetrievalConfig, seed: int, number: int, step: Any
    ) -> None:
        """Build the towers.

        Args:
            encoders: Encoders at the cutoff.
            num_popularity: Number of popularity features per product.
            config: Settings.
            seed: Seed of the model.
            number: Which member this is.
            step: Counter of training steps.
        """
        super().__init__()
        first = seed * 2 + number * _SEEDS
        self.product_embedding = tf.keras.layers.Embedding(len(encoders.product_ids), config.embedding_dim)
        self.customer_tower = CustomerTower(encoders.customers, self.product_embedding, config, first, step)
        self.product_tower = ProductTower(
            encoders.products, num_popularity, self.product_embedding, config, first + 1, step
        )


class CustomerTowers(tf.keras.layers.Layer):
    """The members' customer towers as one; its methods are those of `CustomerTower`."""

    def __init__(self, towers: Sequence[CustomerTower]) -> None:
        super().__init__(name="customer_towers")
        self._towers = list(towers)

    def call(self, encoded: Mapping[str, Any], training: bool = False) -> Any:
        """Embed encoded queries, [batch, members * embedding_dim], each of length 1."""
        return _joined([tower(encoded, training=training) for tower in self._towers])

    def features(self, encoded: Mapping[str, Any]) -> Any:
        """Return the members' features side by side, [batch, any]."""
        return tf.concat([tower.features(encoded) for tower in self._towers], axis=1)

    def embed(self, features: Any) -> Any:
        """Embed what `features` returned, [batch, members * embedding_dim]."""
        parts = tf.split(features, len(self._towers), axis=1)
        return _joined([tower.embed(part) for tower, part in zip(self._towers, parts, strict=True)])

    def named_features(self) -> list[NamedFeature]:
        """Return what people call the places of `features`: each feature has places in all members' parts."""
        named = self._towers[0].named_features()
        width = sum(len(feature.places) for feature in named)
        firsts = [number * width for number in range(len(self._towers))]
        return [
            feature.model_copy(update={"places": tuple(first + place for first in firsts for place in feature.places)})
            for feature in named
        ]


class ProductTowers(tf.keras.layers.Layer):
    """The members' product towers as one."""

    def __init__(self, towers: Sequence[ProductTower]) -> None:
        super().__init__(name="product_towers")
        self._towers = list(towers)

    def call(self, products: Any, encoded: Mapping[str, Any], training: bool = False) -> Any:
        """Embed products, [num, members * embedding_dim], each of length 1; arguments as for `ProductTower`."""
        return _joined([tower(products, encoded, training=training) for tower in self._towers])


def _joined(embeddings: Sequence[Any]) -> Any:
    """Put embeddings of length 1 side by side and bring them to length 1: dot products become the mean of theirs."""
    return tf.concat(embeddings, axis=1) / math.sqrt(len(embeddings))
