from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.evaluation.baselines import fit_baselines
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import evaluate, rank_all
from nextbest.evaluation.results import Evaluation, stage_pairs
from nextbest.evaluation.test_set import TestSet
from tests.evaluation.worlds import Planted


@dataclass(frozen=True)
class Fixed:
    """Scores that are written down."""

    scores: Array

    def score(self, customers: Array) -> Array:
        return self.scores[customers]


# Customers at positions 0 to 3; the third is not evaluated. Customer 0 may not be shown product 1.
WANTED = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
ALLOWED = np.array([[1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], bool)
GOOD = Fixed(np.array([[3, 9, 2, 1], [0, 5, 4, 1], [0, 0, 0, 0], [1, 2, 3, 9]], np.float32))
BAD = Fixed(-GOOD.scores)
CONFIG = EvaluationConfig(ks=(1, 2), main_metric="ndcg@2", slices=("segment",))


@pytest.fixture
def test_set() -> TestSet:
    return TestSet(
        customers=np.array([0, 1, 3]),
        relevant=sp.csr_matrix(WANTED),
        allowed=lambda rows: ALLOWED[rows],
        cutoff=date(2024, 1, 1),
        until=date(2024, 4, 1),
        slices={"segment": np.array(["x", "y", "x"], object)},
    )


@pytest.fixture
def evaluation(test_set: TestSet) -> Evaluation:
    return evaluate({"good": GOOD, "bad": BAD}, test_set, CONFIG, [("good", "bad"), ("bad", "good")])


def test_values_by_hand(evaluation: Evaluation) -> None:
    # good lists 0 2 | 1 2 | 3 2 (product 1 is masked): all that was wanted in front. bad lists 3 2 | 0 3 | 0 1: one
    # hit, at place 2 of customer 0, of two: DCG 1/log2(3) over 1 + 1/log2(3).
    good, bad = evaluation.models["good"], evaluation.models["bad"]
    assert good["ndcg@2"].value == 1
    assert good["recall@1"].value == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert good["precision@2"].value == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    second = 1 / np.log2(3)
    assert bad["ndcg@2"].value == pytest.approx(second / (1 + second) / 3)
    assert bad["mrr@2"].value == pytest.approx(1 / 2 / 3)


def test_coverage_has_no_interval(evaluation: Evaluation) -> None:
    # First places: 0, 1, 3 of four products.
    assert evaluation.models["good"]["coverage@1"].model_dump() == {"value": 0.75, "low": None, "high": None}


def test_pairs_are_compared_both_ways(evaluation: Evaluation) -> None:
    forth, back = evaluation.paired["good-bad"]["ndcg@2"], evaluation.paired["bad-good"]["ndcg@2"]
    assert forth.difference == pytest.approx(-back.difference)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert (forth.share_positive, back.share_positive) == (1, 0)
    assert [comparison.beats for comparison in evaluation.verdicts] == [True, False]
    assert evaluation.verdicts[0].text.startswith("good beats bad: yes, +0.8710 ndcg@2 [+")
    assert evaluation.verdicts[1].text.startswith("bad beats good: no, it is worse, -0.8710 ndcg@2 [-")


def test_slices_hold_their_own_customers(evaluation: Evaluation) -> None:
    x, y = evaluation.slices["segment"]["x"], evaluation.slices["segment"]["y"]
    assert (x.customers, y.customers) == (2, 1)
    second = 1 / np.log2(3)
    assert x.models["bad"].value == pytest.approx(second / (1 + second) / 2)
    assert y.models["bad"].model_dump() == {"value": 0, "low": 0, "high": 0}


def test_window(evaluation: Evaluation) -> None:
    window = evaluation.window
    assert (window.customers, window.acquisitions, window.products) == (3, 4, 4)
    assert (window.cutoff, window.until) == (date(2024, 1, 1), date(2024, 4, 1))


def test_a_model_does_not_beat_itself(test_set: TestSet) -> None:
    found = evaluate({"a": GOOD, "b": GOOD}, test_set, CONFIG, [("a", "b")])
    assert not found.verdicts[0].beats
    assert "may be chance, +0.0000" in found.verdicts[0].text


def test_share_of_the_oracle(test_set: TestSet) -> None:
    found = evaluate({"bad": BAD, "oracle": GOOD}, test_set, CONFIG)
    # The oracle's nDCG is 1, in every resample.
    assert found.share_of_oracle == {"bad": found.models["bad"]["ndcg@2"]}
    assert evaluate({"bad": BAD}, test_set, CONFIG).share_of_oracle == {}


@pytest.mark.parametrize(("limit", "value"), [("_BATCH", 1), ("_BATCH", 2), ("_BATCH_SCORES", 1), ("_BATCH_SCORES", 8)])
def test_batches_change_nothing(
    test_set: TestSet, evaluation: Evaluation, limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"nextbest.evaluation.evaluate.{limit}", value)
    counted: list[int] = []
    found = evaluate({"good": GOOD, "bad": BAD}, test_set, CONFIG, advance=counted.append)
    assert found.models == evaluation.models
    assert sum(counted) == 3
    assert len(counted) > 1


def test_no_batch_holds_more_than_it_may(test_set: TestSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbest.evaluation.evaluate._BATCH_SCORES", 9)
    sizes: list[int] = []

    class Watched:
        def score(self, customers: Array) -> Array:
            sizes.append(len(customers))
            return GOOD.score(customers)

    rank_all({"watched": Watched()}, test_set, CONFIG)
    assert sizes == [2, 1]  # 9 scores are two customers of four products


def test_a_scorer_that_breaks_its_contract_is_named(test_set: TestSet) -> None:
    with pytest.raises(ValueError, match=r"scorer 'short': scores have the shape \(3, 3\)"):
        evaluate({"short": Fixed(GOOD.scores[:, :3])}, test_set, CONFIG)


def test_all_problems_are_told_at_once(test_set: TestSet) -> None:
    config = CONFIG.model_copy(update={"slices": ("region",)})
    with pytest.raises(ValueError, match=r"no scorer.*pairs name \['a', 'b'\].*slices \['region'\]"):
        evaluate({}, test_set, config, [("a", "b")])


def test_survives_being_written_and_read(evaluation: Evaluation) -> None:
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_the_same_seed_finds_the_same(planted: Planted) -> None:
    config = EvaluationConfig()
    scorers = fit_baselines(planted.history, planted.cutoff_day, config.baselines, segment="segment").scorers
    first, second = (evaluate(scorers, planted.test_set, config) for _ in range(2))
    assert first.models == second.models


def test_the_planted_order_is_found(planted: Planted) -> None:
    config = EvaluationConfig()
    scorers = fit_baselines(planted.history, planted.cutoff_day, config.baselines, segment="segment").scorers
    order = ["ease", "segment_popularity", "popularity", "random"]
    found = evaluate(scorers, planted.test_set, config, list(pairwise(order)))
    assert [comparison.beats for comparison in found.verdicts] == [True, True, True]


def test_each_stage_is_compared_with_the_one_before_and_every_baseline() -> None:
    assert stage_pairs(["random", "ease", "retrieval", "ranking", "oracle"]) == [
        ("ranking", "retrieval"),
        ("ranking", "random"),
        ("ranking", "ease"),
        ("retrieval", "random"),
        ("retrieval", "ease"),
    ]
    assert stage_pairs(["random", "oracle"]) == []
