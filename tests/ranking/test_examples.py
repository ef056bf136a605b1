"""Labels and weights on the tiny bank of tests.worlds, whose events are all listed there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from nextbest.data.candidates import Candidates
from nextbest.data.dataset import Array, Dataset, Interactions
from nextbest.data.snapshot import NO_PRODUCT, new_acquisitions, take_snapshot
from nextbest.data.statistics import StatisticsConfig, popularity_features
from nextbest.data.windows import Window
from nextbest.graph.catalogue import Encoders, fit_encoders
from nextbest.graph.query import encode_customers
from nextbest.ranking.examples import (
    WindowExamples,
    of_known_products,
    sample_customers,
    split_customers,
    window_examples,
)
from tests.modelling.worlds import BANK
from tests.ranking.conftest import WINDOWS, shuffled_candidates
from tests.worlds import ANN, CAT, CONFIG, FUND, LOAN, TINY, VAULT

WINDOW = Window(50, 90)


@pytest.fixture(scope="module")
def tiny() -> Dataset:
    return TINY.dataset()


@pytest.fixture(scope="module")
def tiny_encoders(tiny: Dataset) -> Encoders:
    return fit_encoders(tiny, 100, CONFIG)


def label(dataset: Dataset, encoders: Encoders, acquisitions: Interactions) -> WindowExamples:
    """Label candidates that a retriever of day 50 proposed to cat and ann: it did not know the pension yet."""
    past = dataset.until(WINDOW.cutoff)
    assert past.products.ids.tolist() == ["card", "fund", "loan", "vault"]
    candidates = Candidates(
        np.array(["cat", "ann"], object),
        past.products.ids,
        np.array([[2, 3, NO_PRODUCT], [2, 1, NO_PRODUCT]], np.int32),  # loan, vault; loan, fund
        np.array([[0.9, 0.8, 0.0], [0.7, 0.6, 0.0]], np.float32),
    )
    return window_examples(dataset, WINDOW, candidates, acquisitions, encoders, CONFIG, StatisticsConfig())


@pytest.fixture(scope="module")
def examples(tiny: Dataset, tiny_encoders: Encoders) -> WindowExamples:
    return label(tiny, tiny_encoders, new_acquisitions(tiny, WINDOW.cutoff, WINDOW.until))


def test_candidates_are_moved_to_the_positions_of_the_larger_dataset(examples: WindowExamples) -> None:
    assert examples.candidates.tolist() == [[LOAN, VAULT, NO_PRODUCT], [LOAN, FUND, NO_PRODUCT]]
    np.testing.assert_array_equal(examples.scores, np.array([[0.9, 0.8, 0.0], [0.7, 0.6, 0.0]], np.float32))


def test_labels_are_what_was_acquired_in_the_window(examples: WindowExamples) -> None:
    # Ann takes the loan on day 60. She also takes the pension, which no one knew on day 50.
    assert examples.labels.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert examples.num_relevant.tolist() == [0, 1]


def test_weights_stand_for_the_customers_known_at_the_cutoff(examples: WindowExamples) -> None:
    # Ann, bob and cat; dan comes on day 100. Ann is the active one, cat stands for herself and bob.
    assert examples.weight.tolist() == [2.0, 1.0]


def test_queries_are_of_the_cutoff(examples: WindowExamples, tiny: Dataset, tiny_encoders: Encoders) -> None:
    snapshot = take_snapshot(tiny, WINDOW.cutoff, CONFIG.windows)
    expected = encode_customers(snapshot, tiny_encoders.query_encoder(), np.array([CAT, ANN]))
    for name, values in expected.items():
        np.testing.assert_array_equal(examples.queries[name], values)


def test_later_events_change_only_labels(examples: WindowExamples, tiny: Dataset, tiny_encoders: Encoders) -> None:
    past = dataclasses.replace(tiny, interactions=tiny.interactions[tiny.interactions.day <= WINDOW.cutoff])
    blind = label(past, tiny_encoders, new_acquisitions(past, WINDOW.cutoff, WINDOW.until))
    assert not blind.labels.any()
    for name, values in examples.queries.items():
        np.testing.assert_array_equal(blind.queries[name], values)
    for name, values in examples.catalogue.arrays().items():
        np.testing.assert_array_equal(blind.catalogue.arrays()[name], values)


def test_the_state_holds_the_popularity_of_the_cutoff(examples: WindowExamples, tiny: Dataset) -> None:
    popularity = popularity_features(tiny, WINDOW.cutoff, StatisticsConfig())
    np.testing.assert_array_equal(examples.catalogue.products["floats"][:, -popularity.shape[1] :], popularity)
    assert examples.catalogue.segments.shape == (3, 5)  # unknown, retail, private
    assert examples.catalogue.pairs.shape == (2, 5, 5)


@pytest.mark.parametrize("limit", [20, 120, 10_000])
def test_weights_sum_to_the_number_of_customers(limit: int, bank: Dataset, encoders: Encoders) -> None:
    window = WINDOWS[1]
    acquisitions = new_acquisitions(bank, window.cutoff, window.until)
    everyone = np.ones(len(bank.customers), bool)
    rows = sample_customers(acquisitions, everyone, seed=1, limit=limit, without_purchase=0.1)
    active = np.isin(rows, acquisitions.customer)
    candidates = shuffled_candidates(bank, window, rows)
    examples = window_examples(bank, window, candidates, acquisitions, encoders, BANK, StatisticsConfig())
    num_active = len(np.unique(acquisitions.customer))
    assert examples.weight[active].sum() == pytest.approx(num_active)
    if not active.all():
        assert examples.weight[~active].sum() == pytest.approx(len(bank.customers) - num_active)


def test_every_relevant_product_that_is_a_candidate_is_labelled(windows: list[WindowExamples]) -> None:
    # Here everything that is not held is a candidate.
    np.testing.assert_array_equal(windows[0].labels.sum(axis=1), windows[0].num_relevant)
    assert windows[0].num_relevant.sum() > 50
    assert not windows[0].labels[windows[0].candidates == NO_PRODUCT].any()


def test_customers_with_too_few_holdings_are_no_examples(bank: Dataset, encoders: Encoders) -> None:
    window = WINDOWS[1]
    data = BANK.model_copy(update={"windows": BANK.windows.model_copy(update={"min_holdings": 2})})
    acquisitions = new_acquisitions(bank, window.cutoff, window.until)
    eligible = take_snapshot(bank, window.cutoff, data.windows).num_held >= 2
    assert 0 < eligible.sum() < len(eligible)
    rows = sample_customers(acquisitions, eligible, seed=1, without_purchase=100.0)
    assert eligible[rows].all()
    examples = window_examples(
        bank, window, shuffled_candidates(bank, window, rows), acquisitions, encoders, data, StatisticsConfig()
    )
    assert examples.weight.sum() == pytest.approx(eligible.sum())


class TestSampleCustomers:
    @staticmethod
    def sample(active: int, customers: int = 100, seed: int = 1, **settings: Any) -> Array:
        customer = np.repeat(np.arange(active, dtype=np.int32), 2)
        zeros = np.zeros(len(customer), np.int32)
        acquisitions = Interactions(customer, zeros, zeros, zeros, zeros)
        return sample_customers(acquisitions, np.ones(customers, bool), seed, **settings)

    def test_whoever_acquired_something_comes_and_a_share_of_the_others(self) -> None:
        rows = self.sample(20, without_purchase=0.5)
        assert rows[:20].tolist() == list(range(20))
        assert len(rows) == 30
        assert (np.diff(rows) > 0).all()
        assert rows[-1] < 100

    def test_the_limit_leaves_out_those_without_a_purchase_first(self) -> None:
        assert len(self.sample(20, without_purchase=2.0, limit=25)) == 25
        rows = self.sample(20, without_purchase=2.0, limit=15)
        assert len(np.unique(rows)) == 15
        assert rows.max() < 20

    def test_there_may_be_fewer_others_than_wanted(self) -> None:
        assert self.sample(20, customers=22, without_purchase=5.0).tolist() == list(range(22))
        assert self.sample(20, customers=20).tolist() == list(range(20))

    def test_the_seed_decides(self) -> None:
        assert self.sample(20).tolist() == self.sample(20).tolist()
        assert self.sample(20).tolist() != self.sample(20, seed=2).tolist()


def test_a_window_is_split_by_customer(windows: list[WindowExamples]) -> None:
    whole = windows[0]
    others, drawn = split_customers(whole, 0.25, seed=3)
    assert len(drawn.weight) == round(0.25 * len(whole.weight))
    both = np.concatenate([others.candidates, drawn.candidates])
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, whole.candidates.tolist()))
    assert len(others.queries["held"]) == len(others.labels) == len(others.weight)
    assert others.catalogue is whole.catalogue
    again, _ = split_customers(whole, 0.25, seed=3)
    np.testing.assert_array_equal(again.candidates, others.candidates)


class TestOfKnownProducts:
    """Cat and ann were proposed the loan, and the vault or the fund; each acquired some of them."""

    @staticmethod
    def window(examples: WindowExamples, labels: list[list[int]], num_relevant: list[int]) -> WindowExamples:
        return dataclasses.replace(
            examples, labels=np.array(labels, np.float32), num_relevant=np.array(num_relevant, np.int64)
        )

    def test_what_nobody_acquired_before_is_neither_offered_nor_missed(self, examples: WindowExamples) -> None:
        loan_alone = self.window(examples, [[1, 0, 0], [0, 0, 0]], [1, 0])
        both = self.window(examples, [[1, 1, 0], [0, 1, 0]], [3, 1])
        known = of_known_products(both, [loan_alone])
        assert known.candidates.tolist() == [[LOAN, NO_PRODUCT, NO_PRODUCT], [LOAN, NO_PRODUCT, NO_PRODUCT]]
        assert known.labels.tolist() == [[1, 0, 0], [0, 0, 0]]
        assert known.num_relevant.tolist() == [2, 0]  # cat's third was no candidate

    def test_several_windows_know_more(self, examples: WindowExamples) -> None:
        both = self.window(examples, [[1, 1, 0], [0, 1, 0]], [2, 1])
        earlier = [self.window(examples, [[1, 0, 0], [0, 1, 0]], [1, 1])] + [both] * 2
        known = of_known_products(both, earlier)
        assert known.candidates.tolist() == both.candidates.tolist()
        assert known.num_relevant.tolist() == [2, 1]

    def test_where_nothing_known_was_acquired_all_stays(self, examples: WindowExamples) -> None:
        loan_alone = self.window(examples, [[1, 0, 0], [0, 0, 0]], [1, 0])
        others = self.window(examples, [[0, 1, 0], [0, 1, 0]], [1, 1])
        assert of_known_products(others, [loan_alone]) is others
