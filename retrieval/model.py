"""The two-tower training model on TensorFlow Recommenders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.data.dataset import Array
from nextbest.graph.catalogue import MASKED_SCORE, Encoders, is_listed, mask_of_products
from nextbest.modelling.layers import step_variable
from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.examples import TrainingSet
from nextbest.retrieval.indexes import ProductIndex
from nextbest.retrieval.losses import retrieval_loss
from nextbest.retrieval.towers import CustomerTowers, ProductTowers, TowerPair

__all__ = ["MaskedFactorizedTopK", "TwoTowerModel", "uses_full_softmax"]


_FULL_SOFTMAX_UP_TO = 2000
"""The largest catalogue for which loss = "auto" takes the softmax over all products."""


def uses_full_softmax(config: RetrievalConfig, num_products: int) -> bool:
    """Whether training takes the softmax over all products rather than over a batch."""
    if config.loss == "auto":
        return num_products <= _FULL_SOFTMAX_UP_TO
    return config.loss == "full_softmax"


class MaskedFactorizedTopK(tfrs.metrics.FactorizedTopK):
    """FactorizedTopK over the products that may be recommended: what a customer holds is masked before the top k.

    TFRS's own counts held products as candidates, and `query_with_exclusions` leaks them when much is excluded.
    """

    def __init__(self, index: ProductIndex, ks: tuple[int, ...]) -> None:
        """Bind the metric to the index that it asks; `ks` must fit the catalogue."""
        super().__init__(candidates=index, ks=ks)

    def update_masked(self, queries: tf.Tensor, products: tf.Tensor, held: tf.Tensor) -> None:
        """Count in how many rows the true product is among the top k.

        Args:
            queries: Embeddings, [batch, embedding_dim].
            products: The true products' positions, int32 [batch].
            held: What each customer holds, NO_PRODUCT is padding, int32 [batch, any].
        """
        _, found = self._candidates.search(queries, held, max(self._ks))
        hits = found == products[:, None]
        for k, metric in zip(self._ks, self._top_k_metrics, strict=True):
            metric.update_state(tf.reduce_any(hits[:, :k], axis=1))


class _Batch(NamedTuple):
    """What a loss reads of a batch."""

    query: dict[str, tf.Tensor]
    """Encoded queries, [batch, ...] each."""
    target: tf.Tensor
    """The product that each acquired, int32 [batch]."""
    weight: tf.Tensor
    """[batch]."""
    known_positives: tuple[tf.Tensor, ...]
    """Lists of products that are not negatives of a query: what it holds, what else it acquired; [batch, any] each."""
    products: dict[str, tf.Tensor]
    """Encoded products at the window's start, [num_products, width] each."""
    available: tf.Tensor
    """Whether a product was known then, bool [num_products]."""
    frequency: tf.Tensor
    """How often a product is an in-batch negative, [num_products]."""


class TwoTowerModel(tfrs.Model):
    """The towers with the retrieval task. A batch is {"window": scalar, "examples": int32 [batch]}.

    The training set's arrays live in the graph; a batch is indices into them.
    """

    def __init__(self, encoders: Encoders, num_popularity: int, config: RetrievalConfig, seed: int) -> None:
        """Build the towers.

        Args:
            encoders: Encoders at the cutoff.
            num_popularity: Number of popularity features per product.
            config: Settings.
            seed: Seed of dropout and of the mixed negatives.
        """
        super().__init__(name="two_tower")
        self.config = config
        self.num_products = len(encoders.product_ids)
        self._product_ids = encoders.product_ids
        self.step = step_variable()
        self.tower_pairs = [
            TowerPair(encoders, num_popularity, config, seed, number, self.step)
            for number in range(config.num_tower_pairs)
        ]
        self.customer_tower = CustomerTowers([pair.customer_tower for pair in self.tower_pairs])
        self.product_tower = ProductTowers([pair.product_tower for pair in self.tower_pairs])
        self._seed = seed
        self._full = uses_full_softmax(config, self.num_products)
        self._loss, self._temperature = retrieval_loss(config)
        self.task = tfrs.tasks.Retrieval(
            loss=self._loss,
            temperature=self._temperature,
            num_hard_negatives=config.hard_negatives,
            remove_accidental_hits=True,
        )
        self.mean_loss = tf.keras.metrics.Mean(name="mean_loss")
        self._data: dict[str, Any] | None = None

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """The variables with a row per product or per category, and what their rows are of."""
        return [
            table
            for pair in self.tower_pairs
            for table in (
                (pair.product_embedding.embeddings, self._product_ids),
                *pair.customer_tower.tables,
                *pair.product_tower.tables,
            )
        ]

    def bind(self, examples: TrainingSet) -> None:
        """Put a training set into the graph."""
        queries = examples.queries
        with tf.device("cpu:0"):
            self._data = {
                "queries": {name: tf.constant(values) for name, values in queries.encoded.items()},
                "positives": tf.constant(queries.positives),
                "query": tf.constant(queries.query),
                "product": tf.constant(queries.product),
                "weight": tf.constant(examples.weight),
                "products": {name: tf.constant(values) for name, values in examples.products.items()},
                "available": tf.constant(examples.available),
                "frequency": tf.constant(examples.frequency),
            }

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return the mean loss of a batch, a scalar."""
        if self._data is None:
            raise RuntimeError("bind() a training set before training")
        self.step.assign_add(1)
        data, window, examples = self._data, inputs["window"], inputs["examples"]
        rows = tf.gather(data["query"], examples)
        query = {name: tf.gather(values, rows) for name, values in data["queries"].items()}
        batch = _Batch(
            query=query,
            target=tf.gather(data["product"], examples),
            weight=tf.gather(data["weight"], examples),
            known_positives=(query["held"], tf.gather(data["positives"], rows)),
            products={name: values[window] for name, values in data["products"].items()},
            available=data["available"][window],
            frequency=data["frequency"][window],
        )
        losses = self._catalogue_losses(batch, training) if self._full else self._batch_losses(batch, training)
        # Each pair has a loss of its own: under one loss of their mean they would learn to make up for each other.
        loss = tf.add_n(losses) / len(losses)
        self.mean_loss.update_state(loss)
        return loss

    def _catalogue_losses(self, batch: _Batch, training: bool) -> list[tf.Tensor]:
        """Softmax over the products that the customer could acquire; other positives do not count as negatives."""
        is_target = tf.one_hot(batch.target, self.num_products)
        known = mask_of_products(tf.concat(batch.known_positives, axis=1), self.num_products)
        masked = tf.logical_and(tf.logical_or(known, tf.logical_not(batch.available)), is_target == 0)
        losses = []
        for pair in self.tower_pairs:
            embedded = pair.customer_tower(batch.query, training=training) / self._temperature
            candidates = pair.product_tower(tf.range(self.num_products), batch.products, training=training)
            scores = tf.where(masked, MASKED_SCORE, tf.matmul(embedded, candidates, transpose_b=True))
            losses.append(self._loss(y_true=is_target, y_pred=scores, sample_weight=batch.weight))
        return losses

    def _batch_losses(self, batch: _Batch, training: bool) -> list[tf.Tensor]:
        """In-batch negatives and uniformly drawn ones, corrected for how often each is drawn (logQ)."""
        num_mixed = self.config.mixed_negatives
        seed = tf.stack([tf.constant(self._seed, tf.int64), self.step])
        mixed = tf.random.stateless_uniform([num_mixed], seed, maxval=self.num_products, dtype=tf.int32)
        ids = tf.concat([batch.target, mixed], axis=0)
        encoded = {name: tf.gather(values, ids) for name, values in batch.products.items()}
        masked = tf.logical_not(tf.gather(batch.available, ids))[None, :]
        for lists in batch.known_positives:
            masked = tf.logical_or(masked, is_listed(ids[None, :], lists))
        own = tf.eye(tf.shape(batch.target)[0], tf.shape(ids)[0], dtype=tf.bool)
        score_mask = tf.logical_or(own, tf.logical_not(masked))
        softmax = self._temperature is not None
        probability = self._sampling_probability(ids, own, batch.frequency) if softmax else None
        return [
            self.task(
                pair.customer_tower(batch.query, training=training),
                pair.product_tower(ids, encoded, training=training),
                sample_weight=batch.weight,
                candidate_sampling_probability=probability,
                candidate_ids=ids,
                score_mask=score_mask,
                compute_metrics=False,
            )
            for pair in self.tower_pairs
        ]

    def _sampling_probability(self, ids: tf.Tensor, own: tf.Tensor, frequency: tf.Tensor) -> tf.Tensor:
        """Return how likely a draw of a negative gives each candidate, [batch, num_candidates].

        A negative is drawn by its frequency in the window or uniformly (Yang et al., WWW 2020, equation 6). The
        positive is not drawn, it is always there (Khrylchenko et al., "Correcting the LogQ Correction", RecSys 2025):
        once among as many as are drawn. With it the sampled denominator is the full softmax's in expectation.
        """
        num_mixed = self.config.mixed_negatives
        others = tf.cast(tf.shape(own)[0] - 1, tf.float32)
        drawn = tf.maximum(others + num_mixed, 1.0)
        count = others * tf.gather(frequency, ids) + num_mixed / self.num_products
        return tf.where(own, 1.0, count) / drawn
