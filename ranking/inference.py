"""The ranker's network as it is served: the trained weights, folded into as few and as small products as will do.

What is known of a product alone was computed at export, and is gathered; normalisations stand in the weights; and the
candidates of all customers are the rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.modelling.layers import FeatureEmbedding, LayerNormalBlock
from nextbest.ranking.features import CategoryCrosses, CrossFeatures

__all__ = ["ServedNetwork"]

Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class ServedNetwork:
    """What `RankingNetwork.served` returns; its methods are those of `RankingNetwork`, and answer the same."""

    customer: FeatureEmbedding
    products: Mapping[str, tf.Tensor]
    """The parts of `features` that are a product's alone, [num_products, any] each."""
    crosses: CrossFeatures
    category_crosses: CategoryCrosses
    scale: Array
    """Of the normalisation of the crosses, [num_crosses]."""
    shift: Array
    """See `scale`."""
    cross_layers: Sequence[tuple[Array, Array, Array]]
    """[width, rank] and [rank, width], whose product is a cross layer's matrix, and its bias [width]."""
    deep: Sequence[LayerNormalBlock]
    correction: Array
    """[units, 1]."""
    prior: Callable[[Tensors], tf.Tensor]
    """See `RankingNetwork.prior_logits`."""
    activity: Sequence[LayerNormalBlock]
    offset: tuple[Array, Array]
    """[units, 1] and [1]."""

    def features(
        self, query: Tensors, candidates: tf.Tensor, scores: tf.Tensor, catalogue: Tensors
    ) -> dict[str, tf.Tensor]:
        """Return what the logits are a function of; see `RankingNetwork.features`."""
        candidates = tf.maximum(candidates, 0)
        customer = self.customer(query)[:, None, :]
        shape = tf.concat([tf.shape(candidates), customer.shape[-1:]], axis=0)
        of_products = {name: tf.gather(table, candidates) for name, table in self.products.items()}
        parts = {
            "customer": tf.broadcast_to(customer, shape),
            "product": of_products.pop("product"),
            "crosses": self.crosses(query, candidates, scores, catalogue),
            "category_crosses": self.category_crosses(
                query["categories"], tf.gather(catalogue["categories"], candidates)
            ),
        }
        return parts | of_products

    def logits(self, parts: Tensors) -> tf.Tensor:
        """Return the logits of `features`, [batch, num_candidates]."""
        crosses = parts["crosses"] * self.scale + self.shift
        inputs = tf.concat(list((dict(parts) | {"crosses": crosses}).values()), axis=2)
        rows = tf.reshape(inputs, [-1, inputs.shape[2]])
        crossed = rows
        for narrow, widen, bias in self.cross_layers:
            crossed = rows * tf.nn.bias_add(tf.matmul(tf.matmul(crossed, narrow), widen), bias) + crossed
        for block in self.deep:
            crossed = block(crossed)
        prior = self.prior(parts)
        return prior + tf.reshape(tf.matmul(crossed, self.correction), tf.shape(prior))

    def customers_offset(self, parts: Tensors) -> tf.Tensor:
        """Return the customers' offsets of `features`, [batch]."""
        count = self.crosses.select(parts["crosses"][:, :1], "held_count")
        hidden = tf.concat([parts["customer"][:, 0], count], axis=1)
        for block in self.activity:
            hidden = block(hidden)
        kernel, bias = self.offset
        return tf.nn.bias_add(tf.matmul(hidden, kernel), bias)[:, 0]
