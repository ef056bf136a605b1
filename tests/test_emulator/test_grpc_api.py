"""The emulator answers raw gRPC requests as TensorFlow Serving's sources say that it would."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.test_emulator.receipts import Code, grpc_predict, grpc_refused, predict_request
from tests.tf_serving_emulator import Emulator

PRICES = np.array([[0.5, 0.25], [1.0, 0.1]], np.float32)
INPUTS = {"name": [b"tea", b"\xff"], "prices": PRICES, "count": np.array([2, 1])}


def test_answers_the_default_signature_and_names_the_version(server: Emulator) -> None:
    response = grpc_predict(server, predict_request(INPUTS))
    assert (response.model_spec.name, response.model_spec.version.value) == ("receipts", 1)
    found = {name: tf.make_ndarray(proto).tolist() for name, proto in response.outputs.items()}
    np.testing.assert_allclose(found.pop("total"), [1.5, 1.1], rtol=1e-6)  # 2 (0.5 + 0.25), 1 (1.0 + 0.1)
    assert found == {"count": [4, 2], "line": [b"tea!", b"\xff!"], "line_bytes": [b"tea", b"\xff"]}
    assert list(response.outputs["count"].int64_val) == [4, 2]
    assert not any(proto.tensor_content for proto in response.outputs.values())


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_request({}, name="shop"), Code.NOT_FOUND, "Servable not found for request: Latest(shop)"),
        (predict_request({}, version=7), Code.NOT_FOUND, "Servable not found for request: Specific(receipts, 7)"),
        (predict_request({}, version_label="new"), Code.INVALID_ARGUMENT, "Unrecognized servable version label: new"),
        (predict_pb2.PredictRequest(), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (predict_request({}, signature_name="buy"), Code.FAILED_PRECONDITION, 'signature key "buy" not found'),
        (predict_request({"x": PRICES}), Code.INVALID_ARGUMENT, "Missing but required: {count,name,prices}"),
        (predict_request(INPUTS | {"count": PRICES[0]}), Code.INVALID_ARGUMENT, "Expects arg[0] to be int64"),
        (predict_request(INPUTS | {"prices": PRICES[:, :1]}), Code.INVALID_ARGUMENT, "In[0]: [2,1], In[1]: [2,2]"),
        (predict_request(INPUTS | {"count": np.array([1, 0])}), Code.INVALID_ARGUMENT, "count: must be above 0"),
    ],
)
def test_refuses(server: Emulator, request_: predict_pb2.PredictRequest, code: grpc.StatusCode, message: str) -> None:
    found, text = grpc_refused(server, request_)
    assert found is code and message in text


def test_accepts_more_than_four_megabytes(server: Emulator) -> None:
    request = predict_request({"x": np.zeros(1_500_000, np.float32)}, signature_name="version")  # 6 MB
    with grpc.insecure_channel(server.grpc_target, [("grpc.max_receive_message_length", -1)]) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    assert len(response.outputs["version"].float_val) == 1_500_000
