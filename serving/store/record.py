"""Who pushed a version, why, and what exactly: a part of each model's manifest, and whether the files are still that.

A record stands in the version that it is about, so that it goes where the version goes, also by a copy or a rollback.
"""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextbest.data.tables.read import digest_file

__all__ = ["RECORD", "digest_served", "is_unchanged", "push_record"]

RECORD = "push"
"""The manifest's entry that holds the record."""
_DIGEST = "files"
_SERVED = ("saved_model.pb", "fingerprint.pb", "variables", "assets")
"""What answers in a version: its graph, its weights, and the files that the graph reads. Customers beside them
may be removed (`nextbest forget`); answers for the others stay."""


def push_record(folder: Path, replaces: int | None, why: str | None) -> dict[str, Any]:
    """Return the record of a push.

    Args:
        folder: The model that is pushed.
        replaces: The version that was the newest until now.
        why: What the person who pushes gives as the reason.
    """
    return {"by": _user(), "why": why, "replaces": replaces, _DIGEST: digest_served(folder)}


def is_unchanged(folder: Path, manifest: Mapping[str, Any]) -> bool | None:
    """Return whether a version's graph and weights are those that were pushed; None where its manifest does not say.

    Args:
        folder: The version.
        manifest: Its manifest.
    """
    recorded = manifest.get(RECORD, {}).get(_DIGEST)
    return None if recorded is None else bool(recorded == digest_served(folder))


def digest_served(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of what answers in a version.

    Raises:
        OSError: There is no such folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there")
    found = hashlib.sha256()
    for part in _SERVED:
        path = folder / part
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                found.update(f"{file.relative_to(folder).as_posix()} {digest_file(file)}\n".encode())
    return found.hexdigest()


def _user() -> str:
    """Return who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container whose user has no name
        return f"uid {os.getuid()}"
