"""The table of the served inputs: what graphs, warmup records and clients read in it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nextbest.graph.served_inputs import SERVED_INPUTS, missing_values
from nextbest.graph.signatures import input_specs

PRODUCTS = np.array(["a", "b", "c"], object)


def test_graphs_take_a_value_or_a_list_of_the_stated_type() -> None:
    assert input_specs("k", "exclude", "max_risk") == {
        "k": tf.TensorSpec([None], tf.int64, name="k"),
        "exclude": tf.TensorSpec([None, None], tf.string, name="exclude"),
        "max_risk": tf.TensorSpec([None], tf.float32, name="max_risk"),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("k", [2, 2]),
        ("product_id", ["a", "b"]),
        ("held_products", [["a"], ["b"]]),
        ("candidates", [["a", "b"], ["b", "c"]]),
        ("similarity", [[1, 0.5], [1, 0.5]]),
    ],
)
def test_two_customers_of_a_warmup_record(name: str, expected: list[object]) -> None:
    make_values = SERVED_INPUTS[name].warmup
    assert make_values is not None
    assert make_values(2, 2, PRODUCTS).tolist() == expected


def test_warmup_lists_are_no_longer_than_the_catalogue() -> None:
    for name in ("candidates", "similarity"):
        make_values = SERVED_INPUTS[name].warmup
        assert make_values is not None
        assert make_values(1, 10, PRODUCTS).shape == (1, 3)


def test_what_a_request_leaves_out_says_nothing() -> None:
    assert missing_values(SERVED_INPUTS["categories"].dtype, (2, 0)).shape == (2, 0)
    assert np.isnan(missing_values(SERVED_INPUTS["max_risk"].dtype, (2,))).all()
    assert missing_values(np.dtype(object), (1,)).tolist() == [""]
