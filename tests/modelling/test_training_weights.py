"""What was learned of a product goes with its id, wherever the catalogue puts it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nextbest.modelling.training import reorder_rows, zeros_of_spec

IDS = st.sets(st.text(max_size=3), max_size=12).map(sorted)


def ids(*names: str) -> np.ndarray:
    return np.array(names, object)


def test_rows_follow_their_ids_a_new_one_is_zero_and_an_old_one_is_dropped() -> None:
    rows = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    moved = reorder_rows(rows, ids("bond", "card", "fund"), ids("account", "bond", "fund", "loan"))
    np.testing.assert_array_equal(moved, [[0, 0], [1, 10], [3, 30], [0, 0]])
    assert moved.dtype == np.float32


def test_categories_stand_by_how_common_they_are_and_not_in_order() -> None:
    rows = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    moved = reorder_rows(rows, ids("rent", "", "own"), ids("", "own", "squat", "rent"))
    np.testing.assert_array_equal(moved, [[2, 20], [3, 30], [0, 0], [1, 10]])


@given(old=IDS, new=IDS)
def test_every_id_has_its_own_row(old: list[str], new: list[str]) -> None:
    rows = {name: [place + 1.0, -place] for place, name in enumerate(old)}
    table = np.array(list(rows.values()), np.float32).reshape(len(old), 2)
    moved = reorder_rows(table, ids(*old), ids(*new))
    np.testing.assert_array_equal(moved, np.reshape([rows.get(name, [0, 0]) for name in new], (len(new), 2)))


def test_blank_is_zero_in_the_shape_of_one_example() -> None:
    spec = {"held": tf.TensorSpec([None, None], tf.int32), "floats": tf.TensorSpec([None, 0], tf.float32)}
    found = zeros_of_spec(spec)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in found.items()} == {
        "held": ((1, 1), tf.int32),
        "floats": ((1, 0), tf.float32),  # a table without numbers
    }
    assert found["held"].numpy() == 0
