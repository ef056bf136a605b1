"""The planted bank's windows, with every product that a customer does not hold as candidate, in random order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextbest.data.candidates import Candidates
from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, holdings_at, new_acquisitions
from nextbest.data.statistics import StatisticsConfig
from nextbest.data.windows import Window
from nextbest.graph.catalogue import Encoders, fit_encoders
from nextbest.ranking.config import RankingConfig
from nextbest.ranking.examples import WindowExamples, window_examples
from nextbest.ranking.training import RankerSettings
from tests.modelling.worlds import BANK, planted_bank

WINDOWS = (Window(120, 180), Window(180, 240), Window(240, 299))


def small_config(**changes: Any) -> RankingConfig:
    return RankingConfig(
        **{
            "product_dim": 4,
            "units": (16, 8),
            "batch_size": 32,
            "learning_rate": 0.01,
            "epochs": 3,
        }
        | changes
    )


def settings(seed: int = 1, **changes: Any) -> RankerSettings:
    return RankerSettings(BANK, StatisticsConfig(), small_config(**changes), seed, validation_k=5)


def shuffled_candidates(dataset: Dataset, window: Window, rows: Array) -> Candidates:
    """Propose whatever is not held, in an order that knows nothing."""
    random = np.random.default_rng(window.cutoff)
    held = holdings_at(dataset, window.cutoff)[rows].toarray() > 0
    scores = np.where(held, -np.inf, random.uniform(-1, 1, held.shape))
    products = np.argsort(-scores, axis=1)
    scores = np.take_along_axis(scores, products, axis=1)
    real = np.isfinite(scores)
    return Candidates(
        dataset.customers.ids[rows],
        dataset.products.ids,
        np.where(real, products, NO_PRODUCT).astype(np.int32),
        np.where(real, scores, 0.0).astype(np.float32),
    )


def examples_of(
    dataset: Dataset,
    encoders: Encoders,
    window: Window,
    statistics: StatisticsConfig | None = None,
    data: DataConfig = BANK,
) -> WindowExamples:
    everyone = np.arange(len(dataset.customers))
    return window_examples(
        dataset,
        window,
        shuffled_candidates(dataset, window, everyone),
        new_acquisitions(dataset, window.cutoff, window.until),
        encoders,
        data,
        statistics or StatisticsConfig(),
    )


@pytest.fixture(scope="session")
def bank() -> Dataset:
    return planted_bank()


@pytest.fixture(scope="session")
def encoders(bank: Dataset) -> Encoders:
    return fit_encoders(bank, WINDOWS[-1].cutoff, BANK)


@pytest.fixture(scope="session")
def windows(bank: Dataset, encoders: Encoders) -> list[WindowExamples]:
    return [examples_of(bank, encoders, window) for window in WINDOWS]
