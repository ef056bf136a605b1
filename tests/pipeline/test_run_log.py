"""The log of a run: each step's line, its seconds and its memory, and the manifest that repeats them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbest.modelling.training import Progress
from nextbest.pipeline.run_folder import RunFolder
from nextbest.pipeline.run_log import LOG, RunLog
from nextbest.ui.console import run_command, write_native_output_to

MANIFEST = {"config": "c", "data": {}, "format": 1, "version": "0.3.0"}


@pytest.fixture(autouse=True)
def _no_handler_is_left() -> Iterator[None]:
    logger = logging.getLogger("nextbest")
    before, level = list(logger.handlers), logger.level
    yield
    for handler in set(logger.handlers) - set(before):
        handler.close()
    logger.handlers[:] = before
    logger.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.begin(dict(MANIFEST))
    return folder


def nothing(name: str) -> Progress:
    return lambda text, share: None


def lines(folder: RunFolder) -> list[str]:
    """Return the lines without their times."""
    text = folder.path(LOG).read_text(encoding="utf-8")
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", line) for line in text.splitlines())
    return [line[24:] for line in text.splitlines()]


def test_a_step_is_logged_and_in_the_manifest(folder: RunFolder) -> None:
    log = RunLog(folder, nothing)
    progress = log.begin("train")
    progress("epoch 1", 0.5)
    big = np.ones(2**24)  # 128 MiB
    progress("epoch 2", 1.0)
    begins, first, second, took = lines(folder)
    assert (begins, first, second) == (
        "INFO train: begins",
        "DEBUG train: epoch 1 (50 %)",
        "DEBUG train: epoch 2 (100 %)",
    )
    assert re.fullmatch(r"INFO train: took \d+\.\d s, at most \d+\.\d\d GB of memory", took)
    (step,) = folder.manifest()["steps"]
    assert step["name"] == "train" and step["seconds"] >= 0 and step["peak_gb"] > big.nbytes / 2**30
    assert folder.manifest() | {"steps": 0} == MANIFEST | {"steps": 0}


def test_a_step_that_stops_early_ends_with_the_next(folder: RunFolder) -> None:
    log = RunLog(folder, nothing)
    log.begin("first")("half", 0.5)
    log.begin("second")("done", 1.0)
    assert [step["name"] for step in folder.manifest()["steps"]] == ["first", "second"]


def test_a_step_that_is_done_again_counts_once(folder: RunFolder) -> None:
    for _ in range(2):  # the second is another process, which goes on with the run
        RunLog(folder, nothing).begin("train")("done", 1.0)
    assert [step["name"] for step in folder.manifest()["steps"]] == ["train"]
    assert sum(line.startswith("INFO train: took") for line in lines(folder)) == 2


@pytest.mark.parametrize("folder", ["run", "."])  # the other is there, as a folder of tune's is
def test_where_no_run_has_begun_nothing_is_written(tmp_path: Path, folder: str) -> None:
    RunLog(RunFolder(tmp_path / folder), nothing).begin("train")("done", 1.0)
    assert list(tmp_path.iterdir()) == []


def test_each_run_has_a_log_of_its_own(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        folder.begin(dict(MANIFEST))
        RunLog(folder, nothing).begin(folder.root.name)("done", 1.0)
    assert all(folder.root.name in line for folder in folders for line in lines(folder))


class TestNativeOutput:
    """What C++ code writes goes past Python, to file descriptor 2."""

    def test_it_goes_to_the_file_from_the_beginning_on(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        def command() -> None:
            os.write(2, b"early\n")
            write_native_output_to(tmp_path / "run.log")
            os.write(2, b"late\n")

        run_command(command)
        os.write(2, b"after\n")
        assert (tmp_path / "run.log").read_bytes() == b"early\nlate\n"
        assert capfd.readouterr().err == "after\n"

    @pytest.mark.parametrize(("error", "shown"), [(ValueError("bad"), True), (SystemExit(2), False)])
    def test_without_a_file_it_is_shown_where_something_fails(
        self, capfd: pytest.CaptureFixture[str], error: BaseException, shown: bool
    ) -> None:
        def command() -> Any:
            os.write(2, b"the reason\n")
            raise error

        with pytest.raises(type(error)):
            run_command(command)
        assert ("the reason" in capfd.readouterr().err) == shown

    def test_python_still_writes_to_the_terminal(self) -> None:
        program = (
            "import os, sys; from nextbest.ui.console import run_command\n"
            "run_command(lambda: (print('for people', file=sys.stderr), os.write(2, b'native')))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "for people\n")
