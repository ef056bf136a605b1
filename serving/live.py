"""Hot swap: ask the newest version that works, while newer ones are pushed.

    with LiveRecommender(LocalSource(models)) as live:
        live.start(interval=5)
        ...
        recommender = live.current  # one version for all of a request
        recommender.recommend(...)

A process that a model makes crash is not saved: what is pushed has been checked in a process of its own before
(`serving.infra`).
"""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Self, TypeVar

from nextbest.data.problems import FailedError
from nextbest.serving.backends import BackendError
from nextbest.serving.recommender import Recommender
from nextbest.serving.sources import Source

__all__ = ["LiveRecommender"]

Answer = TypeVar("Answer")

_logger = logging.getLogger(__name__)


class LiveRecommender:
    """The newest version that works. A version that does not is refused once, and the one before goes on.

    As with TensorFlow Serving the highest number is the newest; when somebody removes the version that is asked, the
    highest that is left takes its place. A version is freed when its last user lets go of it.
    """

    def __init__(self, source: Source) -> None:
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
            raise FileNotFoundError("there is no version to be asked; run `nextbest export`")
        if not any(self._swap(version) for version in reversed(found)):
            reasons = "; ".join(f"version {version}: {reason}" for version, reason in self._refused.items())
            raise FailedError(f"no version can be asked: {reasons}")

    @property
    def current(self) -> Recommender:
        """The version to ask. Keep it for all of a request: the next call may return another one.

        Raises:
            RuntimeError: This was closed.
        """
        current = self._current
        if current is None:
            raise RuntimeError("the recommender was closed; make another one")
        return current

    def ask(self, question: Callable[[Recommender], Answer]) -> Answer:
        """Ask the current version; where its server has just replaced it, the version that took its place.

        Args:
            question: All of a request.

        Raises:
            BackendError: It is not answered.
        """
        asked = self.current
        try:
            return question(asked)
        except BackendError:
            self.poll()
            if self.current is asked:  # another thread's poll may have replaced it too
                raise
            return question(self.current)

    @property
    def version(self) -> int:
        """The number of the version that is asked."""
        return self._version

    @property
    def refused(self) -> dict[int, str]:
        """The versions that were refused -> why."""
        return dict(self._refused)

    def poll(self) -> bool:
        """Look for another version once, and return whether it is asked from now on.

        It is loaded and warmed up in this thread, while other threads go on asking the one before.

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
        """Look for no more versions, and let go of the current one; who has it already may go on asking it."""
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
        """Load a version and return whether it is asked from now on."""
        try:
            loaded = self._source.load(version)
        except Exception as error:  # a broken model may raise anything
            self._refused[version] = f"{type(error).__name__}: {error}"
            self._garbage.set()
            _logger.error("version %d is refused: %s", version, self._refused[version])
            return False
        _logger.info("version %d is asked from now on, after version %d", version, self._version)
        weakref.finalize(loaded, self._garbage.set)
        self._current, self._version = loaded, version
        return True

    def _collect_garbage(self) -> None:
        """Free versions that nobody uses any more, and give their memory back to the system.

        A loaded model is full of cycles, which go with a collection, and leaves the allocator holes of many sizes.
        """
        if self._garbage.is_set():
            self._garbage.clear()
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # of glibc, which TensorFlow's Linux wheels need
