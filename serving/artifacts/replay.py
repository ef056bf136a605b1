"""Replay a SavedModel's warmup records, and compare its answers with those that the records hold.

The load check (`serving.artifacts.load_check`) runs this file as a script, `python -I replay.py FOLDER REPORT TOLERANCE
[OP_LIBRARY ...]`: a process that has TensorFlow and none of this project's code, as a server is. So nothing of the
project may be imported here, and TensorFlow only where it is needed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "MAX_RECORDS",
    "PROJECT",
    "WARMUP",
    "ReplayResult",
    "SignatureCall",
    "block_imports",
    "replay",
    "signature_caller",
]

Array = np.ndarray[Any, np.dtype[Any]]

SignatureCall = Callable[[str, Mapping[str, Array]], Mapping[str, Array]]
"""Calls a signature: its name and inputs to its outputs. Strings are bytes, and may be str in an answer."""

WARMUP = "assets.extra/tf_serving_warmup_requests"
"""Where TensorFlow Serving looks for the records, below a version's folder."""
MAX_RECORDS = 1000
"""With more of them TensorFlow Serving refuses the model (kMaxNumRecords of its saved_model_warmup_util.h)."""

PROJECT = frozenset(("benchmarks", "nextbest", "tests"))
"""This project's packages, which the script cannot import."""
_TRAINING_ONLY = frozenset(("keras", "scann", "tensorflow_recommenders", "tf_keras"))
"""What training needs besides, and a server does not have unless it is named to the script. Without Keras TensorFlow
is imported in half of the time."""


@dataclass(frozen=True)
class ReplayResult:
    """What the replay of all records of a model found."""

    records: int
    """How many were replayed."""
    signatures: tuple[str, ...]
    """The signatures that were called, sorted."""
    worst_difference: float
    """The largest difference of two numbers, relative to the expected one where that is beyond 1."""
    problems: tuple[str, ...]
    """What differed or failed, record by record; none when the model answers as it did."""


def replay(call: SignatureCall, folder: Path, tolerance: float, left_out: Container[str] = frozenset()) -> ReplayResult:
    """Replay all warmup records of a model. What is wrong with one does not keep the others from being replayed.

    Strings and whole numbers must be equal, other numbers within the tolerance.

    Args:
        call: Calls the model.
        folder: Its version's folder; without records there is nothing to replay.
        tolerance: The largest difference that two numbers may have, relative to the expected one where it is beyond 1.
        left_out: Signatures whose records are counted and not replayed.
    """
    records, signatures, worst = 0, set(), 0.0
    problems: list[str] = []
    for records, record in enumerate(_read_records(folder / WARMUP), start=1):
        signature = record.request.model_spec.signature_name
        if signature in left_out:
            continue
        signatures.add(signature)
        place = f"record {records} ({signature})"
        try:
            found = call(signature, _arrays(record.request.inputs))
        except Exception as error:  # whatever a model raises, it is what is wrong with it
            problems.append(f"{place} failed: {type(error).__name__}: {error}")
            continue
        difference, wrong = _compare(_arrays(record.response.outputs), found, tolerance)
        worst = max(worst, difference)
        problems += [f"{place}: {what}" for what in wrong]
    if records > MAX_RECORDS:
        problems.append(f"{records:,} records are more than the {MAX_RECORDS:,} that TensorFlow Serving accepts")
    return ReplayResult(records, tuple(sorted(signatures)), worst, tuple(problems))


def _read_records(path: Path) -> Iterator[Any]:
    """Yield the PredictLogs of a file, none where there is no file."""
    import tensorflow as tf

    if path.exists():
        for record in tf.data.TFRecordDataset(str(path)):
            yield _record_class().FromString(record.numpy()).predict_log


_RECORD_PROTO = """
name: "nextbest/warmup_record.proto" package: "nextbest" syntax: "proto3"
dependency: "tensorflow/core/framework/tensor.proto"
message_type { name: "NamedTensor"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "tensor" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: ".tensorflow.TensorProto" } }
message_type { name: "ModelSpec"
  field { name: "signature_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "PredictRequest"
  field { name: "model_spec" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "ModelSpec" }
  field { name: "inputs" number: 2 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: "NamedTensor" } }
message_type { name: "PredictResponse"
  field { name: "outputs" number: 1 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: "NamedTensor" } }
message_type { name: "PredictLog"
  field { name: "request" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "PredictRequest" }
  field { name: "response" number: 2 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "PredictResponse" } }
message_type { name: "WarmupRecord"
  field { name: "predict_log" number: 6 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: "PredictLog" } }
"""
"""What is read of `PredictionLog` in tensorflow_serving/apis/prediction_log.proto, with its numbers; on the wire a map
is a list of keys and values. Stated here, so that a version can be replayed without tensorflow-serving-api."""


@cache
def _record_class() -> Any:
    """Return the class of a record's message."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
    from tensorflow.core.framework import tensor_pb2  # noqa: F401 its import registers TensorProto

    pool = descriptor_pool.Default()
    pool.AddSerializedFile(text_format.Parse(_RECORD_PROTO, descriptor_pb2.FileDescriptorProto()).SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("nextbest.WarmupRecord"))


def _arrays(tensors: Any) -> dict[str, Array]:
    from tensorflow import make_ndarray

    return {entry.name: make_ndarray(entry.tensor) for entry in tensors}


def _compare(expected: Mapping[str, Array], found: Mapping[str, Array], tolerance: float) -> tuple[float, list[str]]:
    """Return the largest difference of two numbers, and what is not as expected, output by output."""
    if expected.keys() != found.keys():
        return 0.0, [f"the outputs are {sorted(found)} and not {sorted(expected)}"]
    worst, problems = 0.0, []
    for name, wanted in expected.items():
        values = found[name]
        if wanted.shape != values.shape or _type_name(wanted) != _type_name(values):
            problems.append(f"{name} is {_type_and_shape(values)} and not {_type_and_shape(wanted)}")
            continue
        differences = _differences(wanted, values)
        if (wrong := differences > tolerance).any():
            first = tuple(int(place) for place in np.argwhere(wrong)[0])
            what = f"{int(wrong.sum()):,} of {wrong.size:,} values differ"
            problems.append(f"{name}: {what}, first at {first}: {values[first]!r} and not {wanted[first]!r}")
        worst = max(worst, float(differences[np.isfinite(differences)].max(initial=0)))
    return worst, problems


def _type_name(values: Array) -> str:
    return "strings" if values.dtype == object else values.dtype.name


def _type_and_shape(values: Array) -> str:
    return f"{_type_name(values)} {list(values.shape)}"


def _differences(expected: Array, found: Array) -> Array:
    """Return how far values are apart: 0 where they are equal, infinity where they are not and cannot be subtracted."""
    if expected.dtype.kind != "f":
        if expected.dtype == object:
            expected, found = _as_bytes(expected), _as_bytes(found)
        return np.where(expected == found, 0.0, np.inf)
    wide, other = expected.astype(np.float64), found.astype(np.float64)
    equal = (wide == other) | (np.isnan(wide) & np.isnan(other))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = np.abs(other - wide) / np.maximum(1, np.abs(wide))
    return np.where(equal, 0, np.where(np.isfinite(apart), apart, np.inf))


def _as_bytes(strings: Array) -> Array:
    encoded = [value.encode("utf-8") if isinstance(value, str) else value for value in strings.flat]
    return np.array(encoded, object).reshape(strings.shape)


def signature_caller(functions: Mapping[str, Any]) -> SignatureCall:
    """Return what calls the signatures of a loaded SavedModel.

    It raises a KeyError where there is no such signature, or where it has other inputs.
    """
    import tensorflow as tf

    def call(signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if signature not in functions:
            raise KeyError(f"the model's signatures are {sorted(functions)}")
        _, specs = functions[signature].structured_input_signature
        if specs.keys() != inputs.keys():
            raise KeyError(f"the signature's inputs are {sorted(specs)}, the record's {sorted(inputs)}")
        tensors = {name: tf.constant(values, specs[name].dtype, values.shape) for name, values in inputs.items()}
        return {name: tensor.numpy() for name, tensor in functions[signature](**tensors).items()}

    return call


def main(folder: str, report: str, tolerance: str, *op_libraries: str) -> None:
    """Replay a model and write the report, JSON: a `ReplayResult`, or the `error` that kept it from being replayed."""
    blocked = (PROJECT | _TRAINING_ONLY) - frozenset(op_libraries)
    block_imports(blocked)
    try:
        for module in op_libraries:
            importlib.import_module(module)
        outcome = asdict(_load_and_replay(Path(folder), float(tolerance)))
    except Exception as error:  # whatever keeps a model from being loaded is the report
        traceback.print_exc()
        outcome = {"error": f"{type(error).__name__}: {error}"}
    if present := sorted(
        {name.partition(".")[0] for name, module in sys.modules.items() if module is not None} & blocked
    ):
        outcome = {"error": f"the process had {', '.join(present)}, which a server does not have"}
    Path(report).write_text(json.dumps(outcome), encoding="utf-8")


def block_imports(packages: Iterable[str]) -> None:
    """Keep packages from being imported, even where they are installed; find_spec finds none either."""
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]  # see the import system's sys.modules cache


def _load_and_replay(folder: Path, tolerance: float) -> ReplayResult:
    """Load a model and replay its records; a signature without a record is a problem too."""
    import tensorflow as tf

    functions = tf.saved_model.load(str(folder)).signatures
    found = replay(signature_caller(functions), folder, tolerance)
    without_record = sorted(set(functions) - set(found.signatures))
    problems = [f"no warmup record calls {signature!r}" for signature in without_record]
    return ReplayResult(**asdict(found) | {"problems": (*found.problems, *problems)})


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # else TensorFlow imports Keras 3, and all that it can work with
    gc.disable()  # TensorFlow's objects live as long as this process; to look through them would take seconds
    main(*sys.argv[1:])
    gc.freeze()
