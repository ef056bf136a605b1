"""The emulator loads, labels and unloads versions as TensorFlow Serving's sources say, and warms them up."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    model_pb2,
    prediction_log_pb2,
)

from tests.test_emulator.orders import ORDER, Code, grpc_refused, predict_request, push, rest, served_version
from tests.tf_serving_emulator import Emulator, ServingError


class TestVersions:
    def test_newest_is_served_and_found_by_a_poll(self, exports: Path, models: Path) -> None:
        (models / "orders" / "staging-2").mkdir()
        with Emulator(models) as server:
            assert served_version(server) == 1
            push(exports, models, 3)
            push(exports, models, 2)
            assert served_version(server) == 1
            server.poll()
            assert served_version(server) == 3
            assert server.states("orders") == {1: "END", 3: "AVAILABLE"}
            assert grpc_refused(server, predict_request({}, version=1))[0] is Code.NOT_FOUND
            shutil.rmtree(models / "orders" / "3")
            server.poll()
            assert served_version(server) == 2
            assert server.states("orders") == {1: "END", 2: "AVAILABLE", 3: "END"}
            status = rest(server, "GET", "/v1/models/orders")[1]["model_version_status"]
            assert [found["version"] for found in status] == ["3", "2", "1"]

    def test_old_version_answers_until_the_new_one_is_loaded(self, exports: Path, models: Path) -> None:
        with Emulator(models) as server:
            push(exports, models, 2)
            with server.hold_loading("orders", 2):
                server.poll()
                assert server.states("orders") == {1: "AVAILABLE", 2: "LOADING"}
                assert served_version(server) == 1
                assert grpc_refused(server, predict_request({}, version=2))[0] is Code.NOT_FOUND
            assert server.states("orders") == {1: "END", 2: "AVAILABLE"}
            assert served_version(server) == 2

    def test_first_version_may_be_loading(self, models: Path) -> None:
        server = Emulator(models)
        with server.hold_loading("orders", 1), server:
            assert server.states("orders") == {1: "LOADING"}
            message = "Servable not found for request: Latest(orders)"
            assert grpc_refused(server, predict_request({})) == (Code.NOT_FOUND, message)
            assert rest(server, "GET", "/v1/models/orders")[1]["model_version_status"][0]["state"] == "LOADING"

    def test_old_version_goes_on_where_the_new_one_fails(self, exports: Path, models: Path) -> None:
        with Emulator(models) as server:
            push(exports, models, 2)
            server.fail_loading("orders", 2, "no memory", Code.RESOURCE_EXHAUSTED)
            server.poll()
            server.poll()
            assert served_version(server) == 1
            assert server.states("orders") == {1: "AVAILABLE", 2: "END"}
            status = rest(server, "GET", "/v1/models/orders/versions/2")[1]["model_version_status"][0]["status"]
            assert status == {"error_code": "RESOURCE_EXHAUSTED", "error_message": "no memory"}
            push(exports, models, 3)
            server.poll()
            assert served_version(server) == 3

    @pytest.mark.parametrize(
        ("broken", "code", "message"),
        [
            (None, "NOT_FOUND", "Could not find SavedModel .pb or .pbtxt at supplied export directory path: "),
            (b"no proto", "DATA_LOSS", "Can't parse "),
        ],
    )
    def test_broken_version_is_refused(self, models: Path, broken: bytes | None, code: str, message: str) -> None:
        with Emulator(models) as server:
            (models / "orders" / "2").mkdir()
            if broken is not None:
                (models / "orders" / "2" / "saved_model.pb").write_bytes(broken)
            server.poll()
            assert server.states("orders") == {1: "AVAILABLE", 2: "END"}
            status = rest(server, "GET", "/v1/models/orders/versions/2")[1]["model_version_status"][0]["status"]
            assert status["error_code"] == code
            assert status["error_message"].startswith(message)

    def test_version_in_use_is_unloaded_when_it_is_given_back(self, exports: Path, models: Path) -> None:
        with Emulator(models) as server:
            spec = model_pb2.ModelSpec(name="orders")
            with server._models.servable(spec) as (version, servable):
                push(exports, models, 2)
                server.poll()
                assert version == 1
                assert server.states("orders") == {1: "UNLOADING", 2: "AVAILABLE"}
                assert servable.run([("versions_x:0", np.zeros(1, np.float32))], [_version_output(servable)]) == [[1.0]]
            assert server.states("orders") == {1: "END", 2: "AVAILABLE"}

    def test_labels(self, exports: Path, models: Path) -> None:
        push(exports, models, 2)
        with Emulator(models, num_versions=2) as server:
            server.set_label("orders", "stable", 1)
            server.set_label("orders", "canary", 2)
            assert served_version(server, version_label="stable") == 1
            assert served_version(server, version_label="canary") == 2
            assert served_version(server) == 2
            with pytest.raises(ServingError, match="which is not currently available for inference"):
                server.set_label("orders", "canary", 3)
            push(exports, models, 3)
            server.poll()
            assert server.states("orders") == {1: "END", 2: "AVAILABLE", 3: "AVAILABLE"}
            message = "Servable not found for request: Specific(orders, 1)"
            assert grpc_refused(server, predict_request({}, version_label="stable")) == (Code.NOT_FOUND, message)

    def test_requests_never_fail_while_versions_come_and_go(self, exports: Path, models: Path) -> None:
        stopped = threading.Event()

        def ask(server: Emulator) -> list[float]:
            found = []
            while not stopped.is_set():
                found.append(served_version(server))
            return found

        with Emulator(models) as server, ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask, server) for _ in range(2)]
            for version in (2, 3):
                push(exports, models, version)
                server.poll()
            stopped.set()
            for answers in asked:
                assert answers.result() == sorted(answers.result())


def _version_output(servable: Any) -> str:
    return servable.signatures["versions"].outputs["version"].name


class TestWarmup:
    def write(self, models: Path, *logs: prediction_log_pb2.PredictionLog) -> None:
        folder = models / "orders" / "1" / "assets.extra"
        folder.mkdir()
        with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
            for log in logs:
                writer.write(log.SerializeToString())

    def log(self, **inputs: Any) -> prediction_log_pb2.PredictionLog:
        request = predict_request(ORDER | inputs)
        return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))

    def test_version_is_available_after_its_requests(self, models: Path) -> None:
        self.write(models, self.log(), self.log())
        with Emulator(models) as server:
            assert server.states("orders") == {1: "AVAILABLE"}

    def test_version_fails_with_one_of_them(self, models: Path) -> None:
        self.write(models, self.log(), self.log(count=[0, 0]))
        with Emulator(models) as server:
            assert server.states("orders") == {1: "END"}
            status = rest(server, "GET", "/v1/models/orders")[1]["model_version_status"][0]["status"]
            assert status["error_code"] == "INVALID_ARGUMENT"
            assert "count: must be above 0" in status["error_message"]

    def test_version_fails_with_a_broken_file(self, models: Path) -> None:
        self.write(models, self.log())
        path = models / "orders" / "1" / "assets.extra" / "tf_serving_warmup_requests"
        path.write_bytes(path.read_bytes()[:-3])
        with Emulator(models) as server:
            status = rest(server, "GET", "/v1/models/orders")[1]["model_version_status"][0]["status"]
            assert status["error_code"] == "DATA_LOSS"
            assert "TFRecord format" in status["error_message"]
