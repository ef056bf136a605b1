"""A refreshed run has the trained run's weights and the world of its own cutoff, and is a run like any other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import nextbest.pipeline.refresh
from nextbest.data.errors import InputError
from nextbest.data.windows import EPOCH
from nextbest.pipeline.refresh import refresh, start_refresh
from nextbest.pipeline.run import Run, open_run
from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.artifacts.assets import ASSETS, COMPOSITE, EXPLANATIONS, MONITORING
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.insights.version_report import CARD, METRICS, read_report
from nextbest.serving.recommender import Recommender
from nextbest.ui.page.tabs.models import report_view
from tests.commands import run_nextbest
from tests.pipeline.futures import change_the_future
from tests.pipeline.load_checks import all_models_load
from tests.trained import Trained


class Killed(Exception):
    """Stands for a process that is stopped."""


def ignore(step: str) -> Callable[[str, float], None]:
    return lambda what, share: None


def start(trained: Path, config: Path, out: Path) -> Run:
    return start_refresh(trained, config, out, ignore)


def read(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return found


def kill_in(step: str) -> Any:
    return mock.patch.object(nextbest.pipeline.refresh, step, side_effect=Killed)


@pytest.fixture(scope="module")
def elsewhere(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML of the same bank with another future."""
    folder = tmp_path_factory.mktemp("refresh") / "bank"
    shutil.copytree(trained.config.parent, folder)
    change_the_future(folder)
    return folder / trained.config.name


@pytest.fixture(scope="module")
def refreshed(trained: Trained, elsewhere: Path) -> Path:
    """The shared run refreshed onto its own cutoff, killed in two steps; a finished step must not be done again."""
    out = elsewhere.parent.parent / "run"
    with kill_in("write_ranking"), pytest.raises(Killed):
        refresh(trained.run, start(trained.run, elsewhere, out))
    with kill_in("write_retrieval"), kill_in("compose"), pytest.raises(Killed):
        refresh(trained.run, start(trained.run, elsewhere, out))
    with kill_in("write_retrieval"), kill_in("write_ranking"):
        refresh(trained.run, start(trained.run, elsewhere, out))
    return out


class TestSameCutoff:
    """Refreshed onto its own cutoff a run is what it was, whatever comes after that."""

    def test_the_recommendations_are_the_same_to_the_bit(self, recommender: Recommender, refreshed: Path) -> None:
        other = Recommender(refreshed / "recommender")
        ours, theirs = other.customers(), recommender.customers()
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        expected, found = recommender.recommend(theirs.columns, 40), other.recommend(ours.columns, 40)
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), values)

    def test_the_product_embeddings_are_the_same_to_the_bit(self, trained: Trained, refreshed: Path) -> None:
        ours, theirs = (
            tf.saved_model.load(str(run / "retrieval" / "saved_model")).product_embeddings.numpy()
            for run in (refreshed, trained.run)
        )
        np.testing.assert_array_equal(ours, theirs)

    def test_it_is_served_alike(self, trained: Trained, refreshed: Path) -> None:
        for folder in RunFolder(trained.run).servables().values():
            name = str(folder.relative_to(trained.run))
            ours, theirs = (
                {str(path.relative_to(run / name)) for path in (run / name).rglob("*")}
                for run in (refreshed, trained.run)
            )
            completed = {WARMUP} | (
                {f"{ASSETS}/{one}" for one in (EXPLANATIONS, MONITORING)} if name == COMPOSITE else set()
            )
            assert completed <= theirs
            assert ours == theirs - completed  # which the push adds
        assert (refreshed / "schema.pbtxt").read_text() == (trained.run / "schema.pbtxt").read_text()

    def test_nothing_half_written_is_left(self, refreshed: Path) -> None:
        assert [path for path in refreshed.rglob("*") if path.name.startswith(".")] == []


class TestRunFolder:
    def test_the_manifest_names_the_trained_run(self, trained: Trained, refreshed: Path) -> None:
        ours, theirs = read(refreshed), read(trained.run)
        assert theirs["refreshed_from"] is None
        expected = {key: theirs[key] for key in ("config", "data", "format", "git_revision", "seed", "version")}
        reached = {"risk_tolerance": "risk_level", "income": "min_income", "age": "min_age", "savings": "min_deposit"}
        expected |= {"compared": [list(pair) for pair in reached.items()]}  # by the rules as the TOML says, and so on
        assert ours["refreshed_from"] == expected | {"cutoff": "2024-09-27", "horizon_days": 91}
        exported = refreshed / "recommender" / "assets.extra"
        assert read(exported)["refreshed_from"] == ours["refreshed_from"]

    def test_it_opens_as_any_run(self, refreshed: Path) -> None:
        run = open_run(refreshed, ignore)
        run.folder.check_trained()
        assert run.horizon_days == 91

    def test_a_refreshed_run_can_be_refreshed(self, elsewhere: Path, refreshed: Path, tmp_path: Path) -> None:
        run = start(refreshed, elsewhere, tmp_path / "again")
        assert run.folder.refreshed_from == read(refreshed)["refreshed_from"]

    def test_a_probability_speaks_of_the_window_it_was_calibrated_on(
        self, trained: Trained, elsewhere: Path, tmp_path: Path
    ) -> None:
        toml = edited(elsewhere, ("horizon_days = 91", "horizon_days = 60"))
        assert start(trained.run, toml, tmp_path / "run").horizon_days == 91

    def test_training_in_its_folder_is_refused(self, elsewhere: Path, refreshed: Path) -> None:
        refused = run_nextbest("train", "--config", elsewhere, "--out", refreshed)
        assert refused.code == 2
        assert "was refreshed from the run of config" in refused.err and "2024-09-27" in refused.err

    def test_the_trained_runs_own_folder_is_refused(self, trained: Trained) -> None:
        with pytest.raises(InputError, match="a run that was trained, and now it would be refreshed"):
            start(trained.run, trained.config, trained.run)


def edited(toml: Path, *changes: tuple[str, str]) -> Path:
    """Write a TOML beside another one that differs from it."""
    text = toml.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    changed = toml.with_name("changed.toml")
    changed.write_text(text, encoding="utf-8")
    return changed


@pytest.fixture(scope="module")
def newest(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `nextbest refresh` pushed beside the trained run's version."""
    folder = tmp_path_factory.mktemp("newest")
    shutil.copytree(trained.config.parent, folder / "bank")
    toml = edited(folder / "bank" / trained.config.name, ("test_cutoff = 2024-09-27", "test_days = 0"))
    shutil.copytree(trained.models, folder / "models")
    command = ("refresh", "--run", trained.run, "--config", toml, "--out", folder / "run")
    with all_models_load():
        done = run_nextbest(*command, "--models", folder / "models")
    assert done.code == 0, done.err
    return folder / "models"


class TestNewestDay:
    """As of the last interaction there is nothing to measure by: the trained run's figures stand for it."""

    def test_it_knows_the_last_interaction(self, trained: Trained, newest: Path) -> None:
        days = pd.read_csv(trained.config.parent / "interactions.csv")["timestamp"]
        after, before = (Recommender(newest / "recommender" / version) for version in ("2", "1"))
        assert EPOCH + timedelta(after.manifest["as_of_day"]) == date.fromisoformat(days.max()[:10])
        ours, theirs = after.customers(), before.customers()
        assert (ours.columns["held_products"] != "").sum() > (theirs.columns["held_products"] != "").sum()

    def test_the_figures_are_those_of_the_trained_run(self, trained: Trained, newest: Path) -> None:
        assets = newest / "recommender" / "2" / "assets.extra"
        pushed = json.loads((assets / METRICS).read_text(encoding="utf-8"))
        assert pushed == json.loads((trained.run / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
        ours, theirs = (run / "evaluation" / "report.html" for run in (newest.parent / "run", trained.run))
        assert ours.read_bytes() == theirs.read_bytes()
        card = (assets / CARD).read_text(encoding="utf-8")
        assert "trained as of 2024-09-27" in card
        assert "The figures below were measured with the same weights and what was known on 2024-09-27" in card
        assert "was not compared with a last approved version, since nothing that came after" in card
        report = read_report(Recommender(newest / "recommender" / "2"))
        assert report is not None and report.approved
        assert "27 Sep 2024 to 27 Dec 2024" in report_view(report)

    def test_without_figures_it_is_refused(self, trained: Trained, elsewhere: Path, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "trained")
        shutil.rmtree(tmp_path / "trained" / "evaluation")
        toml = edited(elsewhere, ("test_cutoff = 2024-09-27", "test_days = 0"))
        with pytest.raises(InputError, match="was not measured either; raise it, or use `nextbest evaluate` there"):
            start(tmp_path / "trained", toml, tmp_path / "run")


class TestRefusals:
    def problems(self, trained: Path, config: Path, out: Path) -> dict[str | None, str]:
        """Return what is wrong, by the key that is to blame; nothing is written."""
        with pytest.raises(InputError) as refused:
            start(trained, config, out)
        assert not out.exists()
        return {problem.column: problem.what for problem in refused.value.problems}

    def test_settings_under_which_the_weights_mean_something_else_are_named_all_at_once(
        self, trained: Trained, elsewhere: Path, tmp_path: Path
    ) -> None:
        toml = edited(
            elsewhere,
            ("default_k = 5", "default_k = 5\n\n[retrieval]\nembedding_dim = 16"),
            ("default_k = 5", "default_k = 5\n\n[ranking]\nproduct_dim = 5"),
            ('employment = { role = "category" }', 'employment = { role = "id" }'),
            ('risk_column = "', 'repeatable = { product = "digital", value = true }\nrisk_column = "'),
            ("test_cutoff = 2024-09-27", "test_cutoff = 2024-09-20"),
        )
        found = self.problems(trained.run, toml, tmp_path / "run")
        assert found.keys() == {
            "data.windows.test_cutoff",
            "data.customers.columns.employment",
            "data.policy.repeatable",
            "retrieval.embedding_dim",
            "ranking.product_dim",
        }
        assert found["retrieval.embedding_dim"] == "it is 16, and the run was trained with 8"
        assert "2024-09-20 is before 2024-09-27" in found["data.windows.test_cutoff"]

    def test_what_the_weights_do_not_depend_on_may_differ(
        self, trained: Trained, elsewhere: Path, tmp_path: Path
    ) -> None:
        toml = edited(
            elsewhere,
            ("seed = 7", "seed = 8"),
            ('credit_score = { role = "number" }', 'credit_score = { role = "number", optional = true }'),
            ("test_cutoff = 2024-09-27", "test_cutoff = 2024-10-27"),
            ('reason = "', 'reason = "now '),
            ('product = "min_age"', 'product = "risk_level"'),
            ('risk_column = "risk_level"', 'risk_column = "risk_level"\ncaps = [{ column = "brand", most = 3 }]'),
            ("default_k = 5", "default_k = 6"),
        )
        run = start(trained.run, toml, tmp_path / "run")
        assert str(run.windows.test.dates[0]) == "2024-10-27"
        # The ranker goes on to read the gaps that it was trained with; the mask is of the new rules.
        assert ("age", "min_age") in run.ranker_settings().data.policy.compared_columns
        assert ("age", "risk_level") in run.config.data.policy.compared_columns

    def test_changed_rules_are_tried_on_the_tables(self, trained: Trained, elsewhere: Path, tmp_path: Path) -> None:
        toml = edited(elsewhere, ('value = "none"', 'value = "nome"'))
        found = self.problems(trained.run, toml, tmp_path / "run")
        assert "no row of products has 'nome' in requires; did you mean 'none'?" in found["data.policy"]

    def test_an_untrained_run(self, trained: Trained, elsewhere: Path, tmp_path: Path) -> None:
        for name in ("manifest.json", "config.toml"):
            (tmp_path / "begun").mkdir(exist_ok=True)
            shutil.copy(trained.run / name, tmp_path / "begun")
        found = self.problems(tmp_path / "begun", elsewhere, tmp_path / "run")
        assert list(found) == [None]
        assert "not trained to the end" in found[None] and "ranking/checkpoints/final" in found[None]

    def test_no_run(self, elsewhere: Path, tmp_path: Path) -> None:
        found = self.problems(tmp_path / "nothing", elsewhere, tmp_path / "run")
        assert found == {None: "this is not a run's folder"}

    def test_another_version_of_the_program_refreshes_a_run_of_its_format(
        self, trained: Trained, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
        assert read(start(trained.run, elsewhere, tmp_path / "run").folder.root)["version"] == "99.0"

    def test_a_run_of_another_format_is_refused(self, trained: Trained, elsewhere: Path, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "trained")
        manifest = read(tmp_path / "trained")
        del manifest["format"]
        (tmp_path / "trained" / "manifest.json").write_text(json.dumps(manifest | {"version": "0.2.0"}))
        found = self.problems(tmp_path / "trained", elsewhere, tmp_path / "run")
        assert found == {None: "it was trained by nextbest 0.2.0, whose runs this one cannot refresh"}
