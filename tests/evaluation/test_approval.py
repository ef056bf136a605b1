from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nextbest.evaluation.approval import Approval, Check, change_check, pair_checks, paired_difference, value_checks
from nextbest.evaluation.baselines import fit_baselines
from nextbest.evaluation.config import ApprovalConfig, EvaluationConfig
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.results import Calibration, Comparison, Difference, Evaluation, Interval, Window
from tests.evaluation.worlds import Planted

CALIBRATION = Calibration(pairs=10, base_rate=0.1, mean_probability=0.1, ece=0.02, brier=0.09, log_loss=0.3, bins=())
WINDOW = Window(cutoff=date(2024, 1, 1), until=date(2024, 4, 1), customers=9, acquisitions=9, products=9)


def measured(
    *,
    interval: Interval | None = None,
    calibration: Calibration | None = CALIBRATION,
    verdicts: tuple[Comparison, ...] = (),
    skipped: dict[str, str] | None = None,
) -> Evaluation:
    """What an evaluation found: ranking's ndcg@5, and its coverage, which has no interval."""
    ndcg = interval or Interval(value=0.5, low=0.4, high=0.6)
    return Evaluation(
        window=WINDOW,
        k=(5,),
        main_metric="ndcg@5",
        level=0.95,
        models={"ranking": {"ndcg@5": ndcg, "coverage@5": Interval(value=0.75)}},
        paired={},
        share_of_oracle={},
        slices={},
        verdicts=verdicts,
        calibration=calibration,
        customers_per_second={},
        skipped=skipped or {},
    )


def value_check(evaluation: Evaluation, **bounds: dict[str, float]) -> Check:
    (check,) = value_checks(evaluation, ApprovalConfig.model_validate(bounds))
    return check


class TestValueThresholds:
    @pytest.mark.parametrize(
        ("key", "name", "bound", "passed"),
        [
            # ranking's ndcg@5 is 0.5 [0.4, 0.6]: the end that is nearer to the threshold counts.
            ("lowest", "ranking/ndcg@5", 0.4, True),
            ("lowest", "ranking/ndcg@5", math.nextafter(0.4, 1), False),
            ("highest", "ranking/ndcg@5", 0.6, True),
            ("highest", "ranking/ndcg@5", math.nextafter(0.6, 0), False),
            # What has no interval counts by its value.
            ("lowest", "ranking/coverage@5", 0.75, True),
            ("lowest", "ranking/coverage@5", 0.76, False),
            ("highest", "calibration/ece", 0.02, True),
            ("highest", "calibration/ece", 0.019, False),
            ("highest", "calibration/brier", 0.1, True),
            ("highest", "calibration/log_loss", 0.2, False),
        ],
    )
    def test_just_met_and_just_missed(self, key: str, name: str, bound: float, passed: bool) -> None:
        check = value_check(measured(), **{key: {name: bound}})
        assert (check.name, check.passed) == (f"{key} {name}", passed)

    def test_a_check_says_the_figures(self) -> None:
        found = measured(interval=Interval(value=0.412, low=0.401, high=0.423))
        assert (
            value_check(found, lowest={"ranking/ndcg@5": 0.3}).text
            == "ranking ndcg@5 is 0.412 [0.401, 0.423], at least 0.3 is required"
        )
        assert (
            value_check(found, highest={"calibration/ece": 0.0125}).text
            == "calibration ece is 0.02, at most 0.0125 is allowed"
        )

    @pytest.mark.parametrize("key", ["lowest", "highest"])
    @pytest.mark.parametrize("bound", [-1e9, 0.0, 1e9])
    def test_nan_reaches_nothing(self, key: str, bound: float) -> None:
        nothing = measured(interval=Interval(value=math.nan, low=math.nan, high=math.nan))
        assert not value_check(nothing, **{key: {"ranking/ndcg@5": bound}}).passed

    def test_what_was_not_measured_reaches_nothing(self) -> None:
        found = measured(calibration=None, skipped={"ease": "9 products are too many"})
        check = value_check(found, highest={"calibration/ece": 1.0})
        assert not check.passed
        assert "the test window is not as long as the horizon" in check.text
        check = value_check(found, lowest={"ease/ndcg@5": 0.0})
        assert not check.passed
        assert check.text == "ease ndcg@5 was not measured (9 products are too many), at least 0 is required"

    def test_none_is_required_by_default(self) -> None:
        assert list(value_checks(measured(), ApprovalConfig())) == []


class TestPairs:
    COMPARISONS = (
        Comparison(model="ranking", other="popularity", beats=True, text="it does"),
        Comparison(model="ranking", other="ease", beats=False, text="it does not"),
    )

    def test_the_comparison_by_the_paired_interval_counts(self) -> None:
        config = ApprovalConfig(must_beat=("ranking-popularity", "ranking-ease"))
        assert list(pair_checks(measured(verdicts=self.COMPARISONS), config)) == [
            Check(name="must_beat ranking-popularity", passed=True, text="it does"),
            Check(name="must_beat ranking-ease", passed=False, text="it does not"),
        ]

    def test_a_pair_that_was_not_compared_is_not_won(self) -> None:
        found = measured(verdicts=self.COMPARISONS, skipped={"item_knn": "there was no time"})
        (check,) = pair_checks(found, ApprovalConfig(must_beat=("ranking-item_knn",)))
        assert not check.passed
        assert "was not compared (item_knn: there was no time)" in check.text

    def test_popularity_must_be_beaten_by_default(self) -> None:
        (check,) = pair_checks(measured(verdicts=self.COMPARISONS), ApprovalConfig())
        assert check.name == "must_beat ranking-popularity"


CONFIG = EvaluationConfig()


@pytest.fixture(scope="module")
def lists(planted: Planted) -> dict[str, np.ndarray]:
    scorers = fit_baselines(planted.history, planted.cutoff_day, CONFIG.baselines).scorers
    ranked, _ = rank_all({name: scorers[name] for name in ("ease", "popularity")}, planted.test_set, CONFIG)
    return ranked


class TestChange:
    """In the planted bank EASE is far better than popularity."""

    def change(self, planted: Planted, ours: np.ndarray, theirs: np.ndarray) -> Difference:
        return paired_difference(ours, theirs, planted.test_set.relevant, CONFIG, "ndcg@5")

    def test_a_better_model_passes(self, planted: Planted, lists: dict[str, np.ndarray]) -> None:
        found = self.change(planted, lists["ease"], lists["popularity"])
        assert found.low > 0
        assert change_check("ndcg@5", found, 3, max_drop=0.0).passed

    def test_a_worse_model_fails(self, planted: Planted, lists: dict[str, np.ndarray]) -> None:
        found = self.change(planted, lists["popularity"], lists["ease"])
        assert found.high < 0
        assert not change_check("ndcg@5", found, 3, max_drop=0.02).passed
        assert change_check("ndcg@5", found, 3, max_drop=1.0).passed

    def test_an_equal_model_differs_by_nothing(self, planted: Planted, lists: dict[str, np.ndarray]) -> None:
        found = self.change(planted, lists["ease"], lists["ease"].copy())
        assert found == Difference(difference=0, low=0, high=0, share_positive=0)
        assert change_check("ndcg@5", found, 3, max_drop=0.0).passed

    @pytest.mark.parametrize(
        ("low", "passed"), [(-0.02, True), (math.nextafter(-0.02, -1), False), (0.5, True), (math.nan, False)]
    )
    def test_the_lower_end_counts(self, low: float, passed: bool) -> None:
        found = Difference(difference=0.6, low=low, high=0.7, share_positive=1)
        assert change_check("ndcg@5", found, 3, max_drop=0.02).passed is passed

    def test_a_check_says_the_figures(self) -> None:
        found = Difference(difference=-0.0012, low=-0.0101, high=0.008, share_positive=0.4)
        assert change_check("recall@3", found, 7, max_drop=0.005) == Check(
            name="max_drop recall@3",
            passed=False,
            text="ranking recall@3 is -0.0012 [-0.0101, +0.0080] against version 7, the last approved, a drop of at "
            "most 0.005 is allowed",
        )


class TestApproval:
    GOOD, BAD = (Check(name=name, passed=name == "good", text=f"it is {name}") for name in ("good", "bad"))

    def test_what_passes_every_check_is_blessed_by_all_of_them(self) -> None:
        approval = Approval.from_checks([self.GOOD, self.GOOD], compared_with=3)
        assert approval.blessed and approval.reasons == ["it is good", "it is good"]

    def test_one_failed_check_is_enough_and_is_the_reason(self) -> None:
        approval = Approval.from_checks([self.GOOD, self.BAD, self.GOOD], compared_with=None)
        assert not approval.blessed and approval.reasons == ["it is bad"]

    def test_survives_being_written_and_read(self) -> None:
        approval = Approval.from_checks(iter([self.GOOD, self.BAD]), compared_with=3)
        assert approval.checks == (self.GOOD, self.BAD)
        assert Approval.model_validate_json(approval.model_dump_json()) == approval


class TestConfig:
    def refused(self, **approval: object) -> str:
        with pytest.raises(ValidationError) as caught:
            EvaluationConfig.model_validate({"ks": (1, 5), "approval": approval})
        return str(caught.value)

    def test_what_is_measured_may_be_named(self) -> None:
        named = {"ranking/ndcg@5": 0.3, "retrieval/coverage@1": 0.5, "ease/mrr@1": 0.1, "oracle/recall@5": 0.9}
        errors = {"calibration/ece": 0.02, "calibration/brier": 0.1, "calibration/log_loss": 1.0}
        approval = {"lowest": named, "highest": errors, "must_beat": ("retrieval-ease",)}
        config = EvaluationConfig.model_validate({"ks": (1, 5), "oracle": "oracle.parquet", "approval": approval})
        assert config.approval.lowest == named

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("ranking/ndcg@7", "'ndcg@7' is not measured of ranking; choose from ndcg@1, ndcg@5, recall@1"),
            ("ranking/auc", "'auc' is not measured of ranking; choose from ndcg@1"),
            ("ranker/ndcg@5", "there is no model 'ranker'; choose from random, popularity"),
            ("oracle/ndcg@5", "there is no model 'oracle'"),  # no oracle is configured
            ("ndcg@5", "there is no model 'ndcg@5'"),
            ("calibration/ndcg@5", "'ndcg@5' is not measured of calibration; choose from ece, brier, log_loss"),
        ],
    )
    @pytest.mark.parametrize("key", ["lowest", "highest"])
    def test_what_is_not_measured_is_refused(self, key: str, name: str, says: str) -> None:
        assert f"approval.{key} names {name!r}: {says}" in self.refused(**{key: {name: 0.5}})

    def test_pairs_that_are_not_compared_are_refused(self) -> None:
        message = self.refused(must_beat=("ease-popularity",))
        assert "'ease-popularity', which is not compared; choose from ranking-retrieval, ranking-random" in message

    def test_bounds_that_nothing_can_reach_are_refused(self) -> None:
        message = self.refused(lowest={"ranking/ndcg@5": 0.5}, highest={"ranking/ndcg@5": 0.25})
        assert "ranking/ndcg@5 of at least 0.5 and at most 0.25" in message

    def test_all_problems_are_reported_at_once(self) -> None:
        message = self.refused(lowest={"a/b": 0.1}, highest={"c/d": 0.1}, must_beat=("e-f",))
        for part in ("'a/b'", "'c/d'", "'e-f'"):
            assert part in message

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_threshold_is_a_number(self, value: float) -> None:
        assert "finite number" in self.refused(lowest={"ranking/ndcg@5": value})

    @given(st.text(max_size=12))
    def test_any_other_name_is_refused(self, name: str) -> None:
        assert "choose from" in self.refused(lowest={name: 0.1})
        assert "choose from" in self.refused(highest={f"ranking/{name}": 0.1})
