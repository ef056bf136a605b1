"""A TF Serving called by REST. Needs httpx and NumPy, and no TensorFlow."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np

from nextbest.data.dataset import Features
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import TLS, UNAVAILABLE, ServerError, Tensor, parse_errors
from nextbest.serving.backends.server import Clock, ServerBackend
from nextbest.serving.backends.target import Target

__all__ = ["RestBackend"]

_TOO_LARGE = "RESOURCE_EXHAUSTED"
_TOO_LATE = "DEADLINE_EXCEEDED"
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: _TOO_LARGE,
    429: _TOO_LARGE,
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: UNAVAILABLE,
    504: _TOO_LATE,
}
"""HTTP status -> gRPC code: ToHTTPStatusCode in TF Serving's model_servers/http_server.cc, and proxies' 413."""
_DROPPED = ("Server disconnected", "peer closed")
"""How httpcore and h11 say that a connection ended too early, which is not a fault of the protocol."""


class RestBackend(ServerBackend):
    """Speaks to /v1/models/NAME in the column format (`inputs`)."""

    def __init__(
        self, target: Target, config: ClientConfig, clock: Clock, token: str | None, tls: ssl.SSLContext | None
    ) -> None:
        """Prepare a client; it connects with the first call.

        Args:
            target: The server.
            config: The client's settings, with the model.
            clock: The time.
            token: What proves who we are.
            tls: How a secure server is trusted.
        """
        super().__init__(target, config, clock)
        headers = {"accept-encoding": "identity", "content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self._extensions: dict[str, Any] = {}
        if config.authority is not None:
            headers["host"] = config.authority
            self._extensions["sni_hostname"] = config.authority.rsplit(":", 1)[0]
        self._client = httpx.Client(headers=headers, verify=tls or False, trust_env=False)
        self._url = f"{target}/v1/models/{quote(config.model, safe='')}"

    def close(self) -> None:
        """See `Backend`."""
        self._client.close()

    def _status(self, seconds: float) -> Mapping[str, Any]:
        return self._call("GET", "", None, seconds)

    def _metadata(self, version: int | None, label: str | None, seconds: float) -> Mapping[str, Any]:
        which = f"/versions/{version}" if label is None else f"/labels/{quote(label, safe='')}"
        return self._call("GET", f"{which}/metadata", None, seconds)

    def _answer(self, name: str, inputs: Features, outputs: Mapping[str, Tensor], seconds: float) -> Features:
        # A float32 is written as the double that it is, which reads back to the same float32. NaN and Infinity are not
        # JSON, but TF Serving both reads and writes them.
        columns = {feature: values.tolist() for feature, values in inputs.items()}
        body = json.dumps({"signature_name": name, "inputs": columns}, separators=(",", ":")).encode()
        answer = self._call("POST", f"/versions/{self.version}:predict", body, seconds)
        with parse_errors():
            # An only output comes without its name.
            found = answer["outputs"] if len(outputs) > 1 else dict.fromkeys(outputs, answer["outputs"])
            return {output: np.array(found[output], tensor.dtype) for output, tensor in outputs.items()}

    def _call(self, method: str, path: str, body: bytes | None, seconds: float) -> Any:
        """Return the answer's JSON.

        Raises:
            ServerError: There is none.
        """
        if body is not None and len(body) > self._config.max_message_bytes:
            raise ServerError(_TOO_LARGE, f"the request has {len(body)} bytes")
        until = self._clock.now() + seconds
        request = self._client.build_request(
            method, self._url + path, content=body, timeout=seconds, extensions=self._extensions
        )
        try:
            response = self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise _no_answer(error, UNAVAILABLE) from None
        with closing(response):
            try:
                content = self._read(response, until)
            except httpx.TransportError as error:
                raise _no_answer(error, "ABORTED") from None
        if response.status_code != httpx.codes.OK:
            raise ServerError(_CODES.get(response.status_code, "UNKNOWN"), _error_text(response.status_code, content))
        with parse_errors():
            return json.loads(content)

    def _read(self, response: httpx.Response, until: float) -> bytes:
        content = bytearray()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > self._config.max_message_bytes:
                raise ServerError(_TOO_LARGE, f"the answer has more than {self._config.max_message_bytes} bytes")
            if self._clock.now() > until:
                raise ServerError(_TOO_LATE, "the answer did not end in time")
        return bytes(content)


def _no_answer(error: httpx.TransportError, otherwise: str) -> ServerError:
    """Return why a request failed on its way: `otherwise` where it was not for time or TLS."""
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return ServerError(_TOO_LATE, text)
    if isinstance(error, httpx.RemoteProtocolError) and not text.startswith(_DROPPED):
        return ServerError("UNIMPLEMENTED", f"it does not speak HTTP/1.1 ({text})")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return ServerError(TLS, text)
        cause = cause.__cause__ or cause.__context__
    return ServerError(otherwise, text)


def _error_text(status: int, content: bytes) -> str:
    """Return what TF Serving says (`{"error": ...}`), or what a proxy before it does."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status} {content.decode('utf-8', 'replace')}"
