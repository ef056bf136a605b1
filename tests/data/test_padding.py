"""Lists of different lengths become one array."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.data.padding import concat_padded, lists_by_row, pad_to_shape


def test_narrower_parts_are_filled_up() -> None:
    parts = [np.array([[1, 2]], np.int32), np.array([[3], [4]], np.int32), np.zeros((0, 3), np.int32)]
    joined = concat_padded(parts, -1)
    assert joined.tolist() == [[1, 2, -1], [3, -1, -1], [4, -1, -1]]
    assert joined.dtype == np.int32


def test_numbers_and_further_axes_are_joined_too() -> None:
    assert concat_padded([np.array([1.0]), np.array([2.0, 3.0])], 0).tolist() == [1, 2, 3]
    joined = concat_padded([np.ones((1, 1, 2)), np.ones((1, 2, 1))], 0)
    assert joined.tolist() == [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]


def test_strings_are_filled_up_with_strings() -> None:
    padded = pad_to_shape(np.array([["a"]], object), (1, 3), "")
    assert padded.tolist() == [["a", "", ""]]
    assert padded.dtype == object


def test_what_has_the_shape_is_not_copied() -> None:
    values = np.ones((2, 3))
    assert pad_to_shape(values, (2, 3), 0) is values


def test_values_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="negative"):
        pad_to_shape(np.ones((2, 3)), (2, 2), 0)


def test_values_are_put_into_their_rows_lists_in_order() -> None:
    lists = lists_by_row(np.array([7, 5, 6, 9]), np.array([0, 2, 2, 3]), 5, -1)
    assert lists.tolist() == [[7, -1], [-1, -1], [5, 6], [9, -1], [-1, -1]]
    assert lists.dtype == np.int32


def test_without_values_there_are_lists_of_padding() -> None:
    none = np.array([], np.int64)
    assert lists_by_row(none, none, 2, -1).tolist() == [[-1], [-1]]
    assert lists_by_row(none, none, 0, -1).shape == (0, 1)
