"""Versions: integers that grow, complete folders, nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.errors import InputError
from nextbest.serving.store.push import lock_new_version, prune, push, rollback, try_lock
from nextbest.serving.store.versions import latest_version, list_versions, versions
from tests.conftest import ROOT
from tests.serving.store.faults import contents, make_run, sources, without_manifest

MODELS = ("retrieval", "ranking")


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    folders = {name: tmp_path / "run" / name for name in MODELS}
    for name, folder in folders.items():
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(name)
        (folder / "variables" / "data").write_text("numbers")
    return folders


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_versions_count_up_from_one(models: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert [push(models, target) for _ in range(3)] == [1, 2, 3]
    for name in MODELS:
        assert listing(target / name) == ["1", "2", "3"]
        assert (target / name / "2" / "saved_model.pb").read_text() == name
        assert (target / name / "2" / "variables" / "data").read_text() == "numbers"


def test_versions_are_numbers_and_no_words(models: dict[str, Path], tmp_path: Path) -> None:
    for version in range(1, 12):
        assert push(models, tmp_path / "models") == version  # "9" > "10" as words
    assert latest_version(tmp_path / "models" / "ranking").name == "11"


def test_all_models_share_a_version_above_that_of_any(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "models" / "ranking" / "41").mkdir(parents=True)
    assert push(models, tmp_path / "models") == 42
    assert listing(tmp_path / "models" / "retrieval") == ["42"]


def test_a_removed_version_is_not_missed(models: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(models, target)
    push(models, target)
    for name in MODELS:
        shutil.rmtree(target / name / "1")
    assert push(models, target) == 3


def test_other_files_are_ignored_and_kept(models: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models" / "ranking"
    strange = ["7.old", "007", "-3", "1e3", "²", "٣", "latest", "staging-9-1"]
    for name in strange:
        (target / name).mkdir(parents=True)
    (target / "99").write_text("a file is no version")
    assert versions(target) == []
    with pytest.raises(FileNotFoundError, match="nextbest export"):
        latest_version(target)
    assert push(models, tmp_path / "models") == 1
    assert listing(target) == sorted([*strange, "99", "1"])


@given(st.sets(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=4)))
def test_what_counts_as_a_version_can_be_found(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in names - {".", ".."}:
        (folder / name).mkdir()
    found = versions(folder)
    assert found == sorted(found)
    assert all((folder / str(version)).is_dir() and version > 0 for version in found)


def test_a_copy_that_fails_leaves_nothing(models: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(models, target)
    with pytest.raises(FileNotFoundError):
        push(models | {"ranking": tmp_path / "nowhere"}, target)
    for name in MODELS:
        assert listing(target / name) == ["1"]
    assert push(models, target) == 3  # a number is never given twice, not even that of a failed push


def test_no_model_at_all(tmp_path: Path) -> None:
    assert versions(tmp_path / "nowhere") == []
    with pytest.raises(FileNotFoundError, match="holds no model version"):
        latest_version(tmp_path / "nowhere")


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Path]:
    """Return a composite with its stages."""
    return sources(make_run(tmp_path / "run of three", "first"))


def manifest_of(target: Path, version: int, name: str = "recommender") -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((target / name / str(version) / "assets.extra" / "manifest.json").read_text())
    return manifest


def test_the_manifest_says_which_version_it_is(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    for version in (1, 2):
        before = datetime.now(UTC).replace(microsecond=0)
        push(run, target)
        manifest = manifest_of(target, version)
        assert before <= datetime.fromisoformat(manifest.pop("pushed_at")) <= datetime.now(UTC)
        assert manifest.pop("push")["replaces"] == (version - 1 or None)
        assert manifest == {"run": "first", "model_version": version}
    assert manifest_of(target, 1, "ranking").keys() == {"model_version", "pushed_at", "push"}  # it had none
    assert json.loads((run["recommender"] / "assets.extra" / "manifest.json").read_text()) == {"run": "first"}


def test_entries_go_into_every_manifest(run: dict[str, Path], tmp_path: Path) -> None:
    push(run, tmp_path / "models", {"forced": True, "run": "renamed"})
    for name, rest in {"recommender": {"run": "renamed"}, "ranking": {"run": "renamed"}}.items():
        manifest = manifest_of(tmp_path / "models", 1, name)
        del manifest["pushed_at"], manifest["push"]
        assert manifest == {"model_version": 1, "forced": True} | rest


def test_everything_is_on_the_disk_before_it_is_renamed(
    run: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk, renamed = set(), []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        on_disk.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def checked_rename(source: Path, target: Path) -> None:
        assert {str(path) for path in (source, *source.rglob("*"))} <= on_disk
        renamed.append(target.parent.name)
        on_disk.discard(str(target.parent))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", checked_rename)
    push(run, tmp_path / "models")
    assert renamed == ["ranking", "retrieval", "recommender"]
    made = [tmp_path, tmp_path / "models", *(tmp_path / "models" / name for name in (".versions", *renamed))]
    assert {str(folder) for folder in made} <= on_disk


def test_a_number_is_not_given_again_after_its_folders_are_gone(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(run, target)
    push(run, target)
    for name in run:
        shutil.rmtree(target / name / "2")
    assert push(run, target) == 3
    (target / "ranking" / "41").mkdir()
    assert push(run, target) == 42
    for name in run:
        shutil.rmtree(target / name)
    assert push(run, target) == 43


def test_what_a_killed_push_left_is_found_without_its_lock(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(run, target)
    (target / "retrieval" / "staging-2").mkdir()
    shutil.rmtree(target / ".versions")
    assert push(run, target) == 3
    assert listing(target / "retrieval") == ["1", "3"]


def test_a_list_of_versions(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    assert list_versions(target) == []
    push(run, target)
    push(run, target, {"blessing": {"blessed": True, "checks": []}, "infra_blessing": {"blessed": False}})
    push(run, target, {"blessing": {"blessed": False}, "forced": True})
    rollback(target, 2)
    shutil.rmtree(target / "ranking" / "3")
    (target / "retrieval" / "staging-4").mkdir()

    one, two, three, four = list_versions(target)
    assert [version.number for version in (one, two, three, four)] == [1, 2, 3, 4]
    assert one.models == two.models == four.models == ("ranking", "retrieval", "recommender")
    assert three.models == ("retrieval", "recommender")
    assert [version.complete for version in (one, two, three, four)] == [True, True, False, False]
    assert [version.approved for version in (one, two, three, four)] == [None, True, False, True]
    assert [version.loads for version in (one, two, three, four)] == [None, False, None, False]
    assert [version.forced for version in (one, two, three, four)] == [False, False, True, False]
    assert [version.rolled_back_to for version in (one, two, three, four)] == [None, None, None, 2]
    assert one.pushed_at == datetime.fromisoformat(manifest_of(target, 1)["pushed_at"])


def test_a_version_without_a_manifest_is_as_old_as_its_folder(models: dict[str, Path], tmp_path: Path) -> None:
    push(models, tmp_path / "models")
    for name in models:
        shutil.rmtree(tmp_path / "models" / name / "1" / "assets.extra")
    os.utime(tmp_path / "models" / "retrieval" / "1", (0, 86400))
    (version,) = list_versions(tmp_path / "models")
    assert version.pushed_at == datetime(1970, 1, 2, tzinfo=UTC)
    assert version.complete


def test_a_folder_put_beside_the_composite_is_no_newest_version(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(run, target)
    push(run, target)
    (target / "ranking" / "41").mkdir()
    assert [(version.number, version.complete) for version in list_versions(target)] == [
        (1, True),
        (2, True),
        (41, False),
    ]
    assert prune(target, 1) == [1]
    assert versions(target / "ranking") == [2, 41]


def test_a_rollback_is_a_new_version_of_the_old_files(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    push(run, target)
    push(sources(make_run(tmp_path / "second", "second")), target)
    assert rollback(target, 1) == 3
    for name in run:
        old, second, new = (without_manifest(contents(target / name / str(version))) for version in (1, 2, 3))
        assert new == old != second
    manifest = manifest_of(target, 3)
    assert (manifest["run"], manifest["model_version"], manifest["rollback_of"]) == ("first", 3, 1)
    assert "rollback_of" not in manifest_of(target, 1)
    assert rollback(target, 3) == 4
    assert manifest_of(target, 4)["rollback_of"] == 3


def test_no_rollback_to_what_is_not_there_or_incomplete(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    with pytest.raises(InputError, match=r"models: version 1 is not there; push one with `nextbest export`"):
        rollback(target, 1)
    for _ in range(3):
        push(run, target)
    shutil.rmtree(target / "ranking" / "2")
    with pytest.raises(InputError, match=r"version 2 is incomplete; name one of 1, 3$"):
        rollback(target, 2)
    with pytest.raises(InputError, match=r"version 9 is not there; name one of 1, 3$"):
        rollback(target, 9)
    assert push(run, target) == 4  # asking for 9 has not given it away


def test_prune_keeps_the_newest_complete_versions(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    for _ in range(5):
        push(run, target)
    shutil.rmtree(target / "ranking" / "4")
    assert prune(target, 2) == [1, 2]
    assert prune(target, 2) == []
    assert {name: listing(target / name) for name in run} == {
        "recommender": ["3", "4", "5"],
        "retrieval": ["3", "4", "5"],
        "ranking": ["3", "5"],
    }


def test_a_push_can_prune(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    for version in range(1, 5):
        assert push(run, target, keep=2) == version
    for name in run:
        assert listing(target / name) == ["3", "4"]


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_version_is_kept(run: dict[str, Path], tmp_path: Path, keep: int) -> None:
    push(run, tmp_path / "models")
    with pytest.raises(ValueError, match=f"keep = {keep}: keep at least 1 version"):
        prune(tmp_path / "models", keep)
    with pytest.raises(ValueError, match=f"keep = {keep}"):
        push(run, tmp_path / "models", keep=keep)
    assert listing(tmp_path / "models" / "recommender") == ["1"]


@settings(deadline=None)  # the disk's time is not ours
@given(
    st.dictionaries(st.integers(1, 30), st.sets(st.sampled_from(["a", "b", "recommender"]), min_size=1)),
    st.integers(1, 4),
)
def test_prune_removes_what_is_older_than_all_that_it_keeps(
    tmp_path_factory: pytest.TempPathFactory, present: dict[int, set[str]], keep: int
) -> None:
    target = tmp_path_factory.mktemp("any")
    for version, names in present.items():
        for name in names:
            (target / name / str(version)).mkdir(parents=True)
    complete = [version.number for version in list_versions(target) if version.complete]
    removed = prune(target, keep)
    kept = complete[-keep:]
    assert removed == sorted(version for version in present if kept and version < kept[0])
    left = {version.number: set(version.models) for version in list_versions(target)}
    assert left == {version: names for version, names in present.items() if version not in removed}


@contextmanager
def in_the_middle(work: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Future[int]]:
    """Run work on a thread and hold it after it has copied a folder; it goes on when the block ends."""
    copied, go_on, copytree = Event(), Event(), shutil.copytree

    def held_copytree(*arguments: Any, **options: Any) -> None:
        copytree(*arguments, **options)
        copied.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(1) as thread:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copytree", held_copytree)
            future = thread.submit(work)
            assert copied.wait(60)
        try:
            yield future
        finally:
            go_on.set()
        future.result()


def test_what_somebody_is_pushing_is_left_alone(
    run: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models"
    push(run, target)
    with in_the_middle(lambda: push(run, target), monkeypatch) as slow:
        assert push(run, target, keep=1) == 3
        assert prune(target, 1) == []
        assert listing(target / "recommender") == ["3", "staging-2"]
    assert slow.result() == 2
    assert [(version.number, version.complete) for version in list_versions(target)] == [(2, True), (3, True)]
    assert prune(target, 1) == [2]


def test_what_somebody_is_copying_is_not_pruned(
    run: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models"
    for _ in range(3):
        push(run, target)
    with in_the_middle(lambda: rollback(target, 1), monkeypatch) as slow:
        assert prune(target, 1) == [2]
    assert slow.result() == 4
    assert without_manifest(contents(target / "ranking" / "4")) == without_manifest(contents(run["ranking"]))
    assert prune(target, 1) == [1, 3]


def test_a_version_that_may_still_be_taken_back_is_not_counted(run: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "models"
    for _ in range(3):
        push(run, target)
    with try_lock(target, 3) as locked:  # as its push does until it has returned
        assert locked
        assert prune(target, 1) == [1]
    assert prune(target, 1) == [2]


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    with lock_new_version(tmp_path) as first, lock_new_version(tmp_path) as second:
        assert (first, second) == (1, 2)
        with try_lock(tmp_path, 1) as locked:
            assert not locked
    with try_lock(tmp_path, 1) as locked:
        assert locked


def test_pushing_needs_no_tensorflow() -> None:
    program = "import sys, nextbest.serving.store.push; print('tensorflow' in sys.modules)"
    fresh = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert fresh.stdout == "False\n"
