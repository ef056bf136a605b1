"""The models: which versions are wanted and loaded, in which state each one is, and what a loaded one answers."""

from __future__ import annotations

import gc
import importlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from tests.tf_serving_emulator.traffic import ServingError, invalid

__all__ = ["Models", "Servable"]

_State = get_model_status_pb2.ModelVersionStatus
_CODES = {code.value[0]: code for code in StatusCode}


@dataclass
class _Version:
    """One version, from when it is first seen to its end."""

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
            unloaded = [self._advance(name) for name in self._wanted]
            if any(unloaded):
                gc.collect()  # a tf.Graph is made of cycles: without this the memory grows with each version

    def states(self, name: str) -> dict[int, tuple[int, ServingError | None]]:
        """Return version -> its state, and why it failed to load."""
        with self._lock:
            return {number: (found.state, found.error) for number, found in self._versions.get(name, {}).items()}

    @contextmanager
    def servable(self, spec: model_pb2.ModelSpec) -> Iterator[tuple[int, Servable]]:
        """Lend a version and its servable, which outlives an unload until the block ends.

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
                wanted = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
                raise ServingError(StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
            found = available[number]
            found.users += 1
        try:
            yield number, found.servable
        finally:
            with self._lock:
                found.users -= 1
                _end_if_idle(found)

    def set_label(self, name: str, label: str, version: int) -> None:
        """Let a label name a version."""
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

    def _advance(self, name: str) -> bool:
        """Load what is wanted, the highest first, then unload; core/availability_preserving_policy.cc.

        Returns:
            Whether a version is unloaded.
        """
        versions, wanted = self._versions.get(name, {}), self._wanted[name]
        for number in sorted(wanted, reverse=True):
            if versions[number].state in (_State.START, _State.LOADING):
                self._load(name, number)
        available = sorted(number for number, found in versions.items() if found.state == _State.AVAILABLE)
        stale = [number for number in available if number not in wanted]
        # Unless a wanted version is available, the newest of the unwanted ones goes on.
        replaced = not wanted or len(stale) < len(available)
        unloaded = stale if replaced else stale[:-1]
        for number in unloaded:
            with self._lock:
                versions[number].state = _State.UNLOADING
                _end_if_idle(versions[number])
        return bool(unloaded)

    def _load(self, name: str, number: int) -> None:
        version = self._versions[name][number]
        version.state = _State.LOADING
        if (name, number) in self._held:
            return
        try:
            if (name, number) in self._failing:
                raise self._failing[name, number]
            servable = Servable(version.folder)
        except Exception as error:  # whatever the loader raises is the version's state
            version.error, version.state = _serving_error(error), _State.END
            return
        with self._lock:
            version.servable, version.state = servable, _State.AVAILABLE


def _versions_below(models: Path) -> dict[str, dict[int, Path]]:
    """Return model -> version -> its folder. A folder whose name is not a number is not a version."""
    return {
        base.name: {int(child.name): child for child in base.iterdir() if re.fullmatch(r"\d+", child.name)}
        for base in sorted(models.iterdir())
        if base.is_dir()
    }


def _end_if_idle(version: _Version) -> None:
    if version.state == _State.UNLOADING and version.users == 0:
        version.servable.close()
        version.servable, version.state = None, _State.END


class Servable:
    """A loaded version: a graph, a session and the signatures. `predict` may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        """Load a version's folder. Raises what the file system, the parser or the runtime raises."""
        _import_custom_ops(folder)
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, [tf.saved_model.SERVING], str(folder))
        except BaseException:
            self.close()
            raise
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = meta_graph.signature_def

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Return a signature, the default one for ''.

        Raises:
            ServingError: There is none of that name.
        """
        name = name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        if name not in self.signatures:
            raise ServingError(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def predict(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer a signature; RunPredict in servables/tensorflow/predict_util.cc.

        Args:
            name: The signature, '' for the default one.
            inputs: Input name -> values.

        Raises:
            ServingError: There is no such signature, or the inputs do not fit it, or the graph refuses them.
        """
        signature = self.signature(name)
        extra, missing = sorted(inputs.keys() - signature.inputs), sorted(signature.inputs.keys() - inputs.keys())
        if extra or missing:
            raise invalid(
                f"input size does not match signature: {len(inputs)}!={len(signature.inputs)}. "
                f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
            )
        feeds = {self._output(signature.inputs[alias].name): values for alias, values in inputs.items()}
        aliases = sorted(signature.outputs)
        fetches = [self._output(signature.outputs[alias].name) for alias in aliases]
        # Session.run would first check shapes and types in Python, which the real server does not: its kernels
        # complain. This is the call below that check.
        try:
            found = self._session._call_tf_sessionrun(None, feeds, fetches, [], None)
        except tf.errors.OpError as error:
            raise _serving_error(error) from error
        return {alias: np.asarray(values) for alias, values in zip(aliases, found, strict=True)}

    def close(self) -> None:
        """Free the session."""
        self._session.close()

    def _output(self, name: str):
        return self._graph.get_tensor_by_name(name)._as_tf_output()


def _import_custom_ops(folder: Path) -> None:
    """Register ScaNN's ops where a model has them, as a server must that was built with them."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    ops = (op.name for graph in model.meta_graphs for op in graph.meta_info_def.stripped_op_list.op)
    if any(name.startswith("Scann>") for name in ops):
        importlib.import_module("scann")


def _serving_error(error: Exception) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(_CODES[error.error_code], error.message)
    return ServingError(StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
