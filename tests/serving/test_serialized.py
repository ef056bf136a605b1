"""serving_default, what a TF Serving client that knows only the schema calls, equals the named signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Features
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import take
from tests.serving.serialized import examples, serialize
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")

ROWS = np.array([0, 3, 57, 210, 399])
DEFAULT_K = 5  # the small bank's TOML says so


def call(model: Any, signature: str, inputs: Mapping[str, Any]) -> Features:
    function = model.signatures[signature]
    _, specs = function.structured_input_signature
    tensors = {
        name: tf.constant(inputs[name], spec.dtype, shape=np.shape(inputs[name])) for name, spec in specs.items()
    }
    return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


def assert_equal(found: Features, expected: Features) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(found[name], values)


@pytest.fixture(scope="module")
def models(trained: Trained) -> dict[str, Any]:
    return {
        name: tf.saved_model.load(str(trained.models / name / "1")) for name in ("retrieval", "ranking", "recommender")
    }


@pytest.fixture(scope="module")
def request_(recommender: Recommender) -> Features:
    """Raw requests of a few customers whose lists differ in length."""
    request = take(recommender.customers().columns, ROWS)
    assert len(np.unique((request["held_products"] != "").sum(axis=1))) > 1
    return request


def test_the_recommender(models: dict[str, Any], request_: Features) -> None:
    filters = Filters(max_risk=2, categories=("savings_account", "current_account", "credit_card"), exclude=("P0003",))
    inputs = request_ | filters.arrays(len(ROWS))
    found = call(models["recommender"], "serving_default", {"examples": examples(inputs)})
    assert_equal(found, call(models["recommender"], "recommend", inputs | {"k": np.full(len(ROWS), DEFAULT_K)}))
    assert found["count"].any()


def test_retrieval(models: dict[str, Any], request_: Features) -> None:
    found = call(models["retrieval"], "serving_default", {"examples": examples(request_)})
    assert_equal(found, call(models["retrieval"], "retrieve", request_ | {"k": np.full(len(ROWS), DEFAULT_K)}))


def test_ranking(models: dict[str, Any], request_: Features, recommender: Recommender) -> None:
    some = np.tile(recommender.products.ids[:3], (len(ROWS), 1))
    inputs = request_ | {"candidates": some, "similarity": np.full(some.shape, 0.25, np.float32)}
    found = call(models["ranking"], "serving_default", {"examples": examples(inputs)})
    assert_equal(found, call(models["ranking"], "rank", inputs))


def test_a_request_may_name_the_customer_alone(models: dict[str, Any], recommender: Recommender) -> None:
    # Nothing at all is known: every column is missing, the day is the export's cutoff.
    found = call(models["recommender"], "serving_default", {"examples": [serialize({})] * 2})
    filters = Filters().arrays(2)
    nobody = recommender.complete(filters, 2) | {"k": np.full(2, DEFAULT_K)}
    assert_equal(found, call(models["recommender"], "recommend", nobody))


@pytest.mark.parametrize(
    "name", ["income", "segment", "held_products", "recent_days", "as_of_day", "max_risk", "categories"]
)
def test_a_feature_that_is_left_out_is_missing(
    models: dict[str, Any], recommender: Recommender, request_: Features, name: str
) -> None:
    filters = Filters(max_risk=3, categories=("savings_account",)).arrays(len(ROWS))
    left_out = (name, name.replace("products", "days"))  # days without products are refused
    kept = {key: values for key, values in (request_ | filters).items() if key not in left_out}
    serialized = [serialize({key: values[row] for key, values in kept.items()}) for row in range(len(ROWS))]
    # all of one length here, so that the days need no padding
    found = call(models["recommender"], "serving_default", {"examples": serialized})
    assert_equal(
        found,
        call(
            models["recommender"],
            "recommend",
            recommender.complete(kept, len(ROWS)) | {"k": np.full(len(ROWS), DEFAULT_K)},
        ),
    )


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("income", np.array(["much"], object)),
        ("segment", np.array([1.0], np.float32)),
        ("held_products", np.array([3], np.int64)),
        ("as_of_day", np.array([1.5], np.float32)),
        ("max_risk", np.array([3], np.int64)),
    ],
)
@pytest.mark.parametrize("model", ["retrieval", "recommender"])
def test_a_wrong_type_is_named(models: dict[str, Any], model: str, name: str, wrong: Any) -> None:
    if model == "retrieval" and name == "max_risk":
        return  # not an input of it
    with pytest.raises(tf.errors.InvalidArgumentError, match=name):
        call(models[model], "serving_default", {"examples": [serialize({name: wrong})]})


def test_two_values_for_one_are_named(models: dict[str, Any]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="income"):
        call(models["recommender"], "serving_default", {"examples": [serialize({"income": np.ones(2, np.float32)})]})


def test_bytes_that_are_no_example(models: dict[str, Any]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="parse"):
        call(models["recommender"], "serving_default", {"examples": [b"no example"]})


def test_a_batch_of_examples_equals_each_alone(models: dict[str, Any], request_: Features) -> None:
    # One names the days of its products, the other does not: they count from the day of the request.
    rows = [{name: values[row] for name, values in request_.items()} for row in (0, 1)]
    with_days, without = rows[0], rows[1] | {"held_days": np.zeros(0, np.int64), "recent_days": np.zeros(0, np.int64)}
    both = [serialize(with_days), serialize(without)]
    batch = call(models["recommender"], "serving_default", {"examples": both})
    for place, one in enumerate(both):
        alone = call(models["recommender"], "serving_default", {"examples": [one]})
        assert_equal({name: values[place : place + 1] for name, values in batch.items()}, alone)
