"""The recommender model in this process. Needs NumPy and TensorFlow alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.serving.artifacts.assets import read_manifest
from nextbest.serving.artifacts.load_check import load_op_libraries
from nextbest.serving.artifacts.replay import signature_caller
from nextbest.serving.backends.backend import BackendError, InputSpec, check_inputs, decode_utf8
from nextbest.serving.store.versions import COMPOSITE, COMPOSITE_SCANN, with_scann

__all__ = ["LocalBackend"]

_logger = logging.getLogger(__name__)

_ONE_AT_A_TIME = threading.Lock()
"""One call at a time in a process: 20 users who asked for recommendations and explanations at once ended it within half
a minute, by "free(): invalid pointer" in TensorFlow 2.20. A version that is replayed takes turns with the one that
answers."""


class LocalBackend:
    """A SavedModel, loaded.

    Attributes:
        folder: Where the model lies.
        model: What `tf.saved_model.load` returned.
    """

    def __init__(self, folder: Path) -> None:
        """Load one version.

        Args:
            folder: A version's folder, MODELS/recommender/VERSION.

        Raises:
            FileNotFoundError: There is no model.
        """
        if not (folder / "saved_model.pb").exists():
            raise FileNotFoundError(f"{folder} holds no SavedModel; name a version folder that `nextbest export` made")
        self.folder = folder
        self.model = tf.saved_model.load(str(folder))

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
            load_op_libraries(COMPOSITE_SCANN)
        except ImportError as error:
            _logger.warning("%s is searched exactly, and slowly: %s; install scann", folder, error)
            return cls(folder)
        return cls(scann)

    @property
    def model_name(self) -> str:
        """See `Backend`."""
        return COMPOSITE_SCANN if COMPOSITE_SCANN in (self.folder.name, self.folder.parent.name) else COMPOSITE

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """See `Backend`."""
        _, specs = self._function(signature).structured_input_signature
        return {
            name: InputSpec(np.dtype(spec.dtype.as_numpy_dtype), spec.shape.rank)
            for name, spec in sorted(specs.items())
        }

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """See `Backend`."""
        request = check_inputs(f"{self.folder}, signature {signature!r}", inputs, self.inputs(signature))
        try:
            answer = self.call(signature, request)
        except tf.errors.OpError as error:
            raise BackendError(f"{self.folder} refused the request: {error.message}") from error
        return {name: decode_utf8(values) for name, values in answer.items()}

    def call(self, signature: str, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Call a signature as `serving.artifacts.replay.SignatureCall` does: strings are bytes."""
        with _ONE_AT_A_TIME:
            return signature_caller(self.model.signatures)(signature, inputs)

    def close(self) -> None:
        """See `Backend`: the model is freed with the last reference to it."""

    def _function(self, signature: str) -> Any:
        functions = self.model.signatures
        if signature not in functions:
            raise BackendError(f"{self.folder} has no signature {signature!r}; it has {sorted(functions)}")
        return functions[signature]
