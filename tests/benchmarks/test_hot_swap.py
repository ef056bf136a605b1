"""The benchmark of the hot swap counts what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.hot_swap import main
from nextbest.serving.store.push import push
from tests.serving.tiny import export


def test_every_push_is_seen_and_nothing_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    push({"recommender": export(tmp_path / "export")}, models)
    arguments = ["--models", str(models), "--pushes", "3", "--clients", "2", "--k", "2", "--quiet", "0.1"]
    monkeypatch.setattr(sys, "argv", ["hot_swap", *arguments])
    main()
    said = capsys.readouterr().out
    assert "failed requests: 0\n" in said
    assert re.search(r"served requests: [\d,]+, by 4 versions", said)
    assert [path.name for path in (models / "recommender").iterdir()] == ["1"]  # a copy was pushed to
