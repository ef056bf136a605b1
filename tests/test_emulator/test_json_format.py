"""Tensors survive the emulator's JSON, both ways and in both formats, and what does not fit is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from tests.tf_serving_emulator import ServingError
from tests.tf_serving_emulator.json_format import parse_request, read_tensors, write_tensors

DTYPES = {"x": types_pb2.DT_FLOAT, "s": types_pb2.DT_STRING, "n": types_pb2.DT_INT64}
FITTING = {"x": [[0.5, 1], [2.0, 3]], "s": ["tea", {"b64": "/w=="}], "n": [1, 2]}
ROW = {"x": 1.0, "s": "tea", "n": 1}

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just({"b64": "AA=="})
_VALUES = _LEAVES | st.lists(_LEAVES | st.lists(_LEAVES, max_size=2), max_size=3)


def read(document: Any, names: str = "xsn") -> dict[str, Any]:
    infos = {name: meta_graph_pb2.TensorInfo(dtype=DTYPES[name]) for name in names}
    return {
        name: values.tolist()
        for name, values in read_tensors(parse_request(json.dumps(document).encode()), infos)[0].items()
    }


def test_columns_and_rows_are_read_alike() -> None:
    rows = [{name: values[row] for name, values in FITTING.items()} for row in (0, 1)]
    for document in ({"inputs": FITTING | {"more": "ignored"}}, {"instances": rows}):
        assert read(document) == {"x": [[0.5, 1.0], [2.0, 3.0]], "s": [b"tea", b"\xff"], "n": [1, 2]}


def test_an_only_input_and_an_only_output_need_no_name() -> None:
    for document in ({"inputs": [1.0]}, {"inputs": {"x": [1.0]}}, {"instances": [1.0]}, {"instances": [{"x": 1.0}]}):
        assert read(document, "x") == {"x": [1.0]}
    assert json.loads(write_tensors({"y": np.array([[0.5], [1.0]])}, as_rows=False)) == {"outputs": [[0.5], [1.0]]}


@settings(max_examples=50, deadline=None)
@given(
    floats=st.lists(st.floats(width=32), min_size=1),
    doubles=st.lists(st.floats(), min_size=1),
    strings=st.lists(st.binary(), min_size=1),
)
def test_values_come_back_as_they_were(floats: list[float], doubles: list[float], strings: list[bytes]) -> None:
    for array in (np.array(floats, np.float32), np.array(doubles)):
        answer = np.array(json.loads(write_tensors({"x": array}, as_rows=True))["predictions"], array.dtype)
        np.testing.assert_array_equal(answer, array)
        np.testing.assert_array_equal(np.signbit(answer)[array == 0], np.signbit(array)[array == 0])
    answer = json.loads(write_tensors({"x_bytes": np.array(strings, object)}, as_rows=True))
    assert read({"instances": answer["predictions"]}, "s") == {"s": strings}


@pytest.mark.parametrize(
    "document",
    [
        [1],
        {},
        {"signature_name": 1, "inputs": FITTING},
        {"inputs": FITTING, "instances": [1]},
        {"inputs": [1.0]},
        {"inputs": {"x": [1.0], "s": ["tea"]}},
        *({"instances": rows} for rows in ([], [1.0], [ROW | {"more": 1}], [ROW, 1], [ROW, ROW | {"x": [1.0]}])),
        *({"inputs": FITTING | {"x": x}} for x in ([[1.0, 2.0], [3.0]], [[1.0, 2.0], 3.0], [1.0, [2.0]])),
        *({"inputs": FITTING | {"x": [x]}} for x in ("0.5", None, True, 16777216, 1e39)),
        *({"inputs": FITTING | {"n": [n]}} for n in (1.0, 2**63, True)),
        *({"inputs": FITTING | {"s": [s]}} for s in (1, "\ud800", {"b64": "?"}, {"b64": 1})),
    ],
)
def test_what_does_not_fit_is_refused(document: Any) -> None:
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: "):
        read(document)


@settings(max_examples=50, deadline=None)
@given(
    document=st.dictionaries(st.sampled_from(["instances", "inputs"]), _VALUES, max_size=1), name=st.sampled_from("xsn")
)
def test_any_document_is_read_or_refused(document: dict[str, Any], name: str) -> None:
    try:
        assert set(read(document, name)) == {name}
    except ServingError as error:
        assert str(error).startswith("INVALID_ARGUMENT: ")
