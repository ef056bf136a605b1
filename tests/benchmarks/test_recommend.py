"""The benchmark of `recommend` compares what answers alike, and counts what runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recommend, versus
from benchmarks.recommend import STAGES, TwoStages, main, profile
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.versions import latest_version
from tests.trained import Trained


def test_what_is_given_is_no_operation() -> None:
    ran = [
        {"kind": "Const", "stage": "embed", "microseconds": 1},
        {"kind": "MatMul", "stage": "embed", "microseconds": 7},
        {"kind": "_Arg", "stage": "inputs", "microseconds": 2},
    ]
    table = profile(ran)
    assert "| embed | 2 | 1 | 8 |" in table
    assert "| all | 3 | 1 | 10 |" in table
    assert "MatMul 1." in table


def test_contenders_are_measured(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versus, "_LEAST_SECONDS", 0)
    out = tmp_path / "out"
    main(["--models", str(trained.models), "--candidates", "20", "--batches", "1", "3", "--out", str(out)])
    rows = json.loads((out / "recommend.json").read_text())
    assert [row["work"] for row in rows] == ["batch 1"] * 4 + ["batch 3"] * 4
    assert all(row["processor_milliseconds"] > 0 for row in rows)
    ran = json.loads((out / "operations.json").read_text())
    assert {*STAGES, "inputs"} == {operation["stage"] for operation in ran}
    assert "MatMul" in {operation["kind"] for operation in ran}


def test_one_that_answers_otherwise_is_refused(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoStages, "_allowed", lambda stages, request: np.ones((1, 40), bool))
    recommender = Recommender(latest_version(trained.models / "recommender"))
    stages, request = TwoStages(trained.models, recommender, 20), recommend._request(recommender, 1)
    with pytest.raises(SystemExit, match="other products"):
        recommend._check_alike(
            lambda: recommender.recommend(request, recommend.K),
            lambda: stages.recommend(stages.by_numpy, request),
            "everything",
        )
