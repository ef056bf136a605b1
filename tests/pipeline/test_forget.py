"""`nextbest forget`: a person's id and rows go from versions and runs, all others stay as they were."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nextbest
from nextbest.data.candidates import Candidates
from nextbest.data.errors import FailedError, InputError
from nextbest.pipeline import forget as forgetting
from nextbest.pipeline.find_ids import IdSearch
from nextbest.serving.artifacts.assets import ASSETS, CUSTOMERS, EVENTS, EXPLANATIONS, CustomerEvents, Table
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.insights.explanation_data import ExplanationAssets
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.push import try_lock
from nextbest.serving.store.versions import complete_versions
from tests.commands import Outcome, models_are_loaded_once, run_nextbest
from tests.trained import Trained

FIRST, LATE, OTHER = "C000001", "C000390", "C000002"
"""One in the warmup records, one who comes after those 256, and one who stays."""


@dataclass(frozen=True)
class Copy:
    """A copy of what the shared run left."""

    models: Path
    run: Path

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.models / "recommender" / "1", self.run / "recommender"

    def forget(self, *arguments: str) -> Outcome:
        return run_nextbest("forget", *arguments, "--models", self.models, "--runs", self.run)


def copy_of(trained: Trained, folder: Path, *left_out: str) -> Copy:
    shutil.copytree(trained.models, folder / "models", ignore=shutil.ignore_patterns(*left_out))
    shutil.copytree(trained.run, folder / "run", ignore=shutil.ignore_patterns("checkpoints", "saved_model", "*_scann"))
    return Copy(folder / "models", folder / "run")


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Copy:
    return copy_of(trained, tmp_path)


@pytest.fixture(scope="module")
def forgotten(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Outcome]:
    copied = copy_of(trained, tmp_path_factory.mktemp("forgotten"), "retrieval*")  # to record again takes long
    return copied, copied.forget(FIRST, LATE, "--json")


def same_files(left: Path, right: Path) -> bool:
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (left, right)
    ]
    return files[0] == files[1]


def recorded_values(folder: Path, column: str) -> set[float]:
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    logs = map(PredictionLog.FromString, tf.data.TFRecordDataset(str(folder / WARMUP)).as_numpy_iterator())
    requests = [log.predict_log.request.inputs for log in logs]
    return {float(value) for inputs in requests if column in inputs for value in tf.make_ndarray(inputs[column])}


class TestForgotten:
    def test_the_search_finds_nothing(self, forgotten: tuple[Copy, Outcome]) -> None:
        copied, outcome = forgotten
        assert (outcome.code, outcome.err) == (0, "")
        said = json.loads(outcome.out)
        assert (said["left"], said["dry_run"]) == ([], False)
        files = [path for path in copied.models.parent.rglob("*") if path.is_file()]
        assert said["searched_files"] == len(files) - 1  # but the line that was written after it
        for one in (FIRST, LATE):
            assert not list(IdSearch([one]).below(copied.models.parent))
        assert FIRST not in outcome.out
        assert not list(copied.models.parent.rglob(".*.changed"))

    def test_the_persons_rows_go_and_those_of_others_stay(
        self, forgotten: tuple[Copy, Outcome], trained: Trained
    ) -> None:
        before = trained.models / "recommender" / "1" / ASSETS
        table, events = Table.load(before / CUSTOMERS), CustomerEvents.load(before / EVENTS)
        stays = ~np.isin(table.ids, [FIRST, LATE])
        lengths = np.diff(events.first)
        for folder in forgotten[0].folders:
            now, its_events = Table.load(folder / ASSETS / CUSTOMERS), CustomerEvents.load(folder / ASSETS / EVENTS)
            assert now.ids.tolist() == table.ids[stays].tolist()
            for name, values in table.columns.items():
                np.testing.assert_array_equal(now.columns[name], values[stays])
            assert len(its_events.day) == lengths[stays].sum() < lengths.sum()
            for place, was in ((0, 1), (397, 399)):  # C000002 and C000400
                assert list(its_events.of(place)) == list(events.of(was))

    def test_the_records_of_servers_are_of_others(self, forgotten: tuple[Copy, Outcome], trained: Trained) -> None:
        table = Table.load(trained.models / "recommender" / "1" / ASSETS / CUSTOMERS)
        savings = table.columns["savings"]
        assert (savings == savings[0]).sum() == 1  # so it tells who it is
        folder = forgotten[0].folders[0]
        assert savings[0] in recorded_values(trained.models / "recommender" / "1", "savings")
        assert recorded_values(folder, "savings") == set(savings[1:257].tolist())

    def test_explanations_compare_with_others(self, forgotten: tuple[Copy, Outcome], trained: Trained) -> None:
        before = ExplanationAssets.load(trained.models / "recommender" / "1" / ASSETS / EXPLANATIONS)
        now = ExplanationAssets.load(forgotten[0].folders[0] / ASSETS / EXPLANATIONS)
        drawn = np.random.default_rng(before.config.seed).choice(400, 120, replace=False)
        gone = np.isin(drawn, [0, 389])
        assert gone.any()
        for name, stage in now.stages.items():
            np.testing.assert_array_equal(stage.background, before.stages[name].background[~gone[:50]])
            assert stage.importance is not None
            assert stage.importance.values.shape[1] == 120 - gone.sum()
        table = Table.load(trained.models / "recommender" / "1" / ASSETS / CUSTOMERS)
        left = Table.load(forgotten[0].folders[0] / ASSETS / CUSTOMERS)
        assert now.sample is not None
        assert left.ids[now.sample].tolist() == table.ids[drawn[~gone]].tolist()

    def test_candidates_are_of_others(self, forgotten: tuple[Copy, Outcome], trained: Trained) -> None:
        for file in (trained.run / "retrieval" / "candidates").iterdir():
            before = Candidates.load(file)
            now = Candidates.load(forgotten[0].run / "retrieval" / "candidates" / file.name)
            stays = ~np.isin(before.customer_ids, [FIRST, LATE])
            assert now.customer_ids.tolist() == before.customer_ids[stays].tolist()
            np.testing.assert_array_equal(now.scores, before.scores[stays])
            assert len(now.product_ids) == len(before.product_ids)

    def test_others_get_the_same_bits(
        self, forgotten: tuple[Copy, Outcome], recommender: Recommender, tmp_path: Path
    ) -> None:
        with models_are_loaded_once():
            now = nextbest.load(forgotten[0].models)
            assert nextbest.recommend(now, [OTHER, "C000400"]) == nextbest.recommend(recommender, [OTHER, "C000400"])
            with pytest.raises(InputError, match="knows no customer"):
                nextbest.recommend(now, [FIRST])
            assert nextbest.score(now, now.customers().ids.tolist(), tmp_path / "scores.parquet", any_age=True)
        assert FIRST not in pq.read_table(tmp_path / "scores.parquet")["customer_id"].to_pylist()

    def test_a_line_says_when_and_how_many(self, forgotten: tuple[Copy, Outcome]) -> None:
        (line,) = (forgotten[0].models / forgetting.FORGOTTEN).read_text(encoding="utf-8").splitlines()
        said = json.loads(line)
        assert (said["customers"], said["rows"]["customers"]) == (2, 4)
        assert complete_versions(forgotten[0].models) == [1]


class TestCommand:
    def test_a_dry_run_changes_nothing(self, copied: Copy, trained: Trained) -> None:
        outcome = copied.forget(FIRST, "--dry-run")
        assert outcome.code == 0
        assert "rows that would go" in outcome.out and "hold the id now" in outcome.out
        assert str(copied.folders[0] / ASSETS / CUSTOMERS) in outcome.out
        assert same_files(copied.models, trained.models)

    def test_an_unknown_id_is_nowhere(self, copied: Copy, trained: Trained) -> None:
        outcome = copied.forget("C0000012")
        assert outcome.code == 0
        assert "the id is nowhere" in outcome.out and "the id is in none" in outcome.out
        assert same_files(copied.models / "recommender", trained.models / "recommender")
        assert not (copied.models / forgetting.FORGOTTEN).exists()

    def test_other_files_of_a_run(self, copied: Copy) -> None:
        folder = copied.run / "evaluation"
        pq.write_table(pa.table({"customer_id": [LATE, OTHER], "ndcg": [0.5, 0.25]}), folder / "each.parquet")
        (folder / "each.json").write_text(json.dumps({LATE: 1, "rows": [{"id": LATE, "n": 1}, {"id": OTHER}], "n": 2}))
        with (copied.run / "run.log").open("a", encoding="utf-8") as log:
            log.write(f"scored {LATE}\nscored {OTHER}\n")
        outcome = copied.forget(LATE)
        assert outcome.code == 0, outcome.out
        assert pq.read_table(folder / "each.parquet").to_pylist() == [{"customer_id": OTHER, "ndcg": 0.25}]
        assert json.loads((folder / "each.json").read_text()) == {"rows": [{"id": OTHER}], "n": 2}
        assert (copied.run / "run.log").read_text(encoding="utf-8").endswith(f"scored {OTHER}\n")

    def test_what_it_cannot_change_is_named(self, copied: Copy) -> None:
        note = copied.run / "note.md"
        note.write_text(f"{LATE} complained")
        outcome = copied.forget(LATE)
        assert outcome.code == 1
        assert f"1 hold the id still; remove them\n  {note}" in outcome.out

    def test_bad_input_is_told_at_once(self, copied: Copy) -> None:
        outcome = run_nextbest("forget", " ", "--models", copied.models, "--runs", copied.run / "nowhere")
        assert outcome.code == 2
        assert "there is no such folder" in outcome.err and "an id is empty" in outcome.err

    def test_a_version_in_use_is_left_alone(self, copied: Copy, trained: Trained) -> None:
        with try_lock(copied.models, 1), pytest.raises(FailedError, match="another process works on version 1"):
            nextbest.forget([LATE], copied.models)
        assert same_files(copied.models / "recommender", trained.models / "recommender")


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("exchange", [1, 2, 4])
def test_who_is_killed_begins_again(copied: Copy, monkeypatch: pytest.MonkeyPatch, exchange: int) -> None:
    def record(name: str, folder: Path, composite: Path, table: Table) -> None:
        (folder / WARMUP).write_text(f"{len(table.ids)} customers")

    left, real = exchange, nextbest.data.files._exchange  # type: ignore[attr-defined]

    def deadly(*folders: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        real(*folders)

    monkeypatch.setattr(forgetting, "_record_again", record)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("nextbest.data.files._exchange", deadly)
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        forgetting.forget([FIRST], copied.models)
    assert complete_versions(copied.models) == [1]
    assert len(Recommender(copied.folders[0], NoBackend()).customers().ids) == 400
    assert forgetting.forget([FIRST], copied.models).left == ()
    assert len(Table.load(copied.folders[0] / ASSETS / CUSTOMERS).ids) == 399
    for name in ("retrieval", "retrieval_scann", "ranking", "recommender"):
        assert (copied.models / name / "1" / WARMUP).read_text() == "399 customers"
    assert not list(copied.models.rglob(".*.changed"))


class NoBackend:
    """Answers nothing."""

    model_name = "recommender"

    def inputs(self, signature: str) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Hold nothing."""
