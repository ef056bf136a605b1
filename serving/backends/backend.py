"""The interface of all backends, and what they share: checked inputs, decoded strings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError

__all__ = ["Backend", "BackendError", "InputSpec", "check_inputs", "decode_utf8"]


class BackendError(FailedError):
    """A backend did not answer; the message names it, says what is wrong, and what to do."""


class InputSpec(NamedTuple):
    """What a signature takes under a name. Every input has a row per customer."""

    dtype: np.dtype
    """object for strings, else float32 or int64."""
    rank: int
    """1 is a value per customer, 2 a list."""
    width: int | None = None
    """How long a list must be; None is any length."""

    @classmethod
    def of(cls, dtype: np.dtype, shape: Sequence[int | None]) -> InputSpec:
        """Describe a tensor by its shape, in which None is any length."""
        return cls(dtype, len(shape), shape[1] if len(shape) > 1 else None)


class Backend(Protocol):
    """Answers the composite's signatures."""

    @property
    def model_name(self) -> str:
        """The model that answers: the composite, or the one with ScaNN in its graph."""

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """Return what a signature takes.

        Raises:
            BackendError: The model has no such signature, or the backend does not answer.
        """

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """Answer a signature.

        Args:
            signature: Its name.
            inputs: All inputs of the signature, [batch, ...], strings as object str.

        Returns:
            The outputs, [batch, ...], strings as object str.

        Raises:
            BackendError: The inputs are refused, or the backend does not answer.
        """

    def close(self) -> None:
        """Free what the backend holds."""


_KINDS = {"O": "strings", "U": "strings", "S": "bytes", "f": "numbers", "i": "whole numbers", "u": "whole numbers"}


def check_inputs(place: str, inputs: Mapping[str, Array], specs: Mapping[str, InputSpec]) -> Features:
    """Return the inputs as the signature's types.

    A server's own refusal may not name the feature, or may repeat a customer's data.

    Args:
        place: Which backend and signature, for the message.
        inputs: Input -> values, [batch, ...].
        specs: What the signature takes.

    Raises:
        BackendError: An input is missing or unknown, or of another type, rank or length; all problems are named.
    """
    if problems := list(_problems(inputs, specs)):
        raise BackendError(f"{place} cannot take the request: {'; '.join(problems)}")
    return {name: inputs[name].astype(spec.dtype, copy=False) for name, spec in specs.items()}


def _problems(inputs: Mapping[str, Array], specs: Mapping[str, InputSpec]) -> Iterator[str]:
    if missing := sorted(set(specs) - set(inputs)):
        yield f"the features {missing} are missing"
    if unknown := sorted(set(inputs) - set(specs)):
        yield f"there are no features {unknown}, it has {sorted(specs)}"
    known = {name: values for name, values in inputs.items() if name in specs}
    for name, values in known.items():
        spec = specs[name]
        if not _castable(values, spec.dtype):
            yield f"feature {name!r} takes {_kind(spec.dtype)} ({spec.dtype}), not {_kind(values.dtype)} as given"
        if values.ndim != spec.rank:
            yield f"feature {name!r} takes {spec.rank} dimensions, not {values.ndim}"
    lengths = {name: len(values) for name, values in known.items() if values.ndim}
    if len(set(lengths.values())) > 1:
        yield f"the features differ in length: {lengths}"


def _castable(values: Array, dtype: np.dtype[Any]) -> bool:
    if dtype.kind != "O":
        return np.can_cast(values.dtype, dtype, "same_kind")
    return values.dtype.kind in "OU" and all(issubclass(kind, str) for kind in set(map(type, values.flat)))


def _kind(dtype: np.dtype[Any]) -> str:
    return _KINDS.get(dtype.kind, str(dtype))


def decode_utf8(values: Array) -> Array:
    """Return UTF-8 bytes as object str, same shape; other values as they are."""
    if values.dtype != object:
        return values
    return np.array([value.decode("utf-8") for value in values.flat], object).reshape(values.shape)
