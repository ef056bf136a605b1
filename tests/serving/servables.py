"""Exported models as a server holds them: a session over the SavedModel, which leaves shapes to the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Features

SERVABLES = ("retrieval", "retrieval_scann", "ranking", "recommender")


class Served:
    """A SavedModel in a session. Unlike a loaded model's functions it takes tensors of any shape, as a server does."""

    def __init__(self, session: Any, signatures: Mapping[str, Any]) -> None:
        self._session = session
        self.graph = session.graph
        self.signatures = signatures
        """Name -> SignatureDef."""
        self._calls: dict[str, Any] = {}

    def ask(self, signature: str, inputs: Mapping[str, Any]) -> Features:
        """Answer a signature; inputs that it does not have are ignored, words come back as bytes."""
        definition = self.signatures[signature]
        names, outputs = sorted(definition.inputs), sorted(definition.outputs)
        if signature not in self._calls:
            from tensorflow.core.protobuf.config_pb2 import CallableOptions

            options = CallableOptions(
                feed=[definition.inputs[name].name for name in names],
                fetch=[definition.outputs[name].name for name in outputs],
            )
            # The public session.run compares shapes before TensorFlow does, which a server's does not.
            self._calls[signature] = self._session._make_callable_from_options(options)
        fed = [np.asarray(inputs[name], tf.as_dtype(definition.inputs[name].dtype).as_numpy_dtype) for name in names]
        return dict(zip(outputs, self._calls[signature](*fed), strict=True))


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Yield a SavedModel in a session."""
    if "scann" in folder.parts[-2]:
        import scann  # noqa: F401 loads its ops
    session = tf.compat.v1.Session(graph=tf.Graph())  # not entered, for other tests run while it is open
    try:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        hidden = "__saved_model_init_op"
        yield Served(session, {name: found for name, found in loaded.signature_def.items() if name != hidden})
    finally:
        session.close()


def rows(inputs: Features, chosen: slice) -> Features:
    """Return some rows of all inputs."""
    return {name: values[chosen] for name, values in inputs.items()}
