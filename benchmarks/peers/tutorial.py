"""Both stages as the TensorFlow Recommenders tutorials write them, in our sizes.

*Building deep retrieval models* (towers of StringLookup, Embedding, Normalization and Dense under
`tfrs.tasks.Retrieval`, its metrics off in training) and *Deep & Cross Network* (`tfrs.layers.dcn.Cross` under
`tfrs.tasks.Ranking`, a row per customer and product). Raw columns are shuffled, batched and cached, and every step
looks its words up again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.data.dataset import Array

__all__ = ["RawFeatures", "TutorialRanker", "TutorialTower", "TutorialTowers", "batches"]

LABEL = "label"
"""The column that a ranker learns."""
_CROSS_LAYERS, _CROSS_RANK = 2, 32


def batches(columns: Mapping[str, Array], batch_size: int, seed: int) -> tf.data.Dataset:
    """Return shuffled batches as the tutorials make them, cached so that only the first epoch shuffles."""
    count = len(next(iter(columns.values())))
    return tf.data.Dataset.from_tensor_slices(dict(columns)).shuffle(count, seed=seed).batch(batch_size).cache()


class RawFeatures(tf.keras.layers.Layer):
    """Raw columns to one vector per row: numbers standardised, words embedded, lists of words embedded and averaged."""

    def __init__(self, columns: Mapping[str, Array], word_dim: int, dims: Mapping[str, int] | None = None) -> None:
        """Learn scales and vocabularies.

        Args:
            columns: The columns that are read: numbers [rows], words [rows], or lists of words [rows, any], padded
                with ''.
            word_dim: Dimension of a word's embedding.
            dims: Those of other columns' words.
        """
        super().__init__()
        self._numbers, self._words, self._lists = {}, {}, {}
        for name, values in columns.items():
            dim = (dims or {}).get(name, word_dim)
            if values.dtype != object:
                known = values[np.isfinite(values)]
                self._numbers[name] = tf.keras.layers.Normalization(
                    axis=None, mean=float(known.mean()), variance=max(float(known.var()), 1e-6)
                )
                continue
            words = sorted(set(values.ravel().tolist()) - {""})
            mask = "" if values.ndim == 2 else None
            lookup = tf.keras.layers.StringLookup(vocabulary=words, mask_token=mask)
            embedding = tf.keras.layers.Embedding(lookup.vocabulary_size(), dim, mask_zero=values.ndim == 2)
            (self._lists if values.ndim == 2 else self._words)[name] = (lookup, embedding)

    def call(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return [batch, any]."""
        parts = [normalise(columns[name])[:, None] for name, normalise in self._numbers.items()]
        parts += [embedding(lookup(columns[name])) for name, (lookup, embedding) in self._words.items()]
        for name, (lookup, embedding) in self._lists.items():
            indices = lookup(columns[name])
            named = tf.cast(embedding.compute_mask(indices), tf.float32)[:, :, None]
            # As GlobalAveragePooling1D, which makes NaN of an empty list.
            total = tf.reduce_sum(embedding(indices) * named, axis=1)
            parts.append(total / tf.maximum(tf.reduce_sum(named, axis=1), 1.0))
        return tf.concat(parts, axis=1)


class TutorialTower(tf.keras.layers.Layer):
    """Raw features, then dense layers, the last of them linear."""

    def __init__(self, features: RawFeatures, units: Sequence[int]) -> None:
        super().__init__()
        self._layers = [features, *_dense(units[:-1]), tf.keras.layers.Dense(units[-1])]

    def call(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embed rows, [batch, units[-1]]."""
        hidden = columns
        for layer in self._layers:
            hidden = layer(hidden)
        return hidden


class TutorialTowers(tfrs.Model):
    """Pairs of a customer tower and a product tower, each under a task of its own."""

    def __init__(self, pairs: Sequence[tuple[TutorialTower, TutorialTower]]) -> None:
        super().__init__()
        self.pairs = list(pairs)
        self.tasks = [tfrs.tasks.Retrieval() for _ in pairs]

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return the in-batch softmax's loss, a scalar."""
        losses = [
            task(customer(inputs), product(inputs), compute_metrics=not training)
            for task, (customer, product) in zip(self.tasks, self.pairs, strict=True)
        ]
        return tf.add_n(losses)


class TutorialRanker(tfrs.Model):
    """Cross layers and dense layers over raw features, a row per customer and product."""

    def __init__(self, features: RawFeatures, units: Sequence[int]) -> None:
        super().__init__()
        self._features = features
        self._cross = [
            tfrs.layers.dcn.Cross(projection_dim=_CROSS_RANK, kernel_initializer="glorot_uniform")
            for _ in range(_CROSS_LAYERS)
        ]
        self._deep = [*_dense(units), tf.keras.layers.Dense(1)]
        self.task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(), metrics=[tf.keras.metrics.RootMeanSquaredError("RMSE")]
        )

    def call(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Score rows, [batch, 1]."""
        inputs = self._features(columns)
        hidden = inputs
        for layer in self._cross:
            hidden = layer(inputs, hidden)
        for layer in self._deep:
            hidden = layer(hidden)
        return hidden

    def compute_loss(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return the squared error's mean, a scalar."""
        return self.task(labels=inputs[LABEL][:, None], predictions=self(inputs))


def _dense(units: Sequence[int]) -> list[tf.keras.layers.Layer]:
    return [tf.keras.layers.Dense(width, activation="relu") for width in units]
