"""A push, a rollback or a prune that dies or fails at any step leaves what was served; many at once do not collide."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from nextbest.serving.store.push import prune, push
from nextbest.serving.store.versions import list_versions, versions
from tests.conftest import ROOT
from tests.serving.store.faults import MODELS, OPERATIONS, Outcome, contents, make_run, sources, without_manifest


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Return what each operation left, disturbed at each step. Made in a process that may fork: it has no threads."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.serving.store.faults", "--json"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-4000:]
    return [Outcome(**json.loads(line)) for line in made.stdout.splitlines()]


def test_every_operation_is_disturbed_in_both_ways_until_it_is_not(outcomes: list[Outcome]) -> None:
    undisturbed = [(outcome.operation, outcome.fault) for outcome in outcomes if not outcome.step]
    assert undisturbed == [(operation.name, fault) for operation in OPERATIONS for fault in ("killed", "failed")]
    for outcome in outcomes:
        ends = {"killed": -signal.SIGKILL, "failed": 1}
        assert outcome.ending == (ends[outcome.fault] if outcome.step else 0), outcome


@pytest.mark.parametrize("kind", ["mkdir", "open", "sendfile", "fsync", "rename", "remove", "rmdir"])
def test_every_kind_of_step_is_disturbed(outcomes: list[Outcome], kind: str) -> None:
    assert any(outcome.step.split()[:1] == [kind] for outcome in outcomes)


def none_is(outcomes: list[Outcome], wrong: Callable[[Outcome], Any]) -> None:
    assert [outcome for outcome in outcomes if wrong(outcome)] == []


def test_every_version_is_complete(outcomes: list[Outcome]) -> None:
    none_is(outcomes, lambda outcome: outcome.damaged)


def test_no_version_is_lost(outcomes: list[Outcome]) -> None:
    none_is(outcomes, lambda outcome: outcome.lost)


def test_who_sees_a_composite_finds_its_stages(outcomes: list[Outcome]) -> None:
    none_is(outcomes, lambda outcome: outcome.torn)


def test_what_is_served_is_the_version_of_before_or_the_new_one(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        new = outcome.operation.startswith(("push", "rollback"))
        allowed = {outcome.latest_before, outcome.highest} if new else {outcome.latest_before}
        assert outcome.served["recommender"] in allowed, outcome
        # A composite that is replaced has all its stages replaced before.
        assert all(version >= outcome.served["recommender"] for version in outcome.served.values()), outcome


def test_a_failed_push_leaves_nothing_and_says_why(outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.fault == "failed" and outcome.step]
    none_is(failed, lambda outcome: "No space left on device" not in outcome.error)
    pushes = [outcome for outcome in failed if outcome.operation in {"push", "rollback"}]
    assert len(pushes) > 20
    none_is(pushes, lambda outcome: outcome.left)
    none_is(pushes, lambda outcome: set(outcome.served.values()) != {outcome.latest_before})


def test_no_number_is_given_twice(outcomes: list[Outcome]) -> None:
    none_is(outcomes, lambda outcome: outcome.next_version <= outcome.highest)


def test_the_next_push_succeeds_and_cleans_up(outcomes: list[Outcome]) -> None:
    none_is(outcomes, lambda outcome: outcome.left_by_next)
    assert any(outcome.left for outcome in outcomes)


PROCESSES, PUSHES = 4, 5


def push_often(
    barrier: Barrier, run: Path, target: Path, keep: int | None, numbers: multiprocessing.Queue[int]
) -> None:
    """Push the same run again and again, beginning together with others."""
    barrier.wait()
    for _ in range(PUSHES):
        numbers.put(push(sources(run), target, {"pushed_by": os.getpid()}, keep))


def push_at_once(run: Path, target: Path, keep: int | None, look: Callable[[], None]) -> list[int]:
    """Let processes push at once; look meanwhile; return the versions that they got, ascending."""
    context = multiprocessing.get_context("spawn")
    barrier, numbers = context.Barrier(PROCESSES), context.Queue()
    arguments = (barrier, run, target, keep, numbers)
    processes = [context.Process(target=push_often, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    got = []
    for _ in range(PROCESSES * PUSHES):
        got.append(numbers.get(timeout=60))
        look()
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    numbers.close()
    numbers.join_thread()
    return sorted(got)


def test_pushes_at_once_get_different_versions(tmp_path: Path) -> None:
    run, target = make_run(tmp_path / "run", "only"), tmp_path / "models"

    def look() -> None:
        for version in versions(target / "recommender"):
            assert all((target / name / str(version)).is_dir() for name in MODELS)

    assert push_at_once(run, target, None, look) == list(range(1, 21))
    for name in MODELS:
        assert sorted(path.name for path in (target / name).iterdir()) == sorted(map(str, range(1, 21)))
        for version in range(1, 21):
            assert without_manifest(contents(target / name / str(version))) == without_manifest(contents(run / name))
    for version in range(1, 21):
        manifests = [target / name / str(version) / "assets.extra" / "manifest.json" for name in MODELS]
        said = {
            (found["model_version"], found["pushed_by"]) for found in map(json.loads, map(Path.read_text, manifests))
        }
        assert len(said) == 1  # one process pushed all models of a version
        assert said.pop()[0] == version


def test_pushes_that_prune_at_once_leave_the_newest_complete(tmp_path: Path) -> None:
    run, target = make_run(tmp_path / "run", "only"), tmp_path / "models"
    newest = 0

    def look() -> None:
        nonlocal newest
        latest = versions(target / "recommender")[-1]  # there is always one
        assert latest >= newest
        newest = latest

    assert push_at_once(run, target, 2, look) == list(range(1, 21))
    assert all(version.complete for version in list_versions(target))
    prune(target, 2)
    assert [version.number for version in list_versions(target)] == [19, 20]
