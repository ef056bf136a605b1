"""Hot swap: always the newest version that works, while newer ones are pushed.

    with LiveRecommender(LocalVersions(models)) as live:
        live.start(interval=5)
        ...
        recommender = live.current  # one version for all of a request
        recommender.recommend(...)

A model that crashes its process is not survived: what is pushed has been checked in a process of its own before
(`serving.artifacts.load_check`).
"""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from nextbest.data.errors import FailedError
from nextbest.serving.artifacts.replay import replay
from nextbest.serving.backends import BackendError
from nextbest.serving.config import LoadCheckConfig
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.versions import COMPOSITE, versions

if TYPE_CHECKING:
    from nextbest.serving.backends.config import ClientConfig

__all__ = ["LiveRecommender", "LocalVersions", "ServerVersions", "VersionSource", "WarmupError", "open_source"]

Answer = TypeVar("Answer")

_logger = logging.getLogger(__name__)


class LiveRecommender:
    """The newest version that works. A version that does not is refused once, and the one before goes on.

    As with TensorFlow Serving the highest number is the newest; when the version in use is removed, the highest
    that is left takes its place. A version is freed when its last user lets go of it.
    """

    def __init__(self, source: VersionSource) -> None:
        """Load the newest version that works.

        Args:
            source: Where versions come from.

        Raises:
            FileNotFoundError: There is no version.
            FailedError: None of them works; the reasons are named.
        """
        self._source = source
        self._refused: dict[int, str] = {}
        self._version = 0
        self._current: Recommender | None = None
        self._polling = threading.Lock()
        self._garbage = threading.Event()
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None
        found = source.versions()
        if not found:
            raise FileNotFoundError("there is no version; run `nextbest export`")
        if not any(self._swap(version) for version in reversed(found)):
            reasons = "; ".join(f"version {version}: {reason}" for version, reason in self._refused.items())
            raise FailedError(f"no version works: {reasons}")

    @property
    def current(self) -> Recommender:
        """The version in use. Keep it for all of a request: the next call may return another one.

        Raises:
            RuntimeError: This was closed.
        """
        current = self._current
        if current is None:
            raise RuntimeError("the recommender was closed; make another one")
        return current

    def ask(self, question: Callable[[Recommender], Answer]) -> Answer:
        """Answer a request by the current version, or where its server has just replaced it by its successor.

        Args:
            question: All of a request, from a recommender to the answer.

        Raises:
            BackendError: The backend does not answer.
        """
        current = self.current
        try:
            return question(current)
        except BackendError:
            if not self._is_replaced(current):
                raise
            return question(self.current)

    def ask_in_parts(self, question: Callable[[Recommender], Iterator[Answer]]) -> Iterator[Answer]:
        """Do the same for an answer in parts, which begins anew where a server's version was replaced meanwhile.

        Raises:
            BackendError: The backend does not answer.
        """
        current = self.current
        try:
            yield from question(current)
        except BackendError:
            if not self._is_replaced(current):
                raise
            yield from question(self.current)

    def _is_replaced(self, failed: Recommender) -> bool:
        """Return whether another version answers by now."""
        self.poll()
        return self.current is not failed  # another thread's poll may have replaced it too

    @property
    def version(self) -> int:
        """The number of the version in use."""
        return self._version

    @property
    def refused(self) -> dict[int, str]:
        """The versions that were refused -> why."""
        return dict(self._refused)

    def poll(self) -> bool:
        """Look for another version once, and return whether it is in use from now on.

        It is loaded and warmed up in this thread, while other threads go on with the one before.

        Raises:
            OSError: The versions cannot be listed.
        """
        with self._polling:
            found = self._source.versions()
            new = bool(found) and found[-1] != self._version and found[-1] not in self._refused
            swapped = new and self._swap(found[-1])
            self._collect_garbage()
        return swapped

    def start(self, interval: float) -> None:
        """Poll in a thread of its own until `close`.

        Args:
            interval: Seconds between two looks.

        Raises:
            RuntimeError: It has been started before.
        """
        if self._watcher is not None:
            raise RuntimeError("new versions are looked for already; start once")
        self._watcher = threading.Thread(target=self._watch, args=(interval,), name="hot-swap", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Look for no more versions, and let go of the current one; who has it already may go on with it."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.join()
        self._current = None
        self._collect_garbage()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _watch(self, interval: float) -> None:
        while not self._stopped.wait(interval):
            try:
                self.poll()
            except Exception:
                _logger.exception("version %d goes on; looking again in %g s", self._version, interval)

    def _swap(self, version: int) -> bool:
        """Load a version and return whether it is in use from now on."""
        try:
            loaded = self._source.load(version)
        except Exception as error:  # a broken model may raise anything
            self._refused[version] = f"{type(error).__name__}: {error}"
            self._garbage.set()
            _logger.error("version %d is refused: %s", version, self._refused[version])
            return False
        _logger.info("version %d is in use from now on, after version %d", version, self._version)
        weakref.finalize(loaded, self._garbage.set)
        self._current, self._version = loaded, version
        return True

    def _collect_garbage(self) -> None:
        """Free versions that no one uses any more, and give their memory back to the system.

        A loaded model is full of cycles, which go with a collection, and leaves the allocator holes of many sizes.
        """
        if self._garbage.is_set():
            self._garbage.clear()
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # of glibc, which TensorFlow's Linux wheels need


class WarmupError(RuntimeError):
    """A version does not answer its warmup records as it did when it was exported."""


class VersionSource(Protocol):
    """Where versions come from."""

    def versions(self) -> Sequence[int]:
        """Return the versions that are there now, ascending; it is called often, and should cost little."""

    def load(self, version: int) -> Recommender:
        """Return a version that is ready to answer. Whatever this raises is why the version is refused."""


_OF_SERVERS = frozenset(("recommend_packed", "serving_default", "transform_features"))
"""Signatures that nobody calls in this process."""


class LocalVersions:
    """The versions below a MODELS folder, loaded into this process."""

    def __init__(self, models: Path, tolerance: float | None = None) -> None:
        """Name a MODELS folder.

        Args:
            models: MODELS.
            tolerance: As `LoadCheckConfig.tolerance`, for the answers to the warmup records; by default its default.
        """
        self._folder = models / COMPOSITE
        self._tolerance = LoadCheckConfig().tolerance if tolerance is None else tolerance

    def versions(self) -> Sequence[int]:
        """See `VersionSource`."""
        return versions(self._folder)

    def load(self, version: int) -> Recommender:
        """Load a version and warm it up with its records, which it must answer as it did when it was exported.

        Those of signatures that only a server's clients call were replayed before the push. One without records, such
        as an older export, is loaded cold.

        Raises:
            FileNotFoundError: There is no such version.
            WarmupError: It answers otherwise.
        """
        from nextbest.serving.backends.local import LocalBackend  # imports TensorFlow

        folder = self._folder / str(version)
        backend = LocalBackend.of_version(folder)
        recommender = Recommender(folder, backend)
        warmed = replay(backend.call, backend.folder, self._tolerance, left_out=_OF_SERVERS)
        if warmed.problems:
            raise WarmupError("\n".join(warmed.problems))
        if not warmed.records:
            _logger.warning("%s holds no warmup records: its first requests will be slow", folder)
        return recommender


class ServerVersions:
    """The version that a TF Serving serves; its server decides which one."""

    def __init__(self, models: Path, url: str, config: ClientConfig) -> None:
        """Name a server.

        Args:
            models: MODELS, with the assets of the versions that are served.
            url: See `serving.backends.connect`.
            config: The client's settings. With a version in them it stays that one.
        """
        self._models, self._url, self._config = models, url, config

    def versions(self) -> Sequence[int]:
        """See `VersionSource`.

        Raises:
            BackendError: The server does not answer, or does not serve the model.
        """
        from nextbest.serving.backends.connect import connect

        with closing(connect(self._url, self._config)) as server:
            return [server.version]

    def load(self, version: int) -> Recommender:
        """Connect to a version. The server has warmed it up itself.

        Raises:
            InputError: MODELS lacks it.
            BackendError: The server does not answer, or does not serve it any more.
        """
        pinned = self._config.model_copy(update={"version": version, "label": None})
        return Recommender.load(self._models, self._url, pinned)


def open_source(models: Path, backend: str, config: ClientConfig) -> VersionSource:
    """Return where versions come from: MODELS for the backend 'local', else the TF Serving at the URL."""
    return LocalVersions(models) if backend == "local" else ServerVersions(models, backend, config)
