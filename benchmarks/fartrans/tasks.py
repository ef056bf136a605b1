"""The units of work of a benchmark run, each done in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from benchmarks.fartrans.results import result_folder
from nextbest.data.errors import InputError, Problem
from nextbest.data.settings import SettingsModel

__all__ = ["Group", "Settings", "Task", "choose_groups", "plan"]

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
