"""The main job: what it leaves, what it refuses, and that a run can be repeated."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.candidates import Candidates
from tests.commands import run_nextbest
from tests.pipeline.load_checks import all_models_load
from tests.trained import Trained

SCORERS = [
    "random", "popularity", "recent_popularity", "segment_popularity", "item_knn", "ease", "retrieval", "ranking",
    "oracle",
]  # fmt: skip


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_ends_well_and_prints_its_metrics(trained: Trained) -> None:
    assert trained.outcome.code == 0, trained.outcome.err
    assert json.loads(trained.outcome.out) == read(trained.run / "evaluation" / "metrics.json")


@pytest.mark.parametrize(
    "path",
    [
        "config.toml",
        "manifest.json",
        "run.log",
        "retrieval/selection.json",
        "retrieval/index.json",
        "retrieval/checkpoints/final/last/training.json",
        "retrieval/saved_model/saved_model.pb",
        "retrieval/saved_model_scann/saved_model.pb",
        "ranking/selection.json",
        "ranking/checkpoints/final/last/training.json",
        "ranking/saved_model/saved_model.pb",
        "recommender/saved_model.pb",
        "recommender/assets.extra/schema.pbtxt",
        "recommender/assets.extra/manifest.json",
        "recommender/assets.extra/tf_serving_warmup_requests",
        "ranking/saved_model/assets.extra/tf_serving_warmup_requests",
        "evaluation/metrics.json",
        "evaluation/report.html",
        "evaluation/BLESSED",
        "evaluation/INFRA_BLESSED",
    ],
)
def test_a_run_leaves_the_artefacts(trained: Trained, path: str) -> None:
    assert (trained.run / path).stat().st_size > 0


def test_nothing_half_written_is_left(trained: Trained) -> None:
    left = [path for root in (trained.run, trained.models) for path in root.rglob("*")]
    strange = [path for path in left if path.name.startswith((".", "staging")) or path.suffix in (".tmp", ".old")]
    assert strange == [trained.models / ".versions"]  # the numbers that were given away


def test_the_models_are_pushed_whole_under_one_version(trained: Trained) -> None:
    servables = {
        "retrieval": trained.run / "retrieval" / "saved_model",
        "retrieval_scann": trained.run / "retrieval" / "saved_model_scann",
        "ranking": trained.run / "ranking" / "saved_model",
        "recommender": trained.run / "recommender",
    }
    assert sorted(path.name for path in trained.models.iterdir()) == sorted([".versions", *servables])
    for name, source in servables.items():
        assert [path.name for path in (trained.models / name).iterdir()] == ["1"]
        # Each stage's manifest, with the verdicts, is written by the push, and beside the composite how good it is.
        reports = {"metrics.json", "model_card.md"} if name == "recommender" else set()
        pushed = {f"assets.extra/{file}" for file in {"manifest.json"} | reports}
        assert files(trained.models / name / "1") == files(source) | pushed


def test_metrics_have_every_scorer_with_intervals(trained: Trained) -> None:
    metrics = read(trained.run / "evaluation" / "metrics.json")
    assert list(metrics["models"]) == SCORERS
    for found in metrics["models"].values():
        for interval in (found["ndcg@5"], found["recall@10"]):
            assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1
    assert {"ranking-retrieval", "ranking-ease", "retrieval-popularity"} <= metrics["paired"].keys()
    assert metrics["slices"]["segment"]


def test_the_models_have_learned_and_the_oracle_is_the_best(trained: Trained) -> None:
    found = read(trained.run / "evaluation" / "metrics.json")["models"]
    value = {name: metrics["ndcg@5"]["value"] for name, metrics in found.items()}
    assert max(value, key=value.__getitem__) == "oracle"
    # Measured 0.40, 0.24, 0.19 and 0.12: models that learned nothing, or were wired wrongly, would not come near.
    assert value["ranking"] > value["popularity"]
    assert value["retrieval"] > value["random"]


def test_the_manifest_says_what_the_run_was_made_of(trained: Trained) -> None:
    manifest = read(trained.run / "manifest.json")
    source = trained.config.parent
    for table in ("customers", "products", "interactions"):
        assert manifest["data"][table] == hashlib.sha256((source / f"{table}.csv").read_bytes()).hexdigest()
    assert manifest["seed"] == 7  # the simulated bank's TOML says so
    assert manifest["packages"].keys() >= {"tensorflow", "scann", "numpy"}
    assert manifest["git_revision"] is None or len(manifest["git_revision"].removesuffix("-dirty")) == 40
    assert manifest["metrics"].keys() == {f"{name}/ndcg@5" for name in SCORERS}
    metrics = read(trained.run / "evaluation" / "metrics.json")["models"]
    assert manifest["metrics"]["ranking/ndcg@5"] == metrics["ranking"]["ndcg@5"]["value"]
    steps = [step["name"] for step in manifest["steps"]]
    assert len(steps) == len(set(steps)) and {"retrieval: train as of final", "recommender: export"} <= set(steps)
    assert all(step["seconds"] > 0 and step["peak_gb"] > 0 for step in manifest["steps"])
    assert manifest["pushed"] == {str(trained.models): 1}
    assert read(trained.models / "recommender" / "1" / "assets.extra" / "manifest.json")["data"] == manifest["data"]


def test_the_windows_tile_the_time_before_the_test(trained: Trained) -> None:
    windows = read(trained.run / "manifest.json")["windows"]
    ((test, until),) = windows["test"]
    # the TOML says test_cutoff = 2024-09-27 and horizon_days = 91
    assert (test, until) == ("2024-09-27", str(date(2024, 9, 27) + timedelta(91)))
    starts = [str(date(2024, 9, 27) - timedelta(91 * back)) for back in (2, 1)]
    assert windows["ranking"] == [[starts[0], starts[1]], [starts[1], test]]
    candidates = sorted(path.stem for path in (trained.run / "retrieval" / "candidates").iterdir())
    assert candidates == starts


def test_candidates_are_not_held_at_their_cutoff(trained: Trained) -> None:
    import pandas as pd

    events = pd.read_csv(trained.config.parent / "interactions.csv")
    for path in (trained.run / "retrieval" / "candidates").iterdir():
        candidates = Candidates.load(path)
        past = events[(events["timestamp"] <= path.stem) & events["event"].isin(["open", "close"])]
        last = past.groupby(["customer_id", "product_id"])["event"].last()  # the files are sorted by day
        held = set(last[last == "open"].index)
        proposed = {
            (customer, candidates.product_ids[product])
            for customer, row in zip(candidates.customer_ids, candidates.products, strict=True)
            for product in row[row >= 0]
        }
        assert proposed and not proposed & held


class TestAgain:
    """The same command on a finished run's folder."""

    def test_nothing_is_done_twice(self, trained: Trained) -> None:
        before = {path: path.stat().st_mtime_ns for path in (trained.run / "retrieval").rglob("*") if path.is_file()}
        again = run_nextbest(
            "run", "--config", trained.config, "--out", trained.run, "--models", trained.models, "--json"
        )
        assert (again.code, again.out) == (0, trained.outcome.out)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert [path.name for path in (trained.models / "recommender").iterdir()] == ["1"]

    def test_evaluate_reads_the_same_metrics(self, trained: Trained) -> None:
        assert run_nextbest("evaluate", "--out", trained.run, "--json").out == trained.outcome.out

    def test_measuring_anew_gives_the_same_metrics(self, trained: Trained, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "evaluation")
        found = json.loads(run_nextbest("evaluate", "--out", tmp_path / "run", "--json").out)
        assert found | {"customers_per_second": 0} == json.loads(trained.outcome.out) | {"customers_per_second": 0}

    def test_export_pushes_to_a_folder_once(self, trained: Trained, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "run")
        for _ in range(2):
            with all_models_load():
                assert run_nextbest("export", "--out", tmp_path / "run", "--models", tmp_path / "models").code == 0
            assert [path.name for path in (tmp_path / "models" / "ranking").iterdir()] == ["1"]

    def test_another_config_is_refused(self, trained: Trained, tmp_path: Path) -> None:
        other = trained.config.with_name("other.toml")
        other.write_text(trained.config.read_text().replace("seed = 7", "seed = 8"))
        refused = run_nextbest("run", "--config", other, "--out", trained.run)
        other.unlink()
        assert refused.code == 2
        assert "holds a run with another config" in refused.err
        assert str(trained.run) in refused.err

    def test_other_data_is_refused(self, trained: Trained, tmp_path: Path) -> None:
        shutil.copytree(trained.config.parent, tmp_path / "bank")
        table = tmp_path / "bank" / "interactions.csv"
        table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
        refused = run_nextbest("run", "--config", tmp_path / "bank" / trained.config.name, "--out", trained.run)
        assert refused.code == 2
        assert "holds a run with another data" in refused.err

    def test_comments_and_order_of_the_config_do_not_matter(self, trained: Trained, tmp_path: Path) -> None:
        shutil.copytree(trained.run, tmp_path / "run")
        commented = trained.config.with_name("commented.toml")
        commented.write_text("# a comment\n" + trained.config.read_text())
        again = run_nextbest("run", "--config", commented, "--out", tmp_path / "run", "--json")
        commented.unlink()
        assert again.code == 0


class TestRefusedFolders:
    @pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
    def test_a_folder_with_something_else(self, small_bank: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("{}")
        refused = run_nextbest("run", "--config", small_bank, "--out", tmp_path)
        assert (refused.code, "holds no run" in refused.err) == (2, True)
        assert files(tmp_path) == {name}

    def test_a_file(self, small_bank: Path, tmp_path: Path) -> None:
        out = tmp_path / "run"
        out.write_text("mine")
        refused = run_nextbest("run", "--config", small_bank, "--out", out)
        assert (refused.code, "this is a file" in refused.err) == (2, True)
        assert out.read_text() == "mine"

    @pytest.mark.parametrize("command", ["evaluate", "export"])
    def test_no_run(self, tmp_path: Path, command: str) -> None:
        models = ["--models", tmp_path / "models"] if command == "export" else []
        refused = run_nextbest(command, "--out", tmp_path / "nothing", *models)
        assert (refused.code, "not a run's folder" in refused.err) == (2, True)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("command", ["evaluate", "export"])
    def test_a_run_that_is_not_trained_to_the_end(self, trained: Trained, tmp_path: Path, command: str) -> None:
        run = tmp_path / "run"
        run.mkdir()
        for name in ("manifest.json", "config.toml"):
            shutil.copy(trained.run / name, run)
        models = ["--models", tmp_path / "models"] if command == "export" else []
        refused = run_nextbest(command, "--out", run, *models)
        assert refused.code == 2
        assert "not trained to the end" in refused.err and "nextbest train" in refused.err
        assert files(run) == {"manifest.json", "config.toml", "run.log"} and not (tmp_path / "models").exists()
