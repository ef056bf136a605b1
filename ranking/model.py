"""The ranker: a network over cross features that starts from a prior, and the Keras model that trains it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.data.config import DataConfig, HistoryList
from nextbest.data.dataset import Array
from nextbest.data.feature_names import FeatureKind, NamedFeature
from nextbest.data.padding import concat_padded
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.sparse_table import stack_arrays
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.graph.query import concat_queries
from nextbest.modelling.layers import (
    CATEGORY_DROPOUT,
    DenseBlocks,
    FeatureEmbedding,
    SeededDropout,
    fold_batch_normalisation,
    step_variable,
)
from nextbest.ranking.config import RankingConfig
from nextbest.ranking.examples import WindowExamples
from nextbest.ranking.features import CATEGORY_DIM, CategoryCrosses, CrossFeatures
from nextbest.ranking.inference import ServedNetwork
from nextbest.ranking.losses import listwise_softmax, probability_loss

__all__ = ["RankingModel", "RankingNetwork"]


Tensors = Mapping[str, tf.Tensor]
"""Tensors by name."""
_CROSS_LAYERS, _CROSS_RANK = 2, 32
"""How many cross layers there are, and the rank of their matrices."""
_LEAST_VOTES = 1e-4
"""Votes below it count as so many: the logarithm of none must not outweigh all else."""


class RankingNetwork(tf.keras.layers.Layer):
    """Cross layers (Wang et al., "DCN V2", WWW 2021) and dense blocks over customer, candidate and cross features.

    It returns two parts of a logit: the candidate's, which orders a customer's candidates, and the customer's own,
    which says how likely the customer is to acquire anything and matters for the probability alone.
    """

    def __init__(
        self,
        encoders: Encoders,
        statistics: StatisticsConfig,
        data: DataConfig,
        config: RankingConfig,
        seed: int,
        step: tf.Variable,
    ) -> None:
        """Build the network.

        Args:
            encoders: Encoders at the cutoff.
            statistics: Which statistics of the catalogue there are.
            data: What the tables mean.
            config: Settings.
            seed: Seed of the dropouts.
            step: Counter of training steps.
        """
        super().__init__(name="ranking_network")
        dropout = SeededDropout(CATEGORY_DROPOUT, seed, step)
        self._customer = FeatureEmbedding(encoders.customers, CATEGORY_DIM, dropout)
        self._product = FeatureEmbedding(encoders.products, CATEGORY_DIM, dropout, statistics.num_popularity)
        self._product_ids = encoders.product_ids
        ids = len(encoders.product_ids), config.product_dim
        self._product_id = tf.keras.layers.Embedding(*ids) if config.product_dim else None
        self.numeric = CrossFeatures(encoders.customers, encoders.products, data, statistics, config)
        self._normalise = tf.keras.layers.BatchNormalization(momentum=0.95)
        self._categorical = CategoryCrosses(encoders.customers, encoders.products, data)
        self._cross = [
            tfrs.layers.dcn.Cross(projection_dim=_CROSS_RANK, kernel_initializer="glorot_uniform")
            for _ in range(_CROSS_LAYERS)
        ]
        self._deep = DenseBlocks(config.units, config.dropout, seed + 100, step, "layer")
        # It starts at 0, and the logit at the prior.
        self._correction = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self._trend_places = _trend_places(self._product.places[()]) if config.trend_prior else []
        self._votes = statistics.pairs
        votes, trend = [config.votes_prior] * len(self._votes), [config.trend_prior] * len(self._trend_places)
        prior = [config.similarity_prior, *votes, *trend]
        self._prior = self.add_weight(name="prior", shape=[len(prior)], initializer=tf.constant_initializer(prior))
        self._saturation = config.votes_saturation
        self._activity = DenseBlocks(config.units[-1:], config.dropout, seed + 200, step, "layer")
        self._offset = tf.keras.layers.Dense(1)

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """The variables with a row per product, and what their rows are of; they exist after the first call."""
        return [] if self._product_id is None else [(self._product_id.embeddings, self._product_ids)]

    def start_from(self, odds: float) -> None:
        """Let training begin with offsets of these odds of a purchase, instead of 1."""
        self._offset.bias.assign([math.log(odds)])

    def call(
        self,
        query: Tensors,
        candidates: tf.Tensor,
        scores: tf.Tensor,
        catalogue: Tensors,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Score candidates.

        Args:
            query: Encoded queries, [batch, ...].
            candidates: Product positions, NO_PRODUCT is padding, int32 [batch, num_candidates].
            scores: Retrieval's cosines, [batch, num_candidates].
            catalogue: The arrays of a `CatalogueStatistics`.
            training: Whether dropout is on.

        Returns:
            The candidates' logits [batch, num_candidates] and the customers' offsets [batch]; the logit of a purchase
            is their sum.
        """
        parts = self.features(query, candidates, scores, catalogue, training=training)
        return self.logits(parts, training=training), self.customers_offset(parts, training=training)

    def features(
        self,
        query: Tensors,
        candidates: tf.Tensor,
        scores: tf.Tensor,
        catalogue: Tensors,
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Return what the logits are a function of, by part: float32 [batch, num_candidates, any] each.

        Parts: customer and product (numbers, then embedded categories and words, see `FeatureEmbedding`), crosses (in
        the order of `CrossFeatures.keys`, not normalised), category_crosses, and product_id where ids are embedded.
        """
        candidates = tf.maximum(candidates, 0)
        customer = self._customer(query, training=training)
        product = {name: tf.gather(catalogue[name], candidates) for name in ("floats", "categories", "tokens")}
        parts = {
            "customer": tf.repeat(customer[:, None, :], tf.shape(candidates)[1], axis=1),
            "product": self._product(product, training=training),
            "crosses": self.numeric(query, candidates, scores, catalogue),
            "category_crosses": self._categorical(query["categories"], product["categories"]),
        }
        if self._product_id is not None:
            parts["product_id"] = self._product_id(candidates)
        return parts

    def logits(self, parts: Tensors, training: bool = False) -> tf.Tensor:
        """Return the logits of `features`, [batch, num_candidates]."""
        crosses = self._normalise(parts["crosses"], training=training)
        inputs = tf.concat(list((dict(parts) | {"crosses": crosses}).values()), axis=2)
        crossed = inputs
        for layer in self._cross:
            crossed = layer(inputs, crossed)
        return self.prior_logits(parts) + self._correction(self._deep(crossed, training=training))[:, :, 0]

    def served(self, catalogue: Tensors) -> ServedNetwork:
        """Return the trained network as it is served.

        Args:
            catalogue: The arrays of the `CatalogueStatistics` that it is served with.
        """
        products = {"product": self._product({name: catalogue[name] for name in ("floats", "categories", "tokens")})}
        if self._product_id is not None:
            products["product_id"] = self._product_id.embeddings
        scale, shift = fold_batch_normalisation(self._normalise)
        return ServedNetwork(
            customer=self._customer,
            products={
                name: tf.Variable(table, trainable=False, name=f"{name}_features") for name, table in products.items()
            },
            crosses=self.numeric,
            category_crosses=self._categorical,
            scale=scale,
            shift=shift,
            cross_layers=[tuple(weight.numpy() for weight in layer.weights) for layer in self._cross],
            deep=self._deep.layer_normal_blocks(),
            correction=self._correction.kernel.numpy(),
            prior=self.prior_logits,
            activity=self._activity.layer_normal_blocks(),
            offset=(self._offset.kernel.numpy(), self._offset.bias.numpy()),
        )

    def named_features(self) -> dict[str, list[NamedFeature]]:
        """Return what people call the places of `features`, by part; in a vector the parts follow one another."""
        kinds: dict[str, tuple[FeatureKind, FeatureEmbedding]] = {
            "customer": ("customer", self._customer),
            "product": ("product", self._product),
        }
        named: dict[str, list[NamedFeature]] = {}
        first = 0
        for part, (kind, embedding) in kinds.items():
            named[part] = [
                NamedFeature.from_columns(kind, columns, tuple(first + place for place in places))
                for columns, places in embedding.places.items()
                if places
            ]
            first += embedding.output_dim
        named["crosses"] = self.numeric.named_features(first)
        first += len(self.numeric.keys)
        named["category_crosses"] = self._categorical.named_features(first)
        first += self._categorical.output_dim
        if self._product_id is not None:
            places = tuple(range(first, first + self._product_id.output_dim))
            named["product_id"] = [NamedFeature(kind="product", name="product_id", places=places)]
        return named

    def prior_logits(self, parts: Tensors) -> tf.Tensor:
        """Weigh what is known before training: the cosine, the logarithms of the holdings' votes, and the trend."""
        known = [self.numeric.select(parts["crosses"], "retrieval_score")[:, :, None]]
        if self._votes:
            places = [self.numeric.keys.index(f"{name}_sum") for name in self._votes]
            votes = tf.maximum(tf.gather(parts["crosses"], places, axis=2), _LEAST_VOTES)
            known.append(tf.math.log(self._saturated(votes)))
        if self._trend_places:
            known.append(tf.gather(parts["product"], self._trend_places, axis=2))
        return tf.einsum("bcp,p->bc", tf.concat(known, axis=2), self._prior)

    def _saturated(self, votes: tf.Tensor) -> tf.Tensor:
        """Return what votes count as, see `RankingConfig.votes_saturation`."""
        return -tf.math.expm1(-self._saturation * votes) / self._saturation if self._saturation else votes

    def customers_offset(self, parts: Tensors, training: bool = False) -> tf.Tensor:
        """Return the customers' offsets of `features`, [batch]."""
        count = self.numeric.select(parts["crosses"], "held_count")[:, 0]
        activity = tf.concat([parts["customer"][:, 0], count[:, None]], axis=1)
        return self._offset(self._activity(activity, training=training))[:, 0]


def _trend_places(popularity: Sequence[int]) -> list[int]:
    """Return where the log share in the longest window but one stands, and its difference to the longest's.

    Args:
        popularity: The places of `ProductStatistics.popularity`: the shares, the trends and an age.
    """
    *shares_and_trends, _ = popularity
    num_windows = len(popularity) // 2
    return [popularity[max(num_windows - 2, 0)], *shares_and_trends[num_windows:][-1:]]


class RankingModel(tfrs.Model):
    """The network with its losses. A batch is {"window": scalar, "examples": int32 [batch]} into the bound windows."""

    def __init__(
        self, encoders: Encoders, statistics: StatisticsConfig, data: DataConfig, config: RankingConfig, seed: int
    ) -> None:
        """Build the network; see `RankingNetwork`."""
        super().__init__(name="ranker")
        self.config = config
        self.step = step_variable()
        self.network = RankingNetwork(encoders, statistics, data, config, seed * 1000, self.step)
        self.mean_loss = tf.keras.metrics.Mean(name="mean_loss")
        self._data: dict[str, Any] | None = None

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """The variables with a row per product, and what their rows are of."""
        return self.network.tables

    def bind(self, windows: Sequence[WindowExamples]) -> None:
        """Put the windows' examples into the graph, one after the other."""
        queries = concat_queries([window.queries for window in windows])
        catalogue = stack_arrays([window.catalogue.arrays() for window in windows])
        self._data = {
            "queries": {name: tf.constant(values) for name, values in queries.items()},
            "candidates": tf.constant(concat_padded([window.candidates for window in windows], NO_PRODUCT)),
            "scores": tf.constant(concat_padded([window.scores for window in windows], 0)),
            "labels": tf.constant(concat_padded([window.labels for window in windows], 0)),
            "weight": tf.constant(np.concatenate([window.weight for window in windows])),
            "catalogue": {name: tf.constant(values) for name, values in catalogue.items()},
        }

    @tf.autograph.experimental.do_not_convert  # it has no Python control flow over tensors, and is traced sooner
    def compute_loss(self, inputs: Tensors, training: bool = False) -> tf.Tensor:
        """Return the mean loss of a batch, a scalar."""
        if self._data is None:
            raise RuntimeError("bind() the windows before training")
        self.step.assign_add(1)
        data, window, rows = self._data, inputs["window"], inputs["examples"]
        weight = tf.gather(data["weight"], rows)
        query = _trimmed({name: tf.gather(values, rows) for name, values in data["queries"].items()})
        catalogue = {name: values[window] for name, values in data["catalogue"].items()}
        candidates, labels = tf.gather(data["candidates"], rows), tf.gather(data["labels"], rows)
        logits, offset = self.network(query, candidates, tf.gather(data["scores"], rows), catalogue, training=training)
        listwise = listwise_softmax(labels, logits, candidates)
        probability = probability_loss(labels, logits + offset[:, None], candidates)
        # The order is learned from those who acquired something, the probability from all, each by whom it stands for:
        # under one mean the few customers without a purchase, of high weight, would slow the order down.
        loss = _mean(listwise, tf.cast(tf.reduce_any(labels > 0, axis=1), tf.float32))
        loss += self.config.probability_weight * _mean(probability, weight)
        self.mean_loss.update_state(loss)
        return loss

    def score(
        self,
        query: Tensors,
        candidates: tf.Tensor,
        scores: tf.Tensor,
        catalogue: Tensors,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Score candidates without dropout; see `RankingNetwork.call`."""
        return self.network(query, candidates, scores, catalogue, training=False)


def _trimmed(query: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Cut the lists behind the batch's longest: most of the widest customer's list is padding for the others."""
    trimmed = dict(query)
    for name in (name for name in get_args(HistoryList) if name in query):
        places = tf.range(1, tf.shape(query[name])[1] + 1)
        length = tf.maximum(tf.reduce_max(tf.where(query[name] != NO_PRODUCT, places, 0)), 0)
        for lists in (name, f"{name}_age"):
            trimmed[lists] = query[lists][:, :length]
    return trimmed


def _mean(losses: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Return the weighted mean, 0 where no loss has a weight."""
    return tf.math.divide_no_nan(tf.reduce_sum(weight * losses), tf.reduce_sum(weight))
