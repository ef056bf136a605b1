"""Batches of examples that each come from one window, since the catalogue's statistics belong to a window."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.tensorflow import tf

__all__ = ["window_batches"]


def window_batches(window: Array, batch_size: int, seed: int, epoch: int) -> Any:
    """Return an epoch's batches as a dataset of {"window": int32 scalar, "examples": int32 [at most batch_size]}.

    The order is drawn from (seed, epoch) alone; every example comes once. A window's examples are split evenly: a
    batch filled up with padding would be seen by batch normalisation and as in-batch negatives.

    Args:
        window: The window of each example, [num_examples].
        batch_size: Examples per batch at most.
        seed: The run's seed.
        epoch: The epoch, from 0.
    """
    random = np.random.default_rng([seed, epoch])
    windows: list[int] = []
    batches: list[Array] = []
    for number in np.unique(window):
        examples = random.permutation(np.flatnonzero(window == number)).astype(np.int32)
        split = np.array_split(examples, -(-len(examples) // batch_size))
        windows += [number] * len(split)
        batches += split
    order = random.permutation(len(batches))
    examples = tf.RaggedTensor.from_row_lengths(
        np.concatenate([batches[place] for place in order]), [len(batches[place]) for place in order]
    )
    return tf.data.Dataset.from_tensor_slices({"window": np.array(windows, np.int32)[order], "examples": examples})
