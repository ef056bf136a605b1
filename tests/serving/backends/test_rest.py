"""What can happen to a REST request on its way, at a server that misbehaves as it is told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.connect import connect
from nextbest.serving.backends.server import ServerBackend
from tests.serving.backends.clocks import FakeTime
from tests.serving.backends.test_server import SIGNATURES, version

REQUEST = {"name": np.array(["Ann"], object), "number": np.array([1.5], np.float32)}
ANSWER = {"outputs": [3.0]}

Misbehaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers status and metadata, and predictions by the script."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if self.path.endswith("/metadata"):
            spec = {"name": "recommender", "version": "7"}
            self.answer(200, {"model_spec": spec, "metadata": {"signature_def": {"signature_def": SIGNATURES}}})
        else:
            self.answer(200, {"model_version_status": [version(7, "AVAILABLE")]})

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        (self.server.script.pop(0) if self.server.script else lambda handler: handler.answer(200, ANSWER))(self)

    def answer(self, status: int, content: Any, length: int | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Notes what it is asked."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Misbehaviour] = []
        self.paths: list[str] = []
        self.bodies: list[Any] = []
        self.done = threading.Event()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.done.set()
    running.shutdown()
    thread.join()
    running.server_close()


@contextmanager
def connected(server: Server, prefix: str = "", **settings: Any) -> Iterator[ServerBackend]:
    url = f"http://127.0.0.1:{server.server_port}{prefix}"
    backend = connect(url, ClientConfig(**settings), FakeTime().clock())
    try:
        yield backend
    finally:
        backend.close()


def predict(backend: ServerBackend) -> list[float]:
    return backend.predict("double", REQUEST)["result"].tolist()


def reset(handler: Handler) -> None:
    """Drop the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    hang_up(handler)


def hang_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(handler: Handler) -> None:
    """Drop the connection in the middle of the answer."""
    handler.answer(200, b'{"outputs"', length=100)
    hang_up(handler)


def stall(handler: Handler) -> None:
    """Fall silent in the middle of the answer."""
    handler.answer(200, b'{"outputs"', length=100)
    handler.server.done.wait()
    handler.close_connection = True


def overloaded(handler: Handler) -> None:
    handler.answer(503, b"<h1>come back later</h1>")


def test_the_urls_and_the_body(server: Server) -> None:
    with connected(server, "/tf/serving/") as backend:
        assert predict(backend) == [3.0]
    start = "/tf/serving/v1/models/recommender"
    assert server.paths == [start, f"{start}/versions/7/metadata", f"{start}/versions/7:predict"]
    assert server.bodies == [{"signature_name": "double", "inputs": {"name": ["Ann"], "number": [1.5]}}]


def test_a_label_is_asked_by_its_name(server: Server) -> None:
    with connected(server, label="a stable") as backend:
        assert predict(backend) == [3.0]
    assert server.paths[1:] == [
        "/v1/models/recommender/labels/a%20stable/metadata",
        "/v1/models/recommender/versions/7:predict",
    ]


@pytest.mark.parametrize("misbehaviour", [overloaded, reset, hang_up])
def test_it_is_asked_again_where_there_was_no_answer(server: Server, misbehaviour: Misbehaviour) -> None:
    with connected(server) as backend:
        server.script = [misbehaviour, misbehaviour]
        assert predict(backend) == [3.0]
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("misbehaviour", "said"),
    [
        (break_off, "ABORTED"),
        (lambda handler: handler.answer(502, b"<h1>bad gateway</h1>"), "UNKNOWN: HTTP 502 <h1>bad gateway"),
        (lambda handler: handler.answer(413, b""), "RESOURCE_EXHAUSTED: HTTP 413"),
        (lambda handler: handler.answer(400, {"error": "number is bad"}), "INVALID_ARGUMENT: number is bad"),
        (lambda handler: handler.answer(400, {"error": "Ann has 1.5"}), "INVALID_ARGUMENT: … has …"),
        (lambda handler: handler.answer(301, b""), "UNKNOWN: HTTP 301"),
        (lambda handler: handler.answer(200, b"<h1>welcome</h1>"), "what it answered makes no sense"),
        (lambda handler: handler.answer(200, [1]), "what it answered makes no sense"),
        (lambda handler: handler.answer(200, {"outputs": [[1], [1, 2]]}), "what it answered makes no sense"),
        (lambda handler: handler.answer(200, {"predictions": [3.0]}), "what it answered makes no sense .KeyError"),
        (lambda handler: handler.answer(500, {"error": "out of luck"}), "INTERNAL: out of luck; look into"),
        (lambda handler: handler.answer(200, {"outputs": ["x"]}), "what it answered makes no sense"),
        (lambda handler: handler.answer(200, {"outputs": [1.0, 2.0]}), r"1 customers with 'result' of shape \(2,\)"),
        (lambda handler: handler.answer(200, b" " * 5000), "RESOURCE_EXHAUSTED: the answer has more than"),
    ],
)
def test_anything_else_is_final(server: Server, misbehaviour: Misbehaviour, said: str) -> None:
    with connected(server, max_message_bytes=4096) as backend:
        server.script = [misbehaviour]
        with pytest.raises(BackendError, match=said):
            predict(backend)
    assert len(server.bodies) == 1


def test_an_answer_that_does_not_end(server: Server) -> None:
    with connected(server, deadline_seconds=0.2) as backend:
        server.script = [stall]
        with pytest.raises(BackendError, match="DEADLINE_EXCEEDED"):
            predict(backend)


def test_numbers_that_json_does_not_have(server: Server) -> None:
    with connected(server) as backend:
        server.script = [lambda handler: handler.answer(200, b'{"outputs": [NaN, Infinity, -Infinity, 0.1]}')]
        request = {"name": np.full(4, "", object), "number": np.array([np.nan, np.inf, -np.inf, 0.1], np.float32)}
        result = backend.predict("double", request)["result"]
    np.testing.assert_array_equal(result, request["number"])
