"""Warmup records are asked one by one, and what differs from the recorded answer is said."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nextbest.serving.artifacts.replay
from nextbest.serving.artifacts.replay import PROJECT, replay
from tests.serving.tiny import write_records

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "nextbest"
X = np.array([1, 2])


def found(folder: Path, expected: Mapping[str, Any], answer: Mapping[str, Any], tolerance: float = 1e-5) -> Any:
    write_records(folder, [("ask", {"x": X}, expected)])
    return replay(lambda signature, inputs: answer, folder, tolerance)


def test_what_is_asked_is_what_was_recorded(tmp_path: Path) -> None:
    asked = []

    def ask(signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append((signature, {name: values.tolist() for name, values in inputs.items()}))
        return {"y": inputs["x"] * 2}

    strings = np.array([b"a", b"\xff"], object)
    write_records(tmp_path, [("two", {"x": X}, {"y": X * 2}), ("one", {"x": X, "w": strings}, {"y": X * 2})])
    outcome = replay(ask, tmp_path, 0)
    assert asked == [("two", {"x": [1, 2]}), ("one", {"x": [1, 2], "w": [b"a", b"\xff"]})]
    assert (outcome.records, outcome.signatures, outcome.problems) == (2, ("one", "two"), ())


def test_without_records_nothing_is_asked(tmp_path: Path) -> None:
    outcome = replay(lambda signature, inputs: pytest.fail("asked"), tmp_path, 0)
    assert (outcome.records, outcome.signatures, outcome.problems) == (0, (), ())


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ([1.0, np.nan, np.inf, -np.inf], [1.0, np.nan, np.inf, -np.inf]),
        ([0.5, 3e38], [0.500009, 3.00002e38]),  # 9e-6 apart, and 0.67e-5 of the expected one
    ],
)
def test_numbers_that_are_near(tmp_path: Path, expected: list[float], answer: list[float]) -> None:
    outcome = found(tmp_path, {"y": np.array(expected, np.float32)}, {"y": np.array(answer, np.float32)})
    assert outcome.problems == ()
    assert outcome.worst_difference <= 1e-5


@pytest.mark.parametrize(
    ("expected", "answer", "worst"),
    [([0.5, 0.25], [0.5, 0.75], 0.5), ([100, 1], [150, 1], 0.5), ([1, np.nan], [1, 1], 0), ([np.inf], [-np.inf], 0)],
)
def test_numbers_that_are_not(tmp_path: Path, expected: list[float], answer: list[float], worst: float) -> None:
    outcome = found(tmp_path, {"y": np.array(expected, np.float32)}, {"y": np.array(answer, np.float32)})
    (problem,) = outcome.problems
    assert problem.startswith(f"record 1 (ask): y: 1 of {len(expected)} values differ, first at ")
    assert outcome.worst_difference == worst


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"y": np.array([b"a", b"c"], object)}, r"y: 1 of 2 values differ, first at \(1,\): b'c' and not b'b'"),
        ({"y": np.array([["a", "b"]], object)}, r"y is strings \[1, 2\] and not strings \[2\]"),
        ({"y": np.array([1, 2])}, r"y is int64 \[2\] and not strings \[2\]"),
        ({"z": np.array(["a", "b"], object)}, r"the outputs are \['z'\] and not \['y'\]"),
        ({}, r"the outputs are \[\] and not \['y'\]"),
    ],
)
def test_other_answers(tmp_path: Path, answer: Mapping[str, Any], problem: str) -> None:
    outcome = found(tmp_path, {"y": np.array([b"a", b"b"], object)}, answer)
    (said,) = outcome.problems
    assert re.fullmatch(rf"record 1 \(ask\): {problem}", said)


def test_strings_may_come_decoded(tmp_path: Path) -> None:
    outcome = found(tmp_path, {"y": np.array(["é".encode()], object)}, {"y": np.array(["é"], object)})
    assert outcome.problems == ()


def test_a_record_that_fails_does_not_keep_the_others_from_being_asked(tmp_path: Path) -> None:
    def ask(signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if signature == "bad":
            raise ValueError("no such thing")
        return {"y": X}

    write_records(tmp_path, [("bad", {"x": X}, {"y": X}), ("good", {"x": X}, {"y": X}), ("good", {"x": X}, {"y": -X})])
    outcome = replay(ask, tmp_path, 0)
    assert outcome.records == 3
    assert [problem.split(":")[0] for problem in outcome.problems] == ["record 1 (bad) failed", "record 3 (good)"]
    assert "ValueError: no such thing" in outcome.problems[0]


def test_more_records_than_tensorflow_serving_takes(tmp_path: Path) -> None:
    write_records(tmp_path, [("ask", {}, {})] * 1001)
    outcome = replay(lambda signature, inputs: {}, tmp_path, 0)
    assert outcome.problems == ("1,001 records are more than the 1,000 that TensorFlow Serving accepts",)


@given(arrays(np.float32, 3, elements=st.floats(width=32)), arrays(np.float32, 3, elements=st.floats(width=32)))
def test_a_difference_is_symmetric_in_what_is_equal(one: Any, other: Any) -> None:
    difference = nextbest.serving.artifacts.replay._differences(one, other)
    assert ((difference == 0) == (nextbest.serving.artifacts.replay._differences(other, one) == 0)).all()
    assert (difference >= 0).all()
    assert (nextbest.serving.artifacts.replay._differences(one, one) == 0).all()


class TestTheScript:
    def test_all_packages_of_the_project_are_kept_out(self) -> None:
        packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {path.name for path in SOURCE.iterdir()}
        assert packages | {"nextbest"} == PROJECT

    def test_they_cannot_be_imported(self) -> None:
        program = """
import importlib, runpy, sys
script = runpy.run_path(sys.argv[1])
importlib.import_module("nextbest.data.errors")
for name in [name for name in sys.modules if name.split(".")[0] == "nextbest"]:
    del sys.modules[name]
script["block_imports"](script["PROJECT"])
importlib.import_module("json.tool")
importlib.import_module("nextbest.data.errors")
"""
        command = [sys.executable, "-c", program, nextbest.serving.artifacts.replay.__file__]
        fresh = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert fresh.stderr.splitlines()[-1].startswith("ModuleNotFoundError: ")
