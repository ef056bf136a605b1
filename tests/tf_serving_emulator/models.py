"""The versions of all models: which are wanted, which are loaded, and in which state each one is."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import StatusCode
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.servable import Servable
from tests.tf_serving_emulator.warmup import warm_up

__all__ = ["Models"]

_State = get_model_status_pb2.ModelVersionStatus


@dataclass
class _Version:
    """One version, from its first sight to its end."""

    folder: Path
    state: int = _State.START
    error: ServingError | None = None
    servable: Servable | None = None
    users: int = 0
    """Requests that are running on the servable."""


class Models:
    """The models below a folder, MODELS/NAME/VERSION, of which the newest versions are served."""

    def __init__(self, folder: Path, num_versions: int = 1) -> None:
        """Watch a folder; nothing is loaded before `poll`.

        Args:
            folder: MODELS.
            num_versions: How many versions of a model are served, the newest ones (version policy `latest`).
        """
        self._folder = folder
        self._num_versions = num_versions
        self._versions: dict[str, dict[int, _Version]] = {}
        self._wanted: dict[str, dict[int, Path]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._held: set[tuple[str, int]] = set()
        self._failing: dict[tuple[str, int], ServingError] = {}
        self._polling = threading.RLock()  # held while models load
        self._lock = threading.Lock()  # held while a version's state, servable or users change

    def poll(self) -> None:
        """Look for versions, load the new ones and then unload those that they replace."""
        with self._polling:
            for name, found in _versions_below(self._folder).items():
                # AspireLatestVersions in sources/storage_path/file_system_storage_path_source.cc
                wanted = dict(sorted(found.items())[-self._num_versions :])
                before = self._wanted.get(name, {})
                # A version that failed is not tried again while it is wanted (core/loader_harness.cc).
                with self._lock:
                    for number in wanted.keys() - before.keys():
                        self._versions.setdefault(name, {})[number] = _Version(wanted[number])
                self._wanted[name] = wanted
            for name in self._wanted:
                self._advance(name)

    def states(self, name: str) -> dict[int, tuple[int, ServingError | None]]:
        """Return version -> its state, and why it failed to load."""
        with self._lock:
            return {number: (found.state, found.error) for number, found in self._versions.get(name, {}).items()}

    @contextmanager
    def servable(self, spec: model_pb2.ModelSpec) -> Iterator[tuple[int, Servable]]:
        """Lend a version and its servable, which outlives an unload until it is given back.

        Raises:
            ServingError: The version is not available.
        """
        version = self._resolve(spec)
        with self._lock:
            available = {
                number: found
                for number, found in self._versions.get(spec.name, {}).items()
                if found.state == _State.AVAILABLE
            }
            number = max(available, default=None) if version is None else version
            if number not in available:
                # core/basic_manager.cc, and ServableRequest::DebugString in core/manager.h
                asked = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
                raise ServingError(StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")
            found = available[number]
            found.users += 1
        try:
            yield number, found.servable
        finally:
            with self._lock:
                found.users -= 1
                _end_if_idle(found)

    def set_label(self, name: str, label: str, version: int) -> None:
        """Let a label name a version; UpdateModelVersionLabelMap in model_servers/server_core.cc.

        Raises:
            ServingError: The version is not available.
        """
        if self.states(name).get(version, (None, None))[0] != _State.AVAILABLE:
            raise ServingError(
                StatusCode.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {name}, "
                "which is not currently available for inference",
            )
        self._labels.setdefault(name, {})[label] = version

    @contextmanager
    def hold_loading(self, name: str, version: int) -> Iterator[None]:
        """Keep a version LOADING when a poll finds it, and load it at the end of the block."""
        self._held.add((name, version))
        try:
            yield
        finally:
            self._held.remove((name, version))
            with self._polling:
                if name in self._wanted:
                    self._advance(name)

    def fail_loading(self, name: str, version: int, error: ServingError) -> None:
        """Let a version fail when a poll loads it."""
        self._failing[name, version] = error

    def close(self) -> None:
        """Unload everything."""
        with self._polling:
            for name in self._versions:
                self._wanted[name] = {}
                self._advance(name)

    def _resolve(self, spec: model_pb2.ModelSpec) -> int | None:
        """ServableRequestFromModelSpec in model_servers/server_core.cc; None is the newest."""
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        if spec.HasField("version"):
            return spec.version.value
        if not spec.HasField("version_label"):
            return None
        labels = self._labels.get(spec.name, {})
        if spec.version_label not in labels:
            raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        return labels[spec.version_label]

    def _advance(self, name: str) -> None:
        """Load what is wanted, the highest first, then unload; core/availability_preserving_policy.cc."""
        versions, wanted = self._versions.get(name, {}), self._wanted[name]
        for number in sorted(wanted, reverse=True):
            if versions[number].state in (_State.START, _State.LOADING):
                self._start(name, number)
        available = sorted(number for number, found in versions.items() if found.state == _State.AVAILABLE)
        stale = [number for number in available if number not in wanted]
        # Unless a wanted version is available, the newest of the unwanted ones goes on.
        replaced = not wanted or len(stale) < len(available)
        for number in stale if replaced else stale[:-1]:
            with self._lock:
                versions[number].state = _State.UNLOADING
                _end_if_idle(versions[number])
        if stale:
            gc.collect()  # a tf.Graph is made of cycles: without this the memory grows with each version

    def _start(self, name: str, number: int) -> None:
        version = self._versions[name][number]
        version.state = _State.LOADING
        if (name, number) in self._held:
            return
        try:
            if (name, number) in self._failing:
                raise self._failing[name, number]
            servable = _load(version.folder)
        except Exception as error:  # whatever the loader raises is the version's state
            known = isinstance(error, ServingError)
            version.error = error if known else ServingError(StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
            version.state = _State.END
            return
        with self._lock:
            version.servable, version.state = servable, _State.AVAILABLE


def _load(folder: Path) -> Servable:
    servable = Servable(folder)
    try:
        warm_up(servable, folder)
    except BaseException:
        servable.close()
        raise
    return servable


def _end_if_idle(version: _Version) -> None:
    if version.state == _State.UNLOADING and version.users == 0:
        version.servable.close()
        version.servable, version.state = None, _State.END


def _versions_below(models: Path) -> dict[str, dict[int, Path]]:
    """Return model -> version -> its folder. A folder whose name is no number is no version."""
    return {
        base.name: {int(child.name): child for child in base.iterdir() if re.fullmatch(r"\d+", child.name)}
        for base in sorted(models.iterdir())
        if base.is_dir()
    }
