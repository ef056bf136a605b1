"""From scores to lists: the best allowed products, in an order that ties cannot disturb."""

from __future__ import annotations

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT

__all__ = ["top_k"]

_LEFT_OUT = np.iinfo(np.int64).min
"""Sorts below the key of every score, -inf included."""


def top_k(scores: Array, allowed: Array, k: int) -> Array:
    """Return each customer's best allowed products; of equal scores the lower position comes first.

    Score and position are packed into one integer key, so that keys are unique and the partition is deterministic.

    Args:
        scores: Higher is better, -inf is never recommended, float32, [n, num_products].
        allowed: Which products may be recommended, bool, [n, num_products].
        k: The length of the lists.

    Returns:
        Product positions, best first, padded with NO_PRODUCT, int32, [n, k].

    Raises:
        ValueError: A score is NaN, or the shapes differ.
    """
    if scores.shape != allowed.shape:
        raise ValueError(f"scores have the shape {scores.shape}, allowed has {allowed.shape}; they must be equal")
    if np.isnan(scores).any():
        row, product = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"the score of row {row}, product {product} is NaN; a scorer gives -inf to leave one out")
    num_products = scores.shape[1]
    keys = np.where(allowed & (scores > -np.inf), _ordered_keys(scores), _LEFT_OUT)
    length = min(k, num_products)
    best = np.partition(keys, num_products - length, axis=1)[:, num_products - length :]
    best = np.sort(best, axis=1)[:, ::-1]
    ranked = np.full((len(scores), k), NO_PRODUCT, np.int32)
    ranked[:, :length] = np.where(best == _LEFT_OUT, NO_PRODUCT, num_products - 1 - (best & 0xFFFFFFFF))
    return ranked


def _ordered_keys(scores: Array) -> Array:
    """Return keys that sort as (score ascending, position descending) does, int64, [n, num_products].

    The bits of a float, read as an integer, sort like the float once a negative one's lower 31 bits are flipped.
    """
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.int32)  # + 0 turns -0 into 0
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
    return (ordered << 32) | np.arange(scores.shape[1])[::-1]
