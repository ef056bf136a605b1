"""The ranker's losses over lists of candidates; padded candidates do not count."""

from __future__ import annotations

import tensorflow as tf

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE

__all__ = ["listwise_softmax", "probability_loss"]


def listwise_softmax(labels: tf.Tensor, logits: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Return the cross entropy between the candidates that a customer acquired and the softmax of the logits, [batch].

    Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007 (top-one probabilities).
    A customer who acquired none of the candidates has no loss.

    Args:
        labels: 1 where acquired, [batch, num_candidates].
        logits: [batch, num_candidates].
        candidates: Product positions, NO_PRODUCT is padding, [batch, num_candidates].
    """
    masked = tf.where(candidates == NO_PRODUCT, MASKED_SCORE, logits)
    num_acquired = tf.reduce_sum(labels, axis=1)
    log_probability = tf.nn.log_softmax(masked, axis=1)
    return -tf.reduce_sum(labels * log_probability, axis=1) / tf.maximum(num_acquired, 1.0)


def probability_loss(labels: tf.Tensor, logits: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Return the log loss summed over a customer's candidates, [batch]; arguments as for `listwise_softmax`."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_sum(tf.where(candidates == NO_PRODUCT, 0.0, losses), axis=1)
