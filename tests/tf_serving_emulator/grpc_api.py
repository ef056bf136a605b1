"""The gRPC port; model_servers/server.cc, prediction_service_impl.cc and model_service_impl.cc."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from tests.tf_serving_emulator import service
from tests.tf_serving_emulator.certificates import Certificate
from tests.tf_serving_emulator.errors import ServingError
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.traffic import Call, Traffic

__all__ = ["GrpcApi"]

# SetMaxMessageSize(kint32max) in model_servers/server.cc; without so_reuseport a port that is taken is an error.
_OPTIONS = [
    ("grpc.max_receive_message_length", 2**31 - 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]
_THREADS = 16
_MESSAGE_LIMIT = 1024  # kErrorMessageLimit in model_servers/grpc_status_util.cc


class GrpcApi:
    """A running gRPC server."""

    def __init__(self, models: Models, traffic: Traffic, address: str, tls: Certificate | None) -> None:
        """Open a port of an address HOST:PORT, where port 0 is any free one.

        Raises:
            RuntimeError: The port is taken.
        """
        self._threads = ThreadPoolExecutor(_THREADS, "emulator-grpc")
        self._server = grpc.server(self._threads, options=_OPTIONS)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(models, traffic), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(models, traffic), self._server)
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


class _Service:
    def __init__(self, models: Models, traffic: Traffic) -> None:
        self._models = models
        self._traffic = traffic

    def _answer(self, method: str, request: Any, model: str, context: grpc.ServicerContext, answer: Callable) -> Any:
        try:
            self._traffic.admit(Call("grpc", method, model, _headers(context)))
            return answer(self._models, request)
        except ServingError as error:
            cut = error.message[:_MESSAGE_LIMIT] + "...TRUNCATED" * (len(error.message) > _MESSAGE_LIMIT)
            context.abort(error.code, cut)


def _headers(context: grpc.ServicerContext) -> dict[str, str]:
    """Return the metadata, with the authority that the channel was made for (there is no public way to it)."""
    authority = context._rpc_event.call_details.host.decode()
    return {**dict(context.invocation_metadata()), ":authority": authority}


class _PredictionService(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(self, request, context):
        return self._answer("Predict", request, request.model_spec.name, context, service.predict)

    def GetModelMetadata(self, request, context):
        return self._answer("GetModelMetadata", request, request.model_spec.name, context, service.metadata)

    def Classify(self, request, context):
        return self._answer("Classify", request.model_spec, request.model_spec.name, context, service.classify)

    def Regress(self, request, context):
        return self._answer("Regress", request.model_spec, request.model_spec.name, context, service.regress)

    def MultiInference(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the emulator does not answer MultiInference")


class _ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    def GetModelStatus(self, request, context):
        return self._answer("GetModelStatus", request, request.model_spec.name, context, service.status)

    def HandleReloadConfigRequest(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the emulator has no config to reload; it serves a folder")
