"""A retriever on newer tables: its weights stay, the products are of the day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, take_snapshot
from nextbest.graph.query import encode_customers
from nextbest.retrieval.training import Retriever, refresh_retriever, train_retriever
from tests.modelling.catalogues import with_new_products, without_first_product
from tests.modelling.worlds import BANK
from tests.retrieval.conftest import DAY, settings

LATER = 280


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refresh")


@pytest.fixture(scope="module")
def trained(history: Dataset, checkpoints: Path) -> Retriever:
    return train_retriever(history, DAY, 2, settings(), checkpoints, lambda what, share: None)


def weights(retriever: Retriever) -> list[Array]:
    """The customer tower's, the table that both towers share among them."""
    return [variable.numpy() for variable in retriever.customer_tower.variables]


def of_everyone(retriever: Retriever, history: Dataset) -> Array:
    snapshot = take_snapshot(history, retriever.day, BANK.windows)
    return retriever.embed_customers(snapshot, np.arange(len(history.customers)))


def test_as_of_the_same_day_it_is_the_same_to_the_bit(trained: Retriever, history: Dataset, checkpoints: Path) -> None:
    same = refresh_retriever(history, DAY, trained.encoders, settings(), checkpoints)
    np.testing.assert_array_equal(same.product_embeddings, trained.product_embeddings)
    np.testing.assert_array_equal(of_everyone(same, history), of_everyone(trained, history))


def test_later_interactions_move_the_products_and_no_weight(
    trained: Retriever, bank: Dataset, checkpoints: Path
) -> None:
    later = refresh_retriever(bank.until(LATER), LATER, trained.encoders, settings(), checkpoints)
    assert later.day == LATER
    assert np.abs(later.product_embeddings - trained.product_embeddings).max(axis=1).min() > 1e-4
    for found, expected in zip(weights(later), weights(trained), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rows_after_the_day_change_nothing(
    trained: Retriever, bank: Dataset, history: Dataset, checkpoints: Path
) -> None:
    assert len(bank.interactions) > len(history.interactions)
    foresighted = refresh_retriever(bank, DAY, trained.encoders, settings(), checkpoints)
    np.testing.assert_array_equal(foresighted.product_embeddings, trained.product_embeddings)


def test_weights_go_with_the_ids_and_of_a_new_product_the_features_speak(
    trained: Retriever, history: Dataset, checkpoints: Path
) -> None:
    wider = with_new_products(history, "a1", "a2")
    found = refresh_retriever(wider, DAY, trained.encoders, settings(), checkpoints)
    # Everyone holds the same products in other positions.
    np.testing.assert_allclose(of_everyone(found, wider), of_everyone(trained, history), atol=1e-6)
    # The new ones differ in nothing but the id, of which nothing is known.
    np.testing.assert_array_equal(found.product_embeddings[0], found.product_embeddings[1])
    np.testing.assert_allclose(np.linalg.norm(found.product_embeddings, axis=1), 1.0, atol=1e-5)


def test_to_a_customer_a_new_product_is_one_more_of_which_nothing_is_known(
    trained: Retriever, history: Dataset, checkpoints: Path
) -> None:
    wider = with_new_products(history, "a1", "a2")
    found = refresh_retriever(wider, DAY, trained.encoders, settings(), checkpoints)
    snapshot = take_snapshot(wider, DAY, BANK.windows)
    twice = encode_customers(snapshot, found.encoders.query_encoder(), np.array([0, 0]))
    assert (twice["held"] != NO_PRODUCT).any()
    twice["held"][:, 0] = [0, 1]  # either of the new ones
    np.testing.assert_array_equal(*found.embed(twice))


def test_a_product_that_is_gone_is_dropped(trained: Retriever, history: Dataset, checkpoints: Path) -> None:
    narrower = without_first_product(history)
    found = refresh_retriever(narrower, DAY, trained.encoders, settings(), checkpoints)
    assert found.product_embeddings.shape == (len(history.products) - 1, trained.product_embeddings.shape[1])
    snapshot = take_snapshot(history, DAY, BANK.windows)
    concerned = (snapshot.held.products == 0).any(axis=1) | (snapshot.recent.products == 0).any(axis=1)
    assert 10 < concerned.sum() < len(history.customers) - 10
    others = np.abs(of_everyone(found, narrower) - of_everyone(trained, history)).max(axis=1)[~concerned]
    assert others.max() < 1e-6
