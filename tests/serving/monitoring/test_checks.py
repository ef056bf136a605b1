"""An alarm needs a difference that matters and that is no chance; the figures are worked out by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.serving.monitoring.checks import (
    Check,
    alarms,
    distribution_check,
    needed_evidence,
    psi,
    rate_check,
    rate_evidence,
    share_check,
)


def check(value: float, limit: float, evidence: float, comparisons: int = 1) -> Check:
    return Check("customers", "income", "PSI", value, limit, evidence, comparisons)


class TestAlarms:
    def test_both_are_needed(self) -> None:
        # Of 4 comparisons ln(4 / 0.01) = 5.99 nats.
        checks = [check(2, 1, 6), check(2, 1, 5.9), check(0.9, 1, 100), check(1, 1, 100)]
        assert needed_evidence(checks) == pytest.approx(5.99, abs=0.01)
        assert alarms(checks) == [checks[0]]

    def test_more_comparisons_need_more(self) -> None:
        assert alarms([check(2, 1, 6)]) and not alarms([check(2, 1, 6), check(0, 1, 0, 396)])  # ln(39700) = 10.6

    def test_without_checks_there_is_none(self) -> None:
        assert alarms([]) == []


class TestPopulationStabilityIndex:
    def test_by_hand(self) -> None:
        # With half a customer more in each bin the shares are 1/2, 1/2 and 90.5/101, 10.5/101:
        # 0.396 ln 1.792 - 0.396 ln 0.208 = 0.853, of which (1/100 + 1/100) * 1 is chance.
        assert psi(np.array([50, 50]), np.array([90, 10])) == pytest.approx(0.853 - 0.02, abs=0.001)

    def test_equal_shares_have_none(self) -> None:
        assert psi(np.array([30, 70]), np.array([300, 700])) == 0

    @pytest.mark.parametrize(("before", "now"), [([0, 0], [1, 2]), ([1, 2], [0, 0])])
    def test_nothing_differs_from_nothing(self, before: list[int], now: list[int]) -> None:
        found = distribution_check("customers", "income", ["a", "b"], np.array(before), np.array(now), 0.25)
        assert (found.value, found.evidence) == (0, 0)

    def test_an_empty_bin_is_no_infinity(self) -> None:
        assert 1 < psi(np.array([100, 0]), np.array([0, 100])) < 20


class TestEvidence:
    def test_of_a_share(self) -> None:
        # All of 10, where a half is the limit: 10 ln 2.
        assert share_check("customers", "x", "missing", 10, 10, 0.5).evidence == pytest.approx(10 * log(2))
        assert share_check("customers", "x", "missing", 4, 10, 0.5).evidence == 0
        assert share_check("customers", "x", "missing", 0, 0, 0.5).value == 0

    def test_of_a_rate(self) -> None:
        assert rate_evidence(0, 5) == 5  # exp(-5) is the chance of none
        assert rate_evidence(10, 5) == pytest.approx(10 * log(2) - 5)
        assert rate_evidence(0, 0) == 0 and rate_evidence(1, 0) == float("inf")

    def test_of_events_that_ceased(self) -> None:
        found = rate_check("outcomes", "opened", "events", 0, 100, 2)
        assert found.value == pytest.approx(201) and found.evidence == 50  # a half of them were no fault
        assert rate_check("outcomes", "opened", "events", 60, 100, 2).evidence == 0

    def test_of_a_distribution_is_that_of_its_worst_bin(self) -> None:
        # Bin b: none of 100 and 50 of 50; in common 1/3: 100 ln(1 / (2/3)) + 50 ln(1 / (1/3)) = 40.5 + 54.9.
        found = distribution_check("customers", "x", ["a", "b"], np.array([100, 0]), np.array([0, 50]), 0.25)
        assert found.evidence == pytest.approx(100 * log(1.5) + 50 * log(3))
        assert found.picture is not None and list(found.picture.now) == [0, 1]


BINS = 12


def draw(size: int, random: np.random.Generator) -> Array:
    return np.bincount(random.integers(BINS, size=size), minlength=BINS)


class TestSmallFiles:
    @pytest.mark.parametrize("size", [1, 3, 10, 40, 300, 3000])
    def test_healthy_ones_cry_no_wolf(self, size: int) -> None:
        # Limits of 0 leave the decision to the evidence alone: at most 1 % may have an alarm.
        random, wrong = np.random.default_rng(size), 0
        for _ in range(300):
            checks = [
                distribution_check("c", "x", [""] * BINS, draw(400, random), draw(size, random), 0) for _ in "1234"
            ]
            wrong += bool(alarms(checks))
        assert wrong <= 6

    @pytest.mark.parametrize(("size", "found"), [(1, False), (2, False), (10, True), (100, True)])
    def test_ten_customers_are_enough_for_another_unit(self, size: int, found: bool) -> None:
        before, now = np.array([4] + [39] * 10 + [6]), np.bincount([BINS - 1] * size, minlength=BINS)
        others = check(0, 1, 0, comparisons=200)
        assert bool(alarms([distribution_check("c", "income", [""] * BINS, before, now, 0.25), others])) is found


@given(st.lists(st.integers(0, 500), min_size=1, max_size=20), st.lists(st.integers(0, 500), min_size=20, max_size=20))
def test_no_counts_break_it(before: list[int], now: list[int]) -> None:
    found = distribution_check("c", "x", [""] * len(before), np.array(before), np.array(now[: len(before)]), 0.25)
    assert np.isfinite([found.value, found.evidence]).all() and found.value >= 0 and found.evidence >= -1e-9
