"""A version says who pushed it and why, and is found out where its files are others."""

from __future__ import annotations

import getpass
from pathlib import Path
from unittest import mock

import pytest

from nextbest.data.errors import InputError
from nextbest.serving.artifacts.assets import ASSETS
from nextbest.serving.store.push import push, rollback
from nextbest.serving.store.versions import list_versions
from tests.commands import run_nextbest
from tests.serving.store.faults import make_run, sources


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return where two versions are served from, the second a rollback."""
    target = tmp_path / "models"
    push(sources(make_run(tmp_path / "run", "first")), target, why="spring campaign")
    push(sources(make_run(tmp_path / "other", "second")), target)
    rollback(target, 1, "complaints [branch 7]")
    return target


def test_who_why_and_what_it_replaces(models: Path) -> None:
    found = list_versions(models)
    assert {version.pushed_by for version in found} == {getpass.getuser()}
    assert [version.why for version in found] == ["spring campaign", None, "complaints [branch 7]"]
    assert [version.replaces for version in found] == [None, 1, 2]
    assert all(version.unchanged for version in found)


def test_a_changed_file_is_found(models: Path) -> None:
    (models / "ranking" / "2" / "saved_model.pb").write_bytes(b"another")
    (models / "recommender" / "3" / ASSETS / "customers.npz").write_bytes(b"somebody was forgotten")
    assert [version.unchanged for version in list_versions(models)] == [True, False, True]
    listed = run_nextbest("export", "--models", models, "--list")
    assert listed.code == 1 and "not as pushed: version 2" in listed.err
    assert "complaints" in listed.out and "[branch" in listed.out  # in a narrow table, on several lines


def test_nobody_goes_back_to_what_was_changed(models: Path) -> None:
    (models / "ranking" / "2" / "saved_model.pb").write_bytes(b"another")
    with pytest.raises(InputError, match="version 2 is not as it was pushed"):
        rollback(models, 2)
    assert rollback(models, 1) == 4


def test_an_added_file_is_found(models: Path) -> None:
    (models / "recommender" / "1" / "variables").mkdir(exist_ok=True)
    (models / "recommender" / "1" / "variables" / "more").write_bytes(b"")
    assert list_versions(models)[0].unchanged is False


def test_a_version_of_before_says_nothing(models: Path) -> None:
    (models / "recommender" / "1" / ASSETS / "manifest.json").write_text("{}", encoding="utf-8")
    first = list_versions(models)[0]
    assert (first.pushed_by, first.why, first.unchanged) == (None, None, None)


def test_a_user_without_a_name(tmp_path: Path) -> None:
    with mock.patch("getpass.getuser", side_effect=KeyError("uid")):
        push(sources(make_run(tmp_path / "run", "first")), tmp_path / "models")
    assert (list_versions(tmp_path / "models")[0].pushed_by or "").startswith("uid ")
