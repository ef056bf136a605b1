"""Which index is used, and how hard ScaNN searches: on embeddings whose nearest products are known."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.data.dataset import Array
from nextbest.retrieval import index_choice
from nextbest.retrieval.config import IndexKind
from nextbest.retrieval.index_choice import choose_index, enough_to_retrieve, measure_recall, tune
from nextbest.retrieval.indexes import ExactIndex, ScannIndex
from tests.retrieval.test_indexes import unit_vectors

PRODUCTS, CUSTOMERS = unit_vectors(4000, 3), unit_vectors(60, 4)
K = 30


@pytest.fixture(scope="module")
def exact() -> ExactIndex:
    return ExactIndex().index(PRODUCTS)


@pytest.fixture(scope="module")
def scann() -> ScannIndex:
    return ScannIndex().index(PRODUCTS)


class TestTuning:
    def test_it_searches_as_little_as_reaches_the_target(self, exact: ExactIndex, scann: ScannIndex) -> None:
        tuned = tune(scann, exact, CUSTOMERS, K)
        assert measure_recall(tuned, exact, CUSTOMERS, K) >= 0.995
        lazier = scann.searching(max(1, tuned.config.leaves_searched // 2), tuned.config.reordered)
        assert measure_recall(lazier, exact, CUSTOMERS, K) < 0.995
        assert tuned.config.leaves_searched < tuned.leaves or tuned.config.reordered < len(PRODUCTS)

    def test_where_nothing_less_reaches_it_all_leaves_are_searched(
        self, exact: ExactIndex, scann: ScannIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_choice, "_TUNED_RECALL", 1.1)
        assert tune(scann, exact, CUSTOMERS, K).config.leaves_searched == scann.leaves

    def test_another_search_leaves_the_index_as_it_was(self, scann: ScannIndex) -> None:
        before = scann.config
        assert scann.searching(3, 50).config.leaves_searched == 3
        assert scann.config == before


class TestChoice:
    @pytest.mark.parametrize("kind", ["exact", "scann"])
    def test_the_config_decides(self, exact: ExactIndex, scann: ScannIndex, kind: IndexKind) -> None:
        choice = choose_index(exact, scann, CUSTOMERS, K, kind)
        assert (choice.kind, choice.reason) == (kind, f"retrieval.index = '{kind}'")

    def test_a_small_catalogue_is_searched_exactly(self, exact: ExactIndex, scann: ScannIndex) -> None:
        choice = choose_index(exact, scann, CUSTOMERS, K)
        assert choice.kind == "exact"
        assert "4,000 products: below" in choice.reason

    def test_a_large_one_by_scann(self, exact: ExactIndex, scann: ScannIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(index_choice, "SCANN_FROM", 4000)
        choice = choose_index(exact, scann, CUSTOMERS, K)
        assert choice.kind == "scann"
        assert choice.recall >= 0.99
        assert (choice.retrieved, choice.leaves) == (K, scann.leaves)

    def test_but_not_where_it_misses_too_much_of_the_held_back_customers(
        self, exact: ExactIndex, scann: ScannIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_choice, "SCANN_FROM", 4000)
        monkeypatch.setattr(index_choice, "_TUNED_RECALL", 0.1)
        choice = choose_index(exact, scann, CUSTOMERS, K)
        assert choice.kind == "exact"
        assert f"ScaNN finds {choice.recall:.3f} of the exact answer, and 0.99 is asked" in choice.reason

    def test_one_customer_is_enough(self, exact: ExactIndex, scann: ScannIndex) -> None:
        assert choose_index(exact, scann, CUSTOMERS[:1], K).retrieved == K


class TestHowManyAreRetrieved:
    # Cosines 0.9, 0.8, ... of ten products to each of two customers
    products = np.linspace(0.9, 0.0, 10, dtype=np.float32)[:, None]
    customers = np.ones((2, 1), np.float32)

    def retrieved(self, *allowed: list[int], candidates: int) -> int:
        mask = np.array(allowed, bool)

        def rows(chosen: slice) -> Array:
            return mask[chosen]

        return enough_to_retrieve(self.products, self.customers[: len(mask)], rows, candidates)

    def test_as_many_as_reach_the_last_that_is_wanted(self) -> None:
        assert self.retrieved([0, 0, 1, 1, 0, 0, 1, 1, 1, 1], candidates=3) == 7

    def test_all_allowed_is_as_many_as_are_wanted(self) -> None:
        assert self.retrieved([1] * 10, candidates=3) == 3

    def test_whom_nothing_helps_does_not_count(self) -> None:
        assert self.retrieved([1] * 10, [0] * 9 + [1], candidates=3) == 3
        assert self.retrieved([0] * 9 + [1], candidates=3) == 3

    def test_no_more_than_twenty_times_as_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(index_choice, "_MOST_TIMES", 2)
        assert self.retrieved([0] * 7 + [1] * 3, candidates=3) == 6
