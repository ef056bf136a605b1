"""What the emulator can be told to do to its callers: faults, delays, credentials, TLS."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from tensorflow_serving.apis import (
    prediction_service_pb2_grpc,
)

from tests.test_emulator.orders import Code, grpc_predict, grpc_refused, predict_request, rest, rest_predict
from tests.tf_serving_emulator import Emulator, self_signed


class TestTraffic:
    def test_fails_as_often_as_it_is_told(self, models: Path) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        with Emulator(models) as server:
            server.traffic.fail(2)
            assert grpc_refused(server, request)[0] is Code.UNAVAILABLE
            assert rest_predict(server, {"signature_name": "half", "instances": [1.0]})[0] == 503
            assert grpc_predict(server, request)
            server.traffic.fail(1, "Predict", Code.RESOURCE_EXHAUSTED)
            assert rest(server, "GET", "/v1/models/orders")[0] == 200
            assert rest_predict(server, {"signature_name": "half", "instances": [1.0]})[0] == 429
            calls = [(call.transport, call.method, call.model) for call in server.traffic.calls]
            assert calls == [
                ("grpc", "Predict", "orders"),
                ("rest", "Predict", "orders"),
                ("grpc", "Predict", "orders"),
                ("rest", "GetModelStatus", "orders"),
                ("rest", "Predict", "orders"),
            ]

    def test_holds_requests(self, models: Path) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        body = {"signature_name": "half", "instances": [1.0]}
        with Emulator(models) as server, ThreadPoolExecutor(2) as pool:
            with server.traffic.hold("Predict") as arrived:
                answers = [pool.submit(grpc_predict, server, request), pool.submit(rest_predict, server, body)]
                assert arrived.acquire(timeout=10)
                assert arrived.acquire(timeout=10)
                assert not any(answer.done() for answer in answers)
                assert rest(server, "GET", "/v1/models/orders")[0] == 200
            assert answers[0].result(10).outputs["y"].float_val == [0.5]
            assert answers[1].result(10)[0] == 200

    def test_held_request_meets_its_deadline(self, models: Path) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        with Emulator(models) as server, server.traffic.hold(), grpc.insecure_channel(server.grpc_target) as channel:
            with pytest.raises(grpc.RpcError) as refused:
                prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=0.2)
            assert refused.value.code() is Code.DEADLINE_EXCEEDED

    def test_closes_while_requests_are_held_and_connections_are_open(self, models: Path) -> None:
        server = Emulator(models)
        server.__enter__()
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
        connection.request("GET", "/v1/models/orders")
        connection.getresponse().read()
        with server.traffic.hold(), ThreadPoolExecutor(1) as pool:
            pool.submit(rest, server, "GET", "/v1/models/orders")
            server.__exit__(None, None, None)
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            rest(server, "GET", "/v1/models/orders")

    def test_asks_for_a_header(self, models: Path) -> None:
        request = predict_request({"x": [1.0]}, signature_name="half")
        body = {"signature_name": "half", "instances": [1.0]}
        with Emulator(models, authorization="Bearer secret") as server, httpx.Client() as client:
            assert grpc_refused(server, request)[0] is Code.UNAUTHENTICATED
            assert rest_predict(server, body)[0] == 401
            url = f"{server.rest_url}/v1/models/orders:predict"
            assert client.post(url, json=body, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.post(url, json=body, headers={"Authorization": "Bearer secret"}).status_code == 200
            options = [("grpc.default_authority", "models.example")]
            with grpc.insecure_channel(server.grpc_target, options) as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                assert stub.Predict(request, metadata=[("authorization", "Bearer secret")])
            assert server.traffic.calls[-1].headers[":authority"] == "models.example"

    def test_port_that_is_taken(self, models: Path, server: Emulator) -> None:
        with pytest.raises(RuntimeError), Emulator(models, grpc_port=server.grpc_port):
            pass
        with pytest.raises(OSError, match="in use"), Emulator(models, rest_port=server.rest_port):
            pass


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command to make a certificate with")
def test_tls(models: Path, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with Emulator(models, tls=certificate) as server:
        credentials = grpc.ssl_channel_credentials(certificate.certificate.read_bytes())
        with grpc.secure_channel(server.grpc_target, credentials) as channel:
            request = predict_request({"x": [1.0]}, signature_name="half")
            assert prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=10)
        trusting = ssl.create_default_context(cafile=certificate.certificate)
        with httpx.Client(verify=trusting) as client:
            assert client.get(f"{server.rest_url}/v1/models/orders").status_code == 200
        with httpx.Client() as client, pytest.raises(httpx.ConnectError):
            client.get(f"{server.rest_url}/v1/models/orders")


def test_by_hand(models: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.tf_serving_emulator",
        "--models",
        models,
        "--grpc-port",
        "0",
        "--rest-port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _, address = process.stdout.readline().rsplit(maxsplit=1)
        assert httpx.get(f"{address}/v1/models/orders").status_code == 200
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
