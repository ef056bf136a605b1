"""What earlier versions exported is served, scored and gone back to by this one, or refused in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import nextbest
from nextbest.serving.artifacts.assets import ASSETS, MANIFEST
from nextbest.serving.store.push import push
from tests.commands import models_are_loaded_once, run_nextbest
from tests.serving.older_exports import answers, recorded, unpack, versions
from tests.trained import Trained


def _same(now: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    ids = "customer_id", "product_id"
    assert [[row[key] for key in ids] for row in now] == [[row[key] for key in ids] for row in before]
    for key in ("similarity", "probability"):  # processors differ in how they sum float32
        assert [row[key] for row in now] == pytest.approx([row[key] for row in before], abs=1e-5), key


@pytest.fixture(autouse=True)
def _loaded_once() -> Iterator[None]:
    with models_are_loaded_once():
        yield


def test_there_is_one() -> None:
    assert "0.3.0" in versions()


@pytest.mark.parametrize("version", versions())
class TestOfAVersion:
    def test_it_answers_as_it_did(self, version: str, tmp_path: Path) -> None:
        now, before = answers(unpack(version, tmp_path)), recorded(version)
        for name in before:
            _same(now[name], before[name])

    def test_it_scores_a_file(self, version: str, tmp_path: Path) -> None:
        models, customers, scores = unpack(version, tmp_path), tmp_path / "customers.csv", tmp_path / "scores.parquet"
        outcome = run_nextbest("score", "--models", models, "--customers", customers, "--out", scores, "--top", "5")
        assert outcome.code == 0, outcome.err
        _same(pq.read_table(scores).to_pylist(), recorded(version)["no filters"])

    def test_one_goes_back_to_it(self, trained: Trained, version: str, tmp_path: Path) -> None:
        models = unpack(version, tmp_path)
        assert push({"recommender": trained.models / "recommender" / "1"}, models) == 2
        outcome = run_nextbest("export", "--models", models, "--rollback", "1")
        assert "pushed version 3" in outcome.out, outcome.err
        now, before = answers(models), recorded(version)
        for name in before:
            _same(now[name], before[name])

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (None, "it was exported by nextbest 0.2; push the run's models again: train it by this version first"),
            (
                3,
                "it has format 3, and this nextbest reads formats up to 2; install the nextbest that exported it, or a "
                "newer",
            ),
        ],
    )
    def test_another_format_is_refused_in_a_line(
        self, version: str, found: int | None, said: str, tmp_path: Path
    ) -> None:
        path = unpack(version, tmp_path) / "recommender" / "1" / ASSETS / MANIFEST
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps({**manifest, "format": found} if found else _without(manifest, "format")))
        with pytest.raises(nextbest.InputError) as refused:
            nextbest.load(tmp_path / "models")
        assert said in " ".join(str(refused.value).split())


def _without(manifest: dict[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in manifest.items() if name != key}
