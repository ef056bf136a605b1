"""A model whose answers are known by hand, and how it is asked at the emulator, raw."""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.tf_serving_emulator import Emulator

Code = grpc.StatusCode


class Orders(tf.Module):
    """Signatures whose answers are known by hand."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = tf.Variable(float(version))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "name"),
            tf.TensorSpec([None, 2], tf.float32, "prices"),
            tf.TensorSpec([None], tf.int64, "count"),
        ]
    )
    def order(self, name: Any, prices: Any, count: Any) -> dict[str, Any]:
        tf.debugging.assert_greater(count, tf.constant(0, tf.int64), "count: must be above 0")
        return {
            "total": tf.reduce_sum(prices @ tf.eye(2), 1) * tf.cast(count, tf.float32),
            "count": count * 2,
            "line": name + "!",
            "line_bytes": name,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def half(self, x: Any) -> dict[str, Any]:
        return {"y": x / 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def echo(self, text: Any) -> dict[str, Any]:
        return {"text": text}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def versions(self, x: Any) -> dict[str, Any]:
        return {"version": tf.zeros_like(x) + self.version}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def uneven(self, x: Any) -> dict[str, Any]:
        return {"all": x, "first": x[:1]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def total(self, x: Any) -> dict[str, Any]:
        return {"sum": tf.reduce_sum(x)}

    def save(self, folder: Path) -> None:
        names = ("half", "echo", "versions", "uneven", "total")
        signatures = {"serving_default": self.order} | {name: getattr(self, name) for name in names}
        tf.saved_model.save(self, str(folder), signatures=signatures)


def push(exports: Path, models: Path, version: int) -> None:
    shutil.copytree(exports / str(version), models / "orders" / str(version))


ORDER = {"name": [b"tea", b"\xff"], "prices": [[0.5, 0.25], [1.0, 0.1]], "count": [2, 1]}
TYPES = {"name": tf.string, "prices": tf.float32, "count": tf.int64}


def predict_request(inputs: dict[str, Any], types: dict[str, Any] = TYPES, **spec: Any) -> predict_pb2.PredictRequest:
    version = spec.pop("version", None)
    request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(**{"name": "orders"} | spec))
    if version is not None:
        request.model_spec.version.value = version
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, types.get(name, tf.float32)))
    return request


def grpc_predict(server: Emulator, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    with grpc.insecure_channel(server.grpc_target) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=10)


def grpc_refused(server: Emulator, request: predict_pb2.PredictRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        grpc_predict(server, request)
    return refused.value.code(), refused.value.details()


def rest(server: Emulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask with http.client; a body that is not bytes is sent as JSON. Return the status and the parsed answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data)
        response = connection.getresponse()
        text = response.read()
        assert response.headers["Content-Type"] in ("application/json", "text/html")
        return response.status, json.loads(text) if text.startswith(b"{") else text
    finally:
        connection.close()


def rest_predict(server: Emulator, body: Any, name: str = "orders") -> tuple[int, Any]:
    return rest(server, "POST", f"/v1/models/{name}:predict", body)


def served_version(server: Emulator, **spec: Any) -> float:
    response = grpc_predict(server, predict_request({"x": [0.0]}, signature_name="versions", **spec))
    assert response.model_spec.version.value == response.outputs["version"].float_val[0]
    return response.outputs["version"].float_val[0]
