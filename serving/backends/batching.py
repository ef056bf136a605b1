"""Requests in parts, and their answers as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.serving.backends.description import Tensor

__all__ = ["joined", "no_rows", "split", "widened"]


def split(inputs: Features, rows: int, most: int) -> Iterator[Features]:
    """Yield a request of `rows` customers in parts of at most `most`."""
    for first in range(0, rows, most):
        yield {name: values[first : first + most] for name, values in inputs.items()}


def joined(parts: Sequence[Features]) -> Features:
    """Return the answers to a request's parts as one, the narrower ones padded with '' or 0."""
    if len(parts) == 1:
        return parts[0]
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(parts: list[Array]) -> Array:
    width = np.max([part.shape[1:] for part in parts], axis=0).astype(int)
    return np.concatenate([_padded(part, (len(part), *width)) for part in parts])


def widened(inputs: Features, specs: Mapping[str, Tensor], width: int) -> Features:
    """Return a request with its lists padded with '' or 0 to a multiple of `width`, at least to one."""
    return {
        name: _padded(values, (len(values), max(-(-values.shape[1] // width), 1) * width))
        if specs[name].shape[1:] == (None,)
        else values
        for name, values in inputs.items()
    }


def _padded(values: Array, shape: tuple[int, ...]) -> Array:
    if values.shape == shape:
        return values
    missing = [(0, wanted - found) for wanted, found in zip(shape, values.shape, strict=True)]
    return np.pad(values, missing, constant_values="" if values.dtype == object else 0)


def no_rows(outputs: Mapping[str, Tensor]) -> Features:
    """Return the answer to a request of no customers, which JSON cannot write and servers that join requests refuse."""
    return {
        name: np.zeros((0, *(size or 0 for size in tensor.shape[1:])), tensor.dtype) for name, tensor in outputs.items()
    }
