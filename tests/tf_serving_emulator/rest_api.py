"""The REST port: a path to the call that gRPC knows, and HTTP around it; model_servers/http_rest_api_handler.cc."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc import StatusCode
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from tests.tf_serving_emulator.grpc_api import get_metadata, get_status
from tests.tf_serving_emulator.json_format import parse_request, read_tensors, write_tensors
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.traffic import Call, Certificate, ServingError, Traffic, invalid

__all__ = ["RestApi"]

# kHTTPRestApiHandlerPathRegex, kPredictionApiGegex and kModelStatusApiRegex
_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ROUTES = (
    ("POST", re.compile(rf"{_MODEL}:predict"), "Predict"),
    ("GET", re.compile(rf"{_MODEL}/metadata"), "GetModelMetadata"),
    ("GET", re.compile(_MODEL), "GetModelStatus"),
)

# ToHTTPStatusCode in model_servers/http_server.cc; what it does not list is 500.
_HTTP_STATUS = {
    StatusCode.CANCELLED: 499,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.UNAUTHENTICATED: 401,
}
_CLOSE_SECONDS = 0.05


class RestApi:
    """A running HTTP server."""

    def __init__(self, models: Models, traffic: Traffic, address: tuple[str, int], tls: Certificate | None) -> None:
        """Open a port of an address (host, port), where port 0 is any free one. Raises OSError where it is in use."""
        self._server = _Server(address, _Handler)
        self._server.models, self._server.traffic = models, traffic
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            # The handshake is left to the connection's own thread: a silent client must not stop the others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=[_CLOSE_SECONDS], name="emulator-rest")
        self._thread.start()

    def close(self) -> None:
        """Close the port and all connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for the connections' threads
    models: Models
    traffic: Traffic

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def get_request(self):
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Hang up on clients that keep their connection."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:
        """Say nothing of clients that hung up or do not trust the certificate; the rest is a bug here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            call, spec = _route(self.command, self.path)
            self.server.traffic.admit(Call("rest", call, spec.name, headers))
            self._send(200, _ANSWERS[call](self.server.models, spec, body))
        except ServingError as error:
            self._send(_HTTP_STATUS.get(error.code, 500), json.dumps({"error": error.message}).encode())

    do_POST = do_GET

    def _send(self, status: int, body: bytes) -> None:
        """Answer; never compressed, whatever the client accepts."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Be quiet."""


def _route(http_method: str, path: str) -> tuple[str, model_pb2.ModelSpec]:
    """Return the call as gRPC names it, and the model, version or label."""
    for method, pattern, call in _ROUTES:
        if method == http_method and (found := pattern.fullmatch(path)):
            spec = model_pb2.ModelSpec(name=unquote(found["name"]))
            if found["version"] is not None:
                spec.version.value = int(found["version"])
            if found["label"] is not None:
                spec.version_label = unquote(found["label"])
            return call, spec
    raise invalid(f"Malformed request: {http_method} {path}")


def _predict(models: Models, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
    document = parse_request(body)
    name = document.get("signature_name", "")
    with models.servable(spec) as (_, servable):
        inputs, as_rows = read_tensors(document, servable.signature(name).inputs)
        return write_tensors(servable.predict(name, inputs), as_rows)


def _status(models: Models, spec: model_pb2.ModelSpec, _: bytes) -> bytes:
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    return json.dumps(_to_dict(get_status(models, request))).encode()


def _metadata(models: Models, spec: model_pb2.ModelSpec, _: bytes) -> bytes:
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    response = get_metadata(models, request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    metadata = {"signature_def": _to_dict(signatures)}
    return json.dumps({"model_spec": _to_dict(response.model_spec), "metadata": metadata}).encode()


def _to_dict(message: Message) -> Mapping[str, Any]:
    """ToJsonString: int64 is a string, and fields that are not set are there (always_print_primitive_fields)."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


_ANSWERS = {"Predict": _predict, "GetModelMetadata": _metadata, "GetModelStatus": _status}
