"""A wrong input is refused with the name of the feature, in the graph, as a server runs it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Features
from tests.serving.serialized import serialize
from tests.serving.servables import SERVABLES, Served

RAW = [
    (servable, signature)
    for servable, signatures in {
        "retrieval": ("retrieve", "embed_customer"),
        "retrieval_scann": ("retrieve", "embed_customer"),
        "ranking": ("rank",),
        "recommender": ("recommend", "recommend_packed", "exclusions", "embed_customer", "feature_vectors"),
    }.items()
    for signature in signatures
]

OF_A_PRODUCT = [
    ("retrieval", "embed_product"),
    ("retrieval_scann", "embed_product"),
    ("recommender", "score_ranking"),
    ("recommender", "score_retrieval"),
]


def refusal(model: Served, signature: str, inputs: Features) -> str:
    """Return what an InvalidArgument says to inputs that must be refused."""
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        model.ask(signature, inputs)
    return str(refused.value.message)


@pytest.mark.parametrize(("servable", "signature"), RAW)
def test_an_input_of_another_batch_size(
    served: dict[str, Served], inputs: Features, servable: str, signature: str
) -> None:
    model = served[servable]
    for name in model.signatures[signature].inputs:
        for size in (0, 1, 6, 8):
            odd = np.resize(inputs[name], (size, *inputs[name].shape[1:]))
            text = refusal(model, signature, inputs | {name: odd})
            told = f"{name} has {size}, the others have 7]"
            if len(model.signatures[signature].inputs) == 2:  # either may be the odd one
                told = rf"({told}|\w+ has 7, the others have {size}])"
            assert re.search(f"the inputs differ in their batch size: {told}", text)


@pytest.mark.parametrize(("servable", "signature"), [*RAW, *OF_A_PRODUCT])
def test_an_input_of_another_rank(served: dict[str, Served], inputs: Features, servable: str, signature: str) -> None:
    model = served[servable]
    for name in model.signatures[signature].inputs:
        for wrong in (inputs[name][0], inputs[name][..., None]):
            text = refusal(model, signature, inputs | {name: wrong})
            assert re.search(rf"Shape of tensor \S*{name}\S* \[.*\] is not compatible with expected shape", text)


@pytest.mark.parametrize("servable", SERVABLES)
@pytest.mark.parametrize("signature", ["serving_default", "transform_features"])
def test_examples_that_are_no_list(served: dict[str, Served], inputs: Features, servable: str, signature: str) -> None:
    for wrong in (inputs["examples"][0], inputs["examples"][:, None]):
        assert "examples" in refusal(served[servable], signature, {"examples": wrong})


def test_several_odd_inputs_are_named_together(served: dict[str, Served], inputs: Features) -> None:
    odd = {"income": np.ones(3, np.float32), "k": np.ones(2, np.int64), "held_days": np.ones((3, 0), np.int64)}
    text = refusal(served["recommender"], "recommend", inputs | odd)
    told = re.search("batch size: (.*), the others have 7", text)
    assert told is not None
    assert set(told[1].split(", ")) == {"income has 3", "k has 2", "held_days has 3"}


@pytest.mark.parametrize("width", [1, 5])
def test_packed_columns_of_another_width(served: dict[str, Served], inputs: Features, width: int) -> None:
    assert inputs["words"].shape[1] != width != inputs["numbers"].shape[1]
    for name in ("words", "numbers"):
        wrong = inputs | {name: np.resize(inputs[name], (7, width))}
        text = refusal(served["recommender"], "recommend_packed", wrong)
        assert re.search(rf"Shape of tensor \S*{name}\S* \[7,{width}\] is not compatible", text)


@pytest.mark.parametrize(("servable", "signature"), [pair for pair in RAW if pair[1] in ("retrieve", "recommend")])
@pytest.mark.parametrize("k", [0, -1, -(2**40)])
def test_a_k_below_one(served: dict[str, Served], inputs: Features, servable: str, signature: str, k: int) -> None:
    one_is_wrong = inputs | {"k": np.array([3] * 6 + [k])}
    assert f"k is {k}; ask for at least 1 product" in refusal(served[servable], signature, one_is_wrong)
    as_example = {"examples": np.array([serialize({"k": np.int64(k)})], object)}
    assert f"k is {k}; ask for at least 1 product" in refusal(served[servable], "serving_default", as_example)


@pytest.mark.parametrize("servable", ["retrieval", "retrieval_scann", "recommender"])
def test_a_product_that_the_catalogue_lacks(served: dict[str, Served], servable: str) -> None:
    ids = np.array(["P0001", "P9999", "", "P0002"], object)
    text = refusal(served[servable], "embed_product", {"product_id": ids})
    assert "product_id: the catalogue has no product P9999, ]" in text
    many = np.array([f"X{number}" for number in range(9)], object)
    assert "no product X0, X1, X2, X3, X4]" in refusal(served[servable], "embed_product", {"product_id": many})


@pytest.mark.parametrize("signature", ["feature_vectors", "score_retrieval"])
def test_a_product_that_cannot_be_explained(served: dict[str, Served], inputs: Features, signature: str) -> None:
    wrong = inputs | {"product_id": np.array(["P0001"] * 6 + ["P9999"], object)}
    assert "product_id: the catalogue has no product P9999]" in refusal(served["recommender"], signature, wrong)


def test_candidates_that_cannot_be_scored(served: dict[str, Served], inputs: Features) -> None:
    wrong = inputs | {"candidates": np.array([["P0001"]] * 6 + [["P9999"]], object)}
    assert "product_id: the catalogue has no product P9999]" in refusal(served["recommender"], "score_products", wrong)
    none = inputs | {"candidates": np.zeros((7, 0), object)}
    text = refusal(served["recommender"], "score_products", none)
    assert "candidates: name at least 1 product for each customer" in text


def test_each_candidate_has_one_similarity(served: dict[str, Served], inputs: Features) -> None:
    text = refusal(served["ranking"], "rank", inputs | {"similarity": inputs["similarity"][:, :3]})
    assert "5 candidates have 3 similarity values; give one to each" in text


@pytest.mark.parametrize("number", [0, 1, 3])
def test_each_candidate_of_an_example_has_one_similarity(served: dict[str, Served], number: int) -> None:
    def example(candidates: int, similarities: int) -> bytes:
        ids = np.array([f"P{place + 1:04d}" for place in range(candidates)], object)
        return serialize({"candidates": ids, "similarity": np.ones(similarities, np.float32)})

    # The first has as many of both as the batch is wide, so that no width tells.
    rows: Any = np.array([example(3, 3), example(2, number)], object)
    text = refusal(served["ranking"], "serving_default", {"examples": rows})
    assert f"lists of example 1 differ in length: candidates has 2, similarity has {number}]" in text
    assert "candidates has 2" in refusal(served["ranking"], "serving_default", {"examples": rows[1:]})


def test_candidates_may_be_none_and_of_any_number(served: dict[str, Served]) -> None:
    rows = [
        serialize({"candidates": np.array(["P0001"] * length, object), "similarity": np.ones(length, np.float32)})
        for length in (0, 2, 1)
    ]
    found = served["ranking"].ask("serving_default", {"examples": np.array(rows, object)})
    np.testing.assert_array_equal(found["probability"] > 0, [[False, False], [True, True], [True, False]])
    assert served["ranking"].ask("serving_default", {"examples": np.array(rows[:1], object)})["logit"].shape == (1, 0)
