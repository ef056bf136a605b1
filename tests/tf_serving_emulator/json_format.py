"""Tensors in JSON bodies, read and written; util/json_tensor.cc."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tests.tf_serving_emulator.traffic import invalid

__all__ = ["parse_request", "read_tensors", "write_tensors"]


def parse_request(body: bytes) -> dict[str, Any]:
    """Parse a request's body, in which NaN and Infinity are numbers.

    Raises:
        ServingError: It is not JSON, or not an object, or its `signature_name` is not a string.
    """
    try:
        document = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("signature_name", ""), str):
        raise invalid(f"JSON Value: {json.dumps(document)} not formatted correctly")
    return document


def read_tensors(
    document: dict[str, Any], infos: Mapping[str, meta_graph_pb2.TensorInfo]
) -> tuple[dict[str, np.ndarray], bool]:
    """Return a request's tensors by input name, and whether it lists rows (`instances`) instead of columns (`inputs`).

    Args:
        document: The parsed body.
        infos: The signature's inputs.

    Raises:
        ServingError: The body has neither `inputs` nor `instances`, or both, or they do not fit the inputs.
    """
    as_rows = "instances" in document
    if as_rows == ("inputs" in document):
        raise invalid("Expecting one of the 'inputs' and 'instances' keys")
    columns = _columns_of_rows(document["instances"], infos) if as_rows else document["inputs"]
    if not _is_named(columns):
        columns = _with_name(columns, infos)
    if missing := sorted(infos.keys() - columns.keys()):
        raise invalid(f"Missing named inputs: {','.join(missing)}")
    # Names beyond the signature's are ignored in columns (FillTensorMapFromInputsMap).
    return {name: _read_tensor(columns[name], info) for name, info in infos.items()}, as_rows


def write_tensors(tensors: Mapping[str, np.ndarray], as_rows: bool) -> bytes:
    """Return an answer's body, in rows (`predictions`) or columns (`outputs`).

    Raises:
        ServingError: The tensors do not have the same number of rows.
    """
    columns = {name: _to_json(name, values) for name, values in sorted(tensors.items())}
    if not as_rows:
        return _dump({"outputs": _without_name(columns)})
    sizes = {values.shape[:1] for values in tensors.values()}
    if len(sizes) != 1 or () in sizes:
        raise invalid("The output tensors have no or different batch sizes")
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return _dump({"predictions": list(map(_without_name, rows))})


def _columns_of_rows(rows: Any, infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> Any:
    """Return input name -> its values of all rows; FillTensorMapFromInstancesList."""
    if not isinstance(rows, list) or not rows:
        raise invalid("Expecting 'instances' to be a list with values")
    if not any(map(_is_named, rows)):
        return _with_name(rows, infos)
    for place, row in enumerate(rows):
        if not _is_named(row) or row.keys() != infos.keys():
            raise invalid(f"Failed to process element: {place} of 'instances' list. Keys must be: {','.join(infos)}")
    return {name: [row[name] for row in rows] for name in infos}


def _with_name(values: Any, infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, Any]:
    """Return the values of an only input under its name."""
    if len(infos) != 1:
        raise invalid("Expecting an object, as multiple input tensors are required")
    return {name: values for name in infos}


def _is_named(value: Any) -> bool:
    """An object, but not {"b64": STRING}; IsValBase64Object."""
    return isinstance(value, dict) and not (value.keys() == {"b64"} and isinstance(value["b64"], str))


def _read_tensor(value: Any, info: meta_graph_pb2.TensorInfo) -> np.ndarray:
    """FillTensorProto; the first element of each list determines the next dimension (GetDenseTensorShape)."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    dtype = tf.as_dtype(info.dtype)
    leaves = [_leaf(leaf, dtype) for leaf in _flatten(value, shape)]
    return np.array(leaves, object).astype(dtype.as_numpy_dtype).reshape(shape)


def _flatten(value: Any, shape: list[int]) -> list[Any]:
    if not shape:
        if isinstance(value, list):
            raise invalid("Encountered list at unexpected level")
        return [value]
    if not isinstance(value, list) or len(value) != shape[0]:
        raise invalid(f"JSON Value: {json.dumps(value)} is not a list of size: {shape[0]}")
    return [leaf for element in value for leaf in _flatten(element, shape[1:])]


def _leaf(value: Any, dtype: tf.DType) -> Any:
    """AddValueToTensor: every type has its own kind of value, and none is converted."""
    if dtype == tf.string and isinstance(value, str):
        return _utf8(value)
    if dtype == tf.string and isinstance(value, dict):
        return _from_base64(value)
    if dtype.is_floating and type(value) in (int, float):
        return _lossless(value, dtype)
    if dtype.is_integer and type(value) is int and dtype.min <= value <= dtype.max:
        return value
    if dtype.is_bool and isinstance(value, bool):
        return value
    raise invalid(f"JSON Value: {json.dumps(value)} is not of expected type: {dtype.name}")


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error


def _from_base64(value: dict[str, Any]) -> bytes:
    """JsonDecodeBase64Object."""
    if _is_named(value):
        raise invalid(f"JSON Value: {json.dumps(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except ValueError as error:
        raise invalid("Unable to base64 decode") from error


def _lossless(value: float, dtype: tf.DType) -> float:
    """IsLosslessDecimal: whole numbers that the type cannot hold exactly are refused, decimals are rounded."""
    limits = np.finfo(dtype.as_numpy_dtype)
    most = 2 ** (limits.nmant + 1) - 1 if isinstance(value, int) else float(limits.max)
    if most < abs(value) != math.inf:
        raise invalid(f"Cannot convert JSON value: {value} to {dtype.name} without loss of precision.")
    return value


def _to_json(name: str, values: np.ndarray) -> Any:
    """Return nested lists: text, or base64 where the name ends in _bytes; a float32 with nine digits, which suffice."""
    flat = values.reshape(-1)
    if values.dtype == object and name.endswith("_bytes"):
        flat = [{"b64": base64.b64encode(value).decode()} for value in flat]
    elif values.dtype == object:
        flat = [value.decode("utf-8", "surrogateescape") for value in flat]
    elif values.dtype == np.float32:
        flat = [float(f"{value:.9g}") for value in flat]
    else:
        flat = flat.tolist()
    nested = np.empty(len(flat), object)
    nested[:] = flat
    return nested.reshape(values.shape).tolist()


def _without_name(named: Mapping[str, Any]) -> Any:
    """Return the value of an only output without its name."""
    return next(iter(named.values())) if len(named) == 1 else named


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
