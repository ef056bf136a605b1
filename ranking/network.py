"""The ranker's network: features and crosses of a customer and a candidate -> DCN -> logits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from data.catalogue import Encoders
from data.config import DataConfig
from modelling.layers import DenseBlocks, FeatureEmbedding, SeededDropout
from modelling.recommenders import tf, tfrs
from ranking.config import RankingConfig
from ranking.crosses import CategoryCrosses, NumericCrosses

__all__ = ["RankingNetwork"]


class RankingNetwork(tf.keras.layers.Layer):
    """Cross layers (Wang et al., "DCN V2", WWW 2021) and dense blocks over customer, candidate and cross features.

    It returns two parts of a logit: the candidate's, which orders a customer's candidates, and the customer's own,
    which says how likely the customer is to take anything and matters for the probability alone.
    """

    def __init__(
        self, encoders: Encoders, num_popularity: int, data: DataConfig, config: RankingConfig, seed: int, step: Any
    ) -> None:
        """Build the network.

        Args:
            encoders: Encoders at the cutoff.
            num_popularity: Number of popularity features per product.
            data: What the tables mean.
            config: Settings.
            seed: Seed of the dropouts.
            step: Counter of training steps.
        """
        super().__init__(name="ranking_network")
        dropout = SeededDropout(config.category_dropout, seed, step)
        self._customer = FeatureEmbedding(encoders.customers, config.category_dim, dropout)
        self._product = FeatureEmbedding(encoders.products, config.category_dim, dropout, num_popularity)
        ids = len(encoders.product_ids), config.product_dim
        self._product_id = tf.keras.layers.Embedding(*ids) if config.product_dim else None
        self.numeric = NumericCrosses(encoders.customers, encoders.products, data, config)
        self._normalise = tf.keras.layers.BatchNormalization(momentum=0.95)
        self._categorical = CategoryCrosses(encoders.customers, encoders.products, data, config)
        self._cross = [
            tfrs.layers.dcn.Cross(projection_dim=config.cross_rank, kernel_initializer="glorot_uniform")
            for _ in range(config.cross_layers)
        ]
        self._deep = DenseBlocks(config.units, config.dropout, seed + 100, step)
        self._logit = tf.keras.layers.Dense(1)
        self._activity = DenseBlocks(config.units[-1:], config.dropout, seed + 200, step)
        self._offset = tf.keras.layers.Dense(1)

    @property
    def product_tables(self) -> list[Any]:
        """The variables with a row per product; they exist after the first call."""
        return [] if self._product_id is None else [self._product_id.embeddings]

    def start_from(self, base_rate: float) -> None:
        """Let training begin at the share of candidates that are taken, instead of at one half."""
        self._offset.bias.assign([math.log(base_rate / (1.0 - base_rate))])

    def call(
        self, query: Mapping[str, Any], candidates: Any, scores: Any, state: Mapping[str, Any], training: bool = False
    ) -> tuple[Any, Any]:
        """Score candidates.

        Args:
            query: Encoded queries, [batch, ...].
            candidates: Product positions, NO_PRODUCT is padding, int32 [batch, num_candidates].
            scores: Retrieval's cosines, [batch, num_candidates].
            state: The arrays of a `CatalogueState`.
            training: Whether dropout is on.

        Returns:
            The candidates' logits [batch, num_candidates] and the customers' offsets [batch]; the logit of a purchase
            is their sum.
        """
        candidates = tf.maximum(candidates, 0)
        customer = self._customer(query, training=training)
        product = {name: tf.gather(state[name], candidates) for name in ("floats", "categories", "tokens")}
        crosses = self.numeric(query, candidates, scores, state)
        num_candidates = tf.shape(candidates)[1]
        parts = [
            tf.repeat(customer[:, None, :], num_candidates, axis=1),
            self._product(product, training=training),
            self._normalise(crosses, training=training),
            self._categorical(query["categories"], product["categories"]),
        ]
        if self._product_id is not None:
            parts.append(self._product_id(candidates))
        inputs = tf.concat(parts, axis=2)
        crossed = inputs
        for layer in self._cross:
            crossed = layer(inputs, crossed)
        logits = self._logit(self._deep(crossed, training=training))[:, :, 0]
        count = crosses[:, :1, self.numeric.names.index("held_count")]
        activity = self._activity(tf.concat([customer, count], axis=1), training=training)
        return logits, self._offset(activity)[:, 0]
