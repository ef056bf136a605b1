"""All four models as a server holds them, and inputs for all of their signatures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import take
from tests.commands import models_are_loaded_once
from tests.serving.serialized import examples
from tests.serving.servables import SERVABLES, Served, serve
from tests.trained import Trained

BATCH = 7


@pytest.fixture(scope="module")
def load_once() -> Iterator[None]:
    """Let a module that is not about loading load each model once in this process, whatever the folder of its copy."""
    with models_are_loaded_once():
        yield


@pytest.fixture(scope="session")
def served(trained: Trained) -> Iterator[dict[str, Served]]:
    """Yield the models by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serve(trained.models / name / "1")) for name in SERVABLES}


@pytest.fixture(scope="session")
def inputs(recommender: Recommender) -> Features:
    """Return every input of every signature for 7 customers, who differ in what they hold and in k."""
    request = take(recommender.customers().columns, np.arange(BATCH) * 57)
    request |= Filters(max_risk=4, exclude=("P0003",)).arrays(BATCH)
    request |= {
        "k": np.arange(1, BATCH + 1),
        "candidates": np.stack([np.roll(recommender.products.ids, row)[:5] for row in range(BATCH)]),
        "similarity": np.linspace(-1, 1, BATCH * 5, dtype=np.float32).reshape(BATCH, 5),
        "product_id": recommender.products.ids[:BATCH],
    }
    vectors = recommender.predict("feature_vectors", request)
    packed = {
        name: np.stack([request[column] for column in columns], axis=1)
        for name, columns in recommender.manifest["packed"].items()
    }
    named = {name: vectors[name] for name in ("ranking_features", "retrieval_features")}
    return request | packed | named | {"examples": examples(request).numpy()}
