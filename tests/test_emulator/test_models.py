"""The emulator loads, labels and unloads versions as TensorFlow Serving's sources say."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tensorflow_serving.apis import model_pb2

from tests.test_emulator.receipts import Code, grpc_refused, predict_request, push, rest, served_version
from tests.tf_serving_emulator import Emulator
from tests.tf_serving_emulator.models import Models


def test_the_newest_is_served_and_found_by_a_poll(exports: Path, models: Path) -> None:
    (models / "receipts" / "staging-2").mkdir()
    with Emulator(models) as server:
        push(exports, models, 3)
        push(exports, models, 2)
        assert served_version(server) == 1
        server.poll()
        assert served_version(server) == 3
        assert grpc_refused(server, predict_request({}, version=1))[0] is Code.NOT_FOUND
        shutil.rmtree(models / "receipts" / "3")
        server.poll()
        assert served_version(server) == 2
        assert server.states("receipts") == {1: "END", 2: "AVAILABLE", 3: "END"}


def test_the_old_version_answers_until_the_new_one_is_loaded(exports: Path, models: Path) -> None:
    with Emulator(models) as server:
        push(exports, models, 2)
        with server.hold_loading("receipts", 2):
            server.poll()
            assert server.states("receipts") == {1: "AVAILABLE", 2: "LOADING"}
            assert served_version(server) == 1
        assert server.states("receipts") == {1: "END", 2: "AVAILABLE"}


def test_the_old_version_goes_on_where_the_new_ones_fail(exports: Path, models: Path) -> None:
    with Emulator(models, num_versions=2) as server:
        push(exports, models, 2)
        server.fail_loading("receipts", 2, "no memory", Code.RESOURCE_EXHAUSTED)
        (models / "receipts" / "3").mkdir()
        server.poll()
        server.poll()
        assert served_version(server) == 1
        status = rest(server, "/v1/models/receipts")[1]["model_version_status"]
        assert [(found["state"], found["status"]["error_code"]) for found in status] == [
            ("END", "UNKNOWN"),  # version 3 has no SavedModel
            ("END", "RESOURCE_EXHAUSTED"),
            ("AVAILABLE", "OK"),
        ]


def test_a_version_in_use_is_unloaded_after_its_last_request(exports: Path, models: Path) -> None:
    loaded, spec, x = Models(models), model_pb2.ModelSpec(name="receipts"), {"x": np.zeros(1, np.float32)}
    loaded.poll()
    with loaded.servable(spec) as (_, old):
        push(exports, models, 2)
        loaded.poll()
        with loaded.servable(spec) as (version, new):
            assert version == 2 and new.predict("version", x)["version"].tolist() == [2.0]
        assert old.predict("version", x)["version"].tolist() == [1.0]
    loaded.close()


def test_requests_never_fail_while_versions_come_and_go(exports: Path, models: Path) -> None:
    stopped = threading.Event()

    def call_until_stopped(server: Emulator) -> list[float]:
        found = []
        while not stopped.is_set():
            found.append(served_version(server))
        return found

    with Emulator(models) as server, ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(call_until_stopped, server) for _ in range(2)]
        for version in (2, 3):
            push(exports, models, version)
            server.poll()
        stopped.set()
        for caller in callers:
            assert caller.result() == sorted(caller.result())
