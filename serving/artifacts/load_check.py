"""The load check (TFX calls it InfraValidator): do exported models load and answer where this project's code is not.

A model passes when its ops are those that its server has (`check_ops`), it loads in a fresh process, and it answers its
warmup records there as it did when they were written.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError

from nextbest.data.files import write_instead
from nextbest.serving.artifacts import replay
from nextbest.serving.artifacts.assets import COMPOSITE_SCANN
from nextbest.serving.config import LoadCheckConfig

__all__ = [
    "INFRA_BLESSED",
    "INFRA_NOT_BLESSED",
    "OP_LIBRARIES",
    "LoadCheck",
    "ModelCheck",
    "UnsupportedOpsError",
    "check_loads",
    "check_ops",
    "load_op_libraries",
    "read_ops",
    "read_saved_model",
    "unsupported_ops",
]

INFRA_BLESSED, INFRA_NOT_BLESSED = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
"""The file that says that the models passed, and the one that says that they did not: TFX's names."""

OP_LIBRARIES: Mapping[str, Mapping[str, str]] = {
    name: {"Scann>": "scann"} for name in ("retrieval_scann", COMPOSITE_SCANN)
}
"""Model -> beginning of the names of its ops that are not TensorFlow's -> the Python module that registers them when it
is imported."""

_LAST_LINES = 5
"""How many lines of a dead process' output are repeated."""


@dataclass(frozen=True)
class ModelCheck:
    """What was found of one model."""

    problem: str
    """Why it does not pass, a line for each reason; empty when it does."""
    records: int = 0
    """How many warmup records were replayed."""
    worst_difference: float = 0.0
    """The largest difference of two numbers, relative to the recorded one where that is beyond 1."""


@dataclass(frozen=True)
class LoadCheck:
    """What was found of all models."""

    models: Mapping[str, ModelCheck]
    """By the model's name."""

    @property
    def passed(self) -> bool:
        """Whether no model has a problem, and there is one at all."""
        return not self.reasons

    @property
    def reasons(self) -> list[str]:
        """Why the models do not pass; empty when they do."""
        if not self.models:
            return ["there is no model"]
        return [f"{name}: {check.problem}" for name, check in self.models.items() if check.problem]

    def write(self, folder: Path) -> None:
        """Write INFRA_BLESSED or INFRA_NOT_BLESSED, JSON; never are both there, and of a killed process neither may be.

        Raises:
            OSError: The folder cannot be written to.
        """
        name, other = (INFRA_BLESSED, INFRA_NOT_BLESSED) if self.passed else (INFRA_NOT_BLESSED, INFRA_BLESSED)
        models = {model: asdict(check) for model, check in self.models.items()}
        content = {"blessed": self.passed, "models": models, "reasons": self.reasons}
        write_instead(folder / other, folder / name, json.dumps(content, indent=2, sort_keys=True) + "\n")


def check_loads(servables: Mapping[str, Path], config: LoadCheckConfig | None = None) -> LoadCheck:
    """Check exported models, each in a fresh process that can import TensorFlow and none of this project's code.

    A model passes when its ops are TensorFlow's own (and those of its `OP_LIBRARIES`), it loads, and it answers each of
    its warmup records as it did when they were written, all of its signatures among them. Whatever else happens (it
    raises, crashes, hangs, or there are no records) is its problem.

    Args:
        servables: Name -> folder with a SavedModel.
        config: Time limit, tolerance and number of processes.
    """
    config = config or LoadCheckConfig()
    with ThreadPoolExecutor(config.processes) as pool:
        checks = list(pool.map(partial(_check_model, config=config), servables, servables.values()))
    return LoadCheck(dict(zip(servables, checks, strict=True)))


def _check_model(name: str, folder: Path, config: LoadCheckConfig) -> ModelCheck:
    libraries = OP_LIBRARIES.get(name, {})
    problems = []
    try:
        check_ops(folder, tuple(libraries))
    except FileNotFoundError:
        return ModelCheck(f"{folder} holds no saved_model.pb; export it again")
    except UnsupportedOpsError as error:
        problems.append(str(error))
    report = _replay_in_fresh_process(folder, list(libraries.values()), config)
    if "error" in report:
        return ModelCheck("\n".join([*problems, report["error"]]))
    problems += report["problems"]
    if not report["records"]:
        problems.append(f"{folder / replay.WARMUP} holds no warmup records; export the model again")
    return ModelCheck("\n".join(problems), report["records"], report["worst_difference"])


def _replay_in_fresh_process(folder: Path, libraries: list[str], config: LoadCheckConfig) -> dict[str, Any]:
    """Return the report of `serving.artifacts.replay` as a script, or the error that the process ended with."""
    with TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        script = [sys.executable, "-I", replay.__file__]
        arguments = [str(folder.resolve()), str(report), str(config.tolerance), *libraries]
        try:
            fresh = subprocess.run(
                script + arguments,
                cwd=scratch,
                env=_bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=config.timeout_seconds,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"it hangs: no answer within {config.timeout_seconds:g} seconds"}
        if fresh.returncode != 0 or not report.exists():
            return {"error": f"its process {_how_it_ended(fresh.returncode)}: {_last_lines(fresh.stdout)}"}
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return found


def _bare_environment() -> dict[str, str]:
    """Return this process' environment without what steers Python and TensorFlow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TF_"))}


def _how_it_ended(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"


def _last_lines(output: bytes) -> str:
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-_LAST_LINES:]) or "it printed nothing"


def load_op_libraries(model: str) -> None:
    """Register the ops of a model that are not TensorFlow's in this process; see `OP_LIBRARIES`."""
    for module in OP_LIBRARIES.get(model, {}).values():
        importlib.import_module(module)


class UnsupportedOpsError(Exception):
    """A model holds ops that its server could not run, or no ops that can be read."""


def check_ops(folder: Path, allowed_namespaces: tuple[str, ...] = ()) -> None:
    """Refuse a model that its server could not run.

    Args:
        folder: The SavedModel.
        allowed_namespaces: Beginnings of the names of ops whose library the server has loaded, such as `Scann>`.

    Raises:
        UnsupportedOpsError: The model holds other ops than TensorFlow's; each is named, with the remedy. Else as
            `read_saved_model`.
    """
    unsupported = unsupported_ops(folder)
    lines = [f"  {op} {why}" for op, why in unsupported.items() if not op.startswith(allowed_namespaces)]
    if lines:
        raise UnsupportedOpsError("\n".join((f"{folder} holds ops that its server cannot run:", *lines)))


def unsupported_ops(folder: Path) -> dict[str, str]:
    """Return the ops of a SavedModel that a stock TensorFlow Serving cannot run -> why, by name.

    TensorFlow's own ops are those of `tf.raw_ops`, which is generated when TensorFlow is built: an op library that this
    process has loaded adds nothing to it. Raises as `read_saved_model` does.
    """
    stock = frozenset(dir(tf.raw_ops))
    reasons = {}
    for op in sorted(read_ops(folder)):
        if op in _PYTHON_OPS:
            reasons[op] = "calls Python, which a server does not have; write it with TensorFlow's own ops"
        elif op in _FILE_AND_NETWORK_OPS:
            reasons[op] = "uses files or the network when it runs; read it before the export into a variable"
        elif op not in stock:
            reasons[op] = (
                f"is not an op of TensorFlow {tf.__version__}; write it with TensorFlow's own, "
                "or allow its namespace and load its op library into the server"
            )
    return reasons


def read_ops(folder: Path) -> frozenset[str]:
    """Return the names of all ops of a SavedModel, whatever its meta graph or function; see `read_saved_model`."""
    return frozenset(op for meta in read_saved_model(folder).meta_graphs for op in _graph_ops(meta.graph_def))


def _graph_ops(graph: Any) -> Iterator[str]:
    """Yield the ops of a GraphDef, those of its library's functions included; a call of a function is not an op."""
    functions = {function.signature.name for function in graph.library.function}
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        yield from (node.op for node in nodes if node.op not in functions)


def read_saved_model(folder: Path) -> Any:
    """Parse a model's `saved_model.pb` into a `tensorflow.SavedModel` message, without loading the model.

    Raises:
        FileNotFoundError: The folder holds none.
        UnsupportedOpsError: The file is not such a message, or one without a graph.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = folder / "saved_model.pb"
    try:
        model = SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise UnsupportedOpsError(f"{path} is not a SavedModel; export it again") from error
    if not model.meta_graphs:
        raise UnsupportedOpsError(f"{path} holds no graph; export it again")
    return model


_PYTHON_OPS = frozenset(("EagerPyFunc", "PyFunc", "PyFuncStateless"))
"""What tf.py_function and tf.numpy_function become: their kernels call back into the process that made the graph."""

_FILE_AND_NETWORK_OPS = frozenset(
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

Among them are the three that `saved_model_cli scan` denies: ReadFile, WriteFile, PrintV2 (it can print into a file).
What a SavedModel's loader itself needs is not among them: RestoreV2, SaveV2, MergeV2Checkpoints, ShardedFilename, and
InitializeTableFromTextFile and its V2, which fill a table from the model's own assets.
"""
