"""The REST port; model_servers/http_server.cc and util/net_http/server/internal."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.tf_serving_emulator.certificates import Certificate
from tests.tf_serving_emulator.errors import ServingError, http_status
from tests.tf_serving_emulator.json_response import error_body
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.rest_routes import ANY_PATH, BadVersion, process
from tests.tf_serving_emulator.traffic import Traffic

__all__ = ["RestApi"]

_CLOSE_SECONDS = 0.05


class RestApi:
    """A running HTTP server."""

    def __init__(self, models: Models, traffic: Traffic, host: str, port: int, tls: Certificate | None) -> None:
        """Open a port, where 0 is any free one.

        Raises:
            OSError: The port is taken.
        """
        self._server = _Server((host, port), _Handler)
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

    def _answer(self) -> None:
        body = self._read()
        if not ANY_PATH.fullmatch(self.path):
            self._send(404, b"<html><head><title>404 Not Found</title></head></html>\n", "text/html")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self._send(200, process(self.server.models, self.server.traffic, self.command, self.path, headers, body))
        except BadVersion as error:
            self._send(http_status(error.code), b"")
        except ServingError as error:
            self._send(http_status(error.code), error_body(error))

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _answer

    def do_TRACE(self) -> None:  # what evhttp_set_allowed_methods in evhttp_server.cc leaves out
        self._send(405, b"<html><head><title>405 Method Not Allowed</title></head></html>\n", "text/html")

    def _read(self) -> bytes:
        """Return the body; evhttp_request.cc unpacks gzip, and a broken package is an empty body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if body and "gzip" in self.headers.get("Content-Encoding", ""):
            try:
                return gzip.decompress(body)
            except (EOFError, OSError, zlib.error):
                return b""
        return body

    def _send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        """Answer; never compressed, whatever the client accepts."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Be quiet."""
