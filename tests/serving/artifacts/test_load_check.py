"""Models are blessed when they work in a process that has none of this project's code, and else it is said why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.artifacts.assets import ASSETS
from nextbest.serving.artifacts.load_check import (
    INFRA_BLESSED,
    INFRA_NOT_BLESSED,
    LoadCheck,
    ModelCheck,
    check_loads,
)
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.config import LoadCheckConfig
from tests.serving import tiny
from tests.serving.artifacts.forks import Forks
from tests.trained import Trained


def save(folder: Path, function: Any) -> Path:
    """Write a model with one signature, `ask`, from the number x to the number y."""
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    call = tf.function(lambda x: {"y": function(x)}).get_concrete_function(x=spec)
    tf.saved_model.save(module, str(folder), signatures={"ask": call})
    return folder


def abort(x: Any) -> Any:
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="the planted crash")]):
        return tf.identity(x)


def answering(folder: Path, y: float) -> Path:
    """Record that x = 2 is answered with y."""
    inputs, outputs = {"x": np.array([2], np.float32)}, {"y": np.array([y], np.float32)}
    tiny.write_records(folder, [("ask", inputs, outputs)])
    return folder


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> LoadCheck:
    """What a good model and all kinds of bad ones come to, each checked in its process."""
    root = tmp_path_factory.mktemp("infra")

    def double(x: Any) -> Any:
        return 2 * x

    foreign = save(root / "foreign", lambda x: tf.ensure_shape(tf.py_function(double, [x], tf.float32), [None]))
    unloadable = answering(save(root / "unloadable", double), 4)
    (unloadable / "saved_model.pb").write_bytes(b"no model")
    half = tiny.export(root / "half")
    tiny.write_records(half, [("forecast", {}, {})])
    models = {
        "good": answering(save(root / "good", double), 4),
        "wrong": answering(save(root / "wrong", double), 5),
        "crashing": answering(save(root / "crashing", abort), 2),
        "foreign": answering(foreign, 4),
        "unloadable": unloadable,
        "unrecorded": save(root / "unrecorded", double),
        "half": half,
        "absent": root / "absent",
    }
    with forks.run_the_script():
        return check_loads(models)


def test_one_bad_model_is_enough(outcome: LoadCheck) -> None:
    assert not outcome.passed
    assert {reason.partition(":")[0] for reason in outcome.reasons} == outcome.models.keys() - {"good"}


def test_a_good_one(outcome: LoadCheck) -> None:
    assert outcome.models["good"] == ModelCheck("", records=1, worst_difference=0)


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("wrong", ["record 1 (ask): y: 1 of 1 values differ, first at (0,): np.float32(4.0) and not np.float32(5.0)"]),
        ("crashing", ["its process was killed by SIGABRT: ", "the planted crash"]),
        ("foreign", ["EagerPyFunc calls Python", "record 1 (ask) failed: "]),
        ("unloadable", ["is not a SavedModel", "OSError: "]),
        ("unrecorded", ["no warmup record calls 'ask'", "holds no warmup records"]),
        ("half", ["the model's signatures are ['exclusions', 'recommend']", "no warmup record calls 'recommend'"]),
        ("absent", ["holds no saved_model.pb; export it again"]),
    ],
)
def test_why_not(outcome: LoadCheck, name: str, reasons: list[str]) -> None:
    for reason in reasons:
        assert reason in outcome.models[name].problem


def test_one_that_hangs(tmp_path: Path) -> None:
    model = answering(save(tmp_path / "model", lambda x: x), 2)
    outcome = check_loads({"model": model}, LoadCheckConfig(timeout_seconds=0.1))
    assert outcome.reasons == ["model: it hangs: no answer within 0.1 seconds"]


def test_the_tolerance_is_the_config_s_and_the_model_stays_as_it_was(tmp_path: Path) -> None:
    # In a process of its own, not a fork.
    model = answering(save(tmp_path / "model", lambda x: x), 2.1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (check,) = check_loads({"model": model}, LoadCheckConfig(tolerance=0.1)).models.values()
    assert check == ModelCheck("", records=1, worst_difference=check.worst_difference)
    assert check.worst_difference == pytest.approx(0.1 / 2.1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_no_model_at_all() -> None:
    outcome = check_loads({})
    assert (outcome.passed, outcome.reasons) == (False, ["there is no model"])


def test_a_model_under_a_name_without_op_library_has_none(trained: Trained, forks: Forks) -> None:
    scann = RunFolder(trained.run).servables()["retrieval_scann"]
    with forks.run_the_script():
        problem = check_loads({"retrieval": scann}).models["retrieval"].problem
    assert "Scann>ScannSearchBatched" in problem
    assert "load its op library into the server" in problem  # the check of its ops
    assert "Op type not registered" in problem  # and its process


class TestWriting:
    GOOD = LoadCheck({"m": ModelCheck("", records=3, worst_difference=1e-7)})
    BAD = LoadCheck({"m": ModelCheck("it hangs"), "n": ModelCheck(problem="")})

    def test_one_file_says_it(self, tmp_path: Path) -> None:
        for outcome, name in ((self.GOOD, INFRA_BLESSED), (self.BAD, INFRA_NOT_BLESSED), (self.GOOD, INFRA_BLESSED)):
            outcome.write(tmp_path)
            assert [path.name for path in tmp_path.iterdir()] == [name]
            said = json.loads((tmp_path / name).read_text(encoding="utf-8"))
            assert said["blessed"] == outcome.passed
            assert said["reasons"] == (["m: it hangs"] if name == INFRA_NOT_BLESSED else [])
            assert said["models"]["m"]["records"] == outcome.models["m"].records

    def test_never_both_nor_half(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.GOOD.write(tmp_path)

        def full(*arguments: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(OSError, match="the disk is full"):
            self.BAD.write(tmp_path)
        assert list(tmp_path.iterdir()) == []  # what was true before is not said any more


def test_the_records_lie_where_tensorflow_serving_looks() -> None:
    assert WARMUP.partition("/")[0] == ASSETS
