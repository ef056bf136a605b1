"""The retrieval losses, over scores of one positive and many negatives per row.

All are Keras losses on `labels` (one-hot) and `scores`, both [batch, num_candidates], so that `tfrs.tasks.Retrieval`
and the full-catalogue task take any of them. A candidate that must not count has `graph.catalogue.MASKED_SCORE` (in
TFRS's own task a hundredth of it): it is then outside of the softmax and below every margin.
"""

from __future__ import annotations

import tensorflow as tf

from nextbest.retrieval.config import RetrievalConfig

__all__ = ["ContrastiveLoss", "TripletLoss", "retrieval_loss"]


_CONTRASTIVE_MARGIN, _TRIPLET_MARGIN = 0.3, 0.2
"""Negatives with a cosine below the first cost nothing; a positive's cosine must exceed a negative's by the second."""


class ContrastiveLoss(tf.keras.losses.Loss):
    """(1 - s+)^2 plus the mean over the violating negatives of max(0, s- - margin)^2, with cosines s.

    Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, equation 4, with
    the distance 1 - cosine.
    """

    def __init__(self, margin: float) -> None:
        super().__init__(name="contrastive")
        self._margin = margin

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss per row, [batch]."""
        positive = tf.reduce_sum(tf.where(y_true > 0, y_pred, 0.0), axis=1)
        excess = tf.nn.relu(tf.where(y_true > 0, -1.0, y_pred) - self._margin)
        return tf.square(1.0 - positive) + _mean_of_positive(tf.square(excess))


class TripletLoss(tf.keras.losses.Loss):
    """The mean over the violating negatives of max(0, margin + s- - s+), with cosines s.

    Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015, equation 2; only violating triplets count in the mean
    (Hermans, Beyer, Leibe, 2017), else easy negatives drown the hard ones.
    """

    def __init__(self, margin: float) -> None:
        super().__init__(name="triplet")
        self._margin = margin

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss per row, [batch]."""
        positive = tf.reduce_sum(tf.where(y_true > 0, y_pred, 0.0), axis=1, keepdims=True)
        violation = tf.nn.relu(self._margin + y_pred - positive)
        return _mean_of_positive(tf.where(y_true > 0, 0.0, violation))


def retrieval_loss(config: RetrievalConfig) -> tuple[tf.keras.losses.Loss, float | None]:
    """Return the loss that the config names and the temperature of its scores (None: plain cosines)."""
    if config.loss == "contrastive":
        return ContrastiveLoss(_CONTRASTIVE_MARGIN), None
    if config.loss == "triplet":
        return TripletLoss(_TRIPLET_MARGIN), None
    return tf.keras.losses.CategoricalCrossentropy(from_logits=True), config.temperature


def _mean_of_positive(values: tf.Tensor) -> tf.Tensor:
    """Return the mean over each row's positive values, 0 for a row without any, [batch]."""
    count = tf.reduce_sum(tf.cast(values > 0, tf.float32), axis=1)
    return tf.reduce_sum(values, axis=1) / tf.maximum(count, 1.0)
