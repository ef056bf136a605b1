"""A live recommender at a server: the server's version decides, and requests outlive its swap."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from nextbest.data.dataset import Features
from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.live import LiveRecommender, LocalVersions, ServerVersions, open_source
from nextbest.serving.recommender import Recommendations, Recommender
from nextbest.serving.requests import take
from nextbest.serving.store.push import rollback
from tests.contracts import assert_same_recommendations
from tests.serving.backends.conftest import TRANSPORTS, url_of
from tests.tf_serving_emulator import Emulator
from tests.trained import Trained


@pytest.fixture(scope="module")
def models(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "models"
    for name in ("recommender", ".versions"):
        shutil.copytree(trained.models / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def emulator(models: Path) -> Iterator[Emulator]:
    with Emulator(models) as serving:
        yield serving


@pytest.fixture
def request_(recommender: Recommender) -> Features:
    return take(recommender.customers().columns, slice(3))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_swap_of_the_server_fails_no_request(
    emulator: Emulator, models: Path, transport: str, recommender: Recommender, request_: Features
) -> None:
    source = open_source(models, url_of(emulator, transport), ClientConfig())
    with LiveRecommender(source) as live:
        before, old = live.version, live.current
        rollback(models, before)  # the same model as the next version
        emulator.poll()  # the server loads it and unloads the one that is asked
        found = live.ask(lambda current: current.recommend(request_, 5))
        assert_same_recommendations(found, recommender.recommend(request_, 5))
        assert live.version == before + 1
        assert live.current is not old and live.current.folder.name == str(before + 1)
        assert not live.poll()


def test_all_who_fail_at_once_are_answered_by_the_next_version(
    emulator: Emulator, models: Path, recommender: Recommender, request_: Features
) -> None:
    # Only one of them sees the poll that swaps; the others find that it has been done.
    everyone_has_failed = threading.Barrier(4)
    with LiveRecommender(open_source(models, url_of(emulator, "grpc"), ClientConfig())) as live:
        old = live.current
        rollback(models, live.version)
        emulator.poll()

        def question(current: Recommender) -> Recommendations:
            if current is old:
                everyone_has_failed.wait(timeout=60)
            return current.recommend(request_, 5)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(live.ask, [question] * 4))
    for found in answers:
        assert_same_recommendations(found, recommender.recommend(request_, 5))


def test_what_no_version_answers_is_told(trained: Trained) -> None:
    def question(current: Recommender) -> None:
        raise BackendError(f"version {current.folder.name} is asked once")

    with (
        LiveRecommender(LocalVersions(trained.models)) as live,
        pytest.raises(BackendError, match="version 1 is asked once"),
    ):
        live.ask(question)


def test_a_version_that_models_lack_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "recommender").mkdir()
    source = ServerVersions(tmp_path, url_of(emulator, "grpc"), ClientConfig())
    (version,) = source.versions()
    with pytest.raises(RuntimeError, match=rf"version {version}.*which grpc://.* serves, is not there"):
        LiveRecommender(source)


def test_local_models_come_from_their_folder(models: Path) -> None:
    source = open_source(models, "local", ClientConfig())
    assert isinstance(source, LocalVersions)
    with closing(source.load(1)) as first:
        assert first.folder == models / "recommender" / "1"
