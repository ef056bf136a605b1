import json
from pathlib import Path

import pytest

from benchmarks.fartrans.figures import Report
from benchmarks.fartrans.report import markdown, write_report
from benchmarks.fartrans.results import result_folder
from nextbest.data.errors import InputError
from tests.benchmarks.fartrans.test_figures import RESULTS


def saved(out: Path) -> Path:
    for one in RESULTS:
        one.save(result_folder(out, one.facts.split, one.facts.group, one.facts.seed))
    return out


def test_what_was_saved_is_reported(tmp_path: Path) -> None:
    report = write_report(saved(tmp_path), parts=[[2]])
    assert report == Report.model_validate(json.loads((tmp_path / "report.json").read_text()))
    assert report.parts[0].models["ranking"].metrics["ndcg@10"].value == pytest.approx(1.7 / 3)
    text = (tmp_path / "report.md").read_text()
    assert text == markdown(report)
    assert "| ease | 3 | 0.4000 ± 0.1155 |" in text
    assert "| ranking | 3 (1 not trained) | 0.5667 ± 0.1667 |" in text
    assert "Training ours took 46 s on average, 90 s at most; processors together 91 s and 180 s." in text
    assert "A refresh took 5 s on average, 5 s at most; processors together 10 s and 10 s." in text
    assert "Models, splits 2\n" in text


def test_only_the_chosen_splits_are_reported(tmp_path: Path) -> None:
    report = write_report(saved(tmp_path), only=[0, 1])
    assert report.parts[0].splits == (0, 1)


@pytest.mark.parametrize(
    ("only", "parts", "message"), [([7], [], "no split is measured"), (None, [[7, 8]], "splits 7, 8")]
)
def test_a_report_of_nothing_is_refused(
    only: list[int] | None, parts: list[list[int]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        write_report(saved(tmp_path), only, parts)
