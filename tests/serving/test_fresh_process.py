"""Each exported model answers in a process that has none of this project's code as it did in training."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from nextbest.data.snapshot import NO_PRODUCT
from tests.serving.before_export import SIZES, K
from tests.trained import Trained

SCRIPT = """
import importlib.abc, os, sys
OURS = {"nextbest", "tests"}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if path is None and name in OURS or name.startswith("tf_keras."):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # else TensorFlow imports Keras 3, and that all that it can work with
import numpy as np
import tensorflow as tf

models, inputs, answers = sys.argv[1:]
inputs, found = dict(np.load(inputs)), {}
inputs["examples"] = np.array([bytes.fromhex(example) for example in inputs["examples"]], object)

def ask(name, *signatures):
    model = tf.saved_model.load(f"{models}/{name}/1")
    for signature in signatures:
        call = model.signatures[signature]
        _, specs = call.structured_input_signature
        for size in (1, 7, 1000):
            request = {
                key: tf.constant(inputs[key][:size], spec.dtype) for key, spec in specs.items()
            }
            for key, tensor in call(**request).items():
                values = tensor.numpy()
                found[f"{name}/{signature}/{size}/{key}"] = values.astype("S") if values.dtype == object else values

ask("retrieval", "retrieve", "embed_customer", "embed_product")
ask("ranking", "rank")
ask("recommender", "recommend", "serving_default", "embed_customer", "embed_product", "transform_features")
assert not any(name.split(".")[0] in OURS for name in sys.modules), "project code was imported"
more = {"keras", "scann", "tf_keras", "tensorflow_recommenders"}
assert not more & sys.modules.keys(), "more than TensorFlow was imported"
import scann
ask("retrieval_scann", "retrieve")
assert not any(name.split(".")[0] in OURS for name in sys.modules)
np.savez(answers, **found)
"""


@pytest.fixture(scope="module")
def world(trained: Trained) -> dict[str, Any]:
    """Inputs for all signatures of 1,000 customers (the bank's, repeated), and the answers in training."""
    return trained.before_export


@pytest.fixture(scope="module")
def found(trained: Trained, world: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the models answer elsewhere, `MODEL/SIGNATURE/SIZE/OUTPUT` -> values."""
    folder = tmp_path_factory.mktemp("fresh")
    inputs = {
        name: values.astype(str) if values.dtype == object else values for name, values in world["inputs"].items()
    }
    np.savez(folder / "inputs.npz", **inputs)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TF_"))}
    fresh = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, trained.models, folder / "inputs.npz", folder / "answers.npz"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert fresh.returncode == 0, fresh.stderr[-4000:]
    with np.load(folder / "answers.npz") as answers:
        return dict(answers)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "signature",
    [
        "retrieval/retrieve",
        "retrieval/embed_customer",
        "retrieval/embed_product",
        "retrieval_scann/retrieve",
        "ranking/rank",
        "recommender/recommend",
        "recommender/serving_default",
        "recommender/embed_customer",
        "recommender/embed_product",
    ],
)
def test_answers_are_those_of_training(world: dict[str, Any], found: dict[str, Any], signature: str, size: int) -> None:
    for name, expected in world["answers"][signature].items():
        values = found[f"{signature}/{size}/{name}"]
        if values.dtype.kind == "S":
            np.testing.assert_array_equal(values.astype(str), expected[:size].astype(str))
        else:
            np.testing.assert_allclose(values, expected[:size], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_features_are_transformed_as_in_training(world: dict[str, Any], found: dict[str, Any], size: int) -> None:
    for name, expected in world["encoded"].items():
        values = found[f"recommender/transform_features/{size}/{name}"]
        width = values.shape[1]  # lists are as long as the longest of the batch
        np.testing.assert_allclose(values, expected[:size, :width], rtol=1e-5, atol=1e-5)
        assert (expected[:size, width:] == (NO_PRODUCT if name in ("held", "recent", "closed") else 0)).all()


def test_a_candidate_that_is_padding_comes_last(found: dict[str, Any]) -> None:
    logit = found["ranking/rank/1000/logit"]
    assert (logit[:, -1:] < logit[:, :-1]).all()


def test_the_filters_reach_the_fresh_model(world: dict[str, Any], found: dict[str, Any]) -> None:
    assert {"max_risk", "categories", "exclude"} <= world["inputs"].keys()
    assert 0 < found["recommender/recommend/1000/count"].max() <= K
