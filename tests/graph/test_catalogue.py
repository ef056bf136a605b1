"""Masks over the catalogue's products."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import MASKED_SCORE, is_listed, mask_of_products, multi_hot

LISTS = tf.constant([[2, 0, NO_PRODUCT], [NO_PRODUCT] * 3, [1, 1, 3]], tf.int32)
"""Of four products: two, none, and two of which one is listed twice."""
MASK = [[True, False, True, False], [False] * 4, [False, True, False, True]]


def test_a_mask_of_the_listed_products() -> None:
    assert mask_of_products(LISTS, 4).numpy().tolist() == MASK


def test_lists_without_a_place_list_nothing() -> None:
    assert mask_of_products(LISTS[:, :0], 4).numpy().tolist() == [[False] * 4] * 3
    assert mask_of_products(LISTS[:0], 4).shape == (0, 4)


def test_weights_stand_where_their_lists_say_and_add_up() -> None:
    weights = tf.constant([[2.0, 0.5, 9.0], [9.0, 9.0, 9.0], [1.0, 3.0, 0.0]])  # the 9s are of padding
    assert multi_hot(LISTS, weights, 4).numpy().tolist() == [[0.5, 0, 2, 0], [0] * 4, [0, 4, 0, 0]]


def test_of_some_products_it_is_the_masks_columns() -> None:
    products = tf.constant([[3, 2, 2, 0]])
    assert is_listed(products, LISTS).numpy().tolist() == np.array(MASK)[:, [3, 2, 2, 0]].tolist()


def test_each_row_may_have_products_of_its_own() -> None:
    products = tf.constant([[0, 1], [0, 1], [0, 1]]) + tf.constant([[0], [1], [2]])
    assert is_listed(products, LISTS).numpy().tolist() == [[True, False], [False, False], [False, True]]


def test_the_masked_score_takes_no_share_of_a_softmax_and_leaves_it_finite() -> None:
    logits = tf.constant([[3.0, MASKED_SCORE, 1e6], [MASKED_SCORE] * 3])
    assert tf.nn.softmax(logits)[0, 1].numpy() == 0
    assert np.isfinite(tf.nn.log_softmax(logits)).all()
