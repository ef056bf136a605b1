from pathlib import Path

import pytest

from benchmarks.fartrans import stages
from benchmarks.fartrans.prepare import TEMPLATE
from benchmarks.fartrans.results import read_results
from benchmarks.fartrans.tasks import Settings, plan
from benchmarks.fartrans.worker import do


def measure(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do all tasks of split 7 with a training that finds nothing to learn from."""

    def train(run: object) -> None:
        raise ValueError("no example in the window")

    monkeypatch.setattr(stages, "train_and_compose", train)
    settings = Settings(source=source, template=TEMPLATE, out=out)
    for (task,) in plan(settings, {7: 7}, ["baselines", "stages"], [3]):
        do(task)


def test_training_that_fails_is_no_result(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no example in the window"):
        measure(miniature, tmp_path / "out", monkeypatch)
    assert [result.facts.group for result in read_results(tmp_path / "out")] == ["baselines"]
