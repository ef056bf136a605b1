"""Neither what came after the test cutoff nor being killed changes a run.

One run shows both: on the bank with another future, killed at every step, one after the other. It ends with the models
of the shared run, which nobody disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.candidates import Candidates
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from tests.commands import run_nextbest
from tests.conftest import ROOT
from tests.pipeline.futures import change_the_future
from tests.trained import Trained

POINTS = [
    ("after", "checkpoints/selection/last", 1),  # within the training that chooses the epochs
    ("before", "candidates/2024-03-29.npz", 1),  # within the windows
    ("after", "retrieval/saved_model", 1),  # the exact index is there, ScaNN's is not
    ("before", "ranking/selection.json", 1),  # between two files of one step
    ("after", "run/evaluation", 1),  # the manifest lacks the metrics
    ("before", "recommender/1", 1),  # the other models are pushed
]


@pytest.fixture(scope="module")
def survivor(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the bank of another future, and with the run and the models of the run that was killed."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(trained.config.parent, folder / "bank")
    change_the_future(folder / "bank")
    command = [sys.executable, "-m", "tests.pipeline.killed", json.dumps(POINTS)]
    killed = subprocess.run(
        [*command, folder / "bank" / trained.config.name, folder / "run", folder / "models"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == 0, killed.stderr[-4000:]
    return folder


def test_the_future_is_another(trained: Trained, survivor: Path) -> None:
    for table in ("interactions.csv", "customers.csv"):
        assert (survivor / "bank" / table).read_text() != (trained.config.parent / table).read_text()


def metrics(run: Path) -> dict[str, object]:
    found = json.loads((run / "evaluation" / "metrics.json").read_text())
    del found["customers_per_second"]  # a measurement of the machine
    return found


def test_the_metrics_are_those_that_the_models_have(survivor: Path, tmp_path: Path) -> None:
    shutil.copytree(survivor / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "evaluation")
    assert run_nextbest("evaluate", "--out", tmp_path / "run").code == 0
    assert metrics(tmp_path / "run") == metrics(survivor / "run")


def test_the_manifests_are_equal(trained: Trained, survivor: Path) -> None:
    ours, theirs = (json.loads((run / "manifest.json").read_text()) for run in (survivor / "run", trained.run))
    assert ours["data"].keys() == theirs["data"].keys() and ours["metrics"].keys() == theirs["metrics"].keys()
    assert [step["name"] for step in ours["steps"]]
    may_differ = dict.fromkeys(("data", "metrics", "pushed", "source", "steps"))
    assert ours | may_differ == theirs | may_differ


@pytest.mark.parametrize("path", ["retrieval/selection.json", "ranking/selection.json", "retrieval/index.json"])
def test_the_choices_are_equal(trained: Trained, survivor: Path, path: str) -> None:
    assert (survivor / "run" / path).read_text() == (trained.run / path).read_text()


def test_the_candidates_are_equal(trained: Trained, survivor: Path) -> None:
    for path in (trained.run / "retrieval" / "candidates").iterdir():
        ours, theirs = (
            Candidates.load(run / "retrieval/candidates" / path.name) for run in (survivor / "run", trained.run)
        )
        for name, values in vars(theirs).items():
            np.testing.assert_array_equal(getattr(ours, name), values)


def test_the_recommendations_are_equal(recommender: Recommender, survivor: Path) -> None:
    other = Recommender.load(survivor / "models")
    ids = recommender.customers().ids
    request = requests_for_ids(recommender, ids)
    expected, found = recommender.recommend(request, 10), other.recommend(requests_for_ids(other, ids), 10)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_all_models_that_are_served_have_the_same_version(survivor: Path) -> None:
    # The first push was killed before its last rename, so its number is not used again.
    newest = {
        path.name: max(int(version.name) for version in path.iterdir() if version.name.isdecimal())
        for path in (survivor / "models").iterdir()
        if not path.name.startswith(".")
    }
    assert newest == dict.fromkeys(("retrieval", "retrieval_scann", "ranking", "recommender"), 2)
