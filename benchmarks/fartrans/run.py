"""Run the benchmark: which units of work there are, each done in a process of its own.

So none inherits another's memory or random state, and one that fails keeps no other from being done.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter
from typing import Literal, get_args

from benchmarks.fartrans.results import result_folder
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.data.settings import SettingsModel

__all__ = ["Group", "Settings", "Task", "choose_groups", "plan", "run", "schedule"]

Group = Literal["baselines", "lightgbm", "stages"]
"""The product's own baselines, the peer, and retrieval with ranking."""
_GROUPS: tuple[Group, ...] = get_args(Group)


class Settings(SettingsModel):
    """What all units of work share."""

    source: Path
    """The folder in FAR-Trans's format."""
    template: Path
    """The config of a split, to be filled in."""
    out: Path
    """The folder of the benchmark run."""
    keep_runs: bool = False
    """Whether trained runs stay when they are measured."""

    def tables(self, split: int) -> Path:
        """Return where the prepared tables of a split lie."""
        return self.out / "splits" / str(split)


class Task(SettingsModel):
    """One unit of work."""

    settings: Settings
    """What all share."""
    group: Literal["tables", Group]
    """What is measured, or that the tables are prepared."""
    splits: tuple[int, ...]
    """The splits; of stages the first is trained, and the others are refreshed from it."""
    seed: int = 0
    """The models' seed, from 1 on; 0 where chance plays no part."""

    @property
    def name(self) -> str:
        """A name for logs."""
        seed = f", seed {self.seed}" if self.seed else ""
        splits = f"split {self.splits[0]}" + (f" to {self.splits[-1]}" if len(self.splits) > 1 else "")
        return f"{splits}: {self.group}{seed}"

    @property
    def missing(self) -> list[int]:
        """Return the splits that are not done yet."""
        if self.group == "tables":
            return [split for split in self.splits if not self.settings.tables(split).exists()]
        return [split for split in self.splits if not self.result(split).exists()]

    def run(self, split: int) -> Path:
        """Return where a split's trained run lies."""
        return self.settings.out / "runs" / str(self.seed) / str(split)

    def result(self, split: int) -> Path:
        """Return the folder of a split's measurement."""
        return result_folder(self.settings.out, split, self.group, self.seed)


def choose_groups(text: str) -> list[Group]:
    """Return the groups that are named with commas between.

    Raises:
        InputError: There is no such group.
    """
    named = [name.strip() for name in text.split(",")]
    if unknown := [name for name in named if name not in _GROUPS]:
        what = f"there is no group of models {', '.join(map(repr, unknown))}"
        raise InputError([Problem("--models", None, None, what, f"there are {', '.join(_GROUPS)}")])
    return [group for group in _GROUPS if group in named]


def schedule(splits: Sequence[int], every: int) -> dict[int, int]:
    """Return for each split the one whose training makes its models: itself, or the trained one before it."""
    return {split: splits[place - place % every] for place, split in enumerate(splits)}


def plan(
    settings: Settings, trained_at: Mapping[int, int], groups: Sequence[Group], seeds: Sequence[int]
) -> list[list[Task]]:
    """Return phases of tasks; those of one phase do not depend on each other.

    Args:
        settings: What all share.
        trained_at: Split -> the split whose training makes its models.
        groups: What is measured.
        seeds: Seeds of the models.
    """
    trained: dict[int, list[int]] = {}
    for split, first in trained_at.items():
        trained.setdefault(first, []).append(split)
    tables = [Task(settings=settings, group="tables", splits=(split,)) for split in trained_at]
    phases: dict[Group, list[Task]] = {
        "baselines": [Task(settings=settings, group="baselines", splits=(split,)) for split in trained_at],
        "lightgbm": [
            Task(settings=settings, group="lightgbm", splits=(split,), seed=seed)
            for seed in seeds
            for split in trained_at
        ],
        "stages": [
            Task(settings=settings, group="stages", splits=tuple(splits), seed=seed)
            for seed in seeds
            for splits in trained.values()
        ],
    }
    return [tables, *(phases[group] for group in _GROUPS if group in groups)]


_ROOT = Path(__file__).parents[2]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def run(
    settings: Settings,
    trained_at: Mapping[int, int],
    groups: Sequence[Group],
    seeds: Sequence[int],
    jobs: int,
    say: Callable[[str], None],
) -> list[str]:
    """Do all tasks that are not done yet; one that fails does not keep the others from being done.

    Args:
        settings: What all tasks share.
        trained_at: Split -> the split whose training makes its models.
        groups: What is measured.
        seeds: Seeds of the models.
        jobs: How many processes run side by side; the processors are shared out among them.
        say: Called with a line about each task that ended.

    Returns:
        Which tasks failed, with their logs.

    Raises:
        InputError: The folder holds another benchmark run.
    """
    _write_identity(settings, trained_at)
    phases = [[task for task in tasks if task.missing] for tasks in plan(settings, trained_at, groups, seeds)]
    total, done = sum(map(len, phases)), 0
    failed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        for tasks in phases:
            for ended in as_completed([pool.submit(_run_in_process, task, jobs) for task in tasks]):
                done += 1
                text, error = ended.result()
                failed += [error] if error else []
                say(f"[{done}/{total}] {text}")
    return failed


class _Identity(SettingsModel):
    """What makes results comparable; benchmark.json."""

    source: Path
    """The folder of the data."""
    template: str
    """The config of a split."""
    trained_at: dict[int, int]
    """Split -> the split whose training makes its models."""


def _write_identity(settings: Settings, trained_at: Mapping[int, int]) -> None:
    """Write down what makes results comparable, or refuse to mix them with others'."""
    path, template = settings.out / "benchmark.json", settings.template.read_text(encoding="utf-8")
    now = _Identity(source=settings.source, template=template, trained_at=dict(trained_at))
    begun = _Identity.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else now
    changed = [name for name in ("source", "template") if getattr(begun, name) != getattr(now, name)]
    if any(begun.trained_at.get(split, first) != first for split, first in trained_at.items()):
        changed.append("schedule of training (--every)")
    if changed:
        what = f"the folder holds a benchmark run with another {' and '.join(changed)}"
        raise InputError([Problem(str(settings.out), None, None, what, "name another --out, or remove the folder")])
    together = now.model_copy(update={"trained_at": begun.trained_at | now.trained_at})
    write_text(path, together.model_dump_json(indent=2) + "\n")


def _run_in_process(task: Task, jobs: int) -> tuple[str, str | None]:
    """Run a task and return a line about it, and an error if it failed."""
    log = task.settings.out / "logs" / f"{task.name.replace(': ', '-').replace(', ', '-').replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {name: threads for name in _THREADS} | os.environ
    command = [sys.executable, "-m", "benchmarks.fartrans", "task", task.model_dump_json()]
    began = perf_counter()
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(command, cwd=_ROOT, env=environment, stdout=output, stderr=output, check=False).returncode
    if code == 0:
        return f"{task.name}: {perf_counter() - began:.0f} s", None
    lines = log.read_text(encoding="utf-8").strip().splitlines()
    error = f"{task.name} failed ({lines[-1] if lines else f'exit code {code}'}); see {log}"
    return error, error
