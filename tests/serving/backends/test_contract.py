"""All backends give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.serving.backends import Backend
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.connect import connect
from nextbest.serving.backends.local import LocalBackend
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import take
from tests.contracts import BackendContract, assert_same_recommendations
from tests.serving.backends.conftest import url_of
from tests.tf_serving_emulator import Emulator

pytestmark = pytest.mark.usefixtures("load_once")


class TestLocal(BackendContract):
    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, recommender: Recommender) -> Backend:
        return LocalBackend(recommender.folder)

    @pytest.fixture(scope="class")
    @classmethod
    def echo(cls, echo_models: Path) -> Backend:
        return LocalBackend(echo_models / "echo" / "1")


class ServerContract(BackendContract):
    """What a backend at a server must satisfy besides."""

    TRANSPORT: str

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, emulator: Emulator) -> str:
        return url_of(emulator, cls.TRANSPORT)

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, url: str) -> Iterator[Backend]:
        found = connect(url)
        yield found
        found.close()

    @pytest.fixture(scope="class")
    @classmethod
    def echo(cls, url: str) -> Iterator[Backend]:
        found = connect(url, ClientConfig(model="echo"))
        yield found
        found.close()

    @pytest.mark.parametrize(("rows", "calls"), [(1, 23), (7, 4), (22, 2), (23, 1), (1000, 1)])
    def test_requests_in_parts(
        self,
        url: str,
        emulator: Emulator,
        recommender: Recommender,
        everyone: Features,
        rows: int,
        calls: int,
    ) -> None:
        backend = connect(url, ClientConfig(max_batch_rows=rows))
        before = len(emulator.traffic.calls)
        request = take(everyone, slice(23))
        filters = Filters(categories=["fund", "bond"])
        found = Recommender(recommender.folder, backend).recommend(request, 5, filters)
        backend.close()
        assert len(emulator.traffic.calls) - before == calls
        assert_same_recommendations(found, recommender.recommend(request, 5, filters))

    def test_parts_of_different_width_are_padded(self, url: str, recommender: Recommender, everyone: Features) -> None:
        inputs = recommender.complete(take(everyone, slice(4)) | Filters().arrays(4), 4) | {"k": np.array([1, 1, 6, 2])}
        with_parts = connect(url, ClientConfig(max_batch_rows=2))
        whole = LocalBackend(recommender.folder).predict("recommend", inputs)
        parts = with_parts.predict("recommend", inputs)
        with_parts.close()
        assert whole["product_id"].shape == (4, 6)
        for name, values in whole.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(parts[name], values, rtol=0, atol=1e-6)
            else:
                np.testing.assert_array_equal(parts[name], values)

    def test_filled_up_lists_change_nothing(self, url: str, recommender: Recommender, everyone: Features) -> None:
        backend = connect(url, ClientConfig(list_width=64))
        request = take(everyone, slice(20))
        found = Recommender(recommender.folder, backend).recommend(request, 5)
        backend.close()
        assert_same_recommendations(found, recommender.recommend(request, 5))


class TestGrpc(ServerContract):
    TRANSPORT = "grpc"


class TestRest(ServerContract):
    TRANSPORT = "rest"
