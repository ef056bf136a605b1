"""Where cutoffs lie, what is refused before any training, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nextbest.pipeline.backtest as module
from nextbest.evaluation.results import Evaluation
from nextbest.pipeline.run import Run
from tests.commands import run_nextbest
from tests.trained import Trained


@pytest.fixture
def untrained(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing train: the shared run's figures are told, with each cutoff's window and a rising main metric."""
    original = Evaluation.model_validate_json((trained.run / "evaluation" / "metrics.json").read_text())

    def evaluate(run: Run) -> Evaluation:
        cutoff, until = run.windows.test.dates
        return original.model_copy(
            update={"window": original.window.model_copy(update={"cutoff": cutoff, "until": until})}
        )

    monkeypatch.setattr(module, "train_and_compose", lambda run: None)
    monkeypatch.setattr(module, "evaluate_run", evaluate)


def test_cutoffs_lie_a_horizon_apart(trained: Trained, tmp_path: Path, untrained: None) -> None:
    found = run_nextbest("backtest", "--config", trained.config, "--out", tmp_path, "--cutoffs", "2", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert [one["cutoff"] for one in told["cutoffs"]] == ["2024-06-28", "2024-09-27"]
    assert told["stability"]["ranking"]["deviation"] == 0
    assert "oracle" not in (tmp_path / "2024-06-28" / "config.toml").read_text()
    assert (
        "Plotly" in (tmp_path / "backtest.html").read_text() and "| worst |" in (tmp_path / "backtest.md").read_text()
    )
    again = run_nextbest("backtest", "--config", trained.config, "--out", tmp_path, "--cutoffs", "2", "--json")
    assert again.out == found.out


def test_cutoffs_without_a_history_are_refused(trained: Trained, tmp_path: Path) -> None:
    found = run_nextbest("backtest", "--config", trained.config, "--out", tmp_path / "b", "--cutoffs", "40")
    assert found.code == 2 and "of 40 cutoffs are possible" in found.err and not (tmp_path / "b").exists()
