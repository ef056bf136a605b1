"""Files and folders that are complete or not there: each is written beside its place and renamed.

Everything that the project writes for later readers is written by one of these functions.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "changed_folder",
    "is_free",
    "new_file",
    "new_folder",
    "remove_changed_leftovers",
    "replace_folder",
    "surviving_folder",
    "write_instead",
    "write_text",
]


def is_free(path: Path) -> bool:
    """Return whether a folder may be made here: there is nothing, or an empty folder."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; its folder is made if it is missing."""
    with new_file(path) as staging:
        staging.write_text(text, encoding="utf-8", newline="\n")


def write_instead(other: Path, path: Path, text: str) -> None:
    """Write a text file in place of another one; a process that is killed in between leaves neither, and never both."""
    other.unlink(missing_ok=True)
    write_text(path, text)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path to write a file to, which becomes `path` when the block ends well and is removed when it does not.

    Args:
        path: The file; an older one is replaced. Its folder is made if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = _beside(path, str(os.getpid()))
    try:
        yield staging
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to write into, which becomes `path` when the block ends well and is removed when it does not.

    Args:
        path: The folder to make; it may exist if it is empty.

    Raises:
        OSError: There is something at `path` by then.
    """
    with _staging_folder(path, str(os.getpid())) as staging:
        yield staging
        os.replace(staging, path)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to write into, which replaces `path` when the block ends well and is removed when it does not.

    A process that is killed between the two renames leaves the older folder under another name, where
    `surviving_folder` finds it. Two processes must not replace the same folder at once.

    Args:
        path: The folder to make or to replace.
    """
    old = _beside(path, "old")
    with _staging_folder(path, "staging") as staging:
        yield staging
        if path.exists():  # otherwise a crash may have left `old` as the only one, which must outlive this block
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
        os.replace(staging, path)
    shutil.rmtree(old, ignore_errors=True)


def surviving_folder(path: Path) -> Path | None:
    """Return the folder that `replace_folder` made: `path`, or the older one that a crash left, or None."""
    return next((folder for folder in (path, _beside(path, "old")) if folder.exists()), None)


_CHANGED, _ASIDE = "changed", "aside.changed"
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux' renameat2."""


@contextmanager
def changed_folder(path: Path) -> Iterator[Path]:
    """Yield a copy of a folder to change, which takes the folder's place when the block ends well.

    The two change places in one step, so that nobody finds neither, and whoever is killed leaves one of them whole.
    Where the file system cannot do that, they are renamed one after the other. The old content is removed.

    Args:
        path: The folder. Two processes must not change it at once.

    Raises:
        OSError: It cannot be copied or renamed; it is then as it was.
    """
    with _staging_folder(path, _CHANGED) as staging:
        shutil.copytree(path, staging, dirs_exist_ok=True)
        yield staging
        os.sync()  # what takes the place must outlast a power failure
        _exchange(staging, path)
    shutil.rmtree(staging)


def remove_changed_leftovers(root: Path) -> None:
    """Remove what killed `changed_folder`s left anywhere below a folder; a folder that was only moved aside is back."""
    for aside in [path for path in root.rglob(f".*.{_ASIDE}") if path.is_dir()]:
        place = aside.with_name(aside.name[1:].removesuffix(f".{_ASIDE}"))
        if not place.exists():
            os.rename(aside, place)
    for leftover in [path for path in root.rglob(f".*.{_CHANGED}") if path.is_dir()]:
        shutil.rmtree(leftover)


def _exchange(new: Path, old: Path) -> None:
    """Let two folders of one file system change their names."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is not None and rename(_HERE, os.fsencode(new), _HERE, os.fsencode(old), _EXCHANGE) == 0:
        return
    aside = _beside(old, _ASIDE)
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    os.rename(aside, new)


@contextmanager
def _staging_folder(path: Path, mark: str) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which is removed if the block fails."""
    staging = _beside(path, mark)
    shutil.rmtree(staging, ignore_errors=True)  # what a killed process left
    staging.mkdir(parents=True)
    try:
        yield staging
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _beside(path: Path, mark: str) -> Path:
    return path.with_name(f".{path.name}.{mark}")
