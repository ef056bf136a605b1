"""A ranker in the positions of a newer catalogue: its weights stay and go with the products' ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import take_snapshot
from nextbest.graph.catalogue import Encoders
from nextbest.ranking.examples import CatalogueStatistics, WindowExamples, catalogue_statistics
from nextbest.ranking.model import RankingModel
from nextbest.ranking.training import RankerSettings, refresh_ranker, train_ranker
from tests.modelling.catalogues import with_new_products, without_first_product
from tests.modelling.worlds import BANK
from tests.ranking.conftest import WINDOWS, settings

DAY = WINDOWS[-1].cutoff


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refresh")


@pytest.fixture(scope="module")
def trained(windows: list[WindowExamples], encoders: Encoders, checkpoints: Path) -> RankingModel:
    return train_ranker(windows[:2], encoders, 1, settings(), checkpoints, lambda what, share: None)


def state_of(dataset: Dataset, encoders: Encoders) -> CatalogueStatistics:
    return catalogue_statistics(
        dataset, take_snapshot(dataset, DAY, BANK.windows), encoders, BANK, settings().statistics
    )


def refreshed(
    dataset: Dataset, encoders: Encoders, checkpoints: Path, wanted: RankerSettings | None = None
) -> RankingModel:
    over = encoders.for_products(dataset.products.ids)
    return refresh_ranker(encoders, over, state_of(dataset, over), wanted or settings(), checkpoints)


def split(model: RankingModel) -> tuple[Array, list[Array]]:
    """The table of the products' ids, and all other weights."""
    ((table, _),) = model.tables
    return table.numpy(), [variable.numpy() for variable in model.variables if variable is not table]


@pytest.mark.parametrize("new", [(), ("a1", "a2")])
def test_weights_go_with_the_ids_and_a_new_product_has_none(
    new: tuple[str, ...], trained: RankingModel, bank: Dataset, encoders: Encoders, checkpoints: Path
) -> None:
    table, others = split(refreshed(with_new_products(bank, *new), encoders, checkpoints))
    expected_table, expected_others = split(trained)
    np.testing.assert_array_equal(table[: len(new)], 0.0)
    np.testing.assert_array_equal(table[len(new) :], expected_table)
    for found, expected in zip(others, expected_others, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_product_that_is_gone_is_dropped(
    trained: RankingModel, bank: Dataset, encoders: Encoders, checkpoints: Path
) -> None:
    table, _ = split(refreshed(without_first_product(bank), encoders, checkpoints))
    np.testing.assert_array_equal(table, split(trained)[0][1:])


def test_without_an_embedding_of_the_id_there_is_nothing_to_move(
    windows: list[WindowExamples], bank: Dataset, encoders: Encoders, tmp_path: Path
) -> None:
    without = settings(product_dim=0)
    model = train_ranker(windows[:1], encoders, 1, without, tmp_path, lambda what, share: None)
    found = refreshed(with_new_products(bank, "a1"), encoders, tmp_path, without)
    assert found.tables == []
    for one, other in zip(found.variables, model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
