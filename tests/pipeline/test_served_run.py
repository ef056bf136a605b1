"""What is pushed knows the last day of the tables, what is told of it was measured, and nothing is trained for it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import nextbest.pipeline.compose
import nextbest.pipeline.run
import nextbest.pipeline.train
from nextbest.data.errors import InputError
from nextbest.data.windows import EPOCH
from nextbest.pipeline.export import approve_run
from nextbest.pipeline.refresh import served_run
from nextbest.pipeline.run import Run, open_run
from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.insights.version_report import CARD, METRICS
from nextbest.serving.recommender import Recommender
from tests.commands import Outcome, run_nextbest
from tests.pipeline.load_checks import all_models_load
from tests.trained import Trained


def ignore(step: str) -> Callable[[str, float], None]:
    return lambda what, share: None


@dataclass(frozen=True)
class Served:
    """A run that ended as one does by default."""

    run: Path
    models: Path
    command: tuple[str | Path, ...]
    said: Outcome
    tables_read: int

    @property
    def version(self) -> Path:
        return self.models / "recommender" / "1"


@pytest.fixture(scope="module")
def served(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The shared run, gone on with under the default; it is trained, so that a training step is a failure."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(trained.config.parent, folder / "bank")
    shutil.copytree(trained.run, folder / "run")
    toml = folder / "bank" / trained.config.name
    text = toml.read_text(encoding="utf-8")
    assert "refresh = false" in text
    toml.write_text(text.replace("refresh = false", "max_age_days = 30"), encoding="utf-8")
    command = ("run", "--config", toml, "--out", folder / "run", "--models", folder / "models")
    never = mock.patch.object(nextbest.pipeline.train, "train_retriever", side_effect=AssertionError("it trains"))
    read = mock.patch.object(nextbest.pipeline.run, "load_dataset", wraps=nextbest.pipeline.run.load_dataset)
    nothing = {"write_explanations": lambda *arguments: None, "_write_warmup": lambda *arguments: None}
    # `test_refresh.py` has the whole of a refresh; here nobody explains it, and no server warms it up.
    with all_models_load(), mock.patch.multiple(nextbest.pipeline.compose, **nothing), never, read as tables:
        said = run_nextbest(*command)
    assert said.code == 0, said.err
    return Served(folder / "run", folder / "models", command, said, tables.call_count)


def share_held(bank: Path, recommender: Recommender) -> float:
    """Return which share of the top 5 the customers hold on the last day, by the events alone."""
    events = pd.read_csv(bank / "interactions.csv").sort_values("timestamp", kind="stable")
    events = events[events["event"].isin(["open", "close"])]
    last = events.groupby(["customer_id", "product_id"])["event"].last()
    held = set(last[last == "open"].index)
    customers = recommender.customers()
    found = recommender.recommend(customers.columns, 5)
    pairs = [
        (customer, product)
        for customer, products, count in zip(customers.ids, found.product_id, found.count, strict=True)
        for product in products[:count]
    ]
    return float(np.mean([pair in held for pair in pairs]))


class TestWhatIsPushed:
    def test_nobody_is_offered_what_is_held_by_now(self, trained: Trained, served: Served) -> None:
        bank = trained.config.parent
        assert share_held(bank, Recommender(served.version)) == 0
        assert share_held(bank, Recommender.load(trained.models)) > 0.01  # what was measured does not know it

    def test_it_knows_the_last_interaction(self, trained: Trained, served: Served) -> None:
        days = pd.read_csv(trained.config.parent / "interactions.csv")["timestamp"]
        newest = date.fromisoformat(days.max()[:10])
        manifest = Recommender(served.version).manifest
        assert EPOCH + timedelta(days=manifest["as_of_day"]) == newest
        assert manifest["refreshed_from"]["cutoff"] == "2024-09-27"  # as the TOML says
        assert manifest["measured"] == {"cutoff": "2024-09-27", "until": "2024-12-27"}
        assert manifest["max_age_days"] == 30
        assert f"what is served knows all until {newest}" in served.said.out

    def test_its_figures_and_its_approval_are_those_of_what_was_measured(
        self, trained: Trained, served: Served
    ) -> None:
        assets = served.version / "assets.extra"
        measured = json.loads((trained.run / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
        assert json.loads((assets / METRICS).read_text(encoding="utf-8")) == measured
        assert Recommender(served.version).manifest["blessing"]["blessed"]
        card = (assets / CARD).read_text(encoding="utf-8")
        assert "# Model card: next best products, as of 2024-12-27" in card
        assert "Measured on what came after 2024-09-27 until 2024-12-27" in card
        assert "on 2024-12-27 the weights are 91 days older" in card

    def test_what_was_measured_lies_beside_it_without_anybodys_data(self, trained: Trained, served: Served) -> None:
        measured = served.version / "assets.extra" / "measured"
        assert {path.name for path in (measured / "assets.extra").iterdir()} == {"manifest.json", "products.npz"}
        graph = (trained.run / "recommender" / "saved_model.pb").read_bytes()
        assert (measured / "saved_model.pb").read_bytes() == graph

    def test_a_later_run_is_compared_with_what_was_measured(self, served: Served) -> None:
        """The refreshed version has seen the test window; its place in the comparison is taken by the measured one."""
        approval = approve_run(open_run(served.run, ignore), served.models)
        assert approval.compared_with == 1
        (text,) = (check.text for check in approval.checks if check.name.startswith("max_drop"))
        assert "is +0.0000 [+0.0000, +0.0000] against version 1, the last approved" in text


class TestRefreshedFolder:
    def test_the_tables_are_read_once(self, served: Served) -> None:
        assert served.tables_read == 1

    def test_it_is_a_run_like_any_other(self, served: Served) -> None:
        run = open_run(served.run / "refreshed", ignore)
        run.folder.check_trained()
        assert not run.windows.measured
        assert run.folder.manifest()["data"] == RunFolder(served.run).manifest()["data"]

    def test_what_is_done_is_not_done_again(self, served: Served) -> None:
        before = {path: path.stat().st_mtime_ns for path in (served.run / "refreshed").rglob("saved_model.pb")}
        again = run_nextbest("export", "--out", served.run, "--models", served.models)
        assert again.code == 0 and "pushed version 1" in again.out
        assert run_nextbest(*served.command).code == 0
        assert {path: path.stat().st_mtime_ns for path in before} == before

    def test_nothing_half_written_is_left(self, served: Served) -> None:
        assert [path for path in served.run.rglob("*") if path.name.startswith(".")] == []

    def test_a_deleted_checkpoint_is_named(self, trained: Trained, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "ranking" / "checkpoints" / "final")
        with pytest.raises(InputError, match="checkpoints/final"):
            served_run(refreshing(open_run(tmp_path / "run", ignore)))
        assert not (tmp_path / "run" / "refreshed").exists()


def refreshing(run: Run) -> Run:
    """Return a run under the default of [export]."""
    export = run.config.export.model_copy(update={"refresh": True})
    return dataclasses.replace(run, config=run.config.model_copy(update={"export": export}))


def test_without_it_what_was_measured_is_pushed(trained: Trained) -> None:
    run = open_run(trained.run, ignore)
    assert served_run(run) is run
    assert not (trained.run / "refreshed").exists()
    manifest = Recommender.load(trained.models).manifest
    assert str(EPOCH + timedelta(days=manifest["as_of_day"])) == manifest["measured"]["cutoff"] == "2024-09-27"
