"""The page under measurement: its process, opened as `nextbest ui` does, its models, and how long its answers took.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from nextbest.data.errors import FailedError, InputError, Problem
from nextbest.serving.artifacts.assets import ASSETS, CUSTOMERS, PRODUCTS, Table, read_manifest
from nextbest.serving.store.versions import COMPOSITE, latest_version

__all__ = [
    "Latencies",
    "Opened",
    "Served",
    "latencies",
    "opened_page",
    "processor_seconds",
    "served",
]

_ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r"the page is open at (\S+)")
_FAREWELL_SECONDS = 30
"""How long the page may take to close."""


@dataclass(frozen=True)
class Opened:
    """A page that is open."""

    address: str
    process: int
    """Its number."""
    began: float
    """When its process was started, by time.perf_counter()."""
    seconds: float
    """How long it took until it was open."""


@contextmanager
def opened_page(models: Path, port: int = 0) -> Iterator[Opened]:
    """Open the page, and close it when the block ends.

    Args:
        models: The served models.
        port: Where; 0 takes a free one.

    Raises:
        FailedError: It does not open; its output is repeated.
    """
    command = [
        sys.executable,
        "-u",
        "-m",
        "nextbest.ui.cli",
        "ui",
        "--models",
        str(models.resolve()),
        "--port",
        str(port),
    ]
    began = time.perf_counter()
    with (
        TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command, cwd=_ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            address = _address(process.stdout or ())
            if address is None:
                errors.seek(0)
                raise FailedError(f"the page did not open:\n{errors.read()}")
            yield Opened(address, process.pid, began, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does, so that it removes its files
            try:
                process.wait(_FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def processor_seconds(process: int) -> float:
    """Return how long the processors have worked for a process; see proc_pid_stat(5)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _address(lines: Iterable[str]) -> str | None:
    for line in lines:
        if found := _ADDRESS.search(line):
            return found[1]
    return None


@dataclass(frozen=True)
class Served:
    """The newest version's customers and products."""

    folder: Path
    manifest: Mapping[str, Any]
    customers: Table
    products: Table


def served(models: Path) -> Served:
    """Read the newest version below a MODELS folder.

    Raises:
        FileNotFoundError: There is none.
        InputError: It holds no customers.
    """
    folder = latest_version(models / COMPOSITE)
    assets = folder / ASSETS
    if not (assets / CUSTOMERS).is_file():
        remedy = "export with export.customer_snapshot = true"
        raise InputError([Problem(str(folder), None, None, "it holds no customers", remedy)])
    return Served(folder, read_manifest(folder), Table.load(assets / CUSTOMERS), Table.load(assets / PRODUCTS))


@dataclass(frozen=True)
class Latencies:
    """Percentiles of times, in milliseconds; None where nothing was answered."""

    answers: int
    p50: float | None
    p95: float | None
    p99: float | None


def latencies(seconds: Sequence[float]) -> Latencies:
    """Return the percentiles of times: the smallest that at least so many percent of the answers did not exceed."""
    if not seconds:
        return Latencies(0, None, None, None)
    found = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99], method="inverted_cdf")
    return Latencies(len(seconds), *found.tolist())
