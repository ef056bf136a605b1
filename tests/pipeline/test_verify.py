"""A run that is made again agrees with itself, and what was changed by hand is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import nextbest.pipeline.verify as module
from nextbest.evaluation.agreement import compare_evaluations
from nextbest.evaluation.results import Evaluation
from tests.commands import run_nextbest
from tests.trained import Trained


@pytest.fixture
def copies(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two equal runs on this machine; training is left out, as the second is trained."""
    from nextbest.pipeline.machine import machine_facts

    for name in ("run", "again"):
        shutil.copytree(trained.run, tmp_path / name)
        manifest = tmp_path / name / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"machines": [machine_facts()]}))
    monkeypatch.setattr(module, "train_and_compose", lambda run: None)
    return tmp_path


def change(run: Path, file: str, old: str, new: str) -> None:
    text = (run / file).read_text(encoding="utf-8")
    assert old in text
    (run / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_equal_run_agrees_to_the_sixth_place(copies: Path) -> None:
    found = run_nextbest("verify", copies / "run", "--out", copies / "again", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert (told["agrees"], told["comparison"]) == (True, "exact")
    assert json.loads((copies / "again" / "verify.json").read_text()) == told


def test_a_changed_figure_is_found(copies: Path) -> None:
    path = copies / "run" / "evaluation" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["models"]["ranking"]["ndcg@5"]["value"] += 2e-6
    path.write_text(json.dumps(metrics))
    found = run_nextbest("verify", copies / "run", "--out", copies / "again")
    assert found.code == 1 and "models/ranking/ndcg@5/value" in found.out


def test_another_processor_is_compared_within_the_intervals(copies: Path) -> None:
    change(copies / "run", "manifest.json", '"cores": ', '"cores": 9')
    found = json.loads(run_nextbest("verify", copies / "run", "--out", copies / "again", "--json").out)
    assert found["comparison"] == "interval" and "cores was 9" in found["why"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("config.toml", "seed = 7", "seed = 8", "config.toml is not that of the manifest"),
        ("manifest.json", '"customers": "', '"customers": "0', "the table customers is not that of the manifest"),
    ],
)
def test_what_was_changed_since_is_refused(copies: Path, file: str, old: str, new: str, said: str) -> None:
    change(copies / "run", file, old, new)
    found = run_nextbest("verify", copies / "run", "--out", copies / "new")
    assert found.code == 2 and said in found.err and not (copies / "new").exists()


def test_a_run_is_not_compared_with_itself(copies: Path) -> None:
    assert run_nextbest("verify", copies / "run", "--out", copies / "run").code == 2


def test_elsewhere_a_value_must_lie_within_the_interval(trained: Trained) -> None:
    original = Evaluation.model_validate_json((trained.run / "evaluation" / "metrics.json").read_text())
    found = original.models["ranking"]["ndcg@5"]
    assert found.low is not None and found.high is not None
    for value, agrees in ((found.low, True), (found.high + 0.001, False)):
        moved = original.model_copy(deep=True)
        moved.models["ranking"]["ndcg@5"] = found.model_copy(update={"value": value})
        _, differences = compare_evaluations(original, moved, exact=False)
        assert [one.metric for one in differences] == ([] if agrees else ["models/ranking/ndcg@5"])
