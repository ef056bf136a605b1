"""Newer versions are taken over without a failed request, broken ones are refused, and old ones are freed."""

from __future__ import annotations

import functools
import gc
import logging
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbest.data.dataset import Array
from nextbest.serving.artifacts.assets import ASSETS, MANIFEST, PRODUCTS
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.backends import InputSpec, local
from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.push import prune, push, rollback
from tests.commands import models_are_loaded_once
from tests.serving.tiny import CUSTOMER_IDS, REQUESTS, export, write_records


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What exports a tiny composite; those of one label are made once."""
    folder = tmp_path_factory.mktemp("exports")
    return functools.cache(lambda label: export(folder / label, label))


class World:
    """A MODELS folder, and what is pushed to it."""

    def __init__(self, root: Path, exports: Callable[[str], Path]) -> None:
        self.models, self._exports = root / "models", exports

    def push(self, label: str, break_it: Callable[[Path], Any] = lambda folder: None) -> int:
        """Push a version whose products are called LABEL-a and LABEL-b, and then break it."""
        version = push({"recommender": self._exports(label)}, self.models)
        break_it(self.models / "recommender" / str(version))
        return version


@pytest.fixture
def world(tmp_path: Path, exports: Callable[[str], Path]) -> World:
    """One version, v1."""
    world = World(tmp_path, exports)
    world.push("v1")
    return world


@pytest.fixture
def models(world: World) -> Path:
    return world.models


@pytest.fixture
def known() -> Iterator[None]:
    """Load each model once in this process, where a test is about which version is taken and not about its load."""
    with models_are_loaded_once():
        yield


def products(recommender: Recommender) -> list[str]:
    return list(recommender.recommend(REQUESTS, 2).product_id[0])


_NOTHING_KNOWN = {
    "as_of_day": np.array([20_000]),
    "income": np.array([np.nan], np.float32),
    "max_risk": np.array([np.nan], np.float32),
    "categories": np.zeros((1, 0), np.bytes_),
    "exclude": np.zeros((1, 0), np.bytes_),
}


class Counted(LocalVersions):
    """Counts how often each version is loaded."""

    def __init__(self, models: Path) -> None:
        super().__init__(models)
        self.loads: list[int] = []

    def load(self, version: int) -> Recommender:
        self.loads.append(version)
        return super().load(version)


@pytest.mark.usefixtures("known")
def test_a_newer_version_takes_over(world: World, models: Path) -> None:
    with LiveRecommender(LocalVersions(models)) as live:
        old = live.current
        assert (live.version, products(old), live.poll()) == (1, ["v1-a", "v1-b"], False)
        assert live.current is old
        assert world.push("v2") == 2
        assert live.poll()
        assert (live.version, products(live.current)) == (2, ["v2-a", "v2-b"])
        assert products(old) == ["v1-a", "v1-b"]  # who has it may go on asking it
        assert not live.poll()


@pytest.mark.usefixtures("known")
def test_a_rollback_is_just_another_version(world: World, models: Path) -> None:
    world.push("v2")
    with LiveRecommender(LocalVersions(models)) as live:
        assert rollback(models, 1) == 3
        assert live.poll()
        assert (live.version, products(live.current)) == (3, ["v1-a", "v1-b"])


@pytest.mark.usefixtures("known")
def test_of_several_new_versions_only_the_newest_is_loaded(world: World, models: Path) -> None:
    source = Counted(models)
    with LiveRecommender(source) as live:
        for label in ("v2", "v3", "v4"):
            world.push(label)
        assert live.poll()
        assert (live.version, source.loads) == (4, [1, 4])


def differ(folder: Path) -> None:
    """Expect another version's products."""
    reasons = {"reason": np.array([["v0-a", "v0-b"]])}
    write_records(folder, [("exclusions", _NOTHING_KNOWN, reasons)])


def ask_too_little(folder: Path) -> None:
    write_records(folder, [("recommend", {"k": np.array([1])}, {})])


def ask_another(folder: Path) -> None:
    write_records(folder, [("foretell", {}, {})])


def cut(folder: Path) -> None:
    path = folder / WARMUP
    path.write_bytes(path.read_bytes()[:-7])


BROKEN = {
    "no model": (lambda folder: (folder / "saved_model.pb").unlink(), "holds no SavedModel"),
    "a garbled model": (lambda folder: (folder / "saved_model.pb").write_bytes(b"no model"), "SavedModel"),
    "no variables": (lambda folder: shutil.rmtree(folder / "variables"), "variables"),
    "no manifest": (lambda folder: (folder / ASSETS / MANIFEST).unlink(), "manifest.json"),
    "no products": (lambda folder: (folder / ASSETS / PRODUCTS).unlink(), "products.npz"),
    "other answers": (differ, "record 1 (exclusions): reason: 2 of 2 values differ"),
    "a request that it cannot take": (ask_too_little, "record 1 (recommend) failed: KeyError"),
    "a request for a signature that it lacks": (ask_another, "record 1 (foretell) failed: BackendError"),
    "half a record": (cut, "DataLossError"),
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_version_is_refused(world: World, models: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    break_it, reason = BROKEN[kind]
    source = Counted(models)
    with LiveRecommender(source) as live:
        old = live.current
        world.push("v2", break_it)
        assert [live.poll() for _ in range(3)] == [False] * 3
        assert source.loads == [1, 2]  # it is not tried again
        assert live.current is old
        assert products(old) == ["v1-a", "v1-b"]
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.message.startswith("version 2 is refused: ")
        assert reason in live.refused[2]
        assert reason in record.message
        world.push("v3")
        assert live.poll()
        assert products(live.current) == ["v3-a", "v3-b"]


@pytest.mark.usefixtures("known")
def test_one_without_records_is_loaded_cold(world: World, models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with LiveRecommender(LocalVersions(models)) as live:
        world.push("v2", lambda folder: (folder / WARMUP).unlink())
        assert live.poll()
        assert "holds no warmup records" in caplog.text


@pytest.mark.usefixtures("known")
class TestTheStart:
    def test_no_version(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nextbest export"):
            LiveRecommender(LocalVersions(tmp_path))

    def test_the_newest_that_works_is_taken(self, world: World, models: Path) -> None:
        world.push("v2")
        world.push("v3", differ)
        source = Counted(models)
        with LiveRecommender(source) as live:
            assert (live.version, live.refused.keys()) == (2, {3})
            assert not live.poll()
            assert source.loads == [3, 2]

    def test_none_that_works(self, tmp_path: Path, exports: Callable[[str], Path]) -> None:
        world = World(tmp_path, exports)
        for label in ("v1", "v2"):
            world.push(label, lambda folder: (folder / ASSETS / MANIFEST).unlink())
        with pytest.raises(RuntimeError, match=r"version 2: FileNotFoundError.*; version 1: FileNotFoundError"):
            LiveRecommender(LocalVersions(world.models))


class TestRemovedVersions:
    def test_a_loaded_version_does_not_need_its_folder(self, world: World, models: Path) -> None:
        with LiveRecommender(LocalVersions(models)) as live:
            held = live.current
            world.push("v2")
            prune(models, 1)
            assert not (models / "recommender" / "1").exists()
            for _ in range(2):  # each time from the start
                customers = held.customers()
                assert list(customers.ids) == list(CUSTOMER_IDS)
                np.testing.assert_array_equal(customers.columns["income"], REQUESTS["income"])
            assert products(held) == ["v1-a", "v1-b"]

    def test_one_that_is_removed_while_it_is_loaded_is_refused(self, world: World, models: Path) -> None:
        class Slow(LocalVersions):
            def load(self, version: int) -> Recommender:
                if version == 2:
                    shutil.rmtree(models / "recommender" / "2")
                return super().load(version)

        with LiveRecommender(Slow(models)) as live:
            world.push("v2")
            assert not live.poll()
            assert (live.version, live.refused.keys()) == (1, {2})

    def test_the_highest_that_is_left_takes_the_place_of_one_that_was_removed(self, world: World, models: Path) -> None:
        world.push("v2")
        with LiveRecommender(LocalVersions(models)) as live:
            shutil.rmtree(models / "recommender" / "2")
            assert live.poll()
            assert products(live.current) == ["v1-a", "v1-b"]

    def test_the_last_one_goes_on_when_there_is_none(self, models: Path) -> None:
        with LiveRecommender(LocalVersions(models)) as live:
            shutil.rmtree(models)
            assert not live.poll()
            assert products(live.current) == ["v1-a", "v1-b"]


def test_no_request_fails_and_each_is_answered_by_one_version(world: World, models: Path) -> None:
    clients, pushes = 4, 3
    seen = threading.Condition()
    answered: list[set[str]] = [set() for _ in range(clients)]
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask(client: int) -> None:
        while not stop.is_set():
            try:
                recommender = live.current
                listed = list(recommender.products.ids)
                found = recommender.recommend(REQUESTS, 2)
                assert list(found.product_id[1]) == listed == list(recommender.exclusions(REQUESTS)[0])
            except BaseException as error:
                failures.append(error)
            with seen:
                answered[client].add(listed[0])
                seen.notify_all()

    with LiveRecommender(LocalVersions(models)) as live:
        threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
        for thread in threads:
            thread.start()
        try:
            for number in range(2, pushes + 2):
                world.push(f"v{number}")
                prune(models, 1)
                assert live.poll()
                with seen:  # all clients go on, now with the new one
                    everybody = seen.wait_for(lambda n=number: all(f"v{n}-a" in one for one in answered), timeout=30)
                assert everybody
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failures == []
    assert answered == [{f"v{number}-a" for number in range(1, pushes + 2)}] * clients


class Fake:
    """A backend without a model."""

    def __init__(self) -> None:
        self.closed = 0

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        return {"as_of_day": InputSpec(np.dtype(np.int64), 1)}

    def predict(self, signature: str, inputs: Any) -> dict[str, Array]:
        return {"reason": inputs["as_of_day"]}

    def close(self) -> None:
        self.closed += 1


class FakeSource:
    """Versions that a test makes up, as a server's would be."""

    def __init__(self, models: Path) -> None:
        self.available = [1]
        self.backends: dict[int, Fake] = {}
        self.loaded = threading.Condition()
        self._folder = models / "recommender" / "1"

    def versions(self) -> Sequence[int]:
        return self.available

    def load(self, version: int) -> Recommender:
        with self.loaded:
            self.backends[version] = Fake()
            self.loaded.notify_all()
        return Recommender(self._folder, self.backends[version])


class TestFreeing:
    def test_a_version_is_closed_after_its_last_user(self, models: Path) -> None:
        source = FakeSource(models)
        with LiveRecommender(source) as live:
            held = live.current
            source.available = [1, 2]
            assert live.poll()
            assert source.backends[1].closed == 0  # it may be in the middle of a request
            del held
            assert source.backends[1].closed == 1
            assert source.backends[2].closed == 0
        assert source.backends[2].closed == 1

    def test_one_that_was_closed_is_not_closed_again(self, models: Path) -> None:
        source = FakeSource(models)
        recommender = source.load(1)
        recommender.close()
        recommender.close()
        del recommender
        assert source.backends[1].closed == 1

    def test_the_model_is_gone_after_the_swap(self, world: World, models: Path) -> None:
        with LiveRecommender(LocalVersions(models)) as live:
            old = weakref.ref(live.current._backend._session)  # type: ignore[attr-defined]
            world.push("v2")
            gc.disable()  # nothing but the swap may collect it
            try:
                assert live.poll()
                assert old() is None
            finally:
                gc.enable()

    def test_a_model_whose_last_user_was_slow_is_gone_after_the_next_look(self, world: World, models: Path) -> None:
        with LiveRecommender(LocalVersions(models)) as live:
            held = live.current
            old = weakref.ref(held._backend._session)  # type: ignore[attr-defined]
            world.push("v2")
            gc.disable()
            try:
                assert live.poll()
                assert old() is not None
                del held
                assert not live.poll()
                assert old() is None
            finally:
                gc.enable()

    def test_a_refused_model_is_gone(self, world: World, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[weakref.ref[Any]] = []
        open_session = local._open_session

        def remember(folder: Path, meta_graph: Any) -> Any:
            session = open_session(folder, meta_graph)
            opened.append(weakref.ref(session))
            return session

        monkeypatch.setattr(local, "_open_session", remember)
        with LiveRecommender(LocalVersions(models)) as live:
            world.push("v2", differ)
            gc.disable()
            try:
                assert not live.poll()
                assert [one() is None for one in opened] == [False, True]
            finally:
                gc.enable()


@pytest.mark.usefixtures("known")
class TestTheBackground:
    def test_new_versions_are_noticed(self, models: Path) -> None:
        source = FakeSource(models)
        with LiveRecommender(source) as live:
            live.start(interval=0.001)
            source.available = [1, 2]
            with source.loaded:
                assert source.loaded.wait_for(lambda: 2 in source.backends, timeout=30)
            with pytest.raises(RuntimeError, match="start once"):
                live.start(interval=1)
        assert live.version == 2  # closing waited for the swap
        with pytest.raises(RuntimeError, match="was closed"):
            live.current  # noqa: B018

    def test_it_survives_a_folder_that_cannot_be_read(self, models: Path, caplog: pytest.LogCaptureFixture) -> None:
        class Failing(FakeSource):
            looks = 0

            def versions(self) -> Sequence[int]:
                self.looks += 1
                if self.looks == 2:
                    raise OSError("the share is away")
                return [1] if self.looks == 1 else [1, 2]

        source = Failing(models)
        with LiveRecommender(source) as live:
            live.start(interval=0.001)
            with source.loaded:
                assert source.loaded.wait_for(lambda: 2 in source.backends, timeout=30)
        assert "the share is away" in caplog.text
        assert "version 1 goes on; looking again in 0.001 s" in caplog.text

    def test_closing_without_a_start(self, models: Path) -> None:
        live = LiveRecommender(FakeSource(models))
        live.close()
        live.close()
