"""The gRPC port: PredictionService and ModelService; model_servers/server.cc. REST answers with the same functions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.traffic import Call, Certificate, ServingError, Traffic, invalid

__all__ = ["GrpcApi", "get_metadata", "get_status"]

# SetMaxMessageSize(kint32max) in model_servers/server.cc; without so_reuseport a port that is in use is an error.
_OPTIONS = [
    ("grpc.max_receive_message_length", 2**31 - 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]
_THREADS = 16


class GrpcApi:
    """A running gRPC server."""

    def __init__(self, models: Models, traffic: Traffic, address: str, tls: Certificate | None) -> None:
        """Open a port of an address HOST:PORT, where port 0 is any free one. Raises RuntimeError where it is in use."""
        self._threads = ThreadPoolExecutor(_THREADS, "emulator-grpc")
        self._server = grpc.server(self._threads, options=_OPTIONS)
        services = _Services(models, traffic)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, self._server)
        if tls:
            pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
            self.port = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            self.port = self._server.add_insecure_port(address)
        self._server.start()

    def close(self) -> None:
        """Close the port and all connections."""
        self._server.stop(grace=None).wait()
        self._threads.shutdown()


class _Services(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """Both services; the calls that are not here are UNIMPLEMENTED."""

    def __init__(self, models: Models, traffic: Traffic) -> None:
        self._models = models
        self._traffic = traffic

    def Predict(self, request, context):
        return self._answer("Predict", request, context, _predict)

    def GetModelMetadata(self, request, context):
        return self._answer("GetModelMetadata", request, context, get_metadata)

    def GetModelStatus(self, request, context):
        return self._answer("GetModelStatus", request, context, get_status)

    def _answer(self, method: str, request: Any, context: grpc.ServicerContext, answer: Callable) -> Any:
        try:
            self._traffic.admit(Call("grpc", method, request.model_spec.name, dict(context.invocation_metadata())))
            return answer(self._models, request)
        except ServingError as error:
            context.abort(error.code, error.message)


def _predict(models: Models, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    """Answer a signature; servables/tensorflow/predict_impl.cc."""
    with models.servable(request.model_spec) as (version, servable):
        inputs = {alias: _from_proto(alias, tensor) for alias, tensor in request.inputs.items()}
        outputs = servable.predict(request.model_spec.signature_name, inputs)
    response = predict_pb2.PredictResponse(outputs={alias: _to_proto(values) for alias, values in outputs.items()})
    response.model_spec.CopyFrom(request.model_spec)
    response.model_spec.version.value = version  # also where the request named a label, or neither
    return response


def get_metadata(
    models: Models, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Describe a version's signatures; servables/tensorflow/get_model_metadata_impl.cc.

    Raises:
        ServingError: There is no such model, version or label, or another field is requested.
    """
    if list(request.metadata_field) != ["signature_def"]:
        raise invalid(f"Metadata fields {list(request.metadata_field)} are not supported")
    with models.servable(request.model_spec) as (version, servable):
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signatures)
        response.metadata["signature_def"].Pack(signatures)
        return response


def get_status(
    models: Models, request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """Return the states of a model's versions, newest first; model_servers/get_model_status_impl.cc.

    A label is ignored there, so all versions come back.

    Raises:
        ServingError: There is no such model or version.
    """
    spec = request.model_spec
    states = models.states(spec.name)
    if spec.HasField("version"):
        number = spec.version.value
        if number not in states:
            raise ServingError(StatusCode.NOT_FOUND, f"Could not find version {number} of model {spec.name}")
        states = {number: states[number]}
    elif not states:
        raise ServingError(StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, (state, error) in sorted(states.items(), reverse=True):
        found = response.model_version_status.add(version=number, state=state)
        found.status.error_code = error.code.value[0] if error else 0
        found.status.error_message = error.message if error else ""
    return response


def _from_proto(alias: str, tensor: tensor_pb2.TensorProto) -> np.ndarray:
    try:
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise invalid(f"tensor parsing error: {alias}") from error


# Tensor::AsProtoField in TensorFlow's core/framework/tensor.cc: a repeated field per type, never tensor_content, which
# is what tf.make_tensor_proto writes. A client must read the fields.
_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
}


def _to_proto(values: np.ndarray) -> tensor_pb2.TensorProto:
    """Return an array (strings as object bytes) with its values in the type's own field."""
    dtype = tf.as_dtype(values.dtype).as_datatype_enum
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_shape=tf.TensorShape(values.shape).as_proto())
    getattr(proto, _FIELDS[dtype]).extend(values.reshape(-1).tolist())
    return proto
