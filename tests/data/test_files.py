"""Files and folders are complete or not there, whenever the writer fails or is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.files import (
    changed_folder,
    new_file,
    new_folder,
    remove_changed_leftovers,
    replace_folder,
    surviving_folder,
    write_instead,
    write_text,
)


class KilledError(BaseException):
    """The process ends here."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, content: str) -> None:
    (folder / content).write_text(content)


@contextmanager
def killed_at_rename(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """Kill the writer at its rename of that number, such that nothing of it runs any more."""
    rename, left = os.replace, number

    def deadly(source: Any, target: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            patch.setattr("shutil.rmtree", lambda *_, **__: None)  # a killed process removes nothing any more
            raise KilledError
        rename(source, target)

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(os, "replace", deadly)
        yield


class TestFile:
    def test_text_is_utf8_with_plain_line_ends_in_a_folder_that_is_made(self, tmp_path: Path) -> None:
        write_text(tmp_path / "some" / "file.txt", "é\n")
        assert (tmp_path / "some" / "file.txt").read_bytes() == b"\xc3\xa9\n"
        assert names(tmp_path / "some") == ["file.txt"]

    def test_an_older_file_is_there_until_the_new_one_is_complete(self, tmp_path: Path) -> None:
        path = tmp_path / "file.bin"
        path.write_bytes(b"old")
        with new_file(path) as staging:
            staging.write_bytes(b"new")
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"
        assert names(tmp_path) == ["file.bin"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_a_writer_that_fails_leaves_what_was_there(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "file.bin"
        path.write_bytes(b"old")
        with pytest.raises(error), new_file(path) as staging:
            staging.write_bytes(b"half")
            raise error
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["file.bin"]

    def test_of_two_files_that_exclude_each_other_never_both_are_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good, bad = tmp_path / "GOOD", tmp_path / "BAD"
        write_instead(bad, good, "yes")
        assert names(tmp_path) == ["GOOD"]
        with killed_at_rename(monkeypatch, 1):
            write_instead(good, bad, "no")
        assert not good.exists()
        assert not bad.exists()
        write_instead(good, bad, "no")
        assert bad.read_text() == "no"


class TestNewFolder:
    def test_it_appears_with_all_its_files(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()  # empty, so it may be replaced
        with new_folder(tmp_path / "out") as staging:
            fill(staging, "a")
            assert not names(tmp_path / "out")
        assert names(tmp_path) == ["out"]
        assert names(tmp_path / "out") == ["a"]

    def test_others_may_read_it_as_they_may_read_any_folder(self, tmp_path: Path) -> None:
        with new_folder(tmp_path / "out"):
            pass
        (tmp_path / "plain").mkdir()
        assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_of_a_writer_that_fails_nothing_is_left(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "out") as staging:
            fill(staging, "a")
            raise KeyboardInterrupt
        assert names(tmp_path) == []

    def test_it_takes_no_ones_place(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        fill(tmp_path / "out", "precious")
        with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "out") as staging:
            fill(staging, "a")
        assert names(tmp_path) == ["out"]
        assert names(tmp_path / "out") == ["precious"]


class TestReplaceFolder:
    def test_the_new_one_replaces_the_older_one(self, tmp_path: Path) -> None:
        path = tmp_path / "some" / "folder"
        assert surviving_folder(path) is None
        for content in ("old", "new"):
            with replace_folder(path) as staging:
                fill(staging, content)
            assert names(path) == [content]
            assert names(path.parent) == ["folder"]
            assert surviving_folder(path) == path

    def test_a_writer_that_fails_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "folder"
        with replace_folder(path) as staging:
            fill(staging, "old")
        with pytest.raises(KeyboardInterrupt), replace_folder(path) as staging:
            fill(staging, "new")
            raise KeyboardInterrupt
        assert names(path) == ["old"]
        assert names(tmp_path) == ["folder"]

    @pytest.mark.parametrize("rename", [1, 2])
    def test_a_kill_leaves_one_that_outlives_further_kills(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int
    ) -> None:
        path = tmp_path / "folder"
        with replace_folder(path) as staging:
            fill(staging, "old")
        for attempt in (rename, 1):  # the second time, after a kill between the renames, there is only one rename
            with killed_at_rename(monkeypatch, attempt), replace_folder(path) as staging:
                (staging / "half").touch()
        found = surviving_folder(path)
        assert found is not None
        assert (found / "old").read_text() == "old"
        with replace_folder(path) as staging:
            assert names(staging) == []
            fill(staging, "new")
        assert names(path) == ["new"]
        assert names(tmp_path) == ["folder"]


class TestChangedFolder:
    @pytest.fixture(params=["at once", "one after the other"])
    def folder(self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        if request.param != "at once":
            monkeypatch.setattr("ctypes.CDLL", lambda _: object())  # a C library without renameat2
        (tmp_path / "1").mkdir()
        fill(tmp_path / "1", "old")
        fill(tmp_path / "1", "kept")
        return tmp_path / "1"

    def test_the_copy_takes_its_place(self, folder: Path) -> None:
        with changed_folder(folder) as staging:
            (staging / "old").unlink()
            fill(staging, "new")
            assert names(folder) == ["kept", "old"]
        assert names(folder) == ["kept", "new"]
        assert names(folder.parent) == ["1"]

    def test_what_fails_leaves_it_as_it_was(self, folder: Path) -> None:
        with pytest.raises(ZeroDivisionError), changed_folder(folder) as staging:
            (staging / "old").unlink()
            raise ZeroDivisionError
        assert names(folder) == ["kept", "old"]
        assert names(folder.parent) == ["1"]

    def test_a_killed_one_leaves_what_can_be_removed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch, pytest.raises(KilledError), changed_folder(folder) as staging:
            patch.setattr("shutil.rmtree", lambda *_, **__: None)
            fill(staging, "half")
            raise KilledError
        assert names(folder) == ["kept", "old"]
        assert names(folder.parent) == [".1.changed", "1"]
        remove_changed_leftovers(folder.parent)
        assert names(folder.parent) == ["1"]

    def test_a_folder_that_was_only_moved_aside_comes_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ctypes.CDLL", lambda _: object())
        (tmp_path / "1").mkdir()
        fill(tmp_path / "1", "old")
        rename = os.rename

        def deadly(source: Path, target: Path) -> None:
            if source.name == ".1.changed":
                raise KilledError
            rename(source, target)

        with monkeypatch.context() as patch, pytest.raises(KilledError), changed_folder(tmp_path / "1"):
            patch.setattr("shutil.rmtree", lambda *_, **__: None)
            patch.setattr(os, "rename", deadly)
        assert names(tmp_path) == [".1.aside.changed", ".1.changed"]
        remove_changed_leftovers(tmp_path)
        assert names(tmp_path) == ["1"]
        assert names(tmp_path / "1") == ["old"]
