"""What a step leaves appears whole, and a folder belongs to one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbest.data.errors import InputError
from nextbest.pipeline.run_folder import RunFolder

MANIFEST = {"config": "c1", "data": {"customers": "d1"}, "format": 1, "seed": 3}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_run_begins_and_goes_on(folder: RunFolder) -> None:
    folder.begin(MANIFEST)
    folder.add_to_manifest(windows=[1])
    folder.begin(MANIFEST | {"seed": 4})  # the seed is part of the config's digest
    assert folder.manifest() == MANIFEST | {"windows": [1]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"config": "c2"}, "another config;"),
        ({"data": {"customers": "d2"}}, "another data;"),
        ({"format": 2}, "another format;"),
        ({"config": "c2", "data": {}}, "another config and data;"),
    ],
)
def test_another_run_is_refused(folder: RunFolder, changed: dict[str, object], message: str) -> None:
    folder.begin(MANIFEST)
    with pytest.raises(InputError, match=message):
        folder.begin(MANIFEST | changed)
    assert folder.manifest() == MANIFEST


def test_a_run_may_begin_in_an_empty_folder(folder: RunFolder) -> None:
    folder.root.mkdir()
    folder.begin(MANIFEST)
    assert folder.manifest() == MANIFEST


def test_a_kill_while_the_manifest_was_written_is_no_obstacle(folder: RunFolder) -> None:
    folder.root.mkdir()
    folder.path(".manifest.json.4711").write_text('{"conf')
    folder.begin(MANIFEST)
    assert folder.manifest() == MANIFEST


def test_a_step_that_fails_leaves_what_was_there(folder: RunFolder) -> None:
    for content in ("old", "new"):
        try:
            with folder.staged("stage", "model") as staging:
                (staging / "file").write_text(content)
                (staging / content).touch()
                if content == "new":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
    assert {path.name for path in folder.path("stage", "model").iterdir()} == {"file", "old"}
    assert folder.path("stage", "model", "file").read_text() == "old"


def test_a_step_that_is_done_again_takes_the_older_ones_place(folder: RunFolder) -> None:
    for content in ("old", "new"):
        with folder.staged("model") as staging:
            assert not list(staging.iterdir())  # also not what a killed attempt left
            (staging / content).touch()
    assert [path.name for path in folder.path("model").iterdir()] == ["new"]
    assert [path.name for path in folder.root.iterdir()] == ["model"]


def test_what_is_not_there_reads_as_none(folder: RunFolder) -> None:
    assert folder.read_json("nothing.json") is None
    folder.write_json({"a": 1}, "some", "thing.json")
    assert folder.read_json("some", "thing.json") == {"a": 1}


def test_a_run_is_trained_when_all_that_is_served_is_there(folder: RunFolder) -> None:
    for missing in folder.servables().values():
        with pytest.raises(InputError, match=str(missing.relative_to(folder.root))):
            folder.check_trained()
        missing.mkdir(parents=True)
    folder.check_trained()
