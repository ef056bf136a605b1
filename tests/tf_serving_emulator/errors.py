"""What the emulator answers when it refuses."""

from __future__ import annotations

import tensorflow as tf
from grpc import StatusCode

__all__ = ["ServingError", "http_status", "invalid", "of_runtime"]

# ToHTTPStatusCode in model_servers/http_server.cc; what it does not list is 500.
_HTTP = {
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
_CODES = {code.value[0]: code for code in StatusCode}


class ServingError(Exception):
    """A status that is not OK: its code and its message. As text it reads like absl::Status::ToString."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def invalid(message: str) -> ServingError:
    """Return the most common refusal."""
    return ServingError(StatusCode.INVALID_ARGUMENT, message)


def of_runtime(error: tf.errors.OpError) -> ServingError:
    """Return what TensorFlow's runtime said."""
    return ServingError(_CODES[error.error_code], error.message)


def http_status(code: StatusCode) -> int:
    """Return the HTTP status of a code."""
    return _HTTP.get(code, 500)
