"""A C program answers from every exported model through TensorFlow's C API as TensorFlow in Python does."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Features
from nextbest.serving.artifacts.load_check import read_saved_model
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving.serialized import examples
from tests.trained import Trained

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
ROWS = np.array([0, 3, 57, 210, 399])
COUNT = tf.io.FixedLenFeature([], tf.int64)

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc, gcc or clang) is installed"),
    pytest.mark.usefixtures("load_once"),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


def scann_ops() -> Path:
    scann = importlib.util.find_spec("scann")
    assert scann is not None and scann.origin is not None
    return Path(scann.origin).parent / "scann_ops" / "cc" / "_scann_ops.so"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program; the wheel's libraries have versioned names only, so they are linked by their paths."""
    libraries = Path(tf.sysconfig.get_lib())
    binary = tmp_path_factory.mktemp("c_api") / "predict"
    command: list[Any] = [COMPILER, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command += ["-isystem", tf.sysconfig.get_include(), "-o", binary, Path(__file__).with_name("predict.c")]
    command += [libraries / "libtensorflow_cc.so.2", libraries / "libtensorflow_framework.so.2"]
    if shutil.which("ld.gold"):  # GNU's other linker takes ten seconds for TensorFlow's symbols
        command.append("-fuse-ld=gold")
    compiled = subprocess.run([*command, f"-Wl,-rpath,{libraries}"], capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    return binary


@pytest.fixture(scope="module")
def run(program: Path) -> Run:
    """Return a function that runs the program, in an environment in which no Python could be found."""

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ["TF_CPP_MIN_LOG_LEVEL"]}
        return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)

    return call


def tensors(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the tensors of a model's `serving_default`: its only input's, and output -> tensor."""
    (meta,) = read_saved_model(folder).meta_graphs
    signature = meta.signature_def["serving_default"]
    return signature.inputs["examples"].name, {name: info.name for name, info in signature.outputs.items()}


def unescaped(text: str) -> bytes:
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


def parse(stdout: str) -> tuple[list[Features], list[str]]:
    """Return what the program printed: tensor -> values for each batch, and the libraries of its process."""
    lines: Iterator[str] = iter(stdout.splitlines())
    batches: list[Features] = []
    libraries = []
    for line in lines:
        kind, name, *rest = line.split(" ")
        if kind == "library":
            libraries.append(name)
            continue
        assert kind == "output"
        dtype, shape = rest[0], [int(size) for size in rest[1:]]
        values = [next(lines) for _ in range(int(np.prod(shape)))]
        array = np.array([unescaped(word) for word in values], object) if dtype == "string" else np.array(values, dtype)
        if not batches or name in batches[-1]:
            batches.append({})
        batches[-1][name] = array.reshape(shape)
    return batches, libraries


def assert_equal(found: Features, expected: Features) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert values.any(), f"{name} is empty, which shows nothing"
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(found[name], values)


def assert_no_python(libraries: list[str]) -> None:
    """Neither the interpreter nor what binds TensorFlow to it is in the process."""
    files = {Path(library).name for library in libraries}
    assert "libtensorflow_cc.so.2" in files  # the program told the truth
    assert not {file for file in files if "python" in file or "pywrap" in file}


def requests_of(model: str, recommender: Recommender) -> Any:
    request = take(recommender.customers().columns, ROWS)
    if model == "ranking":
        some = np.tile(recommender.products.ids[:3], (len(ROWS), 1))
        request |= {"candidates": some, "similarity": np.full(some.shape, 0.25, np.float32)}
    return examples(request)


@pytest.mark.parametrize("model", ["retrieval", "ranking", "recommender", "retrieval_scann"])
def test_the_answer_is_pythons(
    model: str, run: Run, trained: Trained, recommender: Recommender, tmp_path: Path
) -> None:
    folder = trained.models / model / "1"
    options: list[str | Path] = []
    if model == "retrieval_scann":
        import scann  # noqa: F401 for the answer in Python

        options = ["--op-library", scann_ops()]
    serialized = requests_of(model, recommender)
    files = [tmp_path / f"example-{row}" for row in range(len(ROWS))]
    for file, example in zip(files, serialized.numpy(), strict=True):
        file.write_bytes(example)
    input_name, outputs = tensors(folder)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]

    finished = run(*options, folder, input_name, ",".join(outputs.values()), files[0], "--", *files)
    assert finished.returncode == 0, finished.stderr
    batches, libraries = parse(finished.stdout)
    assert_no_python(libraries)
    for size, found in zip((1, len(ROWS)), batches, strict=True):
        expected = {name: tensor.numpy() for name, tensor in served(examples=serialized[:size]).items()}
        assert_equal({name: found[tensor] for name, tensor in outputs.items()}, expected)


def test_scann_without_its_op_library(run: Run, trained: Trained) -> None:
    folder = trained.models / "retrieval_scann" / "1"
    input_name, outputs = tensors(folder)
    finished = run(folder, input_name, outputs["count"], __file__)
    assert finished.returncode == 1
    assert "Op type not registered 'Scann>" in finished.stderr


def counting(folder: Path) -> Path:
    """Write a model that parses examples, and is loaded in no time."""
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.string, name="examples")
    parsed = tf.function(lambda examples: {"count": tf.io.parse_example(examples, {"n": COUNT})["n"]})
    signatures = {"serving_default": parsed.get_concrete_function(examples=spec)}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def test_what_fails_is_told(run: Run, tmp_path: Path) -> None:
    folder = counting(tmp_path / "model")
    input_name, outputs = tensors(folder)
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"no example")
    for arguments, code, told in (
        ((folder,), 2, "usage: "),
        ((tmp_path, input_name, "x:0", wrong), 1, "Could not find SavedModel"),
        (("--op-library", tmp_path / "ops.so", folder, input_name, "x:0", wrong), 1, "ops.so: cannot open shared"),
        ((folder, input_name, "absent:0", wrong), 1, "the graph has no operation absent"),
        ((folder, input_name, outputs["count"].split(":")[0] + ":99", wrong), 1, " outputs"),
        ((folder, input_name, outputs["count"], tmp_path / "absent"), 1, "absent cannot be opened"),
        ((folder, input_name, outputs["count"], wrong), 1, "the request was refused: code 3: Could not parse example"),
    ):
        finished = run(*arguments)
        assert finished.returncode == code and told in finished.stderr, (arguments, finished.stderr)
