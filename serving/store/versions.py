"""Which versions of the models are there: integers that grow, shared by all models of one push.

    MODELS/NAME/7/             a complete model; TF Serving takes the highest number
    MODELS/NAME/staging-7/     being copied: not yet a version
    MODELS/NAME/removing-7/    being removed: no longer a version
    MODELS/.versions/7         the number was given out, and is locked while a process works on it

TF Serving skips names that are not numbers (FileSystemStoragePathSource, ParseVersionNumber). While a `staging-7` or a
`removing-7` is anywhere, version 7 is unfinished in all models: pushed, the composite gets its name last; removed, it
loses it first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nextbest.data.remote import copy_here, list_names
from nextbest.serving.artifacts.assets import COMPOSITE, COMPOSITE_SCANN, read_manifest
from nextbest.serving.store.record import RECORD, is_unchanged

__all__ = [
    "COMPOSITE",
    "REMOVING",
    "STAGING",
    "Version",
    "commit_order",
    "complete_versions",
    "copy_newest",
    "is_as_pushed",
    "latest_version",
    "list_versions",
    "model_names",
    "models_by_version",
    "unfinished_versions",
    "versions",
]

STAGING, REMOVING = "staging", "removing"

_VERSION = re.compile("[1-9][0-9]*")
_UNFINISHED = re.compile(f"(?:{STAGING}|{REMOVING})-({_VERSION.pattern})")


@dataclass(frozen=True)
class Version:
    """One version of what is served, as its push described it in the manifest."""

    number: int
    models: tuple[str, ...]
    """The models that have it, sorted, the composite last."""
    complete: bool
    """Whether no one is pushing or removing it and it has all models that the newest version has."""
    pushed_at: datetime
    """UTC; of a version whose manifest does not say it, when its folder was last changed."""
    approved: bool | None
    """Whether it was good enough, None where its push does not say."""
    loads: bool | None
    """Whether it loads where this project's code is not, None where its push does not say."""
    forced: bool
    """Whether it was pushed without being approved."""
    rolled_back_to: int | None
    """The older version that this is a copy of."""
    pushed_by: str | None = None
    """Who pushed it, None where its push does not say, as all of these."""
    why: str | None = None
    """The reason that was given."""
    replaces: int | None = None
    """The version that was the newest until then."""
    unchanged: bool | None = None
    """Whether the graphs and weights of all its models are those that were pushed."""


def versions(folder: Path) -> list[int]:
    """Return the versions of a model, ascending; other files and folders are ignored.

    TF Serving takes a folder like 007 for a version too; here it is not one, since it cannot be found by its number.
    """
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if _VERSION.fullmatch(entry.name) and entry.is_dir())


def latest_version(folder: Path) -> Path:
    """Return the folder of a model's newest version.

    Raises:
        FileNotFoundError: There is none.
    """
    found = versions(folder)
    if not found:
        raise FileNotFoundError(f"{folder} holds no model version; run `nextbest export --models {folder.parent}`")
    return folder / str(found[-1])


def copy_newest(address: str) -> Path:
    """Copy the newest version of the composites from MODELS at an address, and return the folder of the copied MODELS.

    A version is there once its `saved_model.pb` is, which is therefore to be copied there last.

    Raises:
        FileNotFoundError: There is no version.
        InputError: The address cannot be read.
    """
    folder = f"{address.rstrip('/')}/{COMPOSITE}"
    numbers = sorted((int(name) for name in list_names(folder) if _VERSION.fullmatch(name)), reverse=True)
    complete = (number for number in numbers if "saved_model.pb" in list_names(f"{folder}/{number}"))
    if (newest := next(complete, None)) is None:
        raise FileNotFoundError(f"{folder} holds no model version; copy a folder there that `nextbest export` wrote")
    return copy_here(
        address, lambda file: file.parts[:2] in ((COMPOSITE, str(newest)), (COMPOSITE_SCANN, str(newest)))
    ).local


def commit_order(names: Iterable[str]) -> list[str]:
    """Return the names of models in the order in which a push makes them visible, the composite last."""
    return sorted(names, key=lambda name: (name == COMPOSITE, name))


def model_names(target: Path) -> list[str]:
    """Return the folders below MODELS, in commit order."""
    if not target.is_dir():
        return []
    return commit_order(entry.name for entry in target.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def unfinished_versions(target: Path) -> set[int]:
    """Return the versions that are being pushed or removed, or were when their process was killed."""
    entries = (entry.name for name in model_names(target) for entry in (target / name).iterdir())
    return {int(match[1]) for match in map(_UNFINISHED.fullmatch, entries) if match}


def models_by_version(target: Path) -> dict[int, tuple[str, ...]]:
    """Return the models that have each version, ascending."""
    # The composite is read first: a push that ends meanwhile has then ended for the other models too.
    present = {name: set(versions(target / name)) for name in reversed(model_names(target))}
    numbers = sorted(set().union(*present.values()))
    return {number: tuple(commit_order(name for name in present if number in present[name])) for number in numbers}


def complete_versions(target: Path) -> list[int]:
    """Return the finished versions with all models of the newest one, ascending.

    The newest one is one of the composite, if there is any: a folder that was copied beside it is not a version of it.
    """
    found = models_by_version(target)
    if not found:
        return []
    newest = max(found, key=lambda number: (COMPOSITE in found[number], number))
    unfinished = unfinished_versions(target)
    return [number for number, names in found.items() if {*names} >= {*found[newest]} and number not in unfinished]


def list_versions(target: Path) -> list[Version]:
    """Return all versions below a MODELS folder, ascending."""
    complete = set(complete_versions(target))
    found = []
    for number, names in models_by_version(target).items():
        with suppress(FileNotFoundError):  # it was removed meanwhile
            found.append(_read_version(target, number, names, number in complete))
    return found


def _read_version(target: Path, number: int, names: tuple[str, ...], complete: bool) -> Version:
    folder = target / names[-1] / str(number)
    manifest = _manifest(folder)
    record = manifest.get(RECORD, {})
    changed = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    return Version(
        number,
        names,
        complete,
        pushed_at=datetime.fromisoformat(manifest["pushed_at"]) if "pushed_at" in manifest else changed,
        approved=_passed(manifest.get("blessing")),
        loads=_passed(manifest.get("infra_blessing")),
        forced=bool(manifest.get("forced")),
        rolled_back_to=manifest.get("rollback_of"),
        pushed_by=record.get("by"),
        why=record.get("why"),
        replaces=record.get("replaces"),
        unchanged=is_as_pushed(target, number, names),
    )


def is_as_pushed(target: Path, number: int, names: Collection[str]) -> bool | None:
    """Return whether what answers in a version is what was pushed; None where a manifest does not say.

    Args:
        target: Where models are served from.
        number: The version.
        names: Its models.
    """
    folders = [target / name / str(number) for name in names]
    unchanged = {is_unchanged(folder, _manifest(folder)) for folder in folders}
    return False if False in unchanged else None if None in unchanged else True


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a version, empty where it has none."""
    try:
        return read_manifest(folder)
    except FileNotFoundError:
        return {}


def _passed(entry: Mapping[str, Any] | bool | None) -> bool | None:
    """Return whether a check passed by its entry in the manifest, which may hold the reasons too."""
    return entry.get("blessed") if isinstance(entry, Mapping) else entry
