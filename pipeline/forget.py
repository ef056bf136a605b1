"""Remove customers from what was exported and from runs: their ids, and the rows that are theirs.

What a model has learnt stays as it is. No id is an input of a model, but the weights were fitted to all customers'
rows; so are counts, means and metrics. Only training on tables without a customer changes them.

A version is changed beside its place and exchanged in one step. The composite comes last, since its customers say whose
the rows of the other models' warmup records are: who is killed in between can begin again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from nextbest.data.candidates import Candidates
from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError, InputError, Problem
from nextbest.data.files import changed_folder, new_file, remove_changed_leftovers, write_text
from nextbest.pipeline.find_ids import IdSearch
from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.artifacts.assets import (
    ASSETS,
    COMPOSITE,
    CUSTOMERS,
    EVENTS,
    EXPLANATIONS,
    PRODUCTS,
    CustomerEvents,
    Table,
    read_manifest,
)
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.insights.explanation_data import ExplanationAssets
from nextbest.serving.store.push import remove_leftovers, try_lock
from nextbest.serving.store.versions import commit_order, models_by_version

__all__ = ["FORGOTTEN", "Forgotten", "Removed", "forget"]

FORGOTTEN = "forgotten.jsonl"
"""The file in MODELS with a line for each removal: when, how many customers, from where; no id."""


@dataclass(frozen=True)
class Removed:
    """What was removed of one kind from one place."""

    kind: str
    where: str
    """A version's or a run's folder, or a file."""
    rows: int


@dataclass(frozen=True)
class Forgotten:
    """What a removal came to."""

    removed: tuple[Removed, ...]
    files: int
    """How many files were searched afterwards."""
    size: int
    """How large they are, bytes."""
    left: tuple[str, ...]
    """The files that hold an id yet; of a dry run, those that hold one now."""
    dry_run: bool

    def as_json(self) -> dict[str, Any]:
        """Return what `nextbest forget --json` prints; no id is in it."""
        return {
            "dry_run": self.dry_run,
            "removed": [vars(one) for one in self.removed],
            "searched_files": self.files,
            "searched_bytes": self.size,
            "left": list(self.left),
        }


def forget(ids: Collection[str], models: Path, runs: Sequence[Path] = (), *, dry_run: bool = False) -> Forgotten:
    """Remove customers from all versions and runs, and search all their files for the ids.

    Args:
        ids: The customers' ids.
        models: The folder of the served models.
        runs: Folders of runs, or folders that hold such.
        dry_run: Only say what would go.

    Raises:
        InputError: No id is given, an id is empty, or a folder is not there.
        FailedError: Another process works on a version. Versions before it are done.
        OSError: A file cannot be read or written.
    """
    _check(ids, models, runs)
    removal = _Removal(frozenset(ids), dry_run)
    try:
        return _forget(removal, models, runs)
    finally:
        if removal.removed and not dry_run:
            _write_audit(models, removal)


def _forget(removal: _Removal, models: Path, runs: Sequence[Path]) -> Forgotten:
    roots, dry_run = [models, *runs], removal.dry_run
    if not dry_run:
        remove_leftovers(models)
        for root in roots:
            remove_changed_leftovers(root)
    for number, names in models_by_version(models).items():
        with ExitStack() as stack:
            if not dry_run and not stack.enter_context(try_lock(models, number)):
                raise FailedError(f"another process works on version {number} of {models}; try again when it has ended")
            removal.from_export({name: models / name / str(number) for name in names})
    for run in runs:
        removal.from_runs(run)
    search = IdSearch(removal.ids)
    left = [path for root in roots for path in search.below(root)]
    if not dry_run:
        left = [path for path in left if not removal.from_file(path)]
    return Forgotten(tuple(removal.removed), search.files, search.size, tuple(map(str, left)), dry_run)


def _check(ids: Collection[str], models: Path, runs: Sequence[Path]) -> None:
    problems = [
        Problem(str(folder), None, None, "there is no such folder", "name the folder of the models, and those of runs")
        for folder in (models, *runs)
        if not folder.is_dir()
    ]
    if not ids or not all(one.strip() for one in ids):
        problems.append(Problem("ID", None, None, "an id is empty" if ids else "there is none", "name a customer's id"))
    if problems:
        raise InputError(problems)


def _write_audit(models: Path, removal: _Removal) -> None:
    """Add a line that says that customers were removed, and not who."""
    counts = Counter({one.kind: 0 for one in removal.removed})
    for one in removal.removed:
        counts[one.kind] += one.rows
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "customers": len(removal.found),
        "places": len({one.where for one in removal.removed}),
        "rows": dict(counts),
    }
    file = models / FORGOTTEN
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    write_text(file, before + json.dumps(line, sort_keys=True) + "\n")


class _Removal:
    """Removes some customers from one place after the other, and keeps account of it."""

    def __init__(self, ids: frozenset[str], dry_run: bool) -> None:
        self.ids = ids
        self.dry_run = dry_run
        self.removed: list[Removed] = []
        self.found: set[str] = set()
        """Of the ids, those that were somewhere."""

    def from_export(self, models: Mapping[str, Path]) -> None:
        """Remove them from an export: name -> folder of the models that were exported together."""
        composite = models.get(COMPOSITE)
        if composite is None or not (composite / ASSETS / CUSTOMERS).exists():
            return  # it holds no customer
        table = Table.load(composite / ASSETS / CUSTOMERS)
        positions = np.flatnonzero(np.isin(table.ids.astype(str), sorted(self.ids)))
        if not len(positions):
            return
        self.found |= set(table.ids[positions].tolist())
        stays = np.ones(len(table.ids), bool)
        stays[positions] = False
        remaining = table.take(stays)
        if positions[0] < _recorded_customers():
            for name in commit_order(models):
                if name != COMPOSITE and (models[name] / WARMUP).exists():
                    self._from_warmup(name, models[name], composite, remaining, positions)
        self._from_composite(composite, remaining, stays)

    def _from_warmup(self, name: str, folder: Path, composite: Path, table: Table, positions: Array) -> None:
        if not self.dry_run:
            with changed_folder(folder) as staging:
                _record_again(name, staging, composite, table)
        self._note("warmup records", folder, int((positions < _recorded_customers()).sum()))

    def _from_composite(self, folder: Path, remaining: Table, stays: Array) -> None:
        """Remove them from the composite's customers, events, explanations and warmup records."""
        positions = np.flatnonzero(~stays)
        writes: dict[str, Callable[[Path], None]] = {CUSTOMERS: remaining.save}
        rows = {"customers": len(positions)}
        if (folder / ASSETS / EVENTS).exists():
            events = CustomerEvents.load(folder / ASSETS / EVENTS)
            kept = events.take(stays)
            writes[EVENTS], rows["events"] = kept.save, len(events.day) - len(kept.day)
        if (folder / ASSETS / EXPLANATIONS).exists():
            explanations = ExplanationAssets.load(folder / ASSETS / EXPLANATIONS)
            without, rows["explained sample"] = explanations.without(positions, len(stays))
            writes[EXPLANATIONS] = without.save
        if (folder / WARMUP).exists():
            rows["warmup records"] = int((positions < _recorded_customers()).sum())
        if not self.dry_run:
            with changed_folder(folder) as staging:
                for name, save in writes.items():
                    save(staging / ASSETS / name)
                if rows.get("warmup records"):
                    _record_again(COMPOSITE, staging, folder, remaining)
        for kind, count in rows.items():
            self._note(kind, folder, count)

    def from_runs(self, root: Path) -> None:
        """Remove them from all runs below a folder, refreshed ones among them."""
        for customers in sorted(root.rglob(f"{COMPOSITE}/{ASSETS}/{CUSTOMERS}")):
            servables = RunFolder(customers.parent.parent.parent).servables()
            self.from_export({name: folder for name, folder in servables.items() if folder.exists()})
        for file in sorted(root.rglob("candidates/*.npz")):
            candidates = Candidates.load(file)
            gone = np.isin(candidates.customer_ids.astype(str), sorted(self.ids))
            if gone.any():
                if not self.dry_run:
                    candidates.take(~gone).save(file)
                self.found |= set(candidates.customer_ids[gone].tolist())
                self._note("candidates", file, int(gone.sum()))

    def from_file(self, path: Path) -> bool:
        """Remove them from a file of another kind that holds an id; returns whether it holds none any more."""
        search = IdSearch(self.ids)
        remove = _REMOVE.get(path.suffix)
        if remove is None or search.in_text(path.name):
            return False
        self.found |= {one for one in self.ids if IdSearch({one}).in_file(path)}
        kind, rows = remove(path, search)
        self._note(kind, path, rows)
        return not search.in_file(path)

    def _note(self, kind: str, where: Path, rows: int) -> None:
        if rows:
            self.removed.append(Removed(kind, str(where), rows))


def _recorded_customers() -> int:
    """Return how many customers, the first of an export, stand in its warmup records at most."""
    from nextbest.serving.artifacts.warmup import MAX_BATCH  # imports TensorFlow

    return MAX_BATCH


def _record_again(name: str, folder: Path, composite: Path, table: Table) -> None:
    """Write a model's warmup records anew, of the customers who remain, or where there is none of nobody."""
    from nextbest.serving.artifacts.load_check import load_op_libraries
    from nextbest.serving.artifacts.warmup import anonymous, write_warmup
    from nextbest.serving.backends.local import LocalBackend

    requests: Features = table.columns
    if not len(table.ids):
        requests = anonymous({"as_of_day": np.array([read_manifest(composite)["as_of_day"]])})
    k, products = _recorded_k(folder / WARMUP), Table.load(composite / ASSETS / PRODUCTS).ids
    load_op_libraries(name)
    with closing(LocalBackend(folder)) as model:
        write_warmup(model, folder, name, requests, products, k=k)


def _recorded_k(file: Path) -> int:
    """Return how many products the requests of warmup records ask for; the default where none of them does."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        inputs = PredictionLog.FromString(record).predict_log.request.inputs
        if "k" in inputs:
            return int(tf.make_ndarray(inputs["k"])[0])
    return 10


def _from_parquet(path: Path, search: IdSearch) -> tuple[str, int]:
    table = pq.read_table(path)
    gone = np.zeros(len(table), bool)
    for column in table.columns:
        gone |= search.rows_of(column)
    with new_file(path) as staging:
        pq.write_table(table.filter(~gone), staging)
    return "rows of tables", int(gone.sum())


def _from_lines(path: Path, search: IdSearch) -> tuple[str, int]:
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    kept = [line for line in lines if not search.in_bytes(os.fsencode(line))]
    with new_file(path) as staging:
        staging.write_bytes(os.fsencode("".join(kept)))
    return "lines", len(lines) - len(kept)


def _from_json(path: Path, search: IdSearch) -> tuple[str, int]:
    content = json.loads(path.read_text(encoding="utf-8"))
    kept, count = _pruned(content, search)
    write_text(path, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return "entries of JSON", count


def _pruned(content: Any, search: IdSearch) -> tuple[Any, int]:
    """Return JSON without the entries of lists, and the keys, that name an id, and how many they are."""
    if isinstance(content, dict):
        pairs = {key: value for key, value in content.items() if not search.in_json(key)}
        inner = {key: _pruned(value, search) for key, value in pairs.items()}
        return {key: value for key, (value, _) in inner.items()}, len(content) - len(pairs) + _sum(inner.values())
    if isinstance(content, list):
        stays = [one for one in content if not _names(one, search)]
        kept = [_pruned(one, search) for one in stays]
        return [one for one, _ in kept], len(content) - len(stays) + _sum(kept)
    return content, 0


def _names(entry: Any, search: IdSearch) -> bool:
    """Return whether an entry of a list is an id, or an object one of whose own values is."""
    values = entry.values() if isinstance(entry, dict) else [entry]
    return any(search.in_json(value) for value in values)


def _sum(pruned: Iterator[tuple[Any, int]] | Collection[tuple[Any, int]]) -> int:
    return sum(count for _, count in pruned)


_REMOVE: Mapping[str, Callable[[Path, IdSearch], tuple[str, int]]] = {
    ".parquet": _from_parquet,
    ".json": _from_json,
    **dict.fromkeys((".log", ".txt", ".csv", ".jsonl"), _from_lines),
}
"""How rows are removed from files of kinds that runs may hold beside the known ones."""
