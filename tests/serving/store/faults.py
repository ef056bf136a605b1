"""Kill push, rollback and prune at each of their file-system steps, or let the step fail; tell what was left.

Usage: python -m tests.serving.store.faults [--json]

A step is whatever makes, fills, syncs, renames or removes a file or a folder. Each attempt is a process of its own on a
fresh copy of the same small models, and dies (SIGKILL), or gets "No space left on device", just before its n-th step.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nextbest.serving.store.push import prune, push, rollback
from nextbest.serving.store.versions import versions

MODELS = ("recommender", "retrieval", "ranking")
"""The composite stands first, where a push must not leave it."""

_STEPS = {"open", "os.mkdir", "os.sendfile", "os.fsync", "os.rename", "os.remove", "os.rmdir"}
_MEMORY = Path("/dev/shm")  # a file system without a disk, which makes this ten times faster


@dataclass(frozen=True)
class Operation:
    """What is disturbed."""

    name: str
    before: int
    """How many versions there are."""
    run: Callable[[Path, Path], Any]
    """Takes the folder with the new models and the folder that is served."""
    removed: tuple[int, ...] = ()
    """The versions that it is meant to remove."""
    prepare: Callable[[Path], None] = lambda served: None
    """What happened before."""
    added: Mapping[str, str] = field(default_factory=dict)
    """Files that it adds to the composite's assets."""


@dataclass(frozen=True)
class Outcome:
    """What one disturbed operation left, by paths below the folder that is served."""

    operation: str
    fault: str
    """'killed' or 'failed'."""
    number: int
    """Which step it was, from 1."""
    step: str
    """What the step would have done, '' where the operation ended before it."""
    ending: int
    """The exit code, or minus the signal."""
    error: str
    """What reached the caller."""
    left: list[str]
    """What is no complete version: staged or being removed."""
    served: dict[str, int]
    """Model -> the number that TF Serving would take."""
    latest_before: int
    damaged: list[str]
    """Versions whose files are not their source's."""
    lost: list[str]
    """Versions that are gone and should not be."""
    torn: list[int]
    """Versions that the composite has and another model has not."""
    highest: int
    """The highest number that was ever seen, or given."""
    next_version: int
    """What an undisturbed push gave afterwards."""
    left_by_next: list[str]
    """What is staged, being removed, damaged or torn after that push."""


CARD = {"model_card.md": "how good it is"}


def killed_push(served: Path) -> None:
    """Leave what a push leaves that is killed between its renames."""
    for name in ("retrieval", "recommender"):
        shutil.copytree(served / name / "1", served / name / "staging-3")
    shutil.copytree(served / "ranking" / "1", served / "ranking" / "3")
    (served / ".versions" / "3").touch()


def killed_prune(served: Path) -> None:
    """Leave what a removal leaves that is killed between its renames."""
    os.rename(served / "recommender" / "1", served / "recommender" / "removing-1")


OPERATIONS = (
    Operation(
        "push",
        2,
        lambda run, served: push(sources(run), served, {"forced": True}, assets={"recommender": CARD}),
        added=CARD,
    ),
    Operation("push, keep 2", 3, lambda run, served: push(sources(run), served, keep=2), removed=(1, 2)),
    Operation("push after a killed push", 2, lambda run, served: push(sources(run), served), (3,), killed_push),
    Operation("rollback", 2, lambda run, served: rollback(served, 1)),
    Operation("prune", 4, lambda run, served: prune(served, 2), removed=(1, 2)),
    Operation("prune after a killed prune", 3, lambda run, served: prune(served, 2), (1,), killed_prune),
)


def sources(run: Path) -> dict[str, Path]:
    """Return the models of a run."""
    return {name: run / name for name in MODELS}


def make_run(folder: Path, content: str) -> Path:
    """Make models with the files of a SavedModel; only the composite has a manifest."""
    for name in MODELS:
        (folder / name / "variables").mkdir(parents=True)
        (folder / name / "saved_model.pb").write_text(f"{content}: graph of {name}")
        (folder / name / "variables" / "variables.index").write_text(f"{content}: index of {name}")
    (folder / "recommender" / "assets.extra").mkdir()
    (folder / "recommender" / "assets.extra" / "manifest.json").write_text(json.dumps({"run": content}))
    return folder


def contents(model: Path) -> dict[str, bytes]:
    """Return a model's files, by their paths below it."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(model) for name in names]
    return {path.removeprefix(f"{model}/"): Path(path).read_bytes() for path in paths}


def without_manifest(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return all of a model's files but its manifest, which says which version it is."""
    return {path: content for path, content in files.items() if os.path.basename(path) != "manifest.json"}


def watch_steps(report: Callable[[str, str], None]) -> None:
    """Call `report(step, path)` before each step of this process, until it ends."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STEPS and not _changes_nothing(event, arguments):
            report(event.removeprefix("os."), _path(event, arguments))

    for name in ("fsync", "sendfile"):  # Python itself does not tell of these
        setattr(os, name, partial(_audited, getattr(os, name), f"os.{name}"))
    sys.addaudithook(hook)


def _changes_nothing(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        return not arguments[2] & (os.O_WRONLY | os.O_RDWR)
    return event == "os.mkdir" and os.path.isdir(arguments[0])


def _audited(function: Callable[..., Any], event: str, *arguments: Any) -> Any:
    sys.audit(event, *arguments)
    return function(*arguments)


def _path(event: str, arguments: tuple[Any, ...]) -> str:
    """Return what a step makes or changes."""
    if event in {"os.fsync", "os.sendfile"}:
        return os.readlink(f"/proc/self/fd/{arguments[0]}")
    if event in {"os.remove", "os.rmdir"} and arguments[1] >= 0:  # rmtree names them below an open folder
        return os.path.join(os.readlink(f"/proc/self/fd/{arguments[1]}"), arguments[0])
    return str(arguments[1] if event == "os.rename" else arguments[0])


def _attempt(work: Callable[[], Any], number: int, kill: bool, served: Path) -> tuple[int, str, str]:
    """Do work in a process of its own, disturbed at one step; returns how it ended, the step and the error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work_disturbed(work, number, kill, partial(os.write, writing), served)
    os.close(writing)
    with os.fdopen(reading) as report:
        step, _, error = report.read().partition("\n")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), step, error


def _work_disturbed(
    work: Callable[[], Any], number: int, kill: bool, write: Callable[[bytes], Any], served: Path
) -> None:
    steps = itertools.count(1)

    def disturb(step: str, path: str) -> None:
        if next(steps) == number:
            write(f"{step} {path.removeprefix(f'{served}/')}\n".encode())
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    watch_steps(disturb)
    try:
        work()
    except OSError as error:
        write(repr(error).encode())
        os._exit(1)
    os._exit(0)


def _present(served: Path) -> dict[str, list[int]]:
    return {name: versions(served / name) for name in MODELS}


def _left(served: Path) -> list[str]:
    paths = (path for name in MODELS for path in (served / name).iterdir() if not path.name.isdecimal())
    return sorted(str(path.relative_to(served)) for path in paths)


def _torn(present: dict[str, list[int]]) -> list[int]:
    return [version for version in present["recommender"] if any(version not in found for found in present.values())]


@dataclass(frozen=True)
class _World:
    """What there is before each attempt: a folder that is copied, and what is in it."""

    template: Path
    present: dict[str, dict[str, bytes]]
    """Version of a model that is served, such as recommender/1 -> its files."""
    pushed: dict[str, dict[str, bytes]]
    """Model -> the files of the version that the operation adds, without its manifest."""
    of_run: dict[str, dict[str, bytes]]
    """Model -> the files of the new run's, without a manifest."""


def _world(operation: Operation, folder: Path) -> _World:
    template = folder / "template"
    make_run(template / "run", "new")
    make_run(template / "old", "run 1")
    for version in range(1, operation.before + 1):
        push(sources(make_run(folder / "pushed" / str(version), f"run {version}")), template / "served")
    operation.prepare(template / "served")
    old, new = ({name: without_manifest(contents(template / run / name)) for name in MODELS} for run in ("old", "run"))
    pushed = dict(old if operation.name == "rollback" else new)
    pushed["recommender"] = pushed["recommender"] | {
        f"assets.extra/{name}": text.encode() for name, text in operation.added.items()
    }
    return _World(template, _versions(template / "served"), pushed, new)


def _versions(served: Path) -> dict[str, dict[str, bytes]]:
    return {
        f"{name}/{version}": contents(served / name / str(version))
        for name, found in _present(served).items()
        for version in found
    }


def _damaged(
    found: dict[str, dict[str, bytes]], known: dict[str, dict[str, bytes]], new: dict[str, dict[str, bytes]]
) -> list[str]:
    """Return the versions whose files are not what they were, or of new ones, not their source's."""
    return [
        version
        for version, files in found.items()
        if (known[version] != files if version in known else new[version.split("/")[0]] != without_manifest(files))
    ]


def _observe(operation: Operation, number: int, kill: bool, world: _World, scratch: Path) -> Outcome:
    shutil.copytree(world.template, scratch, copy_function=shutil.copyfile)
    run, served = scratch / "run", scratch / "served"
    before = _present(served)
    ending, step, error = _attempt(lambda: operation.run(run, served), number, kill, served)
    after, left, found = _present(served), _left(served), _versions(served)
    numbers = [int(path.name) for path in (served / ".versions").iterdir()]
    lost = [
        version
        for version in world.present
        if version not in found and int(version.split("/")[1]) not in operation.removed
    ]
    next_version = push(sources(run), served)
    left_by_next = [
        *_left(served),
        *_damaged(_versions(served), world.present | found, world.of_run),
        *map(str, _torn(_present(served))),
    ]
    return Outcome(
        operation.name,
        "killed" if kill else "failed",
        number,
        step,
        ending,
        error,
        left,
        {name: versions[-1] for name, versions in after.items()},
        before["recommender"][-1],
        _damaged(found, world.present, world.pushed),
        lost,
        _torn(after),
        max(*numbers, *(versions[-1] for versions in (*before.values(), *after.values()))),
        next_version,
        left_by_next,
    )


def outcomes(operation: Operation, kill: bool, folder: Path) -> Iterator[Outcome]:
    """Disturb each step of an operation; the last outcome is that of the undisturbed one."""
    world = _world(operation, folder)
    for number in itertools.count(1):
        outcome = _observe(operation, number, kill, world, folder / str(number))
        yield outcome
        if not outcome.step:
            return


def all_outcomes() -> Iterator[Outcome]:
    """Disturb every operation in both ways."""
    # A killed process does not take the kernel's memory along, so that here syncing would show nothing.
    os.fsync = lambda fd: None
    for operation, kill in itertools.product(OPERATIONS, (True, False)):
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            yield from outcomes(operation, kill, Path(folder))


def _kind(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.operation, outcome.fault, outcome.left, outcome.served, outcome.step == ""


def print_table(found: list[Outcome]) -> None:
    """Print what was left and what is served, one line for consecutive steps after which it is the same."""
    print("| operation | before step | left | served (recommender, retrieval, ranking) | next push |")
    print("| --- | --- | --- | --- | --- |")
    for (operation, fault, left, served, undisturbed), alike in itertools.groupby(found, _kind):
        group = list(alike)
        steps = f"{group[0].number} {group[0].step}" + (f" … {group[-1].number} {group[-1].step}" if group[1:] else "")
        print(
            f"| {operation} | {'undisturbed' if undisturbed else f'{fault}: {steps}'} | {', '.join(left) or 'nothing'} "
            f"| {', '.join(map(str, served.values()))} | {', '.join(str(n) for n in {o.next_version for o in group})} |"
        )
    counts = {
        "versions damaged": sum(len(outcome.damaged) for outcome in found),
        "versions lost": sum(len(outcome.lost) for outcome in found),
        "composites without their stages": sum(len(outcome.torn) for outcome in found),
        "numbers given twice": sum(outcome.next_version <= outcome.highest for outcome in found),
        "left after the next push": sum(len(outcome.left_by_next) for outcome in found),
    }
    print(f"\n{len(found)} attempts: {', '.join(f'{name} {count}' for name, count in counts.items())}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--json"]:
        for each in all_outcomes():
            print(json.dumps(asdict(each)))
    else:
        print_table(list(all_outcomes()))
