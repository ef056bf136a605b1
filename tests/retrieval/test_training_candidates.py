"""The candidates that a retriever proposes: the best available, suitable products that are not held."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, take_snapshot
from nextbest.graph.catalogue import fit_encoders
from nextbest.retrieval.training import Retriever, propose_candidates
from tests.modelling.worlds import BANK
from tests.retrieval.conftest import DAY

ROWS = np.array([3, 0, 7])
NUM_PRODUCTS = 20
SCORES = np.random.default_rng(2).normal(size=(240, NUM_PRODUCTS)).astype(np.float32)


class Given(Retriever):
    """A retriever with given scores: the products' embeddings are the identity."""

    def embed_customers(self, snapshot: Snapshot, rows: Array) -> Array:
        return SCORES[rows]


@pytest.fixture(scope="module")
def retriever(history: Dataset) -> Given:
    encoders = fit_encoders(history, DAY, BANK)
    return Given(DAY, encoders, None, np.eye(NUM_PRODUCTS, dtype=np.float32))


@pytest.fixture(scope="module")
def snapshot(history: Dataset) -> Snapshot:
    return take_snapshot(history, DAY, BANK.windows)


def everything(rows: Array) -> Array:
    return np.ones((len(rows), NUM_PRODUCTS), bool)


def held(snapshot: Snapshot) -> Array:
    return snapshot.holdings[ROWS].toarray() > 0


def test_the_best_that_are_not_held_come_first(retriever: Given, history: Dataset, snapshot: Snapshot) -> None:
    found = propose_candidates(retriever, history, snapshot, everything, ROWS, 5)
    assert held(snapshot).any()
    expected = np.where(held(snapshot), -np.inf, SCORES[ROWS])
    np.testing.assert_array_equal(found.products, np.argsort(-expected, axis=1)[:, :5])
    np.testing.assert_array_equal(found.scores, -np.sort(-expected, axis=1)[:, :5])
    assert found.customer_ids.tolist() == ["c0003", "c0000", "c0007"]
    assert found.product_ids.tolist() == history.products.ids.tolist()
    assert (found.products.dtype, found.scores.dtype) == (np.int32, np.float32)


def test_unsuitable_products_are_left_out(retriever: Given, history: Dataset, snapshot: Snapshot) -> None:
    found = propose_candidates(retriever, history, snapshot, lambda rows: SCORES[rows] < 0.5, ROWS, 8)
    assert (found.scores < 0.5).all()
    assert (found.products != NO_PRODUCT).all()


def test_unavailable_products_are_left_out(retriever: Given, history: Dataset, snapshot: Snapshot) -> None:
    known = dataclasses.replace(snapshot, available=np.arange(NUM_PRODUCTS) % 2 == 0)
    found = propose_candidates(retriever, history, known, everything, ROWS, NUM_PRODUCTS)
    real = found.products[found.products != NO_PRODUCT]
    assert (real % 2 == 0).all()
    assert len(real) == (known.available & ~held(snapshot)).sum()


@pytest.mark.parametrize("k", [NUM_PRODUCTS, 500])
def test_beyond_what_is_allowed_there_is_padding(
    k: int, retriever: Given, history: Dataset, snapshot: Snapshot
) -> None:
    found = propose_candidates(retriever, history, snapshot, everything, ROWS, k)
    assert found.products.shape == (3, NUM_PRODUCTS)
    for row, products, scores in zip(held(snapshot), found.products, found.scores, strict=True):
        count = (~row).sum()
        assert set(products[:count].tolist()) == set(np.flatnonzero(~row).tolist())
        assert (products[count:] == NO_PRODUCT).all()
        assert (scores[count:] == 0).all()


def test_nothing_allowed_is_nothing_proposed(retriever: Given, history: Dataset, snapshot: Snapshot) -> None:
    found = propose_candidates(retriever, history, snapshot, lambda rows: ~everything(rows), ROWS, 4)
    assert (found.products == NO_PRODUCT).all()


def test_no_customers_give_no_rows(retriever: Given, history: Dataset, snapshot: Snapshot) -> None:
    assert propose_candidates(retriever, history, snapshot, everything, ROWS[:0], 4).products.shape == (0, 4)


def test_chunks_do_not_matter(
    retriever: Given, history: Dataset, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = propose_candidates(retriever, history, snapshot, everything, np.arange(50), 6)
    monkeypatch.setattr("nextbest.retrieval.training._CUSTOMERS_PER_CHUNK", 7)
    chunked = propose_candidates(retriever, history, snapshot, everything, np.arange(50), 6)
    np.testing.assert_array_equal(chunked.products, whole.products)
    np.testing.assert_array_equal(chunked.scores, whole.scores)
