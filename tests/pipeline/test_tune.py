"""Tuning a small bank: the scores are those of a run, a killed search goes on, and the future is never read.

The search reads the bank with another future than the shared run's, and yet scores as that does.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import nextbest.pipeline.tune
from nextbest.pipeline.config import load_config
from nextbest.pipeline.run import start_run
from nextbest.pipeline.tune import tune
from nextbest.pipeline.tune_result import TuneResult
from tests.pipeline.futures import change_the_future
from tests.pipeline.test_run import files, read
from tests.trained import Trained

SPACE = """
[tune.space]
"retrieval.learning_rate" = { choices = [1e-6] }  # so small that the own one is the best
"ranking.dropout" = { low = 0.0, high = 0.3 }
"""


def ignore_progress(name: str) -> Any:
    return lambda what, share: None


def tunable(bank: Path, folder: Path) -> Path:
    """Copy a bank into a folder, let it be tuned, and return its TOML."""
    shutil.copytree(bank.parent, folder)
    toml = folder / bank.name
    toml.write_text(toml.read_text(encoding="utf-8") + SPACE, encoding="utf-8")
    return toml


@pytest.fixture(scope="module")
def toml(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    toml = tunable(trained.config, tmp_path_factory.mktemp("tune") / "bank")
    change_the_future(toml.parent)
    return toml


@pytest.fixture(scope="module")
def tuned(toml: Path) -> TuneResult:
    """Return what a search of both stages came to that was killed at its first candidates."""

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    out = toml.parent.parent / "tuned"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(nextbest.pipeline.tune, "write_candidates", killed)
        tune(toml, out, 2, "both", ignore_progress)
    assert not (out / "best.toml").exists()
    return tune(toml, out, 2, "both", ignore_progress)


def test_the_own_settings_score_as_in_a_run_with_another_future(trained: Trained, tuned: TuneResult) -> None:
    retrieval, ranking = tuned.stages
    assert retrieval.given.scores == read(trained.run / "retrieval" / "selection.json")["accuracy"]
    # The best retriever is the own one, so the ranker sees the run's candidates.
    assert retrieval.best.number == 0
    assert ranking.given.scores == read(trained.run / "ranking" / "selection.json")["ndcg"]


def test_each_stage_is_judged_on_a_window_before_the_test(tuned: TuneResult) -> None:
    # The test window begins on 2024-09-27, windows have 91 days, and the ranker has two.
    assert [(stage.metric, stage.window) for stage in tuned.stages] == [
        ("accuracy@10", ("2023-12-29", "2024-03-29")),
        ("ndcg@5", ("2024-06-28", "2024-09-27")),
    ]


def test_the_settings_are_of_the_space(tuned: TuneResult) -> None:
    retrieval, ranking = tuned.stages
    assert [trial.settings.keys() for trial in retrieval.trials] == [{"retrieval.learning_rate"}] * 2
    assert {trial.settings["retrieval.learning_rate"] for trial in retrieval.trials} <= {0.01, 1e-6}
    assert ranking.given.settings == {"ranking.dropout": 0.2}
    assert 0 <= ranking.trials[1].settings["ranking.dropout"] <= 0.3


def test_nothing_but_the_results_and_the_candidates_is_left(tuned: TuneResult) -> None:
    left = files(tuned.best.parent)
    assert left >= {"best.toml", "trials.csv", "config.toml", "manifest.json"}
    others = {path for path in left if path.count("/")}
    assert {path.split("/")[0] for path in others} == {"trials", "candidates"}
    assert len([path for path in others if path.endswith(".npz")]) == 2  # one per ranking window


def test_the_best_toml_is_a_config_of_the_same_tables(toml: Path, tuned: TuneResult) -> None:
    given, best = load_config(toml), load_config(tuned.best)
    wanted = tuned.stages[1].best.settings["ranking.dropout"]
    assert best.ranking == given.ranking.model_copy(update={"dropout": wanted})
    assert best.retrieval == given.retrieval
    table = tuned.best.parent / best.data.interactions.path
    assert table.resolve() == toml.parent / "interactions.csv"


def test_again_nothing_is_trained(toml: Path, tuned: TuneResult, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("select_epochs", "select_ranker", "write_candidates"):
        monkeypatch.delattr(nextbest.pipeline.tune, name)
    assert tune(toml, tuned.best.parent, 2, "both", ignore_progress) == tuned


def test_the_search_is_no_part_of_a_run(trained: Trained, tmp_path: Path) -> None:
    toml = tunable(trained.config, tmp_path / "bank")
    (tmp_path / "run").mkdir()
    for name in ("manifest.json", "config.toml"):
        shutil.copy(trained.run / name, tmp_path / "run")
    run = start_run(toml, tmp_path / "run", ignore_progress)  # the TOML differs from the run's by [tune] alone
    assert run.config.tune.space.keys() == {"retrieval.learning_rate", "ranking.dropout"}
