"""Write files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["new_folder", "write_instead", "write_text"]

_OPEN_TO_ALL = 0o755  # mkdtemp makes folders that only their owner may read


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file beside its place and rename it, so that no one ever reads a half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staging.write_text(text, encoding="utf-8", newline="\n")
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def write_instead(other: Path, path: Path, text: str) -> None:
    """Write a text file in place of another one; a process that is killed in between leaves neither, and never both."""
    other.unlink(missing_ok=True)
    write_text(path, text)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to write into, which becomes `path` when the block ends well and goes when it does not.

    Args:
        path: The folder to make; it may exist if it is empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield staging
        staging.chmod(_OPEN_TO_ALL)
        staging.replace(path)
    except BaseException:
        shutil.rmtree(staging)
        raise
