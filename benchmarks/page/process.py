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

from data.problems import FailedError

__all__ = ["Opened", "opened_page"]

_ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r"the page is open at (\S+)")
_FAREWELL_SECONDS = 30
"""How long the page may take to close."""


@dataclass(frozen=True)
class Opened:
    """A page that is open."""

    address: str
    began: float
    """When its process was started, by time.perf_counter()."""
    seconds: float
    """How long it took until it was open."""


@contextmanager
def opened_page(models: Path) -> Iterator[Opened]:
    """Open the page on a free port, and close it when the block ends.

    Raises:
        FailedError: It does not open; what it said is repeated.
    """
    command = [sys.executable, "-u", "-m", "ui.cli", "ui", "--models", str(models.resolve()), "--port", "0"]
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
            yield Opened(address, began, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C does, so that it removes its files
            try:
                process.wait(_FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(lines: Iterable[str]) -> str | None:
    for line in lines:
        if found := _ADDRESS.search(line):
            return found[1]
    return None
