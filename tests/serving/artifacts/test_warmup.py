"""The warmup records: what TensorFlow Serving reads, and what the answers in them are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Features
from nextbest.serving.artifacts.assets import ASSETS
from nextbest.serving.artifacts.load_check import load_op_libraries
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.artifacts.warmup import anonymous, write_warmup
from nextbest.serving.backends.local import LocalBackend
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving import tiny
from tests.serving.servables import SERVABLES, Served
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")

BATCH = 5
CUSTOMERS = 3


@pytest.fixture(scope="module")
def requests(recommender: Recommender) -> Features:
    """Return the raw requests of three customers who hold something."""
    everybody = recommender.customers().columns
    return take(everybody, np.flatnonzero(everybody["held_products"][:, 0] != "")[:CUSTOMERS])


def copied(trained: Trained, name: str, folder: Path) -> Path:
    return Path(shutil.copytree(trained.models / name / "1", folder / name))


@pytest.fixture(scope="module")
def warmed(
    trained: Trained, recommender: Recommender, requests: Features, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return copies of all four models with records of 1 and 5 customers, by name."""
    root = tmp_path_factory.mktemp("warmed")
    folders = {name: copied(trained, name, root) for name in SERVABLES}
    for name, folder in folders.items():
        load_op_libraries(name)
        write_warmup(LocalBackend(folder), folder, name, requests, recommender.products.ids, BATCH, k=4)
    return folders


def records(folder: Path) -> list[Any]:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    # TensorFlow Serving reads <version>/assets.extra/tf_serving_warmup_requests.
    file = str(folder / "assets.extra" / "tf_serving_warmup_requests")
    return [PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(file)]


def arrays(tensors: Any) -> Features:
    return {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}


def of(folder: Path, signature: str) -> tuple[Features, Features]:
    """Return the inputs and the outputs of a signature's larger record."""
    logs = [log.predict_log for log in records(folder)]
    (_, log) = [log for log in logs if log.request.model_spec.signature_name == signature]
    return arrays(log.request.inputs), arrays(log.response.outputs)


@pytest.mark.parametrize("name", SERVABLES)
class TestEachModel:
    def test_each_signature_is_asked_for_one_customer_and_for_many(
        self, warmed: dict[str, Path], served: dict[str, Served], name: str
    ) -> None:
        asked = []
        for log in records(warmed[name]):
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            assert request.model_spec.name == name
            (batch,) = {tensor.tensor_shape.dim[0].size for tensor in request.inputs.values()}
            asked.append((request.model_spec.signature_name, batch))
        assert sorted(asked) == sorted((signature, batch) for signature in served[name].signatures for batch in (1, 5))

    def test_the_inputs_are_those_of_the_signature(
        self, warmed: dict[str, Path], served: dict[str, Served], name: str
    ) -> None:
        for log in records(warmed[name]):
            request = log.predict_log.request
            specs = served[name].signatures[request.model_spec.signature_name].inputs
            assert {key: tensor.dtype for key, tensor in request.inputs.items()} == {
                key: spec.dtype for key, spec in specs.items()
            }

    def test_the_answers_are_those_of_a_server(
        self, warmed: dict[str, Path], served: dict[str, Served], name: str
    ) -> None:
        for log in records(warmed[name]):
            request, response = log.predict_log.request, log.predict_log.response
            found = served[name].ask(request.model_spec.signature_name, arrays(request.inputs))
            expected = arrays(response.outputs)
            assert found.keys() == expected.keys()
            for key, values in expected.items():
                if values.dtype == object:
                    np.testing.assert_array_equal(found[key], values)
                else:
                    np.testing.assert_allclose(found[key], values, rtol=1e-5, atol=1e-5)


class TestWhatIsAsked:
    def test_customers_are_repeated(self, warmed: dict[str, Path], requests: Features) -> None:
        inputs, _ = of(warmed["recommender"], "recommend")
        for name, values in requests.items():
            expected = values[[0, 1, 2, 0, 1]]
            encoded = expected.astype(np.bytes_).astype(object) if values.dtype == object else expected
            np.testing.assert_array_equal(inputs[name], encoded)

    def test_what_customers_do_not_say(self, warmed: dict[str, Path]) -> None:
        inputs, _ = of(warmed["recommender"], "recommend")
        assert inputs["k"].tolist() == [4] * 5
        assert np.isnan(inputs["max_risk"]).all()
        assert inputs["categories"].shape == inputs["exclude"].shape == (5, 0)

    def test_the_ranker_gets_candidates_of_the_catalogue(
        self, warmed: dict[str, Path], recommender: Recommender
    ) -> None:
        inputs, outputs = of(warmed["ranking"], "rank")
        candidates = inputs["candidates"].astype(str)
        assert candidates.shape == inputs["similarity"].shape == (5, 4)
        assert set(candidates.flat) <= set(recommender.products.ids)
        assert len(set(map(tuple, candidates))) == 5  # each customer's are others
        assert (outputs["probability"] > 0).all()

    def test_the_products_are_of_the_catalogue(self, warmed: dict[str, Path], recommender: Recommender) -> None:
        inputs, _ = of(warmed["retrieval"], "embed_product")
        assert inputs["product_id"].astype(str).tolist() == list(recommender.products.ids[:5])

    def test_packed_columns_and_examples_say_the_same(self, warmed: dict[str, Path]) -> None:
        _, expected = of(warmed["recommender"], "recommend")
        assert (expected["count"] == 4).any()
        for signature in ("recommend_packed", "serving_default"):
            _, outputs = of(warmed["recommender"], signature)
            np.testing.assert_array_equal(outputs["product_id"], expected["product_id"])
            np.testing.assert_allclose(outputs["probability"], expected["probability"], rtol=1e-5)


def test_without_the_customers_nothing_of_them_is_written(
    trained: Trained, recommender: Recommender, requests: Features, tmp_path: Path
) -> None:
    folder = copied(trained, "recommender", tmp_path)
    write_warmup(LocalBackend(folder), folder, "recommender", anonymous(requests), recommender.products.ids, BATCH, k=4)
    inputs, outputs = of(folder, "recommend")
    told = {name: values for name, values in inputs.items() if name in requests and values.ndim == 1}
    assert len(told) > 10
    for name, values in told.items():
        if values.dtype == object:
            assert set(values) == {b""}
        elif name != "as_of_day":
            assert np.isnan(values).all()
    # What they hold is made up, another product for each.
    assert inputs["held_products"].shape == (5, 1)
    assert len(set(inputs["held_products"].flat)) == 5
    assert (outputs["count"] >= 0).all()


def test_an_answer_that_would_be_large_is_that_of_fewer_customers(tmp_path: Path) -> None:
    folder = tiny.export(tmp_path / "tiny", "label")
    ((single, many), _) = (
        [log.predict_log for log in records(folder) if log.predict_log.request.model_spec.signature_name == signature]
        for signature in ("exclusions", "recommend")
    )
    size = single.response.ByteSize()
    assert many.response.ByteSize() > size
    for limit, batches in ((size - 1, [1]), (2 * size - 1, [1]), (2 * size, [1, 2]), (100 * size, [1, 7])):
        write_warmup(
            LocalBackend(folder),
            folder,
            "recommender",
            tiny.REQUESTS,
            tiny.product_ids("label"),
            7,
            max_answer_bytes=limit,
        )
        logs = [log.predict_log.request for log in records(folder)]
        of_exclusions = [log for log in logs if log.model_spec.signature_name == "exclusions"]
        assert [log.inputs["as_of_day"].tensor_shape.dim[0].size for log in of_exclusions] == batches


def test_one_customer_at_most(tmp_path: Path) -> None:
    folder = tiny.export(tmp_path / "tiny", warmup=False)
    write_warmup(LocalBackend(folder), folder, "recommender", tiny.REQUESTS, tiny.product_ids("v"), 1)
    assert len(records(folder)) == 2


@pytest.mark.parametrize(
    ("requests", "max_batch", "k"), [({"as_of_day": np.zeros(0)}, 1, 1), (tiny.REQUESTS, 0, 1), (tiny.REQUESTS, 1, 0)]
)
def test_what_cannot_be_asked(tmp_path: Path, requests: Features, max_batch: int, k: int) -> None:
    with pytest.raises(ValueError, match=rf"max_batch = {max_batch}, k = {k}: each must be at least 1"):
        write_warmup(mock.Mock(), tmp_path, "recommender", requests, tiny.product_ids("v"), max_batch, k=k)


def test_a_failure_leaves_the_records_that_were_there(tmp_path: Path) -> None:
    folder = tiny.export(tmp_path / "tiny")
    before = (folder / WARMUP).read_bytes()
    with pytest.raises(ValueError, match="could not convert string to float"):
        wrong = tiny.REQUESTS | {"income": np.array(["much", "little"], object)}
        write_warmup(LocalBackend(folder), folder, "recommender", wrong, tiny.product_ids("v"), 3)
    assert (folder / WARMUP).read_bytes() == before
    assert not [path.name for path in (folder / ASSETS).iterdir() if path.name.startswith(".")]
