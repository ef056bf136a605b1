"""The clients at a real TF Serving, which answers as this process does. The emulator cannot prove this.

    NEXTBEST_TF_SERVING=127.0.0.1:8500:8501 NEXTBEST_MODELS=models pytest -m tf_serving

The server serves NEXTBEST_MODELS (`models` beside this checkout's README without it).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.backends import BackendError
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import take
from tests.conftest import ROOT
from tests.contracts import assert_same_recommendations

pytestmark = pytest.mark.tf_serving

SERVER, MODELS = "NEXTBEST_TF_SERVING", "NEXTBEST_MODELS"
CUSTOMERS = 1000


@pytest.fixture(scope="module")
def models() -> Path:
    return Path(os.environ.get(MODELS, ROOT / "models"))


@pytest.fixture(scope="module", params=["grpc", "http"])
def served(request: pytest.FixtureRequest, models: Path) -> Iterator[Recommender]:
    if SERVER not in os.environ:
        pytest.skip(f"no real TF Serving is named: set {SERVER}=host:grpc_port:rest_port")
    host, grpc_port, rest_port = os.environ[SERVER].rsplit(":", 2)
    port = grpc_port if request.param == "grpc" else rest_port
    with closing(Recommender.load(models, f"{request.param}://{host}:{port}")) as recommender:
        yield recommender


@pytest.fixture(scope="module")
def local(served: Recommender) -> Recommender:
    """Return the version that the server serves, in this process."""
    return Recommender(served.folder)


@pytest.fixture(scope="module")
def customers(local: Recommender) -> Features:
    snapshot = local.customers()
    return take(snapshot.columns, np.resize(np.arange(len(snapshot.ids)), CUSTOMERS))


def test_recommendations(served: Recommender, local: Recommender, customers: Features) -> None:
    assert_same_recommendations(served.recommend(customers, 10), local.recommend(customers, 10))


def test_filters_and_reasons(served: Recommender, local: Recommender, customers: Features) -> None:
    request, filters = take(customers, slice(50)), Filters(max_risk=3, exclude=local.products.ids[:2].tolist())
    assert_same_recommendations(served.recommend(request, 5, filters), local.recommend(request, 5, filters))
    np.testing.assert_array_equal(served.exclusions(request, filters), local.exclusions(request, filters))


def test_lists_of_no_width(served: Recommender, local: Recommender, customers: Features) -> None:
    request = {name: customers[name][:3] for name in local.customer_columns}
    assert_same_recommendations(served.recommend(request, 5), local.recommend(request, 5))


def test_a_model_that_is_not_served(models: Path, served: Recommender) -> None:
    from nextbest.serving.backends.config import ClientConfig

    host, grpc_port, _ = os.environ[SERVER].rsplit(":", 2)
    with pytest.raises(BackendError, match="'no such model'"):
        Recommender.load(models, f"grpc://{host}:{grpc_port}", ClientConfig(model="no such model"))
