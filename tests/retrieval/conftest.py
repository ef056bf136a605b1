"""The bank and the settings with which a retriever is trained in a second or two."""

from __future__ import annotations

from typing import Any

import pytest

from nextbest.data.dataset import Dataset
from nextbest.data.statistics import StatisticsConfig
from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.training import RetrieverSettings
from tests.modelling.worlds import BANK, planted_bank

DAY = 240


def small_config(**changes: Any) -> RetrievalConfig:
    return RetrievalConfig(
        **{
            "embedding_dim": 8,
            "customer_units": (16,),
            "batch_size": 64,
            "learning_rate": 0.02,
            "mixed_negatives": 8,
            "training_windows": 7,
        }
        | changes
    )


def settings(seed: int = 1, **changes: Any) -> RetrieverSettings:
    return RetrieverSettings(BANK, StatisticsConfig(), small_config(**changes), seed)


@pytest.fixture(scope="session")
def bank() -> Dataset:
    return planted_bank()


@pytest.fixture(scope="session")
def history(bank: Dataset) -> Dataset:
    return bank.until(DAY)
