"""The emulator closes in any state, and serves by hand. (tests/serving/backends meets its faults, headers and TLS.)"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.test_emulator.receipts import rest
from tests.tf_serving_emulator import Emulator

STATUS = "/v1/models/receipts"


def test_closes_while_requests_are_held_and_connections_are_open(models: Path) -> None:
    with httpx.Client(trust_env=False, verify=False) as client, ThreadPoolExecutor(1) as pool, ExitStack() as held:
        with Emulator(models) as server:
            assert client.get(f"{server.rest_url}{STATUS}").status_code == 200
            arrived = held.enter_context(server.traffic.hold())
            pool.submit(rest, server, STATUS)
            assert arrived.acquire(timeout=10)
        with pytest.raises(httpx.ConnectError):
            client.get(f"{server.rest_url}{STATUS}")


@pytest.mark.slow
def test_by_hand(models: Path) -> None:
    command = [sys.executable, "-m", "tests.tf_serving_emulator", "--models", str(models)]
    command += ["--grpc-port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _, address = process.stdout.readline().rsplit(maxsplit=1)
        assert httpx.get(f"{address}{STATUS}", trust_env=False, verify=False).status_code == 200
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
