"""Who works on which version: a number is given once, and its file is locked for as long as somebody works on it.

The kernel drops a lock (flock) when its process ends, however it ends, and never before. So whoever gets the lock of
an unfinished version knows that the process behind it is dead. Process ids would not tell: they are given anew, and
mean nothing to another host or container that shares the folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nextbest.serving.versions import models_by_version, unfinished_versions

__all__ = ["claimed", "kept", "make_folder", "sync", "taken"]

_CLAIMS = ".versions"


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, if they are missing, such that they outlast a power failure."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


@contextmanager
def claimed(target: Path) -> Iterator[int]:
    """Claim a version above all that were ever given below `target`, and hold its lock within the block."""
    with _new_claim(target) as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        sync(target / _CLAIMS)
        yield int(Path(claim.name).name)


@contextmanager
def taken(target: Path, version: int) -> Iterator[bool]:
    """Yield whether nobody works on a version; if so, nobody else can within the block."""
    with _claim(target, version) as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        else:
            free = True
        yield free


@contextmanager
def kept(target: Path, version: int) -> Iterator[None]:
    """Let nobody push or remove a version within the block; others may keep it too."""
    with _claim(target, version) as claim:
        fcntl.flock(claim, fcntl.LOCK_SH)
        yield


def _claim(target: Path, version: int) -> IO[str]:
    """Open the claim of a version that is there; one that nobody pushed, but put there by hand, gets its claim now."""
    make_folder(target / _CLAIMS)
    return (target / _CLAIMS / str(version)).open("a")


def _new_claim(target: Path) -> IO[str]:
    claims = target / _CLAIMS
    make_folder(claims)
    given = {int(claim.name) for claim in claims.iterdir() if claim.name.isdecimal()}
    number = 1 + max(given | models_by_version(target).keys() | unfinished_versions(target), default=0)
    while True:
        try:
            return (claims / str(number)).open("x")  # O_EXCL: one of those who try at once gets it
        except FileExistsError:
            number += 1
