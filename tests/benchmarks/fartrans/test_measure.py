from pathlib import Path

import pytest

from benchmarks.fartrans import measure as measure_module
from benchmarks.fartrans.__main__ import do_task
from benchmarks.fartrans.prepare import TEMPLATE
from benchmarks.fartrans.results import read_results
from benchmarks.fartrans.run import Settings, plan
from nextbest.data.errors import InputError


def measure(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do all tasks of split 7 with a training that finds nothing to learn from."""

    def train(run: object) -> None:
        raise ValueError("no example in the window")

    monkeypatch.setattr(measure_module, "train_and_compose", train)
    settings = Settings(source=source, template=TEMPLATE, out=out)
    for (task,) in plan(settings, {7: 7}, ["baselines", "stages"], [3]):
        do_task(task.model_dump_json())


def test_training_that_fails_is_no_result(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nobody acquires a new product after 2019-09-04"):
        measure(miniature, tmp_path / "out", monkeypatch)
    assert [result.facts.group for result in read_results(tmp_path / "out")] == ["baselines"]
