"""A run is approved by what it measured and by the last approved version, on the same customers of the test window."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextbest.data.files
import nextbest.pipeline.export
from nextbest.data.config import ColumnConfig, WindowsConfig
from nextbest.data.dataset import ACQUIRE, Array
from nextbest.data.errors import InputError
from nextbest.data.snapshot import take_snapshot
from nextbest.evaluation.approval import Approval, Check
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import ExportedRecommender, Requests
from nextbest.pipeline.export import BLESSED, NOT_BLESSED, approve_run
from nextbest.pipeline.run import Run, open_run
from nextbest.pipeline.run_folder import RunFolder, metrics_file
from nextbest.serving.recommender import Recommendations, Recommender
from tests.commands import run_nextbest
from tests.evaluation.worlds import bank
from tests.trained import Trained

MANIFEST = Path("assets.extra", "manifest.json")


@pytest.fixture(scope="module")
def opened(trained: Trained) -> Run:
    """The shared run; its tables are read once."""
    return open_run(trained.run, lambda what: lambda doing, share: None)


def changed(run: Run, **fields: object) -> Run:
    """Return a run that differs, on the same tables."""
    return dataclasses.replace(run, same_tables_as=run, **fields)  # type: ignore[arg-type]


def asking(run: Run, **approval: object) -> Run:
    """Return the run with other thresholds."""
    wanted = run.config.evaluation.approval.model_copy(update=approval)
    evaluation = run.config.evaluation.model_copy(update={"approval": wanted})
    return changed(run, config=run.config.model_copy(update={"evaluation": evaluation}))


def with_columns(run: Run, columns: dict[str, ColumnConfig]) -> Run:
    """Return the run whose TOML has other columns of customers."""
    customers = run.config.data.customers.model_copy(update={"columns": columns})
    data = run.config.data.model_copy(update={"customers": customers})
    return changed(run, config=run.config.model_copy(update={"data": data}))


@pytest.fixture
def run(opened: Run, tmp_path: Path) -> Run:
    """A copy of the shared run that may be written to."""
    shutil.copytree(opened.folder.root, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "*BLESSED"))
    return changed(opened, folder=RunFolder(tmp_path / "run"))


def push_copy(run: Run, models: Path, version: int = 1, **manifest: object) -> Path:
    """Push the run's recommender as a version with another manifest, and return its folder."""
    folder = models / "recommender" / str(version)
    shutil.copytree(run.folder.path("recommender"), folder)
    (folder / MANIFEST).write_text(json.dumps(json.loads((folder / MANIFEST).read_text()) | manifest))
    return folder


YES, NO = {"blessed": True, "reasons": []}, {"blessed": False, "reasons": ["it is bad"]}


@pytest.fixture
def models(run: Run, tmp_path: Path) -> Path:
    """Where the same recommender was pushed as version 1, and approved."""
    push_copy(run, tmp_path / "models", blessing=YES)
    return tmp_path / "models"


def verdicts(run: Run) -> dict[str, Any]:
    """Return the files of the verdict, name -> content."""
    paths = [run.folder.path("evaluation", name) for name in (BLESSED, NOT_BLESSED)]
    return {path.name: json.loads(path.read_text()) for path in paths if path.exists()}


def change(approval: Approval) -> Check:
    (check,) = (check for check in approval.checks if check.name.startswith("max_drop"))
    return check


class Altered:
    """A recommender whose answers are changed."""

    def __init__(self, recommender: Recommender, alter: Callable[[Recommendations, Any], Array]) -> None:
        self._recommender, self._alter = recommender, alter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recommender, name)

    def recommend(self, request: Any, k: int) -> Recommendations:
        found = self._recommender.recommend(request, k)
        return dataclasses.replace(found, product_id=self._alter(found, request))


def least_likely_first(found: Recommendations, request: Any) -> Array:
    """A planted bad model."""
    return found.product_id[:, ::-1]


def held_first(found: Recommendations, request: Any) -> Array:
    """A model that would sell a customer again what the customer holds, before anything else."""
    return np.concatenate([request["held_products"][:, :1], found.product_id[:, :-1]], axis=1)


def broken(found: Recommendations, request: Any) -> Array:
    raise RuntimeError("it is broken")


@pytest.fixture
def planted(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that gives the run (`ours`) or the pushed version (`theirs`) other answers."""

    def plant(**altered: Callable[[Recommendations, Any], Array]) -> None:
        def load(folder: Path) -> Any:
            role = "ours" if folder.parent.name == "run" else "theirs"
            return Altered(recommender, altered[role]) if role in altered else recommender

        monkeypatch.setattr(nextbest.pipeline.export, "Recommender", load)

    return plant


class TestValues:
    def test_a_run_without_a_version_to_compare_with(self, run: Run, tmp_path: Path) -> None:
        for models in (None, tmp_path / "nothing"):
            approval = approve_run(run, models)
            assert (approval.blessed, approval.compared_with) == (True, None)
            assert [check.name for check in approval.checks] == ["must_beat ranking-popularity", "max_drop ndcg@5"]
            assert change(approval).text.endswith("a last approved version, since there is none")
            assert verdicts(run) == {"BLESSED": approval.model_dump(mode="json")}

    def test_the_thresholds_are_those_of_the_metrics(self, run: Run) -> None:
        ndcg = json.loads(run.folder.path("evaluation", "metrics.json").read_text())["models"]["ranking"]["ndcg@5"]
        assert approve_run(asking(run, lowest={"ranking/ndcg@5": ndcg["low"]}), None).blessed
        approval = approve_run(asking(run, lowest={"ranking/ndcg@5": ndcg["value"]}), None)
        assert not approval.blessed
        (reason,) = approval.reasons
        assert reason.startswith("ranking ndcg@5 is ")
        assert verdicts(run) == {"NOT_BLESSED": approval.model_dump(mode="json")}

    def test_a_pair_that_is_lost(self, run: Run) -> None:
        path = metrics_file(run.folder)
        metrics = json.loads(path.read_text())
        (verdict,) = [one for one in metrics["verdicts"] if (one["model"], one["other"]) == ("retrieval", "ease")]
        verdict["beats"] = False
        path.write_text(json.dumps(metrics))
        approval = approve_run(asking(run, must_beat=("ranking-popularity", "retrieval-ease")), None)
        assert {check.name: check.passed for check in approval.checks[:2]} == {
            "must_beat ranking-popularity": True,
            "must_beat retrieval-ease": False,
        }
        assert not approval.blessed


class TestVerdict:
    def test_the_older_verdict_is_replaced(self, run: Run) -> None:
        never = asking(run, lowest={"ranking/ndcg@5": 1.0})
        for judged, name in ((run, "BLESSED"), (never, "NOT_BLESSED"), (never, "NOT_BLESSED"), (run, "BLESSED")):
            approve_run(judged, None)
            assert list(verdicts(run)) == [name]

    def test_a_kill_in_between_leaves_no_verdict(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        approve_run(run, None)

        def killed(*_: object) -> None:
            assert verdicts(run) == {}
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(nextbest.data.files, "write_text", killed)
            patch.setattr(RunFolder, "add_to_manifest", lambda *_, **entries: None)
            with pytest.raises(KeyboardInterrupt):
                approve_run(asking(run, lowest={"ranking/ndcg@5": 1.0}), None)
        assert verdicts(run) == {}
        approve_run(run, None)
        assert list(verdicts(run)) == ["BLESSED"]


class TestChange:
    def test_a_model_is_as_good_as_itself(self, run: Run, models: Path) -> None:
        approval = approve_run(asking(run, max_drop=0.0), models)
        assert change(approval) == Check(
            name="max_drop ndcg@5",
            passed=True,
            text="ranking ndcg@5 is +0.0000 [+0.0000, +0.0000] against version 1, the last approved, "
            "a drop of at most 0 is allowed",
        )
        assert (approval.blessed, approval.compared_with) == (True, 1)

    def test_a_worse_model_is_not_blessed(self, run: Run, models: Path, planted: Callable[..., None]) -> None:
        planted(ours=least_likely_first)
        approval = approve_run(run, models)
        assert (approval.blessed, approval.compared_with) == (False, 1)
        assert change(approval).text.startswith("ranking ndcg@5 is -0.")
        assert approval.reasons == [change(approval).text]

    def test_a_better_model_is_blessed(self, run: Run, models: Path, planted: Callable[..., None]) -> None:
        planted(theirs=least_likely_first)
        approval = approve_run(asking(run, max_drop=0.0), models)
        assert approval.blessed
        assert change(approval).text.startswith("ranking ndcg@5 is +0.")

    def test_both_are_masked_alike(self, run: Run, models: Path, planted: Callable[..., None]) -> None:
        planted(theirs=held_first)
        assert "is +0.0000 [+0.0000, +0.0000]" in change(approve_run(run, models)).text

    def test_the_newest_blessed_version_counts(self, run: Run, models: Path, planted: Callable[..., None]) -> None:
        planted()
        push_copy(run, models, 9, blessing=YES)
        push_copy(run, models, 10, blessing=YES)
        push_copy(run, models, 11, blessing=NO)
        push_copy(run, models, 12)  # pushed before there were approvals
        (models / "recommender" / "13").mkdir()  # another hand's
        assert approve_run(run, models).compared_with == 10

    def test_a_version_that_has_seen_the_window_is_no_measure(
        self, run: Run, tmp_path: Path, planted: Callable[..., None]
    ) -> None:
        planted()
        cutoff = run.windows.test.cutoff
        push_copy(run, tmp_path / "seen", blessing=YES, as_of_day=cutoff + 1)
        approval = approve_run(run, tmp_path / "seen")
        assert (approval.blessed, approval.compared_with) == (True, None)
        assert change(approval).text == (
            "ranking ndcg@5 was not compared with version 1, the last approved: it knew everything until "
            "2024-09-28 and so has seen the test window, which begins after 2024-09-27"
        )
        assert change(approval).text in approval.reasons
        push_copy(run, tmp_path / "fair", blessing=YES, as_of_day=cutoff)
        assert approve_run(run, tmp_path / "fair").compared_with == 1

    def test_a_column_that_the_tables_lack_is_missing(self, run: Run, models: Path) -> None:
        assert "branch" in Recommender(models / "recommender" / "1").customer_columns
        columns = {name: column for name, column in run.config.data.customers.columns.items() if name != "branch"}
        without, table = dataclasses.replace(with_columns(run, columns), same_tables_as=None), run.dataset.customers
        fewer = dataclasses.replace(table, columns={name: table.columns[name] for name in columns})
        without.__dict__["dataset"] = dataclasses.replace(run.dataset, customers=fewer)
        assert approve_run(without, models).compared_with == 1

    def refused(self, run: Run, models: Path) -> str:
        approval = approve_run(run, models)
        assert (approval.blessed, approval.compared_with) == (False, None)
        text = change(approval).text
        assert text.startswith("ranking ndcg@5 was not compared with version 1, the last approved: ")
        assert text.endswith("; prune that version, or push with --force")
        assert "\n" not in text
        return text

    def test_a_column_that_means_something_else(self, run: Run, models: Path) -> None:
        other = with_columns(run, run.config.data.customers.columns | {"region": ColumnConfig(role="number")})
        assert "it reads the customers' column 'region' as a category, and it is a number" in self.refused(
            other, models
        )

    def test_a_version_of_another_bank(
        self, run: Run, models: Path, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stranger = copy.copy(recommender)
        ids = np.array([f"other-{name}" for name in recommender.products.ids], object)
        stranger.products = dataclasses.replace(recommender.products, ids=ids)
        monkeypatch.setattr(nextbest.pipeline.export, "Recommender", lambda folder: stranger)
        assert "it knows none of the 40 products" in self.refused(run, models)

    def test_a_version_that_fails(self, run: Run, models: Path, planted: Callable[..., None]) -> None:
        planted(theirs=broken)
        assert "it is broken" in self.refused(run, models)

    def test_a_version_that_cannot_be_loaded(self, run: Run, models: Path) -> None:
        (models / "recommender" / "1" / "saved_model.pb").write_bytes(b"nonsense")
        self.refused(run, models)

    def test_our_own_failure_is_not_blamed_on_the_other(
        self, run: Run, models: Path, planted: Callable[..., None]
    ) -> None:
        planted(ours=broken)
        with pytest.raises(RuntimeError, match="it is broken"):
            approve_run(run, models)
        assert verdicts(run) == {}


class NamesAlways:
    """Another bank's recommender: it names the same products to everyone."""

    customer_columns = ("segment", "gone")
    history_lists = ("held", "recent")

    def __init__(self, *products: str) -> None:
        self.named = np.array(products, object)

    def recommend(self, request: dict[str, Array], k: int) -> Recommendations:
        lists = np.tile(self.named[:k], (len(request["as_of_day"]), 1))
        zeros = np.zeros(lists.shape, np.float32)
        return Recommendations(lists, zeros, zeros, zeros.astype(np.int32), np.full(len(lists), k, np.int32))


class TestAnotherBanksRecommender:
    HISTORY = bank(["ann", "bob"], ["card", "fund", "loan"], [("ann", "fund", 1, ACQUIRE)], ["x", "y"])

    def requests(self, recommender: Any) -> Requests:
        return Requests(recommender, take_snapshot(self.HISTORY, 5, WindowsConfig()), self.HISTORY.products.ids)

    def scores(self, *named: str) -> Array:
        recommender: Any = NamesAlways(*named)
        scorer = ExportedRecommender(recommender, self.requests(recommender), self.HISTORY.products, len(named))
        return scorer.score(np.array([0, 1, 0]))

    def test_products_are_found_by_their_ids(self) -> None:
        # The tables know card, fund and loan; the model names the last, one that is no more, the first, and padding.
        expected = np.tile([-2, -np.inf, 0], (3, 1))
        np.testing.assert_array_equal(self.scores("loan", "bond", "card", ""), expected)

    def test_nothing_in_common(self) -> None:
        assert np.isneginf(self.scores("bond", "zloty")).all()

    def test_a_request_has_what_the_tables_have(self) -> None:
        request = self.requests(NamesAlways())(np.array([1, 0]))
        assert list(request["segment"]) == ["y", "x"]
        assert "gone" not in request
        assert request["held_products"].tolist() == [[""], ["fund"]]


class TestConfig:
    def with_approval(self, trained: Trained, folder: Path, lines: str) -> Path:
        path = folder / "wanted.toml"
        path.write_text(trained.config.read_text() + f"\n[evaluation.approval]\n{lines}\n")
        return path

    def test_thresholds_are_read(self, trained: Trained, tmp_path: Path) -> None:
        lines = 'lowest = {"ranking/ndcg@5" = 0.3}\nhighest = {"calibration/ece" = 0.02}\nmax_drop = 0.01'
        approval = load_config(self.with_approval(trained, tmp_path, lines)).evaluation.approval
        assert (approval.lowest, approval.highest) == ({"ranking/ndcg@5": 0.3}, {"calibration/ece": 0.02})
        assert approval.max_drop == 0.01

    def test_an_unknown_metric_is_bad_input(self, trained: Trained, tmp_path: Path) -> None:
        path = self.with_approval(trained, tmp_path, 'lowest = {"ranking/ndcg@7" = 0.3}')
        with pytest.raises(InputError, match=r"wanted\.toml.*'ndcg@7' is not measured of ranking; choose from ndcg@1"):
            load_config(path)
        outcome = run_nextbest("train", "--config", path, "--out", tmp_path / "run")
        assert outcome.code == 2
        assert "'ndcg@7' is not measured of ranking" in outcome.err
        assert not (tmp_path / "run").exists()
