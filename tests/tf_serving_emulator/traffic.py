"""What happens to a request before it is answered: it is recorded, then let in, held, or refused with an error.

Also what both ports share: the error and the certificate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grpc import StatusCode

__all__ = ["Call", "Certificate", "ServingError", "Traffic", "invalid"]


class ServingError(Exception):
    """What the emulator answers when it refuses: a code and a message."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def invalid(message: str) -> ServingError:
    """Return the most common refusal."""
    return ServingError(StatusCode.INVALID_ARGUMENT, message)


@dataclass(frozen=True)
class Certificate:
    """Two PEM files. A client trusts the server by using `certificate` as its authority."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Call:
    """A request that came in."""

    transport: str
    """grpc or rest."""
    method: str
    """As gRPC calls it, also for REST: Predict, GetModelStatus or GetModelMetadata."""
    model: str
    headers: Mapping[str, str]
    """gRPC's metadata, or HTTP's headers; names in lower case."""


@dataclass
class _Failure:
    error: ServingError
    method: str | None
    times: int


@dataclass
class _Hold:
    method: str | None
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)


class Traffic:
    """The gate that all requests pass."""

    def __init__(self, authorization: str | None = None) -> None:
        """Open the gate.

        Args:
            authorization: What the header `authorization` must say, e.g. "Bearer TOKEN"; None requires none.
        """
        self.calls: list[Call] = []
        """All requests so far, also the refused ones."""
        self._authorization = authorization
        self._failures: list[_Failure] = []
        self._holds: list[_Hold] = []
        self._lock = threading.Lock()

    def fail(self, times: int, method: str | None = None, code: StatusCode = StatusCode.UNAVAILABLE) -> None:
        """Answer the next requests with an error.

        Args:
            times: How many.
            method: Only requests of this method, as `Call` names it; None is any.
            code: The error.
        """
        error = ServingError(code, f"the test lets this request fail with {code.name}")
        with self._lock:
            self._failures.append(_Failure(error, method, times))

    @contextmanager
    def hold(self, method: str | None = None) -> Iterator[threading.Semaphore]:
        """Let requests wait until the end of the block.

        Args:
            method: Only requests of this method, as `Call` names it; None is any.

        Yields:
            A semaphore that is released once for each request that has come to wait.
        """
        hold = _Hold(method)
        with self._lock:
            self._holds.append(hold)
        try:
            yield hold.arrived
        finally:
            with self._lock:
                self._holds.remove(hold)
            hold.released.set()

    def admit(self, call: Call) -> None:
        """Let a request pass, late or never.

        Raises:
            ServingError: It lacks the header, or a test lets it fail.
        """
        with self._lock:
            self.calls.append(call)
            holds = [hold for hold in self._holds if hold.method in (None, call.method)]
            failure = next((found for found in self._failures if found.method in (None, call.method)), None)
            if failure:
                failure.times -= 1
                self._failures = [found for found in self._failures if found.times > 0]
        for hold in holds:
            hold.arrived.release()
            hold.released.wait()
        if self._authorization is not None and call.headers.get("authorization") != self._authorization:
            raise ServingError(StatusCode.UNAUTHENTICATED, "the request's authorization header is missing or wrong")
        if failure:
            raise failure.error

    def close(self) -> None:
        """Release all requests that wait."""
        with self._lock:
            for hold in self._holds:
                hold.released.set()
