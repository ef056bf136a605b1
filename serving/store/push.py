"""Push exported models to where they are served, go back to older ones, and remove the oldest.

A push copies all models beside their places, brings them to the disk, and then renames them, the composite last. A
removal renames all, the composite first, and then removes them. So a killed process leaves every version whole, or
with a `staging-` or `removing-` folder beside it; the next push or removal finds that the dead process no longer locks
the version (see `serving.claims`) and removes all of it.
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
from nextbest.serving.store.versions import (
    REMOVING,
    STAGING,
    commit_order,
    model_names,
    models_by_version,
    unfinished_versions,
    whole_versions,
)

__all__ = ["claimed", "kept", "make_folder", "prune", "push", "rollback", "sync", "taken"]


def push(
    models: Mapping[str, Path],
    target: Path,
    manifest: Mapping[str, Any] | None = None,
    keep: int | None = None,
    assets: Mapping[str, Mapping[str, str]] | None = None,
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

    Raises:
        ValueError: `keep` is below 1.
        OSError: A model cannot be read or written.
    """
    if keep is not None:
        _check_keep(keep)
    with claimed(target) as version:
        _remove_leftovers(target)
        try:
            for name in models:
                make_folder(target / name)
                staging = target / name / f"{STAGING}-{version}"
                _stage(models[name], staging, version, manifest or {}, (assets or {}).get(name, {}))
            for name in commit_order(models):
                _rename(target / name / f"{STAGING}-{version}", str(version))
        except BaseException:
            _remove(target, version)
            raise
    if keep is not None:
        prune(target, keep)
    return version


def rollback(target: Path, version: int) -> int:
    """Push a copy of an older version as the newest, which is what TF Serving serves, and return its number.

    Its manifest says {"rollback_of": version}.

    Args:
        target: Where models are served from.
        version: A complete version.

    Raises:
        InputError: It is not there, or not whole.
        OSError: As for `push`.
    """
    _check_whole(target, version)  # before it is locked, which would claim a number that no one has
    with kept(target, version):
        _check_whole(target, version)
        models = {name: target / name / str(version) for name in models_by_version(target)[version]}
        return push(models, target, {"rollback_of": version})


def prune(target: Path, keep: int) -> list[int]:
    """Remove the versions older than the newest `keep` whole ones, and return their numbers, ascending.

    What somebody is pushing or copying stays beside them, for the next time. Without any complete version all stays.

    Args:
        target: Where models are served from.
        keep: How many stay.

    Raises:
        ValueError: `keep` is below 1.
    """
    _check_keep(keep)
    _remove_leftovers(target)
    # A version in use does not count: its push might still fail and take it back.
    settled = [version for version in whole_versions(target) if _is_unused(target, version)]
    oldest = min(settled[-keep:], default=0)
    return [number for number in models_by_version(target) if number < oldest and _remove_unused(target, number)]


def _check_keep(keep: int) -> None:
    if keep < 1:
        raise ValueError(f"keep = {keep}: keep at least 1 version")


def _check_whole(target: Path, version: int) -> None:
    whole = whole_versions(target)
    if version not in whole:
        what = f"version {version} is " + ("not whole" if version in models_by_version(target) else "not there")
        remedy = f"name one of {', '.join(map(str, whole))}" if whole else "push one with `nextbest export`"
        raise InputError([Problem(str(target), None, None, what, remedy)])


def _stage(source: Path, staging: Path, version: int, entries: Mapping[str, Any], assets: Mapping[str, str]) -> None:
    """Copy a model, say in its manifest what it is, add files to it, and bring it to the disk."""
    shutil.copytree(source, staging)
    for name, text in assets.items():
        write_text(staging / ASSETS / name, text)
    path = staging / ASSETS / MANIFEST
    if path.exists() or entries:
        manifest = read_manifest(staging) if path.exists() else {}
        pushed = {"model_version": version, "pushed_at": datetime.now(UTC).isoformat(timespec="seconds")}
        write_text(path, json.dumps(manifest | {**entries} | pushed, indent=2, sort_keys=True) + "\n")
    for folder, _, files in os.walk(staging, topdown=False):
        for name in (*files, os.curdir):
            sync(Path(folder, name))


def _rename(folder: Path, name: str) -> None:
    os.rename(folder, folder.with_name(name))
    sync(folder.parent)


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
    with taken(target, version) as free:
        return free


def _remove_unused(target: Path, version: int) -> bool:
    """Remove a version unless somebody works on it; returns whether it was there and is not any more."""
    with taken(target, version) as free:
        return free and _remove(target, version)


def _remove_leftovers(target: Path) -> None:
    """Remove the versions of pushes and removals that were killed."""
    for version in unfinished_versions(target):
        with taken(target, version) as free:
            # Looked at once more: until it was locked, its push may have ended.
            if free and version in unfinished_versions(target):
                _remove(target, version)


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
    """Yield whether no one works on a version; if so, no one else can within the block."""
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
    """Let no one push or remove a version within the block; others may keep it too."""
    with _claim(target, version) as claim:
        fcntl.flock(claim, fcntl.LOCK_SH)
        yield


def _claim(target: Path, version: int) -> IO[str]:
    """Open the claim of a version that is there; one that no one pushed, but put there by hand, gets its claim now."""
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
