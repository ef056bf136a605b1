from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nextbest.data.sparse_table import (
    NO_CELL,
    SparseTable,
    cell_keys,
    common_holders,
    greatest_per_row,
    split_keys,
    stack_arrays,
)

SMALL = SparseTable.from_cells(np.array([7]), np.array([[1.5, 2.5]]), np.array([[-1.0, 0.0]]))


def test_keys_order_cells_by_row_and_then_by_column() -> None:
    row, column = np.array([0, 0, 1, 70_000], np.int32), np.array([0, 2**31 - 1, 0, 99_999], np.int32)
    keys = cell_keys(row, column)
    assert keys.tolist() == [0, 2**31 - 1, 2**32, 70_000 * 2**32 + 99_999]
    for found, expected in zip(split_keys(keys), (row, column), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_table_ends_with_no_cell() -> None:
    assert SMALL.keys.tolist() == [7, NO_CELL]
    assert SMALL.values.tolist() == [[1.5, 2.5], [0, 0]]
    assert SMALL.background.tolist() == [[-1, 0]]
    assert [values.dtype for values in vars(SMALL).values()] == [np.int64, np.float32, np.float32]


def test_stacked_tables_are_filled_up_with_no_cell() -> None:
    larger = SparseTable.from_cells(np.array([3, 9]), np.ones((2, 2)), np.ones((1, 2)))
    stacked = stack_arrays([{**table.arrays("pairs"), "floats": np.zeros((4, 3))} for table in (SMALL, larger)])
    assert stacked["floats"].shape == (2, 4, 3)
    assert stacked["pairs_keys"].tolist() == [[7, NO_CELL, NO_CELL], [3, 9, NO_CELL]]
    assert stacked["pairs_values"].tolist() == [[[1.5, 2.5], [0, 0], [0, 0]], [[1, 1], [1, 1], [0, 0]]]
    assert stacked["pairs_background"].tolist() == [[[-1, 0]], [[1, 1]]]


@pytest.mark.parametrize("limit", [1, 5, 10**6])
@given(held=arrays(np.float32, (4, 6), elements=st.sampled_from([0, 1])))
@settings(max_examples=30, deadline=None)
def test_blocks_count_what_the_whole_does(limit: int, held: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.data.sparse_table._COUNTED_AT_ONCE", limit)
        blocks = list(common_holders(sp.csr_matrix(held)))
    assert np.concatenate([rows for rows, _ in blocks]).tolist() == list(range(6))
    np.testing.assert_array_equal(np.concatenate([common.toarray() for _, common in blocks]), held.T @ held)
    work = (held.T @ held).sum(axis=1)
    for rows, _ in blocks:
        assert len(rows) == 1 or work[rows].sum() <= limit + work[rows[0]]


def test_a_block_ends_where_it_has_counted_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two customers hold the products 0 and 1, one product 2 alone: rows 0 and 1 add four numbers each, row 2 one."""
    held = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32))
    for limit, expected in ((4, [[0], [1, 2]]), (5, [[0], [1, 2]]), (100, [[0, 1, 2]])):
        monkeypatch.setattr("nextbest.data.sparse_table._COUNTED_AT_ONCE", limit)
        assert [rows.tolist() for rows, _ in common_holders(held)] == expected


def test_a_row_keeps_its_greatest_and_of_equal_ones_the_first() -> None:
    row, column = np.array([0, 0, 0, 1, 3, 3]), np.array([5, 2, 4, 9, 8, 7])
    value = np.array([1.0, 1.0, 3.0, 0.0, 2.0, 2.0])
    assert greatest_per_row(row, column, value, 2).tolist() == [2, 1, 3, 5, 4]
    assert greatest_per_row(row, column, value, 1).tolist() == [2, 3, 5]
