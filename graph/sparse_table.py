"""Cells of a `data.sparse_table.SparseTable`, looked up in the graph."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

__all__ = ["look_up"]


def look_up(arrays: Mapping[str, tf.Tensor], name: str, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Return the numbers of cells.

    Args:
        arrays: Among them a table's, see `SparseTable.arrays`.
        name: The table's name.
        row: Rows, int32 [...].
        column: Columns, of a shape that broadcasts with the rows', int32.

    Returns:
        float32 [..., num_numbers].
    """
    stored, values, background = (arrays[f"{name}_{part}"] for part in ("keys", "values", "background"))
    keys = tf.cast(row, tf.int64) * 2**32 + tf.cast(column, tf.int64)  # as `cell_keys`
    # Every key is below the last stored one, NO_CELL, so that the place is one of the table's.
    place = tf.reshape(tf.searchsorted(stored, tf.reshape(keys, [-1])), tf.shape(keys))
    is_stored = tf.gather(stored, place) == keys
    return tf.where(is_stored[..., None], tf.gather(values, place), tf.gather(background, row))
