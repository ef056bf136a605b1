"""Masks over the catalogue, made in the graph."""

from __future__ import annotations

from typing import Any

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.tensorflow import tf

__all__ = ["listed"]


def listed(lists: Any, num_products: int) -> Any:
    """Return which products are in each row's list, bool [batch, num_products].

    Args:
        lists: Product positions, NO_PRODUCT is padding, int32 [batch, any].
        num_products: The catalogue's size.
    """
    batch, length = tf.shape(lists)[0], tf.shape(lists)[1]
    rows = tf.repeat(tf.range(batch), length)
    column = tf.reshape(tf.where(lists == NO_PRODUCT, num_products, lists), [-1])
    hits = tf.scatter_nd(tf.stack([rows, column], axis=1), tf.ones_like(column), [batch, num_products + 1])
    return hits[:, :num_products] > 0
