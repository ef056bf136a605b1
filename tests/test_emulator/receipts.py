"""A model whose answers are known by hand, and raw calls of it at the emulator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_service_pb2_grpc

from tests.tf_serving_emulator import Emulator

Code = grpc.StatusCode


class Receipts(tf.Module):
    """The default signature, and `version`, which answers with the version's number."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.number = tf.Variable(float(version))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "name"),
            tf.TensorSpec([None, 2], tf.float32, "prices"),
            tf.TensorSpec([None], tf.int64, "count"),
        ]
    )
    def receipt(self, name: Any, prices: Any, count: Any) -> dict[str, Any]:
        tf.debugging.assert_greater(count, tf.constant(0, tf.int64), "count: must be above 0")
        total = tf.reduce_sum(prices @ tf.eye(2), 1) * tf.cast(count, tf.float32)
        return {"total": total, "count": count * 2, "line": name + "!", "line_bytes": name}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def version(self, x: Any) -> dict[str, Any]:
        return {"version": tf.zeros_like(x) + self.number}

    def save(self, folder: Path) -> None:
        tf.saved_model.save(self, str(folder), {"serving_default": self.receipt, "version": self.version})


def push(exports: Path, models: Path, version: int) -> None:
    shutil.copytree(exports / str(version), models / "receipts" / str(version))


def predict_request(inputs: dict[str, Any], version: int | None = None, **spec: Any) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(**{"name": "receipts"} | spec))
    if version is not None:
        request.model_spec.version.value = version
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def grpc_predict(server: Emulator, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    with grpc.insecure_channel(server.grpc_target) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)


def grpc_refused(server: Emulator, request: predict_pb2.PredictRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        grpc_predict(server, request)
    return refused.value.code(), refused.value.details()


def served_version(server: Emulator, **spec: Any) -> float:
    request = predict_request({"x": tf.zeros(1)}, signature_name="version", **spec)
    response = grpc_predict(server, request)
    assert response.model_spec.version.value == response.outputs["version"].float_val[0]
    return response.outputs["version"].float_val[0]


def rest(server: Emulator, path: str, body: Any = None) -> tuple[int, Any]:
    """GET, or POST a body as JSON. Return the status and the parsed answer."""
    method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
    answer = httpx.request(
        method, f"{server.rest_url}{path}", content=content, trust_env=False, verify=False, timeout=30
    )
    return answer.status_code, json.loads(answer.content)
