"""Where the versions of a live recommender come from: this machine's MODELS, or a TF Serving."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nextbest.serving.infra_config import InfraConfig
from nextbest.serving.recommender import Recommender
from nextbest.serving.replay import replay
from nextbest.serving.versions import COMPOSITE, versions

if TYPE_CHECKING:
    from nextbest.serving.backends.config import ClientConfig

__all__ = ["LocalSource", "ServerSource", "Source", "WarmupError", "source_of"]

_logger = logging.getLogger(__name__)


class WarmupError(RuntimeError):
    """A version does not answer its warmup records as it did when it was exported."""


class Source(Protocol):
    """Where versions come from."""

    def versions(self) -> Sequence[int]:
        """Return the versions that can be asked now, ascending; it is called often, and should cost little."""

    def load(self, version: int) -> Recommender:
        """Return a version that is ready to answer. Whatever this raises is why the version is refused."""


class LocalSource:
    """The versions below a MODELS folder, loaded into this process."""

    def __init__(self, models: Path, tolerance: float | None = None) -> None:
        """Name a MODELS folder.

        Args:
            models: MODELS.
            tolerance: As `InfraConfig.tolerance`, for the answers to the warmup records; by default its default.
        """
        self._folder = models / COMPOSITE
        self._tolerance = InfraConfig().tolerance if tolerance is None else tolerance

    def versions(self) -> Sequence[int]:
        """See `Source`."""
        return versions(self._folder)

    def load(self, version: int) -> Recommender:
        """Load a version and warm it up with its records, which it must answer as it did when it was exported.

        One without records, such as an older export, is loaded cold.

        Raises:
            FileNotFoundError: There is no such version.
            WarmupError: It answers otherwise.
        """
        from nextbest.serving.backends.local import LocalBackend  # imports TensorFlow

        folder = self._folder / str(version)
        backend = LocalBackend(folder)
        recommender = Recommender(folder, backend)
        warmed = replay(backend.ask, folder, self._tolerance)
        if warmed.problems:
            raise WarmupError("\n".join(warmed.problems))
        if not warmed.records:
            _logger.warning("%s holds no warmup records: its first requests will be slow", folder)
        return recommender


class ServerSource:
    """The version that a TF Serving serves; its server decides which one is asked."""

    def __init__(self, models: Path, url: str, config: ClientConfig) -> None:
        """Name a server.

        Args:
            models: MODELS, with the assets of the versions that are served.
            url: See `serving.backends.connect`.
            config: How the server is asked. With a version in it that one is asked for good.
        """
        self._models, self._url, self._config = models, url, config

    def versions(self) -> Sequence[int]:
        """See `Source`.

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


def source_of(models: Path, backend: str, config: ClientConfig) -> Source:
    """Return where versions come from: MODELS for the backend 'local', else the TF Serving at the URL."""
    return LocalSource(models) if backend == "local" else ServerSource(models, backend, config)
