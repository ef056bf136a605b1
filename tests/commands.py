"""The command line within the test's process: TensorFlow is imported once, and the exit code is the real one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import tensorflow as tf

import nextbest.ui.cli

_load = tf.saved_model.load
_loaded: dict[str, Any] = {}


def load_model(folder: str) -> Any:
    """Load a SavedModel that this process has not loaded yet, here or from a copy; most tests ask the same ones."""
    files = [Path(folder, "saved_model.pb"), *sorted(Path(folder, "variables").glob("*"))]
    if not all(file.is_file() for file in files):
        return _load(folder)
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
    if digest not in _loaded:
        _loaded[digest] = _load(folder)
    return _loaded[digest]


def models_are_loaded_once() -> Any:
    """Return a context in which SavedModels are loaded so."""
    return mock.patch.object(tf.saved_model, "load", load_model)


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
        models_are_loaded_once(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            nextbest.ui.cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())
