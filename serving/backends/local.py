"""The recommender model in this process. Needs NumPy and TensorFlow alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.serving.artifacts.replay import signature_caller
from nextbest.serving.backends.backend import BackendError, InputSpec, check_inputs, decode_utf8

__all__ = ["LocalBackend"]

_ONE_AT_A_TIME = threading.Lock()
"""One call at a time in a process: 20 users who asked for recommendations and explanations at once ended it within half
a minute, by "free(): invalid pointer" in TensorFlow 2.20. A version that is replayed takes turns with the one that
answers."""


class LocalBackend:
    """A SavedModel, loaded.

    Attributes:
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
        self._folder = folder
        self.model = tf.saved_model.load(str(folder))

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        """See `Backend`."""
        _, specs = self._function(signature).structured_input_signature
        return {
            name: InputSpec(np.dtype(spec.dtype.as_numpy_dtype), spec.shape.rank)
            for name, spec in sorted(specs.items())
        }

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        """See `Backend`."""
        request = check_inputs(f"{self._folder}, signature {signature!r}", inputs, self.inputs(signature))
        try:
            answer = self.call(signature, request)
        except tf.errors.OpError as error:
            raise BackendError(f"{self._folder} refused the request: {error.message}") from error
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
            raise BackendError(f"{self._folder} has no signature {signature!r}; it has {sorted(functions)}")
        return functions[signature]
