"""Tensors as the protos that the server sends, and the names that its messages give their types."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

__all__ = ["to_proto", "type_name"]

# Tensor::AsProtoField in TensorFlow's core/framework/tensor.cc: a repeated field per type, never tensor_content.
_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_BFLOAT16: "half_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
}


def to_proto(values: np.ndarray) -> tensor_pb2.TensorProto:
    """Return an array (strings as object bytes) as a proto with its values in the type's own field."""
    dtype = tf.as_dtype(values.dtype).as_datatype_enum
    field = _FIELDS[dtype]
    flat = values.reshape(-1)
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_shape=tf.TensorShape(values.shape).as_proto())
    getattr(proto, field).extend((flat.view(np.uint16) if field == "half_val" else flat).tolist())
    return proto


def type_name(dtype: int) -> str:
    """Return what DataTypeString of TensorFlow's core/framework/types.cc calls a type, e.g. float."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()
