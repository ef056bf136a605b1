"""A TF Serving called by gRPC. Needs TensorFlow, whose protos the messages are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from nextbest.data.dataset import Features
from nextbest.serving.backends.backend import decode_utf8
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import TLS, UNAVAILABLE, ServerError, Tensor, parse_errors
from nextbest.serving.backends.server import Clock, ServerBackend
from nextbest.serving.backends.target import Target

# isort: split
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

__all__ = ["GrpcBackend"]

_TLS = re.compile("ssl|tls|handshake|certificate|verification", re.IGNORECASE)


class GrpcBackend(ServerBackend):
    """Speaks to PredictionService and ModelService."""

    def __init__(self, target: Target, config: ClientConfig, clock: Clock, token: str | None) -> None:
        """Open a channel; it connects with the first call.

        Args:
            target: The server.
            config: The client's settings, with the model.
            clock: The time.
            token: What proves who we are.
        """
        super().__init__(target, config, clock)
        self._channel = _channel(target, config)
        self._metadata_sent = () if token is None else (("authorization", f"Bearer {token}"),)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self) -> None:
        """See `Backend`."""
        self._channel.close()

    def _status(self, seconds: float) -> Mapping[str, Any]:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_pb2.ModelSpec(name=self._config.model))
        return _json(self._call(self._models.GetModelStatus, request, seconds))

    def _metadata(self, version: int | None, label: str | None, seconds: float) -> Mapping[str, Any]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._config.model
        if label is not None:
            request.model_spec.version_label = label
        else:
            request.model_spec.version.value = version
        return _json(self._call(self._predictions.GetModelMetadata, request, seconds))

    def _answer(self, name: str, inputs: Features, outputs: Mapping[str, Tensor], seconds: float) -> Features:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._config.model
        request.model_spec.signature_name = name
        request.model_spec.version.value = self.version
        for feature, values in inputs.items():
            request.inputs[feature].CopyFrom(tf.make_tensor_proto(values, shape=values.shape))
        answer = self._call(self._predictions.Predict, request, seconds).outputs
        with parse_errors():
            return {output: decode_utf8(tf.make_ndarray(answer[output])) for output in outputs}

    def _call(self, method: Callable[..., Any], request: Any, seconds: float) -> Any:
        try:
            return method(request, timeout=seconds, metadata=self._metadata_sent)
        except grpc.RpcError as error:
            code, text = error.code().name, error.details() or ""
            raise ServerError(TLS if code == UNAVAILABLE and _TLS.search(text) else code, text) from None


def _channel(target: Target, config: ClientConfig) -> grpc.Channel:
    pause, longest = (round(1000 * seconds) for seconds in (config.backoff_seconds, config.max_backoff_seconds))
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.enable_http_proxy", 0),
        # Attempts are ours to count. A channel that could not connect fails calls at once until it tries again, which
        # by default is later than our last attempt.
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", pause),
        ("grpc.min_reconnect_backoff_ms", pause),
        ("grpc.max_reconnect_backoff_ms", longest),
    ]
    if config.authority is not None:
        options.append(("grpc.default_authority", config.authority))
    if not target.secure:
        return grpc.insecure_channel(target.address, options)
    if config.authority is not None:
        options.append(("grpc.ssl_target_name_override", config.authority.rsplit(":", 1)[0]))
    files = (config.ca_file, config.key_file, config.cert_file)
    credentials = grpc.ssl_channel_credentials(*(path and path.read_bytes() for path in files))
    return grpc.secure_channel(target.address, credentials, options)


def _json(message: Any) -> Mapping[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)
