"""What is pushed: approved models, or forced ones; never what does not load elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nextbest.pipeline.export import NotApprovedError, export_run
from nextbest.pipeline.run import Run, open_run
from nextbest.serving.artifacts.load_check import LoadCheck, ModelCheck
from nextbest.serving.store.versions import list_versions, versions
from tests.commands import run_nextbest
from tests.pipeline.load_checks import all_models_load, load_check_returns
from tests.trained import WHY, Trained

ASKED = '[evaluation.approval]\nlowest = {"ranking/ndcg@5" = 0.99}\n'
BROKEN = LoadCheck({"ranking": ModelCheck("it hangs")})


def reopened(folder: Path) -> Run:
    return open_run(folder, lambda what: lambda doing, share: None)


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """Return a copy of the shared run."""
    shutil.copytree(trained.run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def demanding(run: Path) -> Path:
    """Return a copy of the shared run that no model is good enough for."""
    toml = run / "config.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + ASKED, encoding="utf-8")
    return run


def manifest(models: Path, version: int, name: str = "recommender") -> dict[str, Any]:
    path = models / name / str(version) / "assets.extra" / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_pushed_version_says_that_it_is_blessed(trained: Trained) -> None:
    for name in ("recommender", "retrieval", "retrieval_scann", "ranking"):
        pushed = manifest(trained.models, 1, name)
        assert pushed["blessing"]["blessed"] and pushed["infra_blessing"] == {"blessed": True, "reasons": []}
        assert pushed["forced"] is False
        assert pushed["model_version"] == 1
    (version,) = list_versions(trained.models)
    assert (version.approved, version.loads, version.forced, version.why) == (True, True, False, WHY)


def test_all_warmup_records_are_replayed_before_a_push(trained: Trained) -> None:
    found = json.loads((trained.run / "evaluation" / "INFRA_BLESSED").read_text(encoding="utf-8"))["models"]
    # A record of one customer and one of many for each signature: 5 of retrieval, 3 of ranking, 11 of the composite.
    assert {name: check["records"] for name, check in found.items()} == {
        "retrieval": 10,
        "retrieval_scann": 10,
        "ranking": 6,
        "recommender": 22,
    }
    assert all(check["worst_difference"] < 1e-5 for check in found.values())


def test_what_is_not_good_enough_is_not_pushed(demanding: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with (
        all_models_load(),
        pytest.raises(NotApprovedError, match=r"ndcg@5 is 0\.\d+ .*at least 0.99 is required.*--force"),
    ):
        export_run(reopened(demanding), models)
    assert not models.exists()
    assert (demanding / "evaluation" / "NOT_BLESSED").exists() and not (demanding / "evaluation" / "BLESSED").exists()


def test_force_pushes_it_and_the_manifest_says_so(demanding: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with all_models_load():
        assert export_run(reopened(demanding), models, force=True) == 1
    pushed = manifest(models, 1)
    assert pushed["forced"] is True and pushed["blessing"]["blessed"] is False
    assert "at least 0.99 is required" in pushed["blessing"]["reasons"][0]


def test_what_does_not_load_elsewhere_cannot_be_forced(run: Path, tmp_path: Path) -> None:
    with load_check_returns(BROKEN), pytest.raises(NotApprovedError, match="nor can it be forced: ranking: it hangs"):
        export_run(reopened(run), tmp_path / "models", force=True)
    assert not (tmp_path / "models").exists()
    assert (run / "evaluation" / "INFRA_NOT_BLESSED").exists()
    assert not (run / "evaluation" / "INFRA_BLESSED").exists()


def test_only_so_many_versions_are_kept_as_the_config_says(run: Path, trained: Trained, tmp_path: Path) -> None:
    models = tmp_path / "models"
    toml = run / "config.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "keep_versions = 2\n", encoding="utf-8")  # [export] is the last
    shutil.copytree(trained.models, models)
    for _ in range(2):
        assert run_nextbest("export", "--models", models, "--rollback", "1").code == 0
    with all_models_load():
        assert export_run(reopened(run), models) == 4
    assert versions(models / "recommender") == [3, 4]


class TestCommand:
    def test_a_run_that_is_not_approved_ends_with_1_after_its_metrics(self, demanding: Path, tmp_path: Path) -> None:
        with all_models_load():
            refused = run_nextbest("export", "--out", demanding, "--models", tmp_path / "models")
            assert (refused.code, "at least 0.99 is required" in refused.err) == (1, True)
            forced = run_nextbest("export", "--out", demanding, "--models", tmp_path / "models", "--force", "--json")
        assert (forced.code, json.loads(forced.out)) == (0, {"pushed": 1})

    def test_run_prints_its_metrics_before_it_is_refused(
        self, trained: Trained, demanding: Path, tmp_path: Path
    ) -> None:
        config = trained.config.with_name("demanding.toml")
        config.write_text(trained.config.read_text(encoding="utf-8") + ASKED, encoding="utf-8")
        with all_models_load():
            refused = run_nextbest("run", "--config", config, "--out", demanding, "--models", tmp_path / "m", "--json")
        config.unlink()
        assert refused.code == 1 and "at least 0.99 is required" in refused.err
        assert json.loads(refused.out)["models"]["ranking"]["ndcg@5"]["value"] < 0.99

    def test_list_rollback_and_prune(self, trained: Trained, tmp_path: Path) -> None:
        models = tmp_path / "models"
        shutil.copytree(trained.models, models)
        assert "pushed version 2" in run_nextbest("export", "--models", models, "--rollback", "1").out
        listed = json.loads(run_nextbest("export", "--models", models, "--list", "--json").out)
        assert [(version["number"], version["rolled_back_to"]) for version in listed] == [(1, None), (2, 1)]
        assert "recommender" in run_nextbest("export", "--models", models, "--list").out
        assert json.loads(run_nextbest("export", "--models", models, "--prune", "1", "--json").out) == {"removed": [1]}
        assert "removed nothing" in run_nextbest("export", "--models", models, "--prune", "1").out

    @pytest.mark.parametrize("jobs", [(), ("--list", "--prune", "1"), ("--prune", "0"), ("--rollback", "7")])
    def test_what_cannot_be_meant_ends_with_2(self, trained: Trained, jobs: tuple[str, ...]) -> None:
        assert run_nextbest("export", "--models", trained.models, *jobs).code == 2
