"""Tensors survive the emulator's JSON, both ways and in both formats."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from tests.test_emulator.orders import Code
from tests.tf_serving_emulator import ServingError
from tests.tf_serving_emulator.json_request import Format, parse_body, read_tensors
from tests.tf_serving_emulator.json_response import write_tensors
from tests.tf_serving_emulator.tensors import to_proto

_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(lambda _: {"b64": "AA=="})
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2)
)


_INFOS = {
    name: meta_graph_pb2.TensorInfo(dtype=dtype)
    for name, dtype in {"x": types_pb2.DT_FLOAT, "s": types_pb2.DT_STRING, "n": types_pb2.DT_INT64}.items()
}


class TestJson:
    @settings(max_examples=200, deadline=None)
    @given(values=st.lists(st.floats(width=32), min_size=1), doubles=st.lists(st.floats(), min_size=1))
    def test_floats_come_back_as_they_were(self, values: list[float], doubles: list[float]) -> None:
        for array in (np.array(values, np.float32), np.array(doubles, np.float64)):
            answer = json.loads(write_tensors({"x": to_proto(array)}, Format.ROW))["predictions"]
            np.testing.assert_array_equal(np.array(answer, array.dtype), array)

    @settings(max_examples=200, deadline=None)
    @given(values=st.lists(st.binary(), min_size=1))
    def test_bytes_come_back_as_they_were(self, values: list[bytes]) -> None:
        body = write_tensors({"x_bytes": to_proto(np.array(values, object))}, Format.ROW)
        document = parse_body(body.replace(b'"predictions"', b'"instances"'))
        tensors, _ = read_tensors(document, {"s": _INFOS["s"]})
        assert list(tensors["s"].string_val) == values

    @settings(max_examples=300, deadline=None)
    @given(
        document=st.dictionaries(st.sampled_from(["instances", "inputs"]), _VALUES),
        names=st.sets(st.sampled_from("xsn"), min_size=1),
    )
    def test_any_document_is_read_or_refused(self, document: dict[str, Any], names: set[str]) -> None:
        chosen = {name: _INFOS[name] for name in names}
        try:
            tensors, _ = read_tensors(parse_body(json.dumps(document).encode()), chosen)
        except ServingError as error:
            assert error.code is Code.INVALID_ARGUMENT
        else:
            assert set(tensors) <= names
            for proto in tensors.values():
                assert tf.make_ndarray(proto).size == math.prod(dim.size for dim in proto.tensor_shape.dim)
