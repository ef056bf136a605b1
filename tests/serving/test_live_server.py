"""A live recommender at a server: the server's version decides, and requests outlive its swap."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from nextbest.serving.backends import BackendError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.live import LiveRecommender, LocalVersions, ServerVersions, open_source
from nextbest.serving.recommender import Recommendations, Recommender
from nextbest.serving.store.push import push
from nextbest.serving.store.versions import versions
from tests.contracts import assert_same_recommendations
from tests.serving.backends.conftest import TRANSPORTS, url_of
from tests.serving.tiny import REQUESTS, export
from tests.tf_serving_emulator import Emulator


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a MODELS folder with one version, to which tests push others."""
    folder = tmp_path_factory.mktemp("served") / "models"
    push_another(folder)
    return folder


def push_another(models: Path) -> int:
    """Push a version whose products are called after its number."""
    version = max(versions(models / "recommender"), default=0) + 1
    with tempfile.TemporaryDirectory() as scratch:
        assert push({"recommender": export(Path(scratch) / "model", f"v{version}")}, models) == version
    return version


@pytest.fixture(scope="module")
def emulator(models: Path) -> Iterator[Emulator]:
    with Emulator(models) as serving:
        yield serving


def assert_answer_of(version: int, models: Path, found: Recommendations) -> None:
    assert found.product_id[0].tolist() == [f"v{version}-a", f"v{version}-b"]
    with closing(Recommender(models / "recommender" / str(version))) as local:
        assert_same_recommendations(found, local.recommend(REQUESTS, 2))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_swap_of_the_server_fails_no_request(emulator: Emulator, models: Path, transport: str) -> None:
    source = open_source(models, url_of(emulator, transport), ClientConfig())
    with LiveRecommender(source) as live:
        before, old = live.version, live.current
        assert push_another(models) == before + 1
        emulator.poll()  # the server loads it and unloads the one that is asked
        found = live.ask(lambda current: current.recommend(REQUESTS, 2))
        assert_answer_of(before + 1, models, found)
        assert live.version == before + 1
        assert live.current is not old and live.current.folder.name == str(before + 1)
        assert not live.poll()


def test_all_who_fail_at_once_are_answered_by_the_next_version(emulator: Emulator, models: Path) -> None:
    # Only one of them sees the poll that swaps; the others find that it has been done.
    everyone_has_failed = threading.Barrier(4)
    with LiveRecommender(open_source(models, url_of(emulator, "grpc"), ClientConfig())) as live:
        old = live.current
        newest = push_another(models)
        emulator.poll()

        def question(current: Recommender) -> Recommendations:
            if current is old:
                everyone_has_failed.wait(timeout=60)
            return current.recommend(REQUESTS, 2)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(live.ask, [question] * 4))
    for found in answers:
        assert_answer_of(newest, models, found)


def test_an_answer_in_parts_begins_anew_by_the_next_version(emulator: Emulator, models: Path) -> None:
    with LiveRecommender(open_source(models, url_of(emulator, "grpc"), ClientConfig())) as live:
        old = live.current

        def question(current: Recommender) -> Iterator[tuple[Recommender, Recommendations]]:
            yield current, current.recommend(REQUESTS, 2)
            yield current, current.recommend(REQUESTS, 2)

        parts = live.ask_in_parts(question)
        assert next(parts)[0] is old
        newest = push_another(models)
        emulator.poll()
        rest = list(parts)
    assert len(rest) == 2 and all(current is not old for current, _ in rest)
    for _, found in rest:
        assert_answer_of(newest, models, found)


def test_what_no_version_answers_is_told(models: Path) -> None:
    def question(current: Recommender) -> None:
        raise BackendError(f"version {current.folder.name} is asked once")

    with (
        LiveRecommender(LocalVersions(models)) as live,
        pytest.raises(BackendError, match=r"version \d+ is asked once"),
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
