"""A SavedModel, loaded as the server loads it: a graph, a session, and the signatures."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from grpc import StatusCode
from tensorflow.core.protobuf import saved_model_pb2

from tests.tf_serving_emulator.errors import ServingError, of_runtime

__all__ = ["Servable"]


class Servable:
    """One loaded version. `run` may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        """Load a version's folder.

        Raises:
            ServingError: It holds no SavedModel, or one that this runtime cannot load.
        """
        _import_custom_ops(_read(folder))
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, [tf.saved_model.SERVING], str(folder))
        except tf.errors.OpError as error:
            self.close()
            raise of_runtime(error) from error
        except BaseException:
            self.close()
            raise
        self.signatures = meta_graph.signature_def

    def run(self, feeds: Sequence[tuple[str, np.ndarray]], fetches: Sequence[str]) -> list[np.ndarray]:
        """Run the graph.

        Args:
            feeds: Names of tensors, and their values.
            fetches: Names of tensors.

        Raises:
            ServingError: The runtime's refusal.
        """
        # Session.run would first check the shapes in Python, which the real server does not: DirectSession feeds what
        # it gets, and the kernels complain. This is the call below that check.
        try:
            return self._session._call_tf_sessionrun(
                None, {self._output(name): values for name, values in feeds}, list(map(self._output, fetches)), [], None
            )
        except tf.errors.OpError as error:
            raise of_runtime(error) from error

    def close(self) -> None:
        """Free the session."""
        self._session.close()

    def _output(self, name: str):
        return self._graph.get_tensor_by_name(name)._as_tf_output()


def _read(folder: Path) -> saved_model_pb2.SavedModel:
    """Parse saved_model.pb; messages of TensorFlow's cc/saved_model/reader.cc and core/platform/env.cc."""
    path = folder / "saved_model.pb"
    if not path.exists():
        raise ServingError(
            StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}. "
            "Check that the directory exists and that you have the right permissions for accessing it.",
        )
    try:
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise ServingError(StatusCode.DATA_LOSS, f"Can't parse {path} as binary proto") from error


def _import_custom_ops(model: saved_model_pb2.SavedModel) -> None:
    """Register ScaNN's ops where a model has them, as a server must that was built with them."""
    ops = (op.name for graph in model.meta_graphs for op in graph.meta_info_def.stripped_op_list.op)
    if any(name.startswith("Scann>") for name in ops):
        importlib.import_module("scann")
