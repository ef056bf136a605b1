"""Requests in parts, and lists that are filled up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.serving.backends.messages import Tensor
from nextbest.serving.backends.server import concat_answers, no_rows, pad_lists, split

WORDS, INTEGERS = np.dtype(object), np.dtype(np.int64)


@given(st.integers(1, 40), st.integers(1, 50))
def test_parts_joined_are_the_whole(rows: int, most: int) -> None:
    inputs = {"a": np.arange(rows), "b": np.arange(rows * 2).reshape(rows, 2).astype(object)}
    parts = list(split(inputs, rows, most))
    assert [len(part["a"]) for part in parts] == [most] * (rows // most) + [rows % most] * (rows % most > 0)
    for name, values in concat_answers(parts).items():
        np.testing.assert_array_equal(values, inputs[name])


def test_narrower_answers_are_padded() -> None:
    first = {"product_id": np.array([["P1"]], object), "score": np.array([[0.5]], np.float32), "count": np.array([1])}
    second = {
        "product_id": np.array([["P2", "P3"], ["P4", ""]], object),
        "score": np.array([[0.25, 0.125], [1, 0]], np.float32),
        "count": np.array([2, 1]),
    }
    found = concat_answers([first, second])
    assert found["product_id"].tolist() == [["P1", ""], ["P2", "P3"], ["P4", ""]]
    assert found["score"].tolist() == [[0.5, 0], [0.25, 0.125], [1, 0]]
    assert found["score"].dtype == np.float32
    assert found["count"].tolist() == [1, 2, 1]


@pytest.mark.parametrize(("width", "expected"), [(0, 4), (1, 4), (4, 4), (5, 8)])
def test_lists_are_filled_up_and_nothing_else(width: int, expected: int) -> None:
    specs = {
        "held": Tensor(WORDS, (None, None)),
        "days": Tensor(INTEGERS, (None, None)),
        "words": Tensor(WORDS, (None, 3)),
        "k": Tensor(INTEGERS, (None,)),
    }
    inputs = {
        "held": np.full((2, width), "P1", object),
        "days": np.full((2, width), 7),
        "words": np.full((2, 3), "a", object),
        "k": np.array([5, 5]),
    }
    found = pad_lists(inputs, specs, 4)
    assert found["held"].tolist() == [["P1"] * width + [""] * (expected - width)] * 2
    assert found["days"].tolist() == [[7] * width + [0] * (expected - width)] * 2
    assert found["words"] is inputs["words"] and found["k"] is inputs["k"]


def test_the_answer_to_nobody() -> None:
    found = no_rows({"product_id": Tensor(WORDS, (None, None)), "reason": Tensor(WORDS, (None, 40))})
    assert found["product_id"].shape == (0, 0) and found["reason"].shape == (0, 40)
    assert found["reason"].dtype == object
