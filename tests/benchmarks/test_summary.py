import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fartrans.figures import Report
from benchmarks.fartrans.report import markdown, write_report
from benchmarks.fartrans.results import Facts, Result, result_folder
from benchmarks.fartrans.summary import Summary
from nextbest.data.errors import InputError

WINDOWS = {0: (date(2020, 1, 1), date(2020, 4, 1)), 1: (date(2020, 2, 1), date(2020, 5, 1))}
WINDOWS[2] = date(2020, 4, 1), date(2020, 7, 1)
CUSTOMERS = np.array(["ann", "bob"])


def result(
    split: int,
    group: str,
    models: Mapping[str, tuple[float, float]],
    *,
    seed: int = 0,
    trained_at: int | None = None,
    seconds: float | None = 1.0,
    fallbacks: Mapping[str, str] | None = None,
) -> Result:
    """Return a measurement in which every metric of a model is the same pair of values, of two customers."""
    cutoff, until = WINDOWS[split]
    facts = Facts(
        split=split,
        group=group,
        seed=seed,
        cutoff=cutoff,
        until=until,
        trained_at=split if trained_at is None else trained_at,
        seconds=seconds,
        processor_seconds=seconds and 2 * seconds,
        fallbacks=dict(fallbacks or {}),
        revision="abc" if group == "stages" else None,
    )
    metrics = {
        model: dict.fromkeys(("ndcg@10", "recall@10"), np.array(values, np.float32)) for model, values in models.items()
    }
    return Result(facts, CUSTOMERS, metrics)


# EASE has 0.2, 0.4 and 0.6. Ranking has 0.5 and 0.3 of the seeds 1 and 2 at split 0, which is 0.4; 0.4; and 0.9.
RESULTS = [
    result(2, "baselines", {"ease": (0.5, 0.7)}),
    result(0, "baselines", {"ease": (0.1, 0.3)}),
    result(1, "baselines", {"ease": (0.4, 0.4)}),
    result(0, "stages", {"ranking": (0.4, 0.6)}, seed=1, seconds=60),
    result(0, "stages", {"ranking": (0.2, 0.4)}, seed=2, seconds=90),
    result(1, "stages", {"ranking": (0.4, 0.4)}, seed=1, trained_at=0, seconds=5),
    result(2, "stages", {"ranking": (0.9, 0.9)}, seed=1, fallbacks={"ranking": "too short: EASE stands in"}),
]


def test_figures_are_means_over_customers_seeds_and_splits() -> None:
    (part,) = Summary().report(RESULTS).parts
    assert part.splits == (0, 1, 2)
    assert part.models["ease"].metrics["ndcg@10"].value == pytest.approx(0.4)
    # Deviations -0.2, 0, 0.2: the variance is 0.08 / 2.
    assert part.models["ease"].metrics["ndcg@10"].standard_error == pytest.approx((0.04 / 3) ** 0.5)
    ranking = part.models["ranking"]
    assert ranking.metrics["ndcg@10"].value == pytest.approx((0.4 + 0.4 + 0.9) / 3)
    assert ranking.seeds["ndcg@10"] == pytest.approx(((0.5 + 0.4 + 0.9) / 3, 0.3))
    assert (ranking.splits, ranking.stood_in) == (3, (2,))


def test_differences_are_paired_by_split_and_family() -> None:
    (part,) = Summary().report(RESULTS).parts
    (found,) = (one for one in part.comparisons if one.metric == "ndcg@10")
    assert (found.model, found.other, found.splits, found.won) == ("ranking", "ease", 3, 2)
    # 0.4 - 0.2, 0.4 - 0.4 and 0.9 - 0.6.
    assert found.difference.value == pytest.approx((0.2 + 0.0 + 0.3) / 3)
    # Split 1 overlaps both others, which do not overlap each other.
    assert [family.splits for family in found.families] == [(0, 2), (1,)]
    assert [family.difference for family in found.families] == pytest.approx([0.25, 0.0])
    assert found.average == pytest.approx(0.125)
    first, second = found.families
    assert first.low < 0.25 < first.high  # ann gains 0.3 - 0.1 and 0.4, bob 0.5 - 0.3 and 0.2
    assert (second.low, second.high) == pytest.approx((0.0, 0.0))
    assert (found.low, found.high) == pytest.approx(((first.low + 0) / 2, (first.high + 0) / 2))


def test_a_part_has_its_own_figures_and_families() -> None:
    _, part = Summary().report(RESULTS, [[1, 2, 9]]).parts
    assert part.splits == (1, 2)
    assert part.models["ease"].metrics["recall@10"].value == pytest.approx(0.5)
    assert [family.splits for family in part.comparisons[0].families] == [(1,), (2,)]


def test_rows_tell_of_each_split() -> None:
    report = Summary().report(RESULTS)
    assert [(row.split, row.customers, row.trained_at) for row in report.rows] == [(0, 2, 0), (1, 2, 0), (2, 2, 2)]
    assert report.rows[0].seconds == {"baselines": 1.0, "stages": 90.0}
    assert report.rows[0].processor_seconds == {"baselines": 2.0, "stages": 180.0}
    assert report.rows[0].main_metric == pytest.approx({"ease": 0.2, "ranking": 0.4})
    assert report.fallbacks == {"ranking, split 2, seed 1": "too short: EASE stands in"}


def test_results_of_different_customers_are_not_mixed() -> None:
    other = result(0, "lightgbm", {"lightgbm": (0.1, 0.1)}, seed=1)
    other = Result(other.facts, np.array(["ann", "cid"]), other.metrics)
    with pytest.raises(ValueError, match="the results of split 0 are about different customers"):
        Summary().report([*RESULTS, other])


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
    ("only", "parts", "said"), [([7], [], "no split is measured"), (None, [[7, 8]], "splits 7, 8")]
)
def test_a_report_of_nothing_is_refused(
    only: list[int] | None, parts: list[list[int]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        write_report(saved(tmp_path), only, parts)
