"""Lists of different lengths as one array: the shorter ones are filled up with a padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextbest.data.dataset import Array

__all__ = ["concat_padded", "lists_by_row", "pad_to_shape"]


def concat_padded(parts: Sequence[Array], padding: Any) -> Array:
    """Concatenate arrays on the first axis; those that are narrower on another axis are filled up there.

    Args:
        parts: At least one, all of one number of dimensions, [num_rows, ...].
        padding: What they are filled up with.
    """
    widest = np.max([part.shape[1:] for part in parts], axis=0).astype(int)
    return np.concatenate([pad_to_shape(part, (len(part), *widest), padding) for part in parts])


def pad_to_shape(values: Array, shape: tuple[int, ...], padding: Any) -> Array:
    """Return an array of the given shape, which is at least as large on every axis, filled up behind the values."""
    if values.shape == shape:
        return values
    missing = [(0, wanted - found) for wanted, found in zip(shape, values.shape, strict=True)]
    return np.pad(values, missing, constant_values=padding)


def lists_by_row(values: Array, row: Array, num_rows: int, padding: Any) -> Array:
    """Put each value into its row's list, in the given order.

    Args:
        values: Whole numbers or strings, [num_values].
        row: The row of each, ascending, [num_values].
        num_rows: How many lists there are.
        padding: What the shorter lists are filled up with.

    Returns:
        int32 or object, [num_rows, length of the longest list, at least 1].
    """
    place = np.arange(len(row)) - np.searchsorted(row, row, side="left")
    kind = object if values.dtype == object else np.int32
    lists = np.full((num_rows, int(place.max(initial=0)) + 1), padding, kind)
    lists[row, place] = values
    return lists
