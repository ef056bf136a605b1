"""Groups are compared as the arithmetic by hand says, and none is named worse by chance."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import evaluate
from nextbest.evaluation.group_tables import group_findings, group_tables
from nextbest.evaluation.groupings import LAUNCH
from nextbest.evaluation.groups import Outcomes
from nextbest.evaluation.results import Evaluation
from nextbest.evaluation.significance import calibrate, compare, holm
from nextbest.evaluation.test_set import TestSet

SECOND = 1 / np.log2(3)
"""nDCG of the only hit at place 2."""


class TestHolm:
    def test_by_hand(self) -> None:
        # Ascending 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be below the one before it.
        assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_none_is_above_1_and_nothing_is_corrected_of_one_or_none(self) -> None:
        assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
        assert holm(np.array([0.3])).tolist() == [0.3]
        assert holm(np.zeros(0)).tolist() == []

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
    def test_it_never_helps_and_keeps_the_order(self, given_p: list[float]) -> None:
        p = np.array(given_p)
        adjusted = holm(p)
        assert (adjusted >= p).all() and (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
        assert adjusted.max() <= min(1, len(p) * p.max())


def some(ones: int, of: int) -> Array:
    return np.r_[np.ones(ones), np.zeros(of - ones)].astype(np.float32)


class TestCompare:
    def test_by_hand(self) -> None:
        # Variances 0.25641 of 40 and 0.19068 of 60, for which that of all 100, 0.2298, stands in: the error is
        # sqrt(0.25641 / 40 + 0.2298 / 60) = 0.10119; 0.25 is 2.4705 of it.
        found = compare(some(20, 40), some(15, 60), 30)
        assert found is not None
        assert found.difference == pytest.approx(0.25)
        assert found.p == pytest.approx(0.01349, abs=2e-5)
        assert (found.low, found.high) == pytest.approx((0.25 - 1.96 * 0.10119, 0.25 + 1.96 * 0.10119), abs=1e-4)

    def test_too_few_are_not_compared(self) -> None:
        assert compare(some(1, 29), some(1, 500), 30) is None
        assert compare(some(1, 500), some(1, 29), 30) is None

    def test_that_all_of_a_small_group_have_none_says_little(self) -> None:
        """Welch's own error of 30 zeros is 0; with the variance of all, 0.05 x 0.95, it is 0.04."""
        found = compare(some(0, 30), some(50, 1000), 30)
        assert found is not None and found.p > 0.1

    def test_where_all_are_equal_nothing_differs(self) -> None:
        found = compare(np.ones(40), np.ones(40), 30)
        assert found is not None and (found.difference, found.p) == (0, 1)

    def test_chance_alone_seldom_names_any_of_twenty_groups(self) -> None:
        random, alarms, found = np.random.default_rng(0), 0, 0
        for _ in range(200):
            values = np.where(random.random(2000) < 0.5, 0, random.random(2000))
            group = random.integers(0, 20, 2000)
            p = [compare(values[group == one], values[group != one], 30) for one in range(20)]
            alarms += (holm(np.array([one.p for one in p if one])) < 0.05).any()
            values[group == 7] *= 0.3  # and a group that is served much worse is found
            worse = [compare(values[group == one], values[group != one], 30) for one in range(20)]
            found += holm(np.array([one.p for one in worse if one]))[7] < 0.05
        assert alarms <= 20  # of 200: 10 are expected at the most, and 20 are three standard deviations more
        assert found >= 180


class TestCalibrate:
    def test_by_hand(self) -> None:
        # 400 pairs of 0.01 say 4, and 10 happened. Garwood's interval of 10 is [4.795, 18.390]; Poisson's
        # P(X >= 10) with mean 4 is 0.00813.
        found = calibrate(400, 4.0, 10, 1.0)
        assert found is not None
        assert (found.pairs, found.said, found.happened) == pytest.approx((400, 0.01, 0.025))
        assert found.ratio.value == pytest.approx(2.5)
        assert (found.ratio.low, found.ratio.high) == pytest.approx((4.795 / 4, 18.390 / 4), abs=1e-3)
        assert found.p == pytest.approx(2 * 0.00813, abs=1e-4)

    def test_what_never_happened(self) -> None:
        found = calibrate(400, 4.0, 0, 1.0)
        assert found is not None
        assert (found.ratio.value, found.ratio.low) == (0, 0)
        assert found.ratio.high == pytest.approx(3.689 / 4, abs=1e-3)
        assert found.p == pytest.approx(2 * np.exp(-4))

    def test_who_takes_several_products_says_less(self) -> None:
        # Two customers with two pairs of 0.5, of whom one takes both and one none: each is 1 off, 2 in squares, where
        # pairs that know nothing of each other would vary by 4 x 0.25.
        half = np.full(4, 0.5, np.float32)
        several = Outcomes(half, np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1]), np.arange(4), {})
        assert several.dispersion == pytest.approx(2)
        single = Outcomes(half, np.array([1, 0, 1, 0], bool), np.array([0, 0, 1, 1]), np.arange(4), {})
        assert single.dispersion == 1
        one, two = (calibrate(400, 4.0, 10, dispersion) for dispersion in (1.0, 2.0))
        assert one is not None and two is not None
        assert two.ratio.value == one.ratio.value and two.p > one.p

    def test_where_nothing_was_said_there_is_no_ratio(self) -> None:
        assert calibrate(3, 0.0, 0, 1.0) is None


class Fixed:
    """Lists that are written down, the first product of a row first."""

    def __init__(self, lists: list[list[int]]) -> None:
        self._lists = lists

    def score(self, customers: Array) -> Array:
        scores = np.full((len(customers), 4), -np.inf, np.float32)
        for row, customer in enumerate(customers):
            for place, product in enumerate(self._lists[customer]):
                scores[row, product] = -place
        return scores


def measure(min_group: int = 2) -> Evaluation:
    """Four customers x took product 0, which the ranking shows them first, and four y product 2, which is second.

    Products 0 and 1 are of category a, 2 and 3 of b. Two more customers took nothing.
    """
    wanted = np.zeros((8, 4), int)
    wanted[:4, 0] = wanted[4:, 2] = 1
    test_set = TestSet(
        customers=np.arange(8),
        relevant=sp.csr_matrix(wanted),
        allowed=lambda rows: np.ones((len(rows), 4), bool),
        cutoff=date(2024, 1, 1),
        until=date(2024, 4, 1),
        slices={"kind": np.array(list("xxxxyyyy"), object)},
        product_groups={
            "category": np.array(list("aabb"), object),
            LAUNCH: np.array(["0 to 3 months"] * 4, object),
        },
        popularity=np.array([4, 3, 2, 1]),
    )
    # Everybody's products 0 and 2 were said to be 0.4 and 0.2 probable.
    customer = np.repeat(np.arange(10), 2)
    outcomes = Outcomes(
        probability=np.tile(np.array([0.4, 0.2], np.float32), 10),
        acquired=np.array([[1, 0]] * 4 + [[0, 1]] * 4 + [[0, 0]] * 2, bool).ravel(),
        customer=customer,
        product=np.tile([0, 2], 10),
        customer_groups={"kind": np.array(list("xxxxyyyyyy"), object)},
        product_ids=np.array(["P0", "P1", "P2", "P3"], object),
    )
    scorers = {
        "ranking": Fixed([[0, 1]] * 4 + [[0, 2]] * 4),
        "oracle": Fixed([[0, 3]] * 4 + [[2, 3]] * 4),
    }
    config = EvaluationConfig(ks=(1, 2), main_metric="ndcg@2")
    return evaluate(scorers, test_set, config, outcomes=outcomes, min_group=min_group)


@pytest.fixture(scope="module")
def measured() -> Evaluation:
    return measure()


class TestMeasured:
    def test_the_metrics_of_customers(self, measured: Evaluation) -> None:
        x, y = measured.groups["kind"]["x"], measured.groups["kind"]["y"]
        assert (x.customers, y.customers) == (4, 4)
        assert list(x.metrics) == ["ndcg@2", "recall@2", "mrr@2", "precision@2"]
        assert (x.metrics["ndcg@2"].value, x.metrics["mrr@2"].value) == (1, 1)
        assert y.metrics["ndcg@2"].value == pytest.approx(SECOND)
        assert y.metrics["recall@2"].value == 1 and y.metrics["mrr@2"].value == 0.5
        assert measured.slices["kind"]["y"].models["ranking"] == y.metrics["ndcg@2"]

    def test_the_share_of_the_oracle(self, measured: Evaluation) -> None:
        shares = [measured.groups["kind"][label].share_of_oracle for label in "xy"]
        assert [share.value for share in shares if share] == pytest.approx([1, SECOND])

    def test_what_is_shown_and_what_was_acquired_by_category(self, measured: Evaluation) -> None:
        x, y = measured.groups["kind"]["x"].exposure, measured.groups["kind"]["y"].exposure
        assert [(x[label].share.value, x[label].acquired) for label in "ab"] == [(1, 1), (0, 0)]
        assert [(y[label].share.value, y[label].acquired) for label in "ab"] == [(0.5, 0), (0.5, 1)]

    def test_happened_over_said(self, measured: Evaluation) -> None:
        # Of x 4 x 0.6 are said, of y, with the two who took nothing, 6 x 0.6; 4 happened to each.
        x, y = (measured.groups["kind"][label].calibration for label in "xy")
        assert x is not None and y is not None
        assert (x.pairs, y.pairs) == (8, 12)
        assert (x.ratio.value, y.ratio.value) == pytest.approx((4 / 2.4, 4 / 3.6))
        a, b = (measured.product_groups["category"][label].calibration for label in "ab")
        assert a is not None and b is not None
        assert (a.ratio.value, b.ratio.value) == pytest.approx((4 / 4.0, 4 / 2.0))

    def test_each_product_by_itself(self, measured: Evaluation) -> None:
        # Of 10 pairs each 4 happened; 0.4 and 0.2 of them were said.
        found = measured.calibration_by_product
        assert list(found) == ["P0", "P2"]
        assert [one.ratio.value for one in found.values()] == pytest.approx([1, 2])
        assert found["P2"].p_adjusted == pytest.approx(min(1, 2 * found["P2"].p))

    def test_products_are_measured_by_what_was_acquired_of_them(self, measured: Evaluation) -> None:
        a, b = measured.product_groups["category"]["a"], measured.product_groups["category"]["b"]
        assert (a.products, a.customers, b.products, b.customers) == (2, 4, 2, 4)
        assert a.metrics["ndcg@2"].value == 1 and b.metrics["ndcg@2"].value == pytest.approx(SECOND)
        # Of 16 places x has 8 of a, y 4 of a and 4 of b.
        assert (a.exposure["ranking"].share.value, a.exposure["ranking"].acquired) == (0.75, 0.5)
        assert b.exposure["oracle"].share.value == 0.75

    def test_all_groups_are_corrected_together(self, measured: Evaluation) -> None:
        # Between 1 and 0.6309 with a pooled variance of 0.03892 the error is sqrt(0.03892 (1/4 + 1/4)) = 0.1395; the
        # difference is 2.6456 of it, p 0.00815. There are four such comparisons: x, y, a and b.
        found = [measured.groups["kind"]["y"], measured.product_groups["category"]["b"]]
        for group in found:
            assert group.difference is not None
            assert group.difference.p == pytest.approx(0.00815, abs=2e-5)
            assert group.difference.p_adjusted == pytest.approx(4 * 0.00815, abs=1e-4)
            assert group.difference.finding == "worse"
        x = measured.groups["kind"]["x"].difference
        assert x is not None and x.finding == "better"
        assert measured.product_groups[LAUNCH]["0 to 3 months"].difference is None  # there are no others

    def test_small_groups_are_shown_and_not_judged(self) -> None:
        found = measure(min_group=5)
        assert all(group.difference is None for group in found.groups["kind"].values())
        assert found.groups["kind"]["x"].metrics["ndcg@2"].value == 1
        assert found.groups["kind"]["x"].calibration is None  # 4 customers have candidates, and 6 of y
        assert found.groups["kind"]["y"].calibration is not None
        assert not any("ndcg@2 is" in text for text in group_findings(found))
        assert "5 groups have fewer than 5 customers, or no others" in group_findings(found)[-1]

    def test_it_survives_being_written_and_read(self, measured: Evaluation) -> None:
        assert Evaluation.model_validate_json(measured.model_dump_json()) == measured

    def test_what_an_older_version_wrote_can_be_read(self, measured: Evaluation) -> None:
        new = {"groups", "product_groups", "calibration_by_product", "popularity", "min_group"}
        old = Evaluation.model_validate_json(measured.model_dump_json(exclude=new))
        assert (old.groups, old.popularity) == ({}, None)
        assert group_findings(old) == [] and list(group_tables(old)) == []


class TestTables:
    def test_the_findings_are_sentences_with_figures(self, measured: Evaluation) -> None:
        found = group_findings(measured)
        assert found[1] == (
            "By kind, y: ndcg@2 is worse by 0.369 [0.096, 0.642] than of all others (adjusted p = 0.033)."
        )
        assert "Of 5 groups none is shown to have probabilities that say too much or too little." in found
        assert "the chance of one wrong finding is below 5%" in found[-1]

    def test_every_group_has_a_row(self, measured: Evaluation) -> None:
        tables = {one.title: one for one in group_tables(measured)}
        assert list(tables) == [
            "Customers by kind",
            "Products by category",
            "Products by time on offer",
            "What is shown, by kind",
            "The popular and the rest",
        ]
        for one in tables.values():
            assert {len(row) for row in one.rows} == {len(one.headings)}
        assert [row[0] for row in tables["Customers by kind"].rows] == ["x", "y"]
        assert tables["Customers by kind"].rows[1][-1] == "worse"
        assert tables["Products by time on offer"].rows[0][-1] == "too few others"
        shown = ("b", "0.0% [0.0%, 0.0%] (0.0%)", "50.0% [50.0%, 50.0%] (100.0%)")
        assert tables["What is shown, by kind"].rows[1] == shown
