"""Replay a SavedModel's warmup records, and compare its answers with those that the records hold.

The infra blessing runs this file as a script, `python -I replay.py FOLDER REPORT TOLERANCE [OP_LIBRARY ...]`: a process
that has TensorFlow and none of this project's code, as a server is. So nothing of the project may be imported here, and
TensorFlow only where it is needed.
"""

from __future__ import annotations

import importlib
import importlib.abc
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MAX_RECORDS", "PROJECT", "WARMUP", "Ask", "Replayed", "asker", "replay"]

Array = np.ndarray[Any, np.dtype[Any]]

Ask = Callable[[str, Mapping[str, Array]], Mapping[str, Array]]
"""Answers a signature's inputs with its outputs, by name; words are bytes, and may be str in an answer."""

WARMUP = "assets.extra/tf_serving_warmup_requests"
"""Where TensorFlow Serving looks for the records, below a version's folder."""
MAX_RECORDS = 1000
"""With more of them TensorFlow Serving refuses the model (kMaxNumRecords of its saved_model_warmup_util.h)."""

PROJECT = frozenset(("benchmarks", "nextbest", "tests"))
"""This project's packages, which the script cannot import."""
_OF_TRAINING = frozenset(("scann", "tensorflow_recommenders", "tf_keras"))
"""What training needs besides, and a server does not have unless it is named to the script."""


@dataclass(frozen=True)
class Replayed:
    """What the replay of all records of a model came to."""

    records: int
    """How many were asked."""
    signatures: tuple[str, ...]
    """The signatures that were asked, sorted."""
    worst_difference: float
    """The largest difference of two numbers, relative to the expected one where that is beyond 1."""
    problems: tuple[str, ...]
    """What differed or failed, record by record; none when the model answers as it did."""


def replay(ask: Ask, folder: Path, tolerance: float) -> Replayed:
    """Ask a model all of its warmup records. What is wrong with one does not keep the others from being asked.

    Words and whole numbers must be equal, other numbers within the tolerance.

    Args:
        ask: The model.
        folder: Its version's folder; without records there is nothing to ask.
        tolerance: The largest difference that two numbers may have, relative to the expected one where it is beyond 1.
    """
    records, signatures, worst = 0, set(), 0.0
    problems: list[str] = []
    for records, record in enumerate(_records(folder / WARMUP), start=1):
        request, signature = record.request, record.request.model_spec.signature_name
        signatures.add(signature)
        place = f"record {records} ({signature})"
        try:
            found = ask(signature, _arrays(request.inputs))
        except Exception as error:  # whatever a model raises, it is what is wrong with it
            problems.append(f"{place} failed: {type(error).__name__}: {error}")
            continue
        difference, wrong = _compare(_arrays(record.response.outputs), found, tolerance)
        worst = max(worst, difference)
        problems += [f"{place}: {what}" for what in wrong]
    if records > MAX_RECORDS:
        problems.append(f"{records:,} records are more than the {MAX_RECORDS:,} that TensorFlow Serving accepts")
    return Replayed(records, tuple(sorted(signatures)), worst, tuple(problems))


def _records(path: Path) -> Iterator[Any]:
    """Yield the PredictLogs of a file, none where there is no file."""
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    if path.exists():
        for record in tf.data.TFRecordDataset(str(path)):
            yield PredictionLog.FromString(record.numpy()).predict_log


def _arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    from tensorflow import make_ndarray

    return {name: make_ndarray(tensor) for name, tensor in tensors.items()}


def _compare(expected: Mapping[str, Array], found: Mapping[str, Array], tolerance: float) -> tuple[float, list[str]]:
    """Return the largest difference of two numbers, and what is not as expected, output by output."""
    if expected.keys() != found.keys():
        return 0.0, [f"the outputs are {sorted(found)} and not {sorted(expected)}"]
    worst, problems = 0.0, []
    for name, wanted in expected.items():
        values = found[name]
        if wanted.shape != values.shape or _kind(wanted) != _kind(values):
            problems.append(f"{name} is {_described(values)} and not {_described(wanted)}")
            continue
        differences = _differences(wanted, values)
        if (wrong := differences > tolerance).any():
            first = tuple(int(place) for place in np.argwhere(wrong)[0])
            what = f"{int(wrong.sum()):,} of {wrong.size:,} values differ"
            problems.append(f"{name}: {what}, first at {first}: {values[first]!r} and not {wanted[first]!r}")
        worst = max(worst, float(differences[np.isfinite(differences)].max(initial=0)))
    return worst, problems


def _kind(values: Array) -> str:
    return "words" if values.dtype == object else values.dtype.name


def _described(values: Array) -> str:
    return f"{_kind(values)} {list(values.shape)}"


def _differences(expected: Array, found: Array) -> Array:
    """Return how far values are apart: 0 where they are equal, infinity where they are not and cannot be subtracted."""
    if expected.dtype.kind != "f":
        if expected.dtype == object:
            expected, found = _encoded(expected), _encoded(found)
        return np.where(expected == found, 0.0, np.inf)
    wide, other = expected.astype(np.float64), found.astype(np.float64)
    equal = (wide == other) | (np.isnan(wide) & np.isnan(other))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = np.abs(other - wide) / np.maximum(1, np.abs(wide))
    return np.where(equal, 0, np.where(np.isfinite(apart), apart, np.inf))


def _encoded(words: Array) -> Array:
    encoded = [word.encode("utf-8") if isinstance(word, str) else word for word in words.flat]
    return np.array(encoded, object).reshape(words.shape)


class _Absent(importlib.abc.MetaPathFinder):
    """Packages that cannot be imported, even where they are installed."""

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if path is None and name in self._packages:
            raise ModuleNotFoundError(f"a server has no package {name!r}")


def asker(functions: Mapping[str, Any]) -> Ask:
    """Return what asks a loaded SavedModel's signatures."""
    import tensorflow as tf

    def ask(signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if signature not in functions:
            raise KeyError(f"the model's signatures are {sorted(functions)}")
        _, specs = functions[signature].structured_input_signature
        if specs.keys() != inputs.keys():
            raise KeyError(f"the signature's inputs are {sorted(specs)}, the record's {sorted(inputs)}")
        tensors = {name: tf.constant(values, specs[name].dtype, values.shape) for name, values in inputs.items()}
        return {name: tensor.numpy() for name, tensor in functions[signature](**tensors).items()}

    return ask


def _replay_in_server(folder: Path, tolerance: float) -> Replayed:
    """Load and replay a model as a server does."""
    import tensorflow as tf

    functions = tf.saved_model.load(str(folder)).signatures
    found = replay(asker(functions), folder, tolerance)
    unasked = sorted(set(functions) - set(found.signatures))
    problems = [f"no warmup record asks {signature!r}" for signature in unasked]
    return Replayed(**asdict(found) | {"problems": (*found.problems, *problems)})


def main(folder: str, report: str, tolerance: str, *op_libraries: str) -> None:
    """Replay a model and write the report, JSON: a `Replayed`, or the `error` that kept it from being replayed."""
    absent = (PROJECT | _OF_TRAINING) - frozenset(op_libraries)
    sys.meta_path.insert(0, _Absent(absent))
    try:
        for module in op_libraries:
            importlib.import_module(module)
        outcome = asdict(_replay_in_server(Path(folder), float(tolerance)))
    except Exception as error:  # whatever keeps a model from being loaded is the report
        traceback.print_exc()
        outcome = {"error": f"{type(error).__name__}: {error}"}
    if present := sorted({name.partition(".")[0] for name in sys.modules} & absent):
        outcome = {"error": f"the process had {', '.join(present)}, which a server does not have"}
    Path(report).write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
