"""The folder of a run: its paths, its manifest, and what it shares with a run that is refreshed from it.

What each step leaves appears whole, so that a killed run goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.config import DataConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import replace_folder, write_text
from nextbest.graph.catalogue import Encoders
from nextbest.graph.encoders import EncoderState

__all__ = [
    "MACHINES",
    "RUN_FORMAT",
    "SENSITIVITY",
    "RunFolder",
    "copy_trained",
    "load_encoders",
    "metrics_file",
    "ranker_checkpoints",
    "retriever_checkpoints",
    "save_encoders",
    "trained_files",
]

_MANIFEST = "manifest.json"
MACHINES = "machines"
"""Where the manifest names the machines on which the run was made; it is not compared when a run goes on."""
_IDENTITY = ("config", "data", "format")
"""What must be equal for a run to go on."""
RUN_FORMAT = 3
"""The manifest's `format` of a run that is begun now. It rises when another version could not go on with an older run
or refresh it any more; runs of 0.2 have none. In 1 the ranker read more statistics of pairs, and up to 2 closures
were among the interest."""
_REFRESHED_FROM = "refreshed_from"
"""And this: None in a run that is trained, otherwise which trained run's weights it has."""

_TRAINED = (
    ("retrieval", "encoders"),
    ("retrieval", "checkpoints", "final"),
    ("ranking", "checkpoints", "final"),
    ("ranking", "selection.json"),  # with the calibration
)
_METRICS = "evaluation", "metrics.json"
SENSITIVITY = "evaluation", "sensitivity.json"
"""Measured where models are pushed: a run that was not has none."""
_EVALUATION = (_METRICS, ("evaluation", "report.html"), SENSITIVITY)
_TABLES = ("customers", "products")
_PRODUCT_IDS = "product_ids.json"


class RunFolder:
    """Paths below RUN, and who may write there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *parts: str) -> Path:
        """Return a path below RUN."""
        return self.root.joinpath(*parts)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises:
            InputError: This is not a run's folder.
        """
        manifest: dict[str, Any] | None = self.read_json(_MANIFEST)
        if manifest is None:
            raise self._error("this is not a run's folder", "make one with `nextbest train`")
        return manifest

    @property
    def has_begun(self) -> bool:
        """Whether a run has begun here."""
        return self.path(_MANIFEST).exists()

    @property
    def refreshed_from(self) -> dict[str, Any] | None:
        """Which trained run's weights a refreshed run has, by its manifest; None in a run that is trained."""
        trained: dict[str, Any] | None = self.manifest().get(_REFRESHED_FROM)
        return trained

    def begin(self, manifest: dict[str, Any]) -> None:
        """Begin a run, or go on with it.

        Raises:
            InputError: The folder holds something else: another config's or other data's run, or no run at all.
        """
        if self.root.exists() and not self.root.is_dir():
            raise self._error("this is a file", "name another --out")
        begun = self.read_json(_MANIFEST)
        if begun is None and self._is_free():
            self.write_json(manifest, _MANIFEST)
            return
        if begun is not None and "version" in begun and "format" not in begun:
            raise self._error(f"the folder holds a run of nextbest {begun['version']}", "train again, in another --out")
        if begun is None or not begun.keys() >= set(_IDENTITY):
            raise self._error("the folder is not empty and holds no run", "name another --out")
        if changed := [key for key in _IDENTITY if begun[key] != manifest[key]]:
            what = f"the folder holds a run with another {' and '.join(changed)}"
            raise self._error(what, "name another --out, or remove the folder to begin again")
        if begun.get(_REFRESHED_FROM) != manifest.get(_REFRESHED_FROM):
            was, wanted = (_describe_origin(content.get(_REFRESHED_FROM)) for content in (begun, manifest))
            what = f"the folder holds a run that was {was}, and now it would be {wanted}"
            raise self._error(what, "name another --out, or remove the folder to begin again")

    def _is_free(self) -> bool:
        """Return whether nothing is there but what a run leaves that is killed while it writes its manifest."""
        return not self.root.exists() or all(entry.name.startswith(f".{_MANIFEST}.") for entry in self.root.iterdir())

    def _error(self, what: str, remedy: str) -> InputError:
        return InputError([Problem(str(self.root), None, None, what, remedy)])

    def servables(self) -> dict[str, Path]:
        """Return what is served: the name of each SavedModel -> its folder; ScaNN's composite if it was chosen."""
        models = {
            "retrieval": self.path("retrieval", "saved_model"),
            "retrieval_scann": self.path("retrieval", "saved_model_scann"),
            "ranking": self.path("ranking", "saved_model"),
            "recommender": self.path("recommender"),
        }
        chosen = self.read_json("retrieval", "index.json")
        if chosen is not None and chosen["kind"] == "scann":
            models["recommender_scann"] = self.path("recommender_scann")
        return models

    def check_trained(self) -> None:
        """Refuse a run whose training has not ended.

        Raises:
            InputError: A servable is missing.
        """
        if problems := self.problems_if_missing(self.servables().values()):
            raise InputError(problems)

    def problems_if_missing(self, paths: Iterable[Path]) -> list[Problem]:
        """Return the problem that training has not ended, if it has not left all of these paths."""
        missing = [str(path.relative_to(self.root)) for path in paths if not path.exists()]
        what = f"the run is not trained to the end: {', '.join(missing)} missing"
        remedy = "name it once more in `nextbest train` or `nextbest run`"
        return [Problem(str(self.root), None, None, what, remedy)] if missing else []

    def add_to_manifest(self, **entries: Any) -> None:
        """Add to the manifest, or replace in it."""
        self.write_json(self.manifest() | entries, _MANIFEST)

    def add_machine(self, facts: dict[str, Any]) -> None:
        """Add the machine that goes on with the run, if it is another than before: a run may change it, and says so.

        Nothing refuses a run for its machine; but only one that knew a single machine can be made again to the bit.
        """
        known = self.manifest().get(MACHINES, [])
        if facts not in known:
            self.add_to_manifest(**{MACHINES: [*known, facts]})

    def write_json(self, content: Any, *parts: str) -> None:
        """Write a JSON file, whole or not at all."""
        write_text(self.path(*parts), json.dumps(content, indent=2, sort_keys=True) + "\n")

    def read_json(self, *parts: str) -> Any:
        """Read a JSON file, None where there is none yet."""
        path = self.path(*parts)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def staged(self, *parts: str) -> AbstractContextManager[Path]:
        """Return a context that gives a folder to write into, which replaces an older one when the block ends well."""
        return replace_folder(self.path(*parts))


def _describe_origin(refreshed_from: dict[str, Any] | None) -> str:
    if refreshed_from is None:
        return "trained"
    return f"refreshed from the run of config {refreshed_from['config'][:12]} trained as of {refreshed_from['cutoff']}"


def retriever_checkpoints(folder: RunFolder, name: str) -> Path:
    """Return the folder of a retriever's training."""
    return folder.path("retrieval", "checkpoints", name)


def ranker_checkpoints(folder: RunFolder, name: str) -> Path:
    """Return the folder of a ranker's training."""
    return folder.path("ranking", "checkpoints", name)


def save_encoders(folder: RunFolder, encoders: Encoders) -> None:
    """Write the encoders of the models that are served, whose weights stand in the order of their products."""
    for name in _TABLES:
        state: EncoderState = getattr(encoders, name)
        write_text(folder.path("retrieval", "encoders", f"{name}.json"), state.model_dump_json(indent=1))
    folder.write_json(encoders.product_ids.tolist(), "retrieval", "encoders", _PRODUCT_IDS)


def load_encoders(folder: RunFolder, config: DataConfig) -> Encoders:
    """Read what `save_encoders` wrote."""
    path = folder.path("retrieval", "encoders")
    states = {
        name: EncoderState.model_validate_json((path / f"{name}.json").read_text(encoding="utf-8")) for name in _TABLES
    }
    ids = np.array(folder.read_json("retrieval", "encoders", _PRODUCT_IDS), object)
    return Encoders(**states, product_ids=ids, list_lengths=config.list_lengths)


def metrics_file(folder: RunFolder) -> Path:
    """Return the file of a run's metrics."""
    return folder.path(*_METRICS)


def trained_files(folder: RunFolder) -> list[Path]:
    """Return what a run must have for another to be refreshed from it."""
    return [folder.path(*parts) for parts in (*_TRAINED, ("retrieval", "encoders", _PRODUCT_IDS))]


def copy_trained(trained: RunFolder, folder: RunFolder, with_metrics: bool) -> None:
    """Copy a run's weights, encoders and calibration; what an earlier, killed copy has finished is not copied again.

    Args:
        trained: The run.
        folder: Where to.
        with_metrics: Whether to copy its metrics and report too.
    """
    for parts in (*_TRAINED, *_EVALUATION) if with_metrics else _TRAINED:
        source, target = trained.path(*parts), folder.path(*parts)
        if target.exists() or (parts == SENSITIVITY and not source.exists()):
            continue
        if source.is_file():
            write_text(target, source.read_text(encoding="utf-8"))
            continue
        with folder.staged(*parts) as staging:
            shutil.copytree(source, staging, dirs_exist_ok=True)
