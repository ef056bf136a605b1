"""The page in a process of its own, opened as `nextbest ui` does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from nextbest.data.errors import FailedError

__all__ = ["Opened", "opened_page", "processor_seconds"]

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
        FailedError: It does not open; what it said is repeated.
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
