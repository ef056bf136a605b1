"""JSON bodies as tensors; FillPredictRequestFromJson in util/json_tensor.cc."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.json_text import parse, type_of, value_text
from tests.tf_serving_emulator.tensors import to_proto, type_name

__all__ = ["Format", "parse_body", "read_signature_name", "read_tensors"]

_Infos = Mapping[str, meta_graph_pb2.TensorInfo]
_Tensors = dict[str, tensor_pb2.TensorProto]

_INT_RANGES = {
    types_pb2.DT_INT8: (-(2**31), 2**31),
    types_pb2.DT_UINT8: (-(2**31), 2**31),
    types_pb2.DT_INT16: (-(2**31), 2**31),
    types_pb2.DT_INT32: (-(2**31), 2**31),
    types_pb2.DT_INT64: (-(2**63), 2**63),
    types_pb2.DT_UINT32: (0, 2**32),
    types_pb2.DT_UINT64: (0, 2**64),
}
_FLOATS = {types_pb2.DT_FLOAT: np.float32, types_pb2.DT_DOUBLE: np.float64}


class Format(Enum):
    """How a request lists its tensors, which is how the answer lists them."""

    ROW = "instances"
    COLUMNAR = "inputs"


def parse_body(body: bytes) -> dict[str, Any]:
    """Parse a request's body.

    Raises:
        ServingError: It is no JSON, or no object.
    """
    document = parse(body)
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {value_text(document)} Is not object")
    return document


def read_signature_name(document: dict[str, Any]) -> str:
    """Return the signature that a request names, '' where it names none.

    Raises:
        ServingError: The name is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {value_text(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def read_tensors(document: dict[str, Any], infos: _Infos) -> tuple[_Tensors, Format]:
    """Return a request's tensors by input name; FillPredictRequestFromJson.

    Args:
        document: The parsed body.
        infos: The signature's inputs.

    Raises:
        ServingError: The body has neither `inputs` nor `instances`, or both, or they do not fit the inputs.
    """
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {value_text(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise invalid(f"JSON Value: {value_text(document)} Excepting 'instances' to be an list/array")
        if not instances:
            raise invalid(f"JSON Value: {value_text(document)} No values in 'instances' array")
        return _read_rows(instances, infos), Format.ROW
    if "inputs" in document:
        return _read_columns(document["inputs"], infos), Format.COLUMNAR
    raise invalid("Missing 'inputs' or 'instances' key")


def _read_rows(instances: list[Any], infos: _Infos) -> _Tensors:
    """FillTensorMapFromInstancesList."""
    if not isinstance(instances[0], dict) and len(infos) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(instances[0])
    columns: dict[str, _Column] = {}
    for item, instance in enumerate(instances):
        if named and not _is_named(instance):
            raise invalid(f"Expecting object but got list at item {item} of input list")
        if not named and _is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {item} of input list")
        for name, value in instance.items() if named else [(min(infos), instance)]:
            try:
                if name not in infos:
                    raise invalid(f"JSON object: does not have named input: {name}")
                columns.setdefault(name, _Column(infos[name].dtype)).add(value)
            except ServingError as error:
                key = f" key: {name}" if named else ""
                raise invalid(f"Failed to process element: {item}{key} of 'instances' list. Error: {error}") from error
        if named and instance.keys() != infos.keys():
            raise invalid(
                f"Failed to process element: {item} of 'instances' list. JSON object: {value_text(instance)} "
                f"keys must be equal to: {','.join(sorted(infos))}"
            )
    return {name: column.tensor() for name, column in columns.items()}


def _read_columns(inputs: Any, infos: _Infos) -> _Tensors:
    """FillTensorMapFromInputsMap; names beyond the signature's are ignored there."""
    if not _is_named(inputs):
        if len(infos) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        inputs = {min(infos): inputs}
    tensors = {}
    for name, info in sorted(infos.items()):
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        shape = _shape(inputs[name])
        values: list[Any] = []
        _fill(inputs[name], 0, shape, info.dtype, values)
        tensors[name] = _tensor(values, shape, info.dtype)
    return tensors


class _Column:
    """An input's values from the rows so far; AddInstanceItem."""

    def __init__(self, dtype: int) -> None:
        self._dtype = dtype
        self._values: list[Any] = []
        self._shape: list[int] | None = None
        self._rows = 0

    def add(self, value: Any) -> None:
        shape, before = _shape(value), len(self._values)
        _fill(value, 0, shape, self._dtype, self._values)
        if self._shape is None:
            self._shape = shape
        if (size := len(self._values) - before) != math.prod(self._shape):
            raise invalid(f"Expecting tensor size: {math.prod(self._shape)} but got: {size}")
        if shape != self._shape:
            raise invalid(f"Expecting shape {_shape_text(self._shape)} but got: {_shape_text(shape)}")
        self._rows += 1

    def tensor(self) -> tensor_pb2.TensorProto:
        return _tensor(self._values, [self._rows, *self._shape], self._dtype)


def _shape(value: Any) -> list[int]:
    """GetDenseTensorShape: the first element of each list tells the next dimension."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _fill(value: Any, level: int, shape: list[int], dtype: int, values: list[Any]) -> None:
    """FillTensorProto."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {value_text(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        values.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for element in value:
        _fill(element, level + 1, shape, dtype, values)


def _leaf(value: Any, dtype: int) -> Any:
    """AddValueToTensor and JsonDecodeBase64Object."""
    if dtype == types_pb2.DT_STRING and isinstance(value, dict):
        return _from_base64(value)
    if dtype == types_pb2.DT_STRING and isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if dtype in _FLOATS and type(value) in (int, float):
        return _lossless(value, dtype)
    if dtype in _INT_RANGES and type(value) is int and value in range(*_INT_RANGES[dtype]):
        return value
    if dtype == types_pb2.DT_BOOL and isinstance(value, bool):
        return value
    raise invalid(f"JSON Value: {value_text(value)} Type: {type_of(value)} is not of expected type: {type_name(dtype)}")


def _lossless(value: float, dtype: int) -> float:
    """IsLosslessDecimal: whole numbers that the type cannot hold exactly are refused, decimals are rounded."""
    limits = np.finfo(_FLOATS[dtype])
    if isinstance(value, int):
        lossless = abs(value) < 2 ** (limits.nmant + 1)
    else:
        lossless = not math.isfinite(value) or abs(value) <= float(limits.max)
    if not lossless:
        raise invalid(
            f"Cannot convert JSON value: {value_text(value)} to {type_name(dtype)} without loss of precision."
        )
    return value


def _from_base64(value: dict[str, Any]) -> bytes:
    if _is_named(value):
        raise invalid(f"JSON Value: {value_text(value)} not formatted correctly for base64 data")
    text = value["b64"]
    padding = "" if text.endswith("=") else "=" * (-len(text) % 4)  # absl::Base64Unescape wants none
    try:
        return base64.b64decode(text + padding, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def _is_named(value: Any) -> bool:
    """An object, but not {"b64": STRING}; IsValBase64Object."""
    return isinstance(value, dict) and not (value.keys() == {"b64"} and isinstance(value["b64"], str))


def _tensor(values: list[Any], shape: list[int], dtype: int) -> tensor_pb2.TensorProto:
    array = np.array(values, object)
    if dtype in _INT_RANGES and dtype != types_pb2.DT_UINT64:
        array = array.astype(np.int64)  # from which the small types wrap around, as they do there
    return to_proto(array.astype(tf.as_dtype(dtype).as_numpy_dtype).reshape(shape))


def _shape_text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
