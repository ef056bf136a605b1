"""A table of three rows, of which two cells are stored: (0, 2) and (2, 1)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.data.sparse_table import SparseTable, cell_keys, stack_arrays
from nextbest.graph.catalogue import look_up

BACKGROUND = np.array([[-1.0, 0.0], [-2.0, 0.0], [-3.0, 0.0]])
TABLE = SparseTable.from_cells(
    cell_keys(np.array([0, 2]), np.array([2, 1])), np.array([[1.0, 10.0], [2.0, 20.0]]), BACKGROUND
)
WHOLE = np.repeat(BACKGROUND[:, None], 4, axis=1)
"""The same as a dense array of four columns, [3, 4, 2]."""
WHOLE[0, 2], WHOLE[2, 1] = [1, 10], [2, 20]


def whole(table: SparseTable) -> Array:
    arrays = {name: tf.constant(values) for name, values in table.arrays("t").items()}
    return np.asarray(look_up(arrays, "t", tf.range(3)[:, None], tf.range(4)[None, :]))


def test_stored_cells_are_found_and_others_have_their_rows_background() -> None:
    found = whole(TABLE)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, WHOLE)


def test_nothing_stored_is_background() -> None:
    empty = SparseTable.from_cells(np.zeros(0), np.zeros((0, 2)), BACKGROUND)
    np.testing.assert_array_equal(whole(empty), np.repeat(BACKGROUND[:, None], 4, axis=1))


def test_products_of_equal_columns_in_a_large_table_are_told_apart() -> None:
    row, column = np.array([0, 69_999, 70_000]), np.array([2**31 - 1] * 3)
    table = SparseTable.from_cells(cell_keys(row, column), np.arange(3.0)[:, None], np.full((70_001, 1), 9.0))
    arrays = {name: tf.constant(values) for name, values in table.arrays("t").items()}
    found = look_up(arrays, "t", tf.constant([70_000, 69_999, 69_998]), tf.constant([2**31 - 1] * 3))
    assert found.numpy().tolist() == [[2], [1], [9]]


def test_a_table_filled_up_beside_a_larger_one_is_the_same() -> None:
    larger = SparseTable.from_cells(np.arange(4), np.ones((4, 2)), BACKGROUND)
    stacked = stack_arrays([TABLE.arrays("t"), larger.arrays("t")])
    arrays = {name: tf.constant(values[0]) for name, values in stacked.items()}
    found = look_up(arrays, "t", tf.range(3)[:, None], tf.range(4)[None, :])
    np.testing.assert_array_equal(found, WHOLE)


def test_rows_and_columns_may_have_any_shape_and_no_length() -> None:
    arrays = {name: tf.constant(values) for name, values in TABLE.arrays("t").items()}
    found = look_up(arrays, "t", tf.constant([[[0], [2]]]), tf.constant([[[1, 2]]]))
    np.testing.assert_array_equal(found, [[[[-1, 0], [1, 10]], [[2, 20], [-3, 0]]]])
    assert look_up(arrays, "t", tf.zeros([2, 0, 1], tf.int32), tf.zeros([2, 1, 5], tf.int32)).shape == [2, 0, 5, 2]
