"""Processes that begin with TensorFlow imported, which is nearly all that a load check's process does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import nextbest.serving.artifacts.load_check

_PROGRAM = """
import importlib.abc, json, os, runpy, sys, traceback

class WithoutKeras(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("tf_keras."):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, WithoutKeras())
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # else TensorFlow imports Keras 3, and that all that it can work with
import tensorflow
del sys.meta_path[0]

for line in sys.stdin:
    (script, *arguments), folder, environment, output = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(output, os.O_WRONLY), 1)
            os.dup2(1, 2)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = [script, *arguments]
            runpy.run_path(script, run_name="__main__")
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """A process with none of this project's code that has imported TensorFlow, and forks before it does more."""

    def __init__(self, folder: Path) -> None:
        """Start it; what its forks print goes by a file in the folder."""
        self._output, self._turn = folder / "output", threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(*error)  # which lets it end, and waits

    def run_the_script(self) -> Any:
        """Return a context in which load checks run their script in forks."""
        return mock.patch.object(nextbest.serving.artifacts.load_check.subprocess, "run", self._run)

    def _run(
        self, command: list[str], *, cwd: str, env: dict[str, str], **others: Any
    ) -> subprocess.CompletedProcess[bytes]:
        python, isolated, *script = command
        assert (python, isolated) == (sys.executable, "-I")
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._turn:
            self._output.write_bytes(b"")
            print(json.dumps((script, cwd, env, str(self._output))), file=self._process.stdin, flush=True)
            return subprocess.CompletedProcess(command, int(self._process.stdout.readline()), self._output.read_bytes())
