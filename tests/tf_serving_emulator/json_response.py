"""Answers as JSON bodies; MakeJsonFromTensors in util/json_tensor.cc."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.json_request import Format
from tests.tf_serving_emulator.json_text import decimal
from tests.tf_serving_emulator.tensors import type_name

__all__ = ["error_body", "write_tensors"]


def write_tensors(tensors: Mapping[str, tensor_pb2.TensorProto], form: Format) -> bytes:
    """Return an answer's body; MakeJsonFromTensors. Arrays stand on one line, also where RapidJSON breaks them.

    Raises:
        ServingError: A tensor cannot be written, or not in rows with the others.
    """
    if not tensors:
        raise invalid("Cannot convert empty tensor map to JSON")
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in sorted(tensors.items())}
    if form is Format.ROW:
        return _bytes(f'{{\n    "predictions": {_write_rows(arrays)}\n}}')
    written = {name: _nested(_leaves(name, array), array.shape) for name, array in arrays.items()}
    return _bytes(f'{{\n    "outputs": {_named(written)}\n}}')


def error_body(error: ServingError) -> bytes:
    """Return an error's body; MakeJsonFromStatus."""
    return _bytes(json.dumps({"error": error.message}, indent=4, ensure_ascii=False))


def _write_rows(arrays: Mapping[str, np.ndarray]) -> str:
    """MakeRowFormatJsonFromTensors."""
    batch = None
    for name, array in arrays.items():
        if not array.shape:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch is not None and len(array) != batch:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)
    columns = [_parts(_leaves(name, array), array.shape) for name, array in arrays.items()]
    rows = (_named(dict(zip(arrays, row, strict=True))) for row in zip(*columns, strict=True))
    return "[" + ", ".join(rows) + "]"


def _named(written: Mapping[str, str]) -> str:
    """Return named values as an object, and a single one without its name."""
    if len(written) == 1:
        return next(iter(written.values()))
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in written.items()) + "}"


def _nested(leaves: list[str], shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(_parts(leaves, shape)) + "]" if shape else leaves[0]


def _parts(leaves: list[str], shape: tuple[int, ...]) -> list[str]:
    """Return what stands at each place of the first dimension."""
    step = len(leaves) // shape[0] if shape[0] else 0
    return [_nested(leaves[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]


def _leaves(name: str, array: np.ndarray) -> list[str]:
    """AddSingleValueAndAdvance for all values."""
    return list(map(_writer(name, array.dtype), array.reshape(-1)))


def _writer(name: str, dtype: np.dtype) -> Callable[[Any], str]:
    if dtype.kind == "O":
        return _to_base64 if name.endswith("_bytes") else _string
    if dtype.kind == "b":
        return lambda value: "true" if value else "false"
    if dtype.kind in "iu":
        return str
    if dtype.kind == "f":
        return lambda value: decimal(np.float32(value) if dtype == np.float16 else value)
    raise invalid(f"Failed to write JSON value for tensor type: {type_name(tf.as_dtype(dtype).as_datatype_enum)}")


def _string(value: bytes) -> str:
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def _to_base64(value: bytes) -> str:
    return '{"b64": "' + base64.b64encode(value).decode() + '"}'


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
