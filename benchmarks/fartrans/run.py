"""Run the benchmark: every task in a process of its own, so that none inherits another's memory or random state."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter

from benchmarks.fartrans.tasks import Group, Settings, Task, plan
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text
from nextbest.data.settings import SettingsModel

__all__ = ["run"]

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
        say: Is told of each task that ended.

    Returns:
        Which tasks failed, with their logs.

    Raises:
        InputError: The folder holds another benchmark run.
    """
    _begin(settings, trained_at)
    phases = [[task for task in tasks if task.missing] for tasks in plan(settings, trained_at, groups, seeds)]
    total, done = sum(map(len, phases)), 0
    failed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        for tasks in phases:
            for ended in as_completed([pool.submit(_do, task, jobs) for task in tasks]):
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


def _begin(settings: Settings, trained_at: Mapping[int, int]) -> None:
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


def _do(task: Task, jobs: int) -> tuple[str, str | None]:
    """Run a task and return what to say, and what to say again at the end if it failed."""
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
