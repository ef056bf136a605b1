"""The emulator answers raw REST requests as TensorFlow Serving's sources say that it would."""

from __future__ import annotations

from typing import Any

import pytest

from tests.test_emulator.receipts import rest
from tests.tf_serving_emulator import Emulator

ROW = {"name": "tea", "prices": [0.5, 0.25], "count": 2}
PREDICT = "/v1/models/receipts:predict"


def test_rows(server: Emulator) -> None:
    line = {"line": "tea!", "line_bytes": {"b64": "dGVh"}}
    answer = {"predictions": [{"total": 1.5, "count": 4, **line}, {"total": 3.0, "count": 8, **line}]}
    assert rest(server, PREDICT, {"instances": [ROW, ROW | {"count": 4}]}) == (200, answer)


def test_columns(server: Emulator) -> None:
    columns = {"name": ["tea", "\u00e9"], "prices": [[0.5, 0.25], [1.0, 0.5]], "count": [2, 1]}
    text = {"line": ["tea!", "\u00e9!"], "line_bytes": [{"b64": "dGVh"}, {"b64": "w6k="}]}
    assert rest(server, PREDICT, {"inputs": columns}) == (
        200,
        {"outputs": {"total": [1.5, 1.5], "count": [4, 2], **text}},
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (PREDICT, {"signature_name": "buy", "inputs": [1]}, 400, 'Serving signature key "buy" not found.'),
        (PREDICT, {"instances": [ROW | {"count": 0}]}, 400, "count: must be above 0"),
        (PREDICT, {}, 400, "Expecting one of the 'inputs' and 'instances' keys"),
        (PREDICT, None, 400, f"Malformed request: GET {PREDICT}"),
        ("/v1/models/receipts", {}, 400, "Malformed request: POST /v1/models/receipts"),
        ("/v1/models/receipts/versions/7:predict", {}, 404, "Servable not found for request: Specific(receipts, 7)"),
        ("/v1/models/receipts/labels/new:predict", {}, 400, "Unrecognized servable version label: new"),
        ("/v1/models/receipts/versions/2", None, 404, "Could not find version 2 of model receipts"),
        ("/v1/models/shop", None, 404, "Could not find any versions of model shop"),
        ("/v1/models/shop/metadata", None, 404, "Servable not found for request: Latest(shop)"),
    ],
)
def test_refuses(server: Emulator, path: str, body: Any, status: int, message: str) -> None:
    found, answer = rest(server, path, body)
    assert found == status and message in answer["error"]


def test_status(server: Emulator) -> None:
    version = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("receipts", "receipts/versions/1", "receipts/labels/ignored"):
        assert rest(server, f"/v1/models/{path}") == (200, {"model_version_status": [version]})


def test_metadata(server: Emulator) -> None:
    status, answer = rest(server, "/v1/models/receipts/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "receipts", "signature_name": "", "version": "1"}
    assert answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["prices"] == {
        "name": "serving_default_prices:0",
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
    }
