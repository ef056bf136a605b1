"""The ops of an exported model: a stock TensorFlow Serving must know all of them and run them without Python or files.

Only `saved_model.pb` is parsed; the model is not loaded, so nothing of it runs and no op library is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from nextbest.data.tensorflow import tf

__all__ = ["OpSetError", "check_op_set", "foreign_ops", "ops_of", "read_saved_model"]

_PYTHON = frozenset(("EagerPyFunc", "PyFunc", "PyFuncStateless"))
"""What tf.py_function and tf.numpy_function become: their kernels call back into the process that made the graph."""

_OUTSIDE = frozenset(
    """
    ReadFile WriteFile MatchingFiles PrintV2 FileSystemSetConfiguration
    FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader RecordInput TextLineReader TextLineReaderV2
    TFRecordReader TFRecordReaderV2 WholeFileReader WholeFileReaderV2
    CacheDataset CacheDatasetV2 CSVDataset CSVDatasetV2 FixedLengthRecordDataset FixedLengthRecordDatasetV2 LMDBDataset
    MatchingFilesDataset SqlDataset TextLineDataset TFRecordDataset TFRecordDatasetV2
    ExperimentalCSVDataset ExperimentalLMDBDataset ExperimentalMatchingFilesDataset ExperimentalSqlDataset
    DatasetToTFRecord ExperimentalDatasetToTFRecord LoadDataset SaveDataset SaveDatasetV2
    ListSnapshotChunksDataset SnapshotChunkDataset SnapshotDataset SnapshotDatasetReader SnapshotDatasetV2
    SnapshotNestedDatasetReader
    DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 DistributedSave
    RegisterDataset RegisterDatasetV2
    GenerateVocabRemapping LoadAndRemapMatrix Restore RestoreSlice Save SaveSlices FixedUnigramCandidateSampler
    CreateSummaryDbWriter CreateSummaryFileWriter
    DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
    """.split()  # noqa: SIM905 a list would be a line for each
)
"""TensorFlow's ops that name a file, a folder or another server when they run.

It holds the three that `saved_model_cli scan` denies: ReadFile, WriteFile, and PrintV2, which can print into a file.
What a SavedModel's loader itself needs is not in it: RestoreV2, SaveV2, MergeV2Checkpoints, ShardedFilename, and
InitializeTableFromTextFile and its V2, which fill a table from the model's own assets.
"""


class OpSetError(Exception):
    """A model holds ops that its server could not run, or none that can be read."""


def read_saved_model(folder: Path) -> Any:
    """Parse a model's `saved_model.pb` into a `tensorflow.SavedModel` message, without loading the model.

    Raises:
        FileNotFoundError: The folder holds none.
        OpSetError: The file is no such message, or one without a graph.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = folder / "saved_model.pb"
    try:
        model = SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise OpSetError(f"{path} is no SavedModel; export it anew") from error
    if not model.meta_graphs:
        raise OpSetError(f"{path} holds no graph; export it anew")
    return model


def _graph_ops(graph: Any) -> Iterator[str]:
    """Yield the ops of a GraphDef, those of its library's functions included; to call a function is no op."""
    functions = {function.signature.name for function in graph.library.function}
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        yield from (node.op for node in nodes if node.op not in functions)


def ops_of(folder: Path) -> frozenset[str]:
    """Return the names of all ops of a SavedModel, whatever its meta graph or function; see `read_saved_model`."""
    return frozenset(op for meta in read_saved_model(folder).meta_graphs for op in _graph_ops(meta.graph_def))


def foreign_ops(folder: Path) -> dict[str, str]:
    """Return the ops of a SavedModel that a stock TensorFlow Serving cannot run -> why, by name.

    TensorFlow's own ops are those of `tf.raw_ops`, which is generated when TensorFlow is built: an op library that this
    process has loaded adds nothing to it. Raises as `read_saved_model` does.
    """
    stock = frozenset(dir(tf.raw_ops))
    reasons = {}
    for op in sorted(ops_of(folder)):
        if op in _PYTHON:
            reasons[op] = "calls Python, which a server does not have; write it with TensorFlow's own ops"
        elif op in _OUTSIDE:
            reasons[op] = "uses files or the network when it runs; read it before the export into a variable"
        elif op not in stock:
            reasons[op] = (
                f"is no op of TensorFlow {tf.__version__}; write it with TensorFlow's own, "
                "or allow its namespace and load its op library into the server"
            )
    return reasons


def check_op_set(folder: Path, allowed_namespaces: tuple[str, ...] = ()) -> None:
    """Refuse a model that its server could not run.

    Args:
        folder: The SavedModel.
        allowed_namespaces: Beginnings of the names of ops whose library the server has loaded, such as `Scann>`.

    Raises:
        OpSetError: The model holds other foreign ops; each is named, with the remedy. Else as `read_saved_model`.
    """
    refused = {op: why for op, why in foreign_ops(folder).items() if not op.startswith(allowed_namespaces)}
    if refused:
        lines = (f"  {op} {why}" for op, why in refused.items())
        raise OpSetError("\n".join((f"{folder} holds ops that its server cannot run:", *lines)))
