"""Push exported models to where they are served, go back to older ones, and remove the oldest.

A push copies all models beside their places, brings them to the disk, and then renames them, the composite last. A
removal renames all, the composite first, and then removes them. So a killed process leaves every version complete, or
with a `staging-` or `removing-` folder beside it; the next push or removal finds that the dead process no longer locks
the version (see `try_lock`) and removes all of it.

A version's number is given out as a file, MODELS/.versions/NUMBER, which stays; its flock is held by who works on it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.serving.artifacts.assets import ASSETS, MANIFEST, read_manifest
from nextbest.serving.store.record import RECORD, push_record
from nextbest.serving.store.versions import (
    REMOVING,
    STAGING,
    commit_order,
    complete_versions,
    is_as_pushed,
    model_names,
    models_by_version,
    unfinished_versions,
)

__all__ = ["lock_new_version", "lock_shared", "prune", "push", "remove_leftovers", "rollback", "try_lock"]


def push(
    models: Mapping[str, Path],
    target: Path,
    manifest: Mapping[str, Any] | None = None,
    keep: int | None = None,
    assets: Mapping[str, Mapping[str, str]] | None = None,
    why: str | None = None,
) -> int:
    """Copy models below `target/NAME/VERSION`, all with one new version number, and return it.

    No server ever sees a half of it, and pushes at the same moment get different numbers. A push that fails leaves
    nothing but its number, which is not given again.

    Args:
        models: Name -> folder with a SavedModel.
        target: Where models are served from, on a file system with locks (flock) and renames.
        manifest: Entries for each model's manifest, beside its `model_version` and `pushed_at`.
        keep: Prune to so many versions afterwards.
        assets: Name -> file's name -> text that is added to the model's `assets.extra`.
        why: The reason, for the record (see `store.record`).

    Raises:
        ValueError: `keep` is below 1.
        OSError: A model cannot be read or written.
    """
    if keep is not None:
        _check_keep(keep)
    with lock_new_version(target) as version:
        remove_leftovers(target)
        replaces = max(complete_versions(target), default=None)
        try:
            for name in models:
                _make_folder(target / name)
                staging = target / name / f"{STAGING}-{version}"
                entries = {**(manifest or {}), RECORD: push_record(models[name], replaces, why)}
                _stage(models[name], staging, version, entries, (assets or {}).get(name, {}))
            for name in commit_order(models):
                _rename(target / name / f"{STAGING}-{version}", str(version))
        except BaseException:
            _remove(target, version)
            raise
    if keep is not None:
        prune(target, keep)
    return version


def rollback(target: Path, version: int, why: str | None = None) -> int:
    """Push a copy of an older version as the newest, which is what TF Serving serves, and return its number.

    Its manifest says {"rollback_of": version}.

    Args:
        target: Where models are served from.
        version: A complete version.
        why: The reason, for the record.

    Raises:
        InputError: It is not there, not complete, or not as it was pushed.
        OSError: As for `push`.
    """
    _check_complete(target, version)  # before it is locked, which would give out a number that no push asked for
    with lock_shared(target, version):
        _check_complete(target, version)
        names = models_by_version(target)[version]
        if is_as_pushed(target, version, names) is False:
            what = f"version {version} is not as it was pushed: files of it were changed since"
            raise InputError(
                [Problem(str(target), None, None, what, "choose another; `nextbest export --list` says which")]
            )
        models = {name: target / name / str(version) for name in names}
        return push(models, target, {"rollback_of": version}, why=why)


def prune(target: Path, keep: int) -> list[int]:
    """Remove the versions older than the newest `keep` complete ones, and return their numbers, ascending.

    What another process is pushing or copying stays beside them, for the next time. Without any complete version all
    stay.

    Args:
        target: Where models are served from.
        keep: How many stay.

    Raises:
        ValueError: `keep` is below 1.
    """
    _check_keep(keep)
    remove_leftovers(target)
    # A version in use does not count: its push might still fail and take it back.
    settled = [version for version in complete_versions(target) if _is_unused(target, version)]
    oldest = min(settled[-keep:], default=0)
    return [number for number in models_by_version(target) if number < oldest and _remove_unused(target, number)]


def _check_keep(keep: int) -> None:
    if keep < 1:
        raise ValueError(f"keep = {keep}: keep at least 1 version")


def _check_complete(target: Path, version: int) -> None:
    complete = complete_versions(target)
    if version not in complete:
        what = f"version {version} is " + ("incomplete" if version in models_by_version(target) else "not there")
        remedy = f"name one of {', '.join(map(str, complete))}" if complete else "push one with `nextbest export`"
        raise InputError([Problem(str(target), None, None, what, remedy)])


def _stage(source: Path, staging: Path, version: int, entries: Mapping[str, Any], assets: Mapping[str, str]) -> None:
    """Copy a model, say in its manifest what it is, add files to it, and bring it to the disk."""
    shutil.copytree(source, staging)
    for name, text in assets.items():
        write_text(staging / ASSETS / name, text)
    path = staging / ASSETS / MANIFEST
    manifest = read_manifest(staging) if path.exists() else {}
    pushed = {"model_version": version, "pushed_at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_text(path, json.dumps(manifest | {**entries} | pushed, indent=2, sort_keys=True) + "\n")
    for folder, _, files in os.walk(staging, topdown=False):
        for name in (*files, os.curdir):
            _sync(Path(folder, name))


def _rename(folder: Path, name: str) -> None:
    # Not by data.files: a version must outlast a power failure, so that its folder's entry is brought to the disk too.
    os.rename(folder, folder.with_name(name))
    _sync(folder.parent)


def _remove(target: Path, version: int) -> bool:
    """Remove a version, and what was staged for it, from all models; returns whether any had it."""
    folders = [target / name for name in reversed(model_names(target))]
    found = [folder / str(version) for folder in folders if (folder / str(version)).is_dir()]
    for path in found:
        _rename(path, f"{REMOVING}-{version}")
    for folder in folders:
        for path in (folder / f"{STAGING}-{version}", folder / f"{REMOVING}-{version}"):
            if path.exists():
                shutil.rmtree(path)
    return bool(found)


def _is_unused(target: Path, version: int) -> bool:
    with try_lock(target, version) as locked:
        return locked


def _remove_unused(target: Path, version: int) -> bool:
    """Remove a version unless another process works on it; returns whether it was there and is not any more."""
    with try_lock(target, version) as locked:
        return locked and _remove(target, version)


def remove_leftovers(target: Path) -> None:
    """Remove the versions of pushes and removals that were killed."""
    for version in unfinished_versions(target):
        with try_lock(target, version) as locked:
            # Looked at once more: until it was locked, its push may have ended.
            if locked and version in unfinished_versions(target):
                _remove(target, version)


def _sync(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(path: Path) -> None:
    """Make a folder and its parents, if they are missing, such that they outlast a power failure."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync(path.parent)


_LOCKS = ".versions"


@contextmanager
def lock_new_version(target: Path) -> Iterator[int]:
    """Yield a version above all that were ever given out below `target`, locked within the block."""
    with _new_lock_file(target) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _sync(target / _LOCKS)
        yield int(Path(file.name).name)


@contextmanager
def try_lock(target: Path, version: int) -> Iterator[bool]:
    """Lock a version within the block unless another process works on it, and yield whether it is locked now."""
    with _lock_file(target, version) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            locked = False
        else:
            locked = True
        yield locked


@contextmanager
def lock_shared(target: Path, version: int) -> Iterator[None]:
    """Let no one push or remove a version within the block; others may lock it in this way too."""
    with _lock_file(target, version) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _lock_file(target: Path, version: int) -> IO[str]:
    """Open the lock file of a version that is there; one that was copied there by hand gets its file now."""
    _make_folder(target / _LOCKS)
    return (target / _LOCKS / str(version)).open("a")


def _new_lock_file(target: Path) -> IO[str]:
    """Make the lock file of a version above all others."""
    locks = target / _LOCKS
    _make_folder(locks)
    given = {int(file.name) for file in locks.iterdir() if file.name.isdecimal()}
    number = 1 + max(given | models_by_version(target).keys() | unfinished_versions(target), default=0)
    while True:
        try:
            return (locks / str(number)).open("x")  # O_EXCL: one of those who try at once gets it
        except FileExistsError:
            number += 1
