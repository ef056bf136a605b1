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

import nextbest.ui.cli
from nextbest.serving.backends import local

_open = local._open_session
_opened: dict[str, SharedSession] = {}


class SharedSession:
    """A session that outlives those who close it, and makes each call once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._calls: dict[bytes, Any] = {}

    def _make_callable_from_options(self, options: Any) -> Any:
        wanted = options.SerializeToString(deterministic=True)
        if wanted not in self._calls:
            self._calls[wanted] = self._session._make_callable_from_options(options)
        return self._calls[wanted]

    def close(self) -> None:
        """Stay open."""


def open_session(folder: Path, meta_graph: Any) -> Any:
    """Load a SavedModel that this process has not loaded yet, here or from a copy; most tests ask the same ones."""
    files = [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]
    if not all(file.is_file() for file in files):
        return _open(folder, meta_graph)
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
    if digest not in _opened:
        _opened[digest] = SharedSession(_open(folder, meta_graph))
    return _opened[digest]


def models_are_loaded_once() -> Any:
    """Return a context in which SavedModels are loaded so."""
    return mock.patch.object(local, "_open_session", open_session)


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
