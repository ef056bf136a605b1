from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fartrans.figures import Summary, families, interval_of_mean, resampled_means_of, standard_error
from benchmarks.fartrans.results import Facts, Result

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


def month(first: int, last: int) -> tuple[date, date]:
    return date(2020, first, 1), date(2020, last, 1)


def test_families_are_made_of_splits_that_do_not_overlap() -> None:
    # The test of split 0 ends in April: splits 0, 1 and 2 begin within it, and each opens a family.
    windows = {0: month(1, 4), 1: month(2, 5), 2: month(3, 6), 3: month(4, 7), 4: month(5, 8), 5: month(7, 10)}
    assert families(windows) == [[0, 3, 5], [1, 4], [2, 5]]


def test_a_single_split_is_a_family() -> None:
    assert families({9: month(1, 7)}) == [[9]]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)), min_size=1, max_size=30))
def test_no_two_tests_of_a_family_overlap_and_no_split_that_fits_is_left_out(spans: list[tuple[int, int]]) -> None:
    start = date(2020, 1, 1)
    windows = {
        split: (start + timedelta(first), start + timedelta(first + length))
        for split, (first, length) in enumerate(sorted(spans))
    }
    found = families(windows)
    assert found[0][0] == min(windows, key=lambda split: windows[split])
    for family in found:
        for before, after in pairwise(family):
            assert windows[before][1] <= windows[after][0]
        assert all(begin < windows[family[-1]][1] for begin, _ in windows.values())


def test_the_standard_error_is_that_of_a_mean() -> None:
    # Deviations -1, 0, 1: the variance is 2 / 2, so the error is 1 / sqrt(3).
    assert standard_error([1.0, 2.0, 3.0]) == pytest.approx(3**-0.5)
    assert standard_error([1.0]) is None


def test_the_interval_of_a_mean_over_splits_is_that_of_independent_splits() -> None:
    # 400 customers with standard deviation 1 each: the mean over two splits has the error 1 / sqrt(800) = 0.0354.
    values = {split: np.tile([-1.0, 1.0], 200) + 0.5 for split in (3, 4)}
    resampled = resampled_means_of(values, resamples=4000, seed=1)
    low, high = interval_of_mean(list(resampled.values()), 0.95)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 800**-0.5, 0.5 + 1.96 * 800**-0.5), abs=0.005)
    assert np.corrcoef(resampled[3], resampled[4])[0, 1] == pytest.approx(0, abs=0.06)


def test_splits_of_one_customer_can_be_resampled() -> None:
    resampled = resampled_means_of({0: np.array([1.0]), 1: np.array([2.0])}, resamples=200, seed=0)
    assert len(resampled[0]) == len(resampled[1]) > 0
    assert set(resampled[0]) == {1.0}
