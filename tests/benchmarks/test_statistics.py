from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fartrans.statistics import families, interval_of_mean, resampled_means_of, standard_error


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
