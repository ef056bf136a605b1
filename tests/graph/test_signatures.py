"""A signature finds its inputs' shapes wrong before anything reads them, and names what is wrong."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nextbest.graph.signatures import clip_k, examples_signature, input_specs, signature

NAMES = ("age", "income", "savings", "segment")
SPECS = {name: tf.TensorSpec([None], tf.float32, name=name) for name in NAMES}
SPECS["held"] = tf.TensorSpec([None, 2], tf.float32, name="held")


@pytest.fixture(scope="module")
def total() -> Any:
    return signature(
        lambda inputs: {"total": tf.add_n([inputs[name] for name in NAMES])}, SPECS
    ).get_concrete_function()


def ask(function: Any, lengths: dict[str, int]) -> Any:
    shapes = {name: (length, 2) if name == "held" else (length,) for name, length in lengths.items()}
    return function(**{name: tf.ones(shape) for name, shape in shapes.items()})["total"]


@given(lengths=st.fixed_dictionaries({name: st.integers(0, 3) for name in SPECS}))
def test_inputs_of_different_lengths_are_named(total: Any, lengths: dict[str, int]) -> None:
    ((usual, most),) = Counter(lengths.values()).most_common(1)
    if most == len(SPECS):
        np.testing.assert_array_equal(ask(total, lengths), np.full(usual, 4))
        return
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        ask(total, lengths)
    match = re.search(r"batch size: (.*), the others have (\d)\]", refused.value.message)
    assert match is not None
    reference = int(match[2])
    assert list(lengths.values()).count(reference) == most  # what most have, or one of those that equally many have
    odd = {f"{name} has {length}" for name, length in lengths.items() if length != reference}
    assert set(match[1].split(", ")) == odd


def test_only_a_few_are_named() -> None:
    specs = {f"x{number}": tf.TensorSpec([None], tf.float32, name=f"x{number}") for number in range(20)}
    function = signature(lambda inputs: inputs, specs).get_concrete_function()
    tensors = {name: tf.zeros([2 if place < 13 else 3]) for place, name in enumerate(specs)}
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="x13 has 3, x14 has 3, x15 has 3, x16 has 3, x17 has 3, th"
    ):
        function(**tensors)


@pytest.mark.parametrize("shape", [(), (2, 3), (4,)])
def test_a_shape_that_is_not_the_specifications(total: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"held \[.*\] is not compatible with expected shape \[\?,2\]"
    ):
        total(**{name: tf.ones([4]) for name in NAMES}, held=tf.ones(shape))


@given(k=st.lists(st.integers(-(2**62), 2**62), max_size=4))
def test_k_is_at_least_one_and_at_most_the_catalogue(k: list[int]) -> None:
    if any(one < 1 for one in k):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"k is {min(k)}; ask for at least 1 product"):
            clip_k(tf.constant(k, tf.int64), 7)
        return
    clipped, most = clip_k(tf.constant(k, tf.int64), 7)
    assert clipped.numpy().tolist() == [min(one, 7) for one in k]
    assert most == max([1, *clipped.numpy().tolist()])


def test_parallel_lists() -> None:
    specs = {name: tf.TensorSpec([None, None], tf.float32, name=name) for name in ("left", "middle", "right")}
    parse = examples_signature(lambda parsed: parsed, specs | input_specs("k"), {"k": 3}, ("left", "right"))
    function = parse.get_concrete_function()

    def example(**lengths: int) -> bytes:
        lists = {name: tf.train.Feature(float_list={"value": [1.0] * length}) for name, length in lengths.items()}
        return tf.train.Example(features={"feature": lists}).SerializeToString()

    found = function(examples=tf.constant([example(left=2, middle=1, right=2), example(), example(left=1, right=1)]))
    assert found["left"].numpy().tolist() == found["right"].numpy().tolist() == [[1, 1], [0, 0], [1, 0]]
    assert found["k"].numpy().tolist() == [3, 3, 3]
    wrong = tf.constant([example(left=2, right=2), example(middle=2), example(left=1, middle=1, right=2)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="example 2 differ in length: left has 1, right has 2"):
        function(examples=wrong)


def test_days_are_as_many_as_products_or_left_out() -> None:
    specs = input_specs("held_products", "held_days", "as_of_day")
    function = examples_signature(lambda parsed: parsed, specs, {"as_of_day": 9}).get_concrete_function()

    def example(products: list[bytes], days: list[int]) -> bytes:
        lists = {"held_products": {"bytes_list": {"value": products}}, "held_days": {"int64_list": {"value": days}}}
        feature = {name: tf.train.Feature(**values) for name, values in lists.items()}
        return tf.train.Example(features={"feature": feature}).SerializeToString()

    found = function(examples=tf.constant([example([b"a", b"b"], [1, 2]), example([b"c"], []), example([], [])]))
    assert found["held_days"].numpy().tolist() == [[1, 2], [9, 9], [9, 9]]
    message = "example 1 differ in length: held_products has 2, held_days has 1"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(examples=tf.constant([example([], []), example([b"a", b"b"], [1])]))
