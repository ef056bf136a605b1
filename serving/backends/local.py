"""The recommender model in this process. Needs NumPy and TensorFlow alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.serving.artifacts.assets import COMPOSITE, COMPOSITE_SCANN, read_manifest, with_scann
from nextbest.serving.artifacts.load_check import load_op_libraries, read_saved_model
from nextbest.serving.backends.backend import BackendError, InputSpec, check_inputs, decode_utf8

__all__ = ["LocalBackend"]

_logger = logging.getLogger(__name__)


class LocalBackend:
    """A SavedModel in a session, as a TF Serving holds it.

    A call for one customer costs less than half of the processor time of one by `tf.saved_model.load`. It may be called
    by several threads at once.
    """

    def __init__(self, folder: Path) -> None:
        """Load one version.

        Args:
            folder: A version's folder, MODELS/recommender/VERSION.

        Raises:
            FileNotFoundError: There is no model.
            ImportError: It holds ScaNN's ops, and the package scann is not there.
        """
        if not (folder / "saved_model.pb").exists():
            raise FileNotFoundError(f"{folder} holds no SavedModel; name a version folder that `nextbest export` made")
        self.folder = folder
        load_op_libraries(self.model_name)
        meta_graph = read_saved_model(folder).meta_graphs[0]
        self._signatures = {name: found for name, found in meta_graph.signature_def.items() if name != _INITIALISES}
        self._specs = {
            name: {key: _spec(found.inputs[key]) for key in sorted(found.inputs)}
            for name, found in self._signatures.items()
        }
        self._session = _open_session(folder, meta_graph)
        self._calls: dict[str, Callable[..., list[Array]]] = {}
        self._making_a_call = threading.Lock()

    @classmethod
    def of_version(cls, folder: Path) -> LocalBackend:
        """Load what answers for a version of the composite: it, or where its manifest says so the one with ScaNN.

        Without the package scann it is the composite, whose answers are exact.

        Args:
            folder: The version's folder, or RUN/recommender.

        Raises:
            FileNotFoundError: There is no model.
        """
        scann = with_scann(folder)
        if not (scann / "saved_model.pb").exists() or read_manifest(folder)["index"]["kind"] != "scann":
            return cls(folder)
        try:
            return cls(scann)
        except ImportError as error:
            _logger.warning("%s is searched exactly, which takes longer: %s; install scann", folder, error)
            return cls(folder)

    @property
    def model_name(self) -> str:
        """See `Backend`."""
        return COMPOSITE_SCANN if COMPOSITE_SCANN in (self.folder.name, self.folder.parent.name) else COMPOSITE

    @property
    def signatures(self) -> list[str]:
        """The names of what may be asked, sorted."""
        return sorted(self._signatures)

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """See `Backend`."""
        if signature not in self._specs:
            raise BackendError(f"{self.folder} has no signature {signature!r}; it has {self.signatures}")
        return self._specs[signature]

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """See `Backend`."""
        request = check_inputs(f"{self.folder}, signature {signature!r}", inputs, self.inputs(signature))
        try:
            answer = self.call(signature, request)
        except tf.errors.OpError as error:
            raise BackendError(f"{self.folder} refused the request: {error.message}") from error
        return {name: decode_utf8(values) for name, values in answer.items()}

    def call(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Call a signature as `serving.artifacts.replay.SignatureCall` does: strings are bytes.

        Raises:
            BackendError: There is no such signature.
            KeyError: It takes other inputs.
            tf.errors.OpError: The graph refuses them.
        """
        taken = self.inputs(signature)
        if taken.keys() != inputs.keys():
            raise KeyError(f"the signature's inputs are {sorted(taken)}, and not {sorted(inputs)}")
        if signature not in self._calls:
            with self._making_a_call:  # takes seconds, in which other signatures are answered
                if signature not in self._calls:
                    self._calls[signature] = self._make_call(signature)
        fed = [np.asarray(inputs[name], spec.dtype) for name, spec in taken.items()]
        return dict(zip(sorted(self._signatures[signature].outputs), self._calls[signature](*fed), strict=True))

    def close(self) -> None:
        """See `Backend`."""
        self._session.close()

    def _make_call(self, signature: str) -> Callable[..., list[Array]]:
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        inputs, outputs = self._signatures[signature].inputs, self._signatures[signature].outputs
        options = CallableOptions(
            feed=[inputs[name].name for name in sorted(inputs)], fetch=[outputs[name].name for name in sorted(outputs)]
        )
        # What session.run does in Python before each call costs as much as the call of one customer.
        call: Callable[..., list[Array]] = self._session._make_callable_from_options(options)
        return call


_INITIALISES = "__saved_model_init_op"
"""The signature that fills a model's lookup tables."""


def _open_session(folder: Path, meta_graph: Any) -> Any:
    """Return a session over a model, whose variables are restored and whose tables are filled."""
    config = tf.compat.v1.ConfigProto()
    # A second pass over the graph takes as long as the first, and saves no call any time.
    config.graph_options.rewrite_options.meta_optimizer_iterations = 1
    graph, saver = tf.Graph(), meta_graph.saver_def
    with graph.as_default():
        tf.graph_util.import_graph_def(meta_graph.graph_def, name="")
    session = tf.compat.v1.Session(graph=graph, config=config)
    session.run(saver.restore_op_name, {saver.filename_tensor_name: str(folder / "variables" / "variables")})
    if _INITIALISES in meta_graph.signature_def:
        initialise = meta_graph.signature_def[_INITIALISES].outputs[_INITIALISES].name
        files = {asset.tensor_info.name: str(folder / "assets" / asset.filename) for asset in meta_graph.asset_file_def}
        session.run(initialise, files)
    return session


def _spec(info: Any) -> InputSpec:
    dtype = np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
    return InputSpec.of(dtype, [None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim])
