"""The command line within the test's process: TensorFlow is imported once, and the exit code is the real one."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import tensorflow as tf

import nextbest.ui.cli

_load = tf.saved_model.load


@functools.cache
def _load_once(folder: str, inode: int, changed: int) -> Any:
    return _load(folder)


def load_model(folder: str) -> Any:
    """Load a SavedModel that this process has not loaded yet; most commands of the tests ask the same one."""
    found = os.stat(os.path.join(folder, "saved_model.pb"))
    return _load_once(os.path.realpath(folder), found.st_ino, found.st_mtime_ns)


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str


def run_nextbest(*arguments: str | Path) -> Outcome:
    """Run `nextbest ARGUMENTS`."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["nextbest", *map(str, arguments)]),
        mock.patch.object(tf.saved_model, "load", load_model),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            nextbest.ui.cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())
