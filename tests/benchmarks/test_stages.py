from pathlib import Path

import numpy as np
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


def test_ease_stands_in_where_no_training_is_possible_and_the_result_says_so(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "windows_have_purchases", lambda *arguments: False)
    out = tmp_path / "out"
    measure(miniature, out, monkeypatch)
    baselines, ours = read_results(out)
    assert ours.facts.seed == 3
    why = "could not be trained (no example in the window): EASE stands in"
    assert ours.facts.fallbacks == {"retrieval": why, "ranking": why}
    for model in ("retrieval", "ranking"):
        for metric, values in ours.metrics[model].items():
            np.testing.assert_array_equal(values, baselines.metrics["ease"][metric])
    assert not list((out / "runs").glob("*/*"))  # what is measured is not kept


def test_training_that_fails_though_it_should_not_is_no_result(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="no example in the window"):
        measure(miniature, tmp_path / "out", monkeypatch)
    assert [result.facts.group for result in read_results(tmp_path / "out")] == ["baselines"]
