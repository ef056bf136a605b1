"""The benchmark of the explainers measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import explanations
from benchmarks.explanations import area, main
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.shapley import ShapleyProblem
from tests.trained import Trained


def test_the_area_of_a_sum() -> None:
    # The base is 0. From 7 the features 4, 2 and 1 are taken away: |7|, |3|, |1|, |0|, or |7|, |6|, |4|, |0|.
    problem = ShapleyProblem(
        lambda vectors: vectors.sum(axis=1), np.zeros((2, 3)), [[0], [1], [2]], ExplanationConfig()
    )
    vector = np.array([1.0, 2.0, 4.0])
    assert area(problem, vector, np.array([2, 1, 0])) == pytest.approx((7 + 3 + 1 + 0) / 4)
    assert area(problem, vector, np.array([0, 1, 2])) == pytest.approx((7 + 6 + 4 + 0) / 4)


def test_all_explainers_are_measured(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "sampling": ExplanationConfig(orders=60),
        "shap permutation": ExplanationConfig(permutations=1),
    }
    monkeypatch.setattr(explanations, "SETTINGS", settings)
    monkeypatch.setattr(explanations, "REFERENCE", ExplanationConfig(orders=200))
    monkeypatch.setattr(explanations, "GRADIENT_SAMPLES", (50,))
    monkeypatch.setattr(explanations, "BACKGROUNDS", (1, 2))
    monkeypatch.setattr(explanations, "REFERENCE_BACKGROUND", 3)
    main(["--models", str(trained.models), "--customers", "4", "--out", str(tmp_path / "out")])
    rows = json.loads((tmp_path / "out" / "explanations.json").read_text())
    named = {(row["stage"], row["explainer"]): row for row in rows}
    assert {stage for stage, _ in named} == {"reasons", "ranking", "retrieval"}
    exact, sampled = named["reasons", "shap Exact, 2 customers"], named["reasons", "sampling, 100 orders"]
    assert exact["gap"] < 1e-3 and exact["of_random"] < 1
    assert 0 < sampled["error"] < 1  # percentage points
    for stage in ("ranking", "retrieval"):
        assert named[stage, "random order"]["of_random"] == 1
        for explainer in settings:
            found = named[stage, explainer]
            assert found["gap"] < 1e-4
            assert found["of_random"] < 1
            assert found["seconds"] > 0
        assert named[stage, "expected gradients, 50 samples"]["error"] > 0
    assert (tmp_path / "out" / "explanations.md").read_text().count("\n") == 2 + len(rows)
