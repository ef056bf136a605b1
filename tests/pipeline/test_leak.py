"""Nothing that came after the test cutoff reaches a model: with another future, the same candidates and answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbest.data.candidates import Candidates
from nextbest.serving.recommender import Recommender
from tests.commands import run_nextbest
from tests.trained import Trained

CUTOFF = "2024-09-27"  # the small bank's TOML says so


def change_the_future(bank: Path) -> None:
    """Let other customers take other products after the cutoff, and turn all dated rows that come after it over."""
    random = np.random.default_rng(0)
    events = pd.read_csv(bank / "interactions.csv", dtype=str)
    late = events["timestamp"] > CUTOFF
    for column in ("customer_id", "product_id", "event"):
        events.loc[late, column] = random.permutation(events.loc[late, column].to_numpy())
    dropped = late & (random.random(len(events)) < 0.5)
    events[~dropped].to_csv(bank / "interactions.csv", index=False)
    customers = pd.read_csv(bank / "customers.csv", dtype=str)
    late = customers["as_of"] > CUTOFF
    for column in ("segment", "income", "age", "risk_tolerance", "last_event"):
        customers.loc[late, column] = random.permutation(customers.loc[late, column].to_numpy())
    customers.to_csv(bank / "customers.csv", index=False)


@pytest.fixture(scope="module")
def elsewhere(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the bank with another future."""
    folder = tmp_path_factory.mktemp("leak")
    shutil.copytree(trained.config.parent, folder / "bank")
    change_the_future(folder / "bank")
    outcome = run_nextbest("train", "--config", folder / "bank" / trained.config.name, "--out", folder / "run")
    assert outcome.code == 0, outcome.err
    return folder


def test_the_future_is_another(trained: Trained, elsewhere: Path) -> None:
    for table in ("interactions.csv", "customers.csv"):
        assert (elsewhere / "bank" / table).read_text() != (trained.config.parent / table).read_text()


def test_the_candidates_are_equal(trained: Trained, elsewhere: Path) -> None:
    paths = sorted((trained.run / "retrieval" / "candidates").iterdir())
    assert paths
    for path in paths:
        expected, found = Candidates.load(path), Candidates.load(elsewhere / "run/retrieval/candidates" / path.name)
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), values)


@pytest.mark.parametrize("path", ["retrieval/selection.json", "ranking/selection.json"])
def test_the_choices_are_equal(trained: Trained, elsewhere: Path, path: str) -> None:
    assert (elsewhere / "run" / path).read_text() == (trained.run / path).read_text()


def test_the_recommendations_are_equal(recommender: Recommender, elsewhere: Path) -> None:
    other = Recommender(elsewhere / "run" / "recommender")
    ours, theirs = other.customers(), recommender.customers()
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    expected, found = recommender.recommend(theirs.columns, 40), other.recommend(ours.columns, 40)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), values)
