"""The emulator answers raw REST requests as TensorFlow Serving's sources say that it would."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any

import httpx
import pytest

from tests.test_emulator.orders import rest, rest_predict
from tests.tf_serving_emulator import Emulator

ROW = {"name": "tea", "prices": [0.5, 0.25], "count": 2}
COLUMNS = {"name": ["tea", {"b64": "/w=="}], "prices": [[0.5, 0.25], [1.0, 0.1]], "count": [2, 1]}


class TestRestPredict:
    def test_rows(self, server: Emulator) -> None:
        status, answer = rest_predict(server, {"instances": [ROW, ROW | {"count": 4}]})
        line = {"line": "tea!", "line_bytes": {"b64": "dGVh"}}
        assert status == 200
        assert answer == {"predictions": [{"total": 1.5, "count": 4, **line}, {"total": 3.0, "count": 8, **line}]}

    def test_columns(self, server: Emulator) -> None:
        status, answer = rest_predict(server, {"inputs": COLUMNS | {"name": ["tea", "\u00e9"]}})
        assert status == 200
        assert answer["outputs"]["line"] == ["tea!", "\u00e9!"]
        assert answer["outputs"]["count"] == [4, 2]
        assert answer["outputs"]["line_bytes"] == [{"b64": "dGVh"}, {"b64": "w6k="}]

    def test_bytes_that_are_no_utf8_come_back_raw_unless_the_name_says_bytes(self, server: Emulator) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
        connection.request("POST", "/v1/models/orders:predict", json.dumps({"inputs": COLUMNS}))
        body = connection.getresponse().read()
        connection.close()
        assert b'"\xff!"' in body
        assert b'{"b64": "/w=="}' in body

    def test_one_input_and_one_output_need_no_names(self, server: Emulator) -> None:
        assert rest_predict(server, {"signature_name": "half", "instances": [1.0, 3]}) == (
            200,
            {"predictions": [0.5, 1.5]},
        )
        assert rest_predict(server, {"signature_name": "half", "instances": [{"x": 1.0}]})[1] == {"predictions": [0.5]}
        assert rest_predict(server, {"signature_name": "half", "inputs": [1.0]})[1] == {"outputs": [0.5]}
        assert rest_predict(server, {"signature_name": "half", "inputs": {"x": [1.0]}})[1] == {"outputs": [0.5]}
        body = {"signature_name": "echo", "instances": [{"b64": "dGVh"}, "coffee"]}
        assert rest_predict(server, body)[1] == {"predictions": ["tea", "coffee"]}

    def test_empty_columns(self, server: Emulator) -> None:
        assert rest_predict(server, {"signature_name": "half", "inputs": []}) == (200, {"outputs": []})

    def test_versions_labels_and_case(self, server: Emulator) -> None:
        body = {"signature_name": "half", "instances": [1.0]}
        for path in ("/versions/1", "/labels/stable", ""):
            assert rest(server, "POST", f"/v1/models/orders{path}:predict", body) == (200, {"predictions": [0.5]})
        assert rest(server, "POST", "/V1/Models/orders:predict", body)[0] == 200
        assert rest(server, "POST", "/v1/models/%6Frders:predict", body)[0] == 200

    def test_numbers_that_are_not_finite_and_how_digits_are_written(self, server: Emulator) -> None:
        body = b'{"signature_name": "half", "instances": [NaN, Infinity, -Infinity, 2, 0.2, 1e7, 1e-9, 3.3333333]}'
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
        connection.request("POST", "/v1/models/orders:predict", body)
        answer = connection.getresponse().read().decode()
        connection.close()
        assert "[NaN, Infinity, -Infinity, 1.0, 0.1, 5e+06, 5e-10, 1.66666663]" in answer

    def test_gzip(self, server: Emulator) -> None:
        body = gzip.compress(json.dumps({"signature_name": "half", "instances": [1.0]}).encode())
        headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
        url = f"{server.rest_url}/v1/models/orders:predict"
        with httpx.Client() as client:
            answer = client.post(url, content=body, headers=headers)
            assert answer.json() == {"predictions": [0.5]}
            assert "Content-Encoding" not in answer.headers
            broken = client.post(url, content=body[:-9], headers=headers)
            assert broken.status_code == 400
            assert broken.json() == {"error": "JSON Parse error: The document is empty"}

    @pytest.mark.parametrize(
        ("body", "status", "error"),
        [
            ({}, 400, "Missing 'inputs' or 'instances' key"),
            (b"", 400, "JSON Parse error: The document is empty"),
            (b'{"instances": [1.0,]}', 400, "JSON Parse error: Invalid value. at offset: 19"),
            (
                b'{"instances": [1.0 "a"]}',
                400,
                "JSON Parse error: Missing a comma or ] after an array element. at offset: 19",
            ),
            (b'{"a": 1 "b": 2}', 400, "JSON Parse error: Missing a comma or } after an object member. at offset: 8"),
            (b'{"a": 1e999}', 400, "JSON Parse error: Number too big to be stored in double. at offset: 6"),
            (b'{"a": "\\ud800"}', 400, "JSON Parse error: The surrogate pair in string is invalid."),
            (b"[1]", 400, "JSON Value: [\n    1\n] Is not object"),
            (
                {"signature_name": 1, "instances": [1]},
                400,
                'JSON Value: {\n    "signature_name": 1,\n    "instances": [\n        1\n    ]\n} not formatted '
                "correctly. 'signature_name' key must be a string value.",
            ),
            (
                {"inputs": 1, "instances": 2},
                400,
                'JSON Value: {\n    "inputs": 1,\n    "instances": 2\n} Not formatted correctly expecting only one of '
                "'inputs' or 'instances' keys to exist ",
            ),
            ({"instances": []}, 400, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
            ({"instances": 1}, 400, "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array"),
            (
                {"signature_name": "buy", "instances": [1.0]},
                400,
                'Serving signature name: "buy" not found in signature def',
            ),
            (
                {"instances": [1.0]},
                400,
                "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
                "tensorinfo_map",
            ),
            (
                {"inputs": [1.0]},
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map",
            ),
            (
                {"instances": [{"count": 1}]},
                400,
                "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"count\": 1\n} "
                "keys must be equal to: count,name,prices",
            ),
            (
                {"instances": [ROW, ROW | {"more": 1}]},
                400,
                "Failed to process element: 1 key: more of 'instances' list. Error: INVALID_ARGUMENT: "
                "JSON object: does not have named input: more",
            ),
            (
                {"instances": [ROW, ROW | {"prices": [1.0]}]},
                400,
                "Failed to process element: 1 key: prices of 'instances' list. Error: INVALID_ARGUMENT: "
                "Expecting tensor size: 2 but got: 1",
            ),
            (
                {"instances": [ROW, ROW | {"prices": [[1.0, 2.0]]}]},
                400,
                "Failed to process element: 1 key: prices of 'instances' list. Error: INVALID_ARGUMENT: "
                "Expecting shape [2] but got: [1,2]",
            ),
            ({"instances": [ROW, 1]}, 400, "Expecting object but got list at item 1 of input list"),
            (
                {"signature_name": "half", "instances": [1.0, {"x": 2.0}]},
                400,
                "Expecting value/list but got object at item 1 of input list",
            ),
            ({"inputs": {"name": ["tea"]}}, 400, "Missing named input: count in 'inputs' object."),
            (
                {"inputs": COLUMNS | {"prices": [[1.0, 2.0], [3.0]]}},
                400,
                "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
            ),
            (
                {"inputs": COLUMNS | {"prices": [[1.0, 2.0], 3.0]}},
                400,
                "JSON Value: 3.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
            ),
            (
                {"inputs": COLUMNS | {"count": [1, [2]]}},
                400,
                "Encountered list at unexpected level: 1 expected < 1",
            ),
            (
                {"inputs": COLUMNS | {"count": [1.0, 2.0]}},
                400,
                "JSON Value: 1.0 Type: Number is not of expected type: int64",
            ),
            (
                {"inputs": COLUMNS | {"count": [True, 2]}},
                400,
                "JSON Value: true Type: True is not of expected type: int64",
            ),
            (
                {"inputs": COLUMNS | {"prices": [["0.5", 1], [1, 1]]}},
                400,
                'JSON Value: "0.5" Type: String is not of expected type: float',
            ),
            (
                {"inputs": COLUMNS | {"prices": [[None, 1], [1, 1]]}},
                400,
                "JSON Value: null Type: Null is not of expected type: float",
            ),
            (
                {"inputs": COLUMNS | {"name": [1, 2]}},
                400,
                "JSON Value: 1 Type: Number is not of expected type: string",
            ),
            ({"inputs": COLUMNS | {"name": [{"b64": "?"}, "a"]}}, 400, "Unable to base64 decode"),
            (
                {"inputs": COLUMNS | {"name": [{"b64": 1}, "a"]}},
                400,
                'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
            ),
            (
                {"signature_name": "half", "instances": [16777216]},
                400,
                "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
                "Cannot convert JSON value: 16777216 to float without loss of precision.",
            ),
            (
                {"signature_name": "half", "instances": [1e39]},
                400,
                "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
                "Cannot convert JSON value: 1e+39 to float without loss of precision.",
            ),
            (
                {"signature_name": "uneven", "instances": [1.0, 2.0]},
                400,
                "Tensor name: first has inconsistent batch size: 1 expecting: 2",
            ),
            (
                {"signature_name": "total", "instances": [1.0, 2.0]},
                400,
                "Tensor name: sum has no shape information ",
            ),
        ],
    )
    def test_refuses(self, server: Emulator, body: Any, status: int, error: str) -> None:
        assert rest_predict(server, body) == (status, {"error": error})

    def test_decimals_are_rounded_where_whole_numbers_are_refused(self, server: Emulator) -> None:
        assert rest_predict(server, {"signature_name": "half", "instances": [16777217.0]}) == (
            200,
            {"predictions": [8388608.0]},
        )

    def test_columns_may_differ_in_length_and_be_scalars(self, server: Emulator) -> None:
        assert rest_predict(server, {"signature_name": "uneven", "inputs": [1.0, 2.0]})[1] == {
            "outputs": {"all": [1.0, 2.0], "first": [1.0]}
        }
        assert rest_predict(server, {"signature_name": "total", "inputs": [1.0, 2.0]})[1] == {"outputs": 3.0}

    def test_graph_refuses(self, server: Emulator) -> None:
        status, answer = rest_predict(server, {"instances": [ROW | {"count": 0}]})
        assert status == 400
        assert "count: must be above 0" in answer["error"]

    def test_syntax_comes_before_the_model_and_the_model_before_the_keys(self, server: Emulator) -> None:
        assert rest_predict(server, b"{", "shop")[0] == 400
        assert rest_predict(server, {}, "shop") == (404, {"error": "Servable not found for request: Latest(shop)"})
        assert rest(server, "POST", "/v1/models/orders/versions/7:predict", {}) == (
            404,
            {"error": "Servable not found for request: Specific(orders, 7)"},
        )
        assert rest(server, "POST", "/v1/models/orders/labels/canary:predict", {}) == (
            400,
            {"error": "Unrecognized servable version label: canary"},
        )


class TestRestOthers:
    def test_status(self, server: Emulator) -> None:
        expected = {
            "model_version_status": [
                {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ]
        }
        for path in ("orders", "orders/versions/1", "orders/labels/nonsense"):
            assert rest(server, "GET", f"/v1/models/{path}") == (200, expected)
        assert rest(server, "GET", "/v1/models/orders/versions/2") == (
            404,
            {"error": "Could not find version 2 of model orders"},
        )
        assert rest(server, "GET", "/v1/models/shop") == (
            404,
            {"error": "Could not find any versions of model shop"},
        )
        assert rest(server, "GET", "/v1/models") == (400, {"error": "Missing model name in request."})

    def test_metadata(self, server: Emulator) -> None:
        status, answer = rest(server, "GET", "/v1/models/orders/metadata")
        assert status == 200
        assert answer["model_spec"] == {"name": "orders", "signature_name": "", "version": "1"}
        prices = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["prices"]
        assert prices == {
            "name": "serving_default_prices:0",
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
                "unknown_rank": False,
            },
        }
        assert rest(server, "GET", "/v1/models/shop/metadata")[0] == 404

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 404),
            ("GET", "/v2/models/orders", 404),
            ("TRACE", "/v1/models/orders", 405),
            ("GET", "/v1/models/orders/1", 400),
            ("GET", "/v1/models/orders:predict", 400),
            ("POST", "/v1/models/orders", 400),
            ("POST", "/v1/models/orders:PREDICT", 400),
            ("POST", "/v1/models/orders:predict?x=1", 400),
            ("PUT", "/v1/models/orders:predict", 400),
        ],
    )
    def test_paths_that_are_not_served(self, server: Emulator, method: str, path: str, status: int) -> None:
        found, answer = rest(server, method, path)
        assert found == status
        if status == 400:
            assert answer == {"error": f"Malformed request: {method} {path}"}

    def test_version_beyond_int64_has_an_empty_answer(self, server: Emulator) -> None:
        assert rest(server, "GET", "/v1/models/orders/versions/9223372036854775808") == (400, b"")

    def test_head_has_no_body(self, server: Emulator) -> None:
        assert rest(server, "HEAD", "/v1/models/orders") == (400, b"")

    @pytest.mark.parametrize(("method", "kind"), [("classify", "classification"), ("regress", "regression")])
    def test_classify_and_regress_are_refused(self, server: Emulator, method: str, kind: str) -> None:
        path = f"/v1/models/orders:{method}"
        message = f"Expected {kind} signature method_name to be tensorflow/serving/{method}. "
        message += "Was: tensorflow/serving/predict"
        assert rest(server, "POST", path, {"examples": [{}]}) == (400, {"error": message})
        body = {"signature_name": "buy", "examples": [{}]}
        assert rest(server, "POST", path, body) == (400, {"error": "No signature was found with the name: buy"})

    def test_connection_is_kept(self, server: Emulator) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
        for _ in range(2):
            connection.request("GET", "/v1/models/orders")
            assert connection.getresponse().read()
            assert connection.sock is not None
        connection.close()
