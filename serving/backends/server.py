"""What gRPC and REST share: the pinned version, checked and split requests, retries."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.padding import concat_padded, pad_to_shape
from nextbest.serving.backends.backend import BackendError, InputSpec, check_inputs
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import (
    AVAILABLE,
    LOADING,
    UNAVAILABLE,
    Description,
    ServerError,
    Signature,
    Tensor,
    VersionStatus,
    error_message,
    parse_description,
    parse_statuses,
    redact,
)
from nextbest.serving.backends.target import Target

__all__ = ["Clock", "ServerBackend", "concat_answers", "no_rows", "pad_lists", "retry", "split"]

T = TypeVar("T")

_GONE = {
    "NOT_FOUND": "the server has unloaded this version since we connected to it: connect again, with MODELS that hold"
    " the version that it serves now"
}


class ServerBackend(ABC):
    """A model of a TF Serving, pinned to the version that it had on connecting."""

    def __init__(self, target: Target, config: ClientConfig, clock: Clock) -> None:
        """Hold the settings; `connect` chooses the version.

        Args:
            target: The server.
            config: The client's settings, with the model.
            clock: The time.
        """
        self._target = target
        self._config = config
        self._clock = clock
        self._place = f"{target}, model {config.model!r}"
        self._description: Description | None = None

    @abstractmethod
    def close(self) -> None:
        """See `Backend`."""

    @abstractmethod
    def _status(self, seconds: float) -> Mapping[str, Any]:
        """Return a GetModelStatusResponse of all versions, as JSON. Raises ServerError, as the next two do."""

    @abstractmethod
    def _metadata(self, version: int | None, label: str | None, seconds: float) -> Mapping[str, Any]:
        """Return a GetModelMetadataResponse of a version, by its number or its label, as JSON."""

    @abstractmethod
    def _answer(self, name: str, inputs: Features, outputs: Mapping[str, Tensor], seconds: float) -> Features:
        """Return the outputs of a signature of the pinned version."""

    @property
    def model_name(self) -> str:
        """See `Backend`."""
        return self._config.model

    @property
    def version(self) -> int:
        """The version that answers."""
        return self._pinned.version

    @property
    def _pinned(self) -> Description:
        if self._description is None:
            raise RuntimeError("not connected; call connect() first")
        return self._description

    def connect(self) -> None:
        """Choose the version, once it is loaded, and learn its signatures; all later calls name it.

        Raises:
            BackendError: The server does not answer, or has no such version, or could not load it in time.
        """
        version = self._available_version()
        by_label = self._config.label is not None
        self._description = self._call_with_retries(
            self._place,
            lambda seconds: parse_description(
                self._metadata(None if by_label else version, self._config.label, seconds),
            ),
        )
        self._place += f" version {self._description.version}"

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """See `Backend`."""
        inputs = self._signature(signature).inputs
        return {name: InputSpec.of(tensor.dtype, tensor.shape) for name, tensor in inputs.items()}

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """See `Backend`."""
        found = self._signature(signature)
        place = f"{self._place}, signature {signature!r}"
        request = check_inputs(place, inputs, self.inputs(signature))
        if self._config.list_width is not None:
            request = pad_lists(request, found.inputs, self._config.list_width)
        rows = len(next(iter(request.values())))
        if not rows:
            return no_rows(found.outputs)

        def call(part: Features) -> Features:
            return self._call_with_retries(
                place, lambda seconds: self._checked_answer(signature, part, found, seconds), part, _GONE
            )

        return concat_answers([call(part) for part in split(request, rows, self._config.max_batch_rows)])

    def _signature(self, name: str) -> Signature:
        signatures = self._pinned.signatures
        if name not in signatures:
            raise BackendError(f"{self._place} has no signature {name!r}; it has {sorted(signatures)}")
        return signatures[name]

    def _checked_answer(self, name: str, part: Features, signature: Signature, seconds: float) -> Features:
        rows = len(next(iter(part.values())))
        answer = self._answer(name, part, signature.outputs, seconds)
        for output, values in answer.items():
            shape = values.shape
            if shape[:1] != (rows,):
                raise ServerError("UNIMPLEMENTED", f"it answered {rows} customers with {output!r} of shape {shape}")
        return answer

    def _available_version(self) -> int:
        """Return the wanted version, or the newest one, when it is loaded."""
        until = self._clock.now() + self._config.loading_seconds
        while True:
            statuses = self._call_with_retries(self._place, lambda seconds: parse_statuses(self._status(seconds)))
            wanted = [found for found in statuses if self._config.version in (None, found.version)]
            if available := [found.version for found in wanted if found.state == AVAILABLE]:
                return max(available)
            if not any(found.state in LOADING for found in wanted):
                raise BackendError(f"{self._place}: {_unserved(self._config.version, statuses, wanted)}")
            left = until - self._clock.now()
            if left <= 0:
                seconds = f"loading_seconds ({self._config.loading_seconds:g})"
                raise BackendError(f"{self._place}: the server is still loading it; call later or raise {seconds}")
            self._clock.sleep(min(self._config.poll_seconds, left))

    def _call_with_retries(
        self,
        place: str,
        call: Callable[[float], T],
        inputs: Mapping[str, Array] | None = None,
        remedies: Mapping[str, str] | None = None,
    ) -> T:
        """Call, again where that helps; what went wrong is said without the request's values, as a BackendError."""
        try:
            return retry(call, self._config, self._clock)
        except ServerError as error:
            redacted = ServerError(error.code, redact(error.text, inputs or {}))
            # Not chained: the cause's own text may repeat a customer's data.
            raise BackendError(error_message(redacted, place, self._config, remedies)) from None


def _unserved(version: int | None, statuses: list[VersionStatus], wanted: list[VersionStatus]) -> str:
    if failed := [f"version {found.version} could not be loaded: {found.error}" for found in wanted if found.error]:
        return f"{'; '.join(failed)}; fix the version, or push another one"
    states = ", ".join(f"{found.version} is {found.state}" for found in statuses) or "it has none"
    what = "no version" if version is None else f"version {version}"
    verb = "offers" if version is None else "does not offer"
    return f"the server {verb} {what} ({states}); see its models.config and MODELS"


def split(inputs: Features, rows: int, most: int) -> Iterator[Features]:
    """Yield a request of `rows` customers in parts of at most `most`."""
    for first in range(0, rows, most):
        yield {name: values[first : first + most] for name, values in inputs.items()}


def concat_answers(parts: Sequence[Features]) -> Features:
    """Return the answers to a request's parts as one, the narrower ones padded with '' or 0."""
    if len(parts) == 1:
        return parts[0]
    return {name: concat_padded([part[name] for part in parts], _padding(first)) for name, first in parts[0].items()}


def pad_lists(inputs: Features, specs: Mapping[str, Tensor], width: int) -> Features:
    """Return a request with its lists padded with '' or 0 to a multiple of `width`, at least to one."""
    return {
        name: pad_to_shape(values, (len(values), max(-(-values.shape[1] // width), 1) * width), _padding(values))
        if specs[name].shape[1:] == (None,)
        else values
        for name, values in inputs.items()
    }


def _padding(values: Array) -> str | int:
    return "" if values.dtype == object else 0


def no_rows(outputs: Mapping[str, Tensor]) -> Features:
    """Return the answer to a request of no customers, which JSON cannot write and servers that join requests refuse."""
    return {
        name: np.zeros((0, *(size or 0 for size in tensor.shape[1:])), tensor.dtype) for name, tensor in outputs.items()
    }


@dataclass(frozen=True)
class Clock:
    """Time and random pauses, which tests replace."""

    now: Callable[[], float] = time.monotonic
    """Seconds since some moment."""
    sleep: Callable[[float], None] = time.sleep
    """Wait so many seconds."""
    random: random.Random = field(default_factory=random.Random)
    """Draws the pauses, so that clients that failed together do not come back together."""


def retry(call: Callable[[float], T], config: ClientConfig, clock: Clock) -> T:
    """Call until there is an answer, other than that the server is unavailable, or the deadline or the attempts end.

    The pauses are "full jitter" of Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.

    Args:
        call: Called with the seconds that are left.
        config: The deadline, the number of attempts and the pauses.
        clock: The time.

    Raises:
        ServerError: The last attempt's.
    """
    until = clock.now() + config.deadline_seconds
    longest = config.backoff_seconds
    attempt = 1
    while True:
        try:
            return call(until - clock.now())
        except ServerError as error:
            pause = clock.random.uniform(0, min(longest, config.max_backoff_seconds))
            if error.code != UNAVAILABLE or attempt == config.attempts or clock.now() + pause >= until:
                raise
        clock.sleep(pause)
        attempt += 1
        longest *= 2
