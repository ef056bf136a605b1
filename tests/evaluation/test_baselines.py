from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nextbest.data.dataset import ACQUIRE, RELEASE, SIGNAL, Array, Dataset
from nextbest.evaluation.baselines import (
    EASE,
    BaselinesConfig,
    ItemKNN,
    Oracle,
    Popularity,
    Random,
    RecentPopularity,
    Scorer,
    SegmentPopularity,
    fit_baselines,
)
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import rank_all
from nextbest.modelling.metrics import per_customer
from tests.contracts import ScorerContract
from tests.evaluation.worlds import Planted, bank

ALL = np.arange(4)


@pytest.fixture
def tiny() -> Dataset:
    """Four customers, four products, cut at day 100; no one holds d and zoe has done nothing."""
    return bank(
        customers=["ann", "bob", "cyd", "zoe"],
        products=["a", "b", "c", "d"],
        events=[
            ("ann", "a", 10, ACQUIRE),
            ("ann", "b", 100, ACQUIRE),
            ("bob", "a", 40, ACQUIRE),
            ("bob", "b", 70, ACQUIRE),
            ("bob", "b", 80, RELEASE),
            ("cyd", "a", 100, ACQUIRE),
            ("cyd", "c", 70, ACQUIRE),
            ("cyd", "d", 90, SIGNAL),
        ],
        segments=["young", "young", "old", ""],
    )


class OnPlanted(ScorerContract):
    """The contract, and the accuracy on the bank with four blocks of products."""

    floor: float
    ceiling: float = 1.0

    @pytest.fixture
    def customers(self, planted: Planted) -> Array:
        return np.array([5, 0, 17, 400, len(planted.history.customers) - 1])

    @pytest.fixture
    def num_products(self, planted: Planted) -> int:
        return planted.num_products

    def test_accuracy(self, scorer: Scorer, planted: Planted) -> None:
        config = EvaluationConfig()
        ranked, _ = rank_all({"it": scorer}, planted.test_set, config)
        ndcg = per_customer(ranked["it"], planted.test_set.relevant, config.ks)["ndcg@5"].mean()
        assert self.floor <= ndcg <= self.ceiling


class TestRandom(OnPlanted):
    # Two of 22 products not held are wanted, so each place holds a hit with probability 1/11: the expected DCG@5 is
    # 2.95 / 11 against an ideal of 1.63: 0.16.
    floor, ceiling = 0.13, 0.20

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return Random.fit(planted.history, planted.cutoff_day, seed=1)

    def test_depends_on_the_customer_and_the_seed_alone(self, planted: Planted, scorer: Scorer) -> None:
        batch = scorer.score(np.array([7, 3, 0, 3]))
        np.testing.assert_array_equal(batch[[1]], scorer.score(np.array([3])))
        np.testing.assert_array_equal(batch[1], batch[3])
        assert (batch[0] != batch[1]).all() and (batch[1] != batch[2]).all()
        other = Random.fit(planted.history, planted.cutoff_day, seed=2).score(np.array([3]))
        assert (other != batch[[1]]).all()

    def test_no_customers(self, scorer: Scorer, num_products: int) -> None:
        assert scorer.score(np.array([], np.int64)).shape == (0, num_products)

    def test_is_uniform(self, scorer: Scorer) -> None:
        # 800 x 25 draws: the mean's standard error is sqrt(1/12 / 20000) = 0.002.
        scores = scorer.score(np.arange(800))
        assert scores.mean() == pytest.approx(0.5, abs=0.008)
        assert np.histogram(scores, bins=10, range=(0, 1))[0].min() > 1800
        assert abs(np.corrcoef(scores[:-1].ravel(), scores[1:].ravel())[0, 1]) < 0.03


class TestPopularity(OnPlanted):
    floor, ceiling = 0.2, 0.6

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return Popularity.fit(planted.history, planted.cutoff_day)

    def test_counts_acquisitions_and_nothing_else(self, tiny: Dataset) -> None:
        # a: ann, bob, cyd. b: ann, bob (who gave it back). c: cyd. d was only looked at.
        assert Popularity.fit(tiny, 100).score(ALL[:1]).tolist() == [[3, 2, 1, 0]]


class TestRecentPopularity(OnPlanted):
    floor, ceiling = 0.2, 0.6

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return RecentPopularity.fit(planted.history, planted.cutoff_day, half_life_days=30)

    def test_halves_with_every_half_life(self, tiny: Dataset) -> None:
        # Ages 90, 60, 0 days for a: 1/8 + 1/4 + 1. Ages 0 and 30 for b: 1 + 1/2. Age 30 for c: 1/2.
        recent = RecentPopularity.fit(tiny, 100, half_life_days=30)
        np.testing.assert_allclose(recent.score(ALL[:1]), [[1.375, 1.5, 0.5, 0]])


class TestSegmentPopularity(OnPlanted):
    floor = 0.65

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return SegmentPopularity.fit(planted.history, planted.cutoff_day, segment="segment", prior=50)

    def test_shrinks_towards_the_overall_shares(self, tiny: Dataset) -> None:
        # Overall shares of 6 acquisitions: 3/6, 2/6, 1/6, 0, worth 6 acquisitions. young acquired a, b, a, b: (2 + 3,
        # 2 + 2, 0 + 1, 0) / (4 + 6). old acquired a, c: (1 + 3, 0 + 2, 1 + 1, 0) / (2 + 6).
        scores = SegmentPopularity.fit(tiny, 100, segment="segment", prior=6).score(ALL)
        young, old = [0.5, 0.4, 0.1, 0], [0.5, 0.25, 0.25, 0]
        np.testing.assert_allclose(scores, [young, young, old, [1 / 2, 1 / 3, 1 / 6, 0]], rtol=1e-6)

    def test_without_prior_a_segment_that_acquired_nothing_has_the_overall_shares(self, tiny: Dataset) -> None:
        columns = {"segment": np.array(["young", "young", "old", "new"], object)}
        history = replace(tiny, customers=replace(tiny.customers, columns=columns))
        scores = SegmentPopularity.fit(history, 100, segment="segment", prior=0).score(ALL[3:])
        np.testing.assert_allclose(scores, [[1 / 2, 1 / 3, 1 / 6, 0]], rtol=1e-6)


class TestItemKNN(OnPlanted):
    floor = 0.75

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return ItemKNN.fit(planted.history, planted.cutoff_day, shrinkage=5)

    def test_cosine_with_shrinkage_by_hand(self, tiny: Dataset) -> None:
        # Held at 100: ann a b, bob a, cyd a c. Common holders a-b 1, a-c 1, b-c 0; holders a 3, b 1, c 1.
        # With shrinkage 1: cosine(a, b) = 1 / (sqrt(3) + 1) = cosine(a, c).
        cosine = 1 / (np.sqrt(3) + 1)
        scores = ItemKNN.fit(tiny, 100, shrinkage=1).score(ALL)
        expected = [[cosine, cosine, cosine, 0], [0, cosine, cosine, 0], [cosine, cosine, cosine, 0], [3, 2, 1, 0]]
        np.testing.assert_allclose(scores, expected, rtol=1e-6)

    def test_only_the_nearest_vote(self, tiny: Dataset) -> None:
        # a is as near to b as to c; the tie goes to the lower position, b. b's and c's only neighbour is a.
        cosine = 1 / np.sqrt(3)
        scores = ItemKNN.fit(tiny, 100, shrinkage=0, neighbours=1).score(ALL[1:3])
        np.testing.assert_allclose(scores, [[0, cosine, 0, 0], [cosine, cosine, 0, 0]], rtol=1e-6)


class TestEASE(OnPlanted):
    floor = 0.75

    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        return EASE.fit(planted.history, planted.cutoff_day, l2=10)

    def test_is_the_best_linear_rebuild_of_the_holdings(self, tiny: Dataset) -> None:
        # Each column solves its own ridge regression on the other products (Steck 2019, equation 4).
        held = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], float)
        weights = np.zeros((4, 4))
        for product in range(4):
            others = [other for other in range(4) if other != product]
            x, y = held[:, others], held[:, product]
            weights[others, product] = np.linalg.solve(x.T @ x + 0.5 * np.eye(3), x.T @ y)
        scores = EASE.fit(tiny, 100, l2=0.5).score(ALL)
        np.testing.assert_allclose(scores[:3], (held @ weights)[:3], rtol=1e-5, atol=1e-6)
        assert scores[3].tolist() == [3, 2, 1, 0]


class TestOracle(OnPlanted):
    floor = 1.0

    @pytest.fixture
    def frame(self, planted: Planted) -> pd.DataFrame:
        """Certainty for what was acquired, a little for one product and the customer who never bought."""
        relevant = planted.test_set.relevant.tocoo()
        ids = planted.history.customers.ids
        return pd.DataFrame(
            {
                "customer_id": [*ids[planted.test_set.customers[relevant.row]], "newcomer", "stranger"],
                "product_id": [*planted.history.products.ids[relevant.col], "p03", "p03"],
                "probability": [*np.ones(relevant.nnz), 0.25, 0.5],
            }
        )

    @pytest.fixture
    def scorer(self, planted: Planted, frame: pd.DataFrame) -> Scorer:
        return Oracle.from_frame(frame, planted.history)

    def test_reads_a_file(
        self, planted: Planted, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.mktemp("oracle") / "oracle.parquet"
        frame.to_parquet(path)
        newcomer = np.array([len(planted.history.customers) - 1])
        assert Oracle.read(path, planted.history).score(newcomer)[0, 3] == 0.25

    def test_an_error_names_the_file_and_every_problem(
        self, planted: Planted, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.mktemp("oracle") / "bad.parquet"
        pair = {"customer_id": "c00001", "product_id": "p03"}
        pd.DataFrame([{**pair, "probability": -0.5}, {**pair, "probability": 0.5}]).to_parquet(path)
        with pytest.raises(ValueError, match=r"bad.parquet.*1 probabilities are missing, negative.*; 1 pairs.*again"):
            Oracle.read(path, planted.history)

    def test_a_missing_column_is_named(self, planted: Planted, frame: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match=r"lacks the columns \['probability'\]"):
            Oracle.from_frame(frame.drop(columns="probability"), planted.history)

    def test_another_banks_oracle_is_an_error(self, planted: Planted, frame: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="of the same bank"):
            Oracle.from_frame(frame.assign(customer_id="nobody"), planted.history)


def test_all_are_fitted_and_it_is_said_what_was_left_out(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbest.evaluation.baselines.EASE_MAX_PRODUCTS", 3)
    config = BaselinesConfig()
    found = fit_baselines(tiny, 100, config)
    assert list(found.scorers) == ["random", "popularity", "recent_popularity", "item_knn"]
    assert found.skipped == {
        "segment_popularity": "the data config names no segment column",
        "ease": "4 products are more than 3, too many for a matrix of them all",
    }
    assert "segment_popularity" in fit_baselines(tiny, 100, config, segment="segment").scorers


def test_only_what_is_named_is_fitted_or_missed(tiny: Dataset) -> None:
    found = fit_baselines(tiny, 100, BaselinesConfig(), names=("popularity",))
    assert list(found.scorers) == ["popularity"]
    assert found.skipped == {}


def test_what_happens_after_the_cutoff_changes_nothing(tiny: Dataset) -> None:
    later = tiny.interactions.day > 60
    assert later.any()
    before = replace(tiny, interactions=tiny.interactions[~later])
    config = BaselinesConfig()
    informed = fit_baselines(tiny, 60, config, segment="segment").scorers
    ignorant = fit_baselines(before, 60, config, segment="segment").scorers
    assert len(informed) == 6
    for name, scorer in informed.items():
        np.testing.assert_array_equal(scorer.score(ALL), ignorant[name].score(ALL), err_msg=name)


def test_a_bank_without_any_history(tiny: Dataset) -> None:
    empty = replace(tiny, interactions=tiny.interactions[:0])
    for name, scorer in fit_baselines(empty, 100, BaselinesConfig(), segment="segment").scorers.items():
        assert np.isfinite(scorer.score(ALL)).all(), name
