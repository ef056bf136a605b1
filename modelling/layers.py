"""Layers that the towers and the ranker share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.graph.encoders import EncoderState

__all__ = [
    "CATEGORY_DROPOUT",
    "MULTI_HOT_UP_TO",
    "DenseBlocks",
    "FeatureEmbedding",
    "LayerNormalBlock",
    "SeededDropout",
    "fold_batch_normalisation",
    "masked_mean",
    "step_variable",
]


CATEGORY_DROPOUT = 0.02
"""The share of categories that both stages read as unknown in training, which gives 'unknown' its meaning."""


def step_variable() -> tf.Variable:
    """Return a counter of training steps, int64 scalar; `SeededDropout` draws by it."""
    return tf.Variable(0, dtype=tf.int64, trainable=False, name="step")


class SeededDropout(tf.keras.layers.Layer):
    """Dropout whose mask is a function of (seed, training step).

    Keras draws masks from a state outside of the checkpoint, so that a resumed training differs from an undisturbed
    one; this one goes on with the same masks.
    """

    def __init__(self, rate: float, seed: int, step: tf.Variable) -> None:
        super().__init__()
        self.rate = rate
        self._seed = seed
        self._step = step

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return `inputs`, in training with a share `rate` of its elements at 0 and the rest scaled up."""
        if not training or self.rate == 0:
            return inputs
        return tf.where(self.keep(tf.shape(inputs)), inputs / (1.0 - self.rate), 0.0)

    def keep(self, shape: tf.Tensor) -> tf.Tensor:
        """Return what is kept, bool of the given shape; the rate counts to the nearest 65,536th."""
        seed = tf.stack([tf.constant(self._seed, tf.int64), self._step])
        size = tf.reduce_prod(shape)
        # Two draws of 16 bits each: drawing is a large part of a step.
        pairs = tf.random.stateless_uniform([(size + 1) // 2], seed, minval=None, maxval=None, dtype=tf.int32)
        draws = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:size]
        return tf.reshape(draws, shape) >= tf.constant(min(round(self.rate * 2**16), 2**16 - 1), tf.uint16)


class FeatureEmbedding(tf.keras.layers.Layer):
    """Encoded features (see `graph.encoders`) to one vector per row, [..., output_dim]."""

    def __init__(
        self, state: EncoderState, category_dim: int, dropout: SeededDropout, num_extra_floats: int = 0
    ) -> None:
        super().__init__()
        sizes = state.category_sizes
        self._offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32) if sizes else None
        self._dropout = dropout
        self._categories = tf.keras.layers.Embedding(sum(sizes), category_dim) if sizes else None
        buckets = state.config.text_buckets
        self._tokens = tf.keras.layers.Embedding(buckets, category_dim) if state.texts else None
        self._layout = state, category_dim, num_extra_floats
        self.output_dim = sum(map(len, self.places.values()))

    @property
    def offsets(self) -> Array | None:
        """Where each category column's indices begin in its table of embeddings, [num_categories]; None without any."""
        return self._offsets

    def embeddings(self) -> tuple[Array | None, Array | None]:
        """Return the trained embeddings of categories and of words, [num, category_dim]; None of what there is not."""
        categories, tokens = (
            None if layer is None else layer.embeddings.numpy() for layer in (self._categories, self._tokens)
        )
        return categories, tokens

    @property
    def tables(self) -> list[tuple[tf.Variable, Array]]:
        """The variables with a row per category, and what their rows are of; they exist after the first call."""
        if self._categories is None:
            return []
        known = self._layout[0].categories.items()
        rows = [f"{column}\0{word}" for column, words in known for word in ("", *words)]
        return [(self._categories.embeddings, np.array(rows, object))]

    @property
    def places(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """The columns that fill some places of the output -> these places; () for the extra floats."""
        return _places(*self._layout)

    def call(self, encoded: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Embed categories and words, and put them beside the numbers.

        Args:
            encoded: floats, categories and tokens, [..., width] each.
            training: Whether some categories are dropped to 0, so that 'unknown' learns the meaning 'any'.
        """
        parts = [encoded["floats"]]
        if self._categories is not None:
            indices = encoded["categories"]
            if training:
                indices = tf.where(self._dropout.keep(tf.shape(indices)), indices, 0)
            parts += tf.unstack(self._categories(indices + self._offsets), axis=-2)
        if self._tokens is not None:
            tokens = encoded["tokens"]
            parts.append(masked_mean(self._tokens(tokens), tf.cast(tokens > 0, tf.float32)))
        return tf.concat(parts, axis=-1)


def _places(state: EncoderState, category_dim: int, num_extra_floats: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return what `FeatureEmbedding.places` says: a number's place and its flag's, a category's whole embedding."""
    flags = count(len(state.numbers))
    places: dict[tuple[str, ...], tuple[int, ...]] = {
        (name,): (place, next(flags)) if number.flag_missing else (place,)
        for place, (name, number) in enumerate(state.numbers.items())
    }
    places[()] = tuple(range(state.num_floats, state.num_floats + num_extra_floats))
    words = [(name,) for name in state.categories] + ([state.texts] if state.texts else [])
    first = state.num_floats + num_extra_floats
    for number, columns in enumerate(words):
        places[columns] = tuple(range(first + number * category_dim, first + (number + 1) * category_dim))
    return places


def masked_mean(vectors: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the weighted sum over the last axis but one divided by the weights' sum (by 1 where it is less).

    Args:
        vectors: [..., length, dim].
        weights: Non-negative, 0 for padding, [..., length].
    """
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.einsum("...ld,...l->...d", vectors, weights) / tf.maximum(total, 1.0)


MULTI_HOT_UP_TO = 512
"""Up to so many vectors, a product with a matrix of weights trains faster than fetching those that are named: its
gradient is a product as well, not a sum for each."""


class _LayerNormalization(tf.keras.layers.LayerNormalization):
    """Keras's, in plain arithmetic: its own goes by way of a batch normalisation and takes twice as long."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta


_NORMALISATIONS = {
    "batch": lambda: tf.keras.layers.BatchNormalization(momentum=0.95),
    "layer": _LayerNormalization,
}


class DenseBlocks(tf.keras.layers.Layer):
    """Dense -> normalisation -> ReLU -> dropout, once per entry of `units`; [..., units[-1]]."""

    def __init__(
        self,
        units: Sequence[int],
        rate: float,
        seed: int,
        step: tf.Variable,
        normalisation: Literal["batch", "layer"] = "batch",
    ) -> None:
        """Build the blocks.

        Args:
            units: Widths.
            rate: Dropout.
            seed: Seed of the dropouts.
            step: Counter of training steps.
            normalisation: Over the batch, or over the units of each row, which is the same in training as later: over
                a batch of one window all that this window's rows share would be lost, and be back when serving.
        """
        super().__init__()
        self._blocks = [
            (
                tf.keras.layers.Dense(width, use_bias=False),
                _NORMALISATIONS[normalisation](),
                SeededDropout(rate, seed + position, step),
            )
            for position, width in enumerate(units)
        ]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Run the blocks."""
        hidden = inputs
        for dense, normalise, dropout in self._blocks:
            hidden = dropout(tf.nn.relu(normalise(dense(hidden), training=training)), training=training)
        return hidden

    def folded(self) -> list[tuple[Array, Array]]:
        """Return each block's kernel and bias with its batch normalisation in them: trained, a block is a dense layer.

        Kernels are [inputs, units], biases [units].
        """
        folded = []
        for dense, normalise, _ in self._blocks:
            scale, shift = fold_batch_normalisation(normalise)
            folded.append((dense.kernel.numpy() * scale, shift))
        return folded

    def layer_normal_blocks(self) -> list[LayerNormalBlock]:
        """Return the blocks, whose normalisation is that of a layer, as they are after training."""
        return [
            LayerNormalBlock(_centred(dense.kernel.numpy()), norm.gamma.numpy(), norm.beta.numpy(), norm.epsilon)
            for dense, norm, _ in self._blocks
        ]


def fold_batch_normalisation(layer: tf.keras.layers.BatchNormalization) -> tuple[Array, Array]:
    """Return by what a trained batch normalisation multiplies, and what it adds then, [units] each."""
    scale = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    return scale, layer.beta.numpy() - layer.moving_mean.numpy() * scale


def _centred(kernel: Array) -> Array:
    """Return a kernel whose outputs are what those of `kernel` are above their mean over the units."""
    centred: Array = kernel - kernel.mean(axis=1, keepdims=True)
    return centred


@dataclass(frozen=True)
class LayerNormalBlock:
    """A trained block of `DenseBlocks`, dense -> layer normalisation -> ReLU."""

    kernel: Array
    """[inputs, units]; what it makes has a mean of 0 over the units."""
    gamma: Array
    """[units]."""
    beta: Array
    """[units]."""
    epsilon: float
    """Added to the variance."""

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Run the block, [num, units] for [num, inputs]."""
        outputs = tf.matmul(inputs, self.kernel)
        variance = tf.reduce_mean(tf.square(outputs), axis=1, keepdims=True)
        return tf.nn.relu(outputs * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta)
