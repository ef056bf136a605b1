from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from nextbest.evaluation.baselines import fit_baselines
from nextbest.evaluation.calibration import measure_calibration
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import evaluate
from nextbest.evaluation.report import html_report, terminal_report, write_report
from nextbest.evaluation.results import Evaluation
from tests.evaluation.worlds import Planted


@pytest.fixture(scope="module")
def evaluation(planted: Planted) -> Evaluation:
    config = EvaluationConfig(slices=("segment",))
    scorers = fit_baselines(planted.history, planted.cutoff_day, config.baselines, segment="segment").scorers
    named = {"popularity": scorers["popularity"], "retrieval": scorers["item_knn"], "ranking": scorers["popularity"]}
    rng = np.random.default_rng(0)
    probabilities = rng.random(500)
    calibration = measure_calibration(probabilities, rng.random(500) < probabilities, bins=5, level=0.95)
    return evaluate(
        named,
        planted.test_set,
        config,
        [("retrieval", "popularity"), ("ranking", "retrieval")],
        calibration=calibration,
        skipped={"ease": "9 products < 10 & a <b>reason</b>"},
    )


def test_metrics_json_has_the_agreed_shape(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path / "new" / "folder")
    found = json.loads((tmp_path / "new" / "folder" / "metrics.json").read_text())
    assert found["k"] == [1, 3, 5, 10, 20]
    assert found["window"]["cutoff"] == "2024-01-31"
    assert set(found["models"]) == {"popularity", "retrieval", "ranking"}
    interval = found["models"]["ranking"]["ndcg@5"]
    assert interval["low"] < interval["value"] < interval["high"]
    difference = found["paired"]["ranking-retrieval"]["ndcg@5"]
    assert difference["low"] < difference["difference"] < difference["high"] < 0
    assert difference["share_positive"] == 0


def test_nothing_half_written(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(evaluation, tmp_path)
    before = (tmp_path / "metrics.json").read_text()

    def full_disk(*_: object, **__: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_report(evaluation, tmp_path)
    assert (tmp_path / "metrics.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "report.html"]


def test_the_page_needs_nothing_from_outside(evaluation: Evaluation) -> None:
    page = html_report(evaluation)
    assert not re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=|<link|@import", page.split("</script>", 1)[1])
    assert re.search(r"<script[^>]*\ssrc=", page) is None
    assert page.count("plotly.js v") == 1


def test_the_page_says_what_was_found(evaluation: Evaluation) -> None:
    page = html_report(evaluation)
    assert "<h2>1 of 2 comparisons won</h2>" in page
    assert "<li class='no'>ranking beats retrieval: no, it is worse, -" in page
    assert "9 products &lt; 10 &amp; a &lt;b&gt;reason&lt;/b&gt;" in page
    for figure in ("models", "recall", "slice-0", "calibration"):
        assert f'id="{figure}"' in page


def test_the_page_is_the_same_every_time(evaluation: Evaluation) -> None:
    assert html_report(evaluation) == html_report(evaluation)


def test_the_terminal_shows_every_model_and_verdict(evaluation: Evaluation) -> None:
    console = Console(width=200, record=True, file=StringIO())
    console.print(terminal_report(evaluation))
    text = console.export_text()
    for part in (*evaluation.models, "ndcg@5", "ranking beats retrieval: no", "ease was left out"):
        assert part in text
