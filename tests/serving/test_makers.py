"""A scored file says by what it was made: the version, its files, the rules, the data's last day, the time."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest

import nextbest
import nextbest.serving.makers
from nextbest.serving.artifacts.assets import ASSETS
from nextbest.serving.makers import digest_policy, makers_of, makers_path
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.store.push import push
from nextbest.serving.store.record import digest_served
from tests.serving.store.faults import make_run, sources
from tests.trained import Trained

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FILTERS = Filters(max_risk=3, exclude=("P0003",))


def beside(out: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(makers_path(out).read_text(encoding="utf-8"))
    return made


def score(recommender: Recommender, out: Path) -> int:
    return nextbest.score(recommender, list(recommender.customers().ids[:5]), out, top=2, filters=FILTERS)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nextbest.serving.makers, "_now", lambda: NOON)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
def test_the_makers_are_the_exports(
    trained: Trained, recommender: Recommender, ending: str, noon: None, tmp_path: Path
) -> None:
    out = tmp_path / f"scores{ending}"
    rows = score(recommender, out)
    manifest = recommender.manifest
    assert beside(out) == {
        "model_version": manifest["model_version"],
        "model": "recommender",
        "weights": digest_served(trained.models / "recommender" / "1"),
        "cutoff": "2024-09-27",  # the last day before the measured window, which is that of the manifest
        "policy": digest_policy(manifest),
        "made_at": "2026-01-02T12:00:00+00:00",
        "nextbest": nextbest.__version__,
        "server": None,
        "k": 2,
        "filters": {"max_risk": 3.0, "categories": [], "exclude": ["P0003"]},
        "rows": rows,
        "unknown": [],
    }
    assert manifest["measured"]["cutoff"] == "2024-09-27" and rows == 10


def test_parquet_and_excel_hold_the_same(recommender: Recommender, tmp_path: Path) -> None:
    score(recommender, tmp_path / "scores.parquet")
    assert json.loads(pq.read_schema(tmp_path / "scores.parquet").metadata[b"nextbest"]) == beside(
        tmp_path / "scores.parquet"
    )
    score(recommender, tmp_path / "scores.xlsx")
    with ZipFile(tmp_path / "scores.xlsx") as book:
        assert beside(tmp_path / "scores.xlsx")["weights"] in book.read("docProps/core.xml").decode()


def test_only_the_time_differs_between_two_runs(recommender: Recommender, noon: None, tmp_path: Path) -> None:
    for name in ("a", "b"):
        score(recommender, tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_changed_weight_has_another_digest_and_other_data_beside_it_has_not(tmp_path: Path) -> None:
    push(sources(make_run(tmp_path / "run", "first")), tmp_path / "models")
    version = tmp_path / "models" / "recommender" / "1"
    pushed = digest_served(version)
    (version / ASSETS / "customers.npz").write_bytes(b"somebody was forgotten")
    assert digest_served(version) == pushed == digest_served(tmp_path / "run" / "recommender")
    (version / "variables" / "variables.index").write_bytes(b"other weights")
    assert digest_served(version) != pushed
    with pytest.raises(FileNotFoundError, match="is not there"):
        digest_served(tmp_path / "none")


def test_a_policy_is_known_by_its_digest() -> None:
    # echo -n '{"caps": [], "rules": []}' | sha256sum, in whatever order the keys stood
    known = hashlib.sha256(b'{"caps": [], "rules": []}').hexdigest()
    assert digest_policy({"policy": {"rules": [], "caps": []}}) == known
    assert digest_policy({"policy": {"rules": [], "caps": [{"column": "category", "most": 1}]}}) != known


def test_what_is_not_known_is_null_and_said(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.models / "recommender", tmp_path / "recommender")
    with closing(Recommender.load(tmp_path)) as recommender:
        shutil.rmtree(tmp_path / "recommender" / "1")  # pruned, once it was loaded
        made = makers_of(recommender, 5, None)
        recommender.server = "grpc://bank:8500"
        del recommender.manifest["model_version"]
        elsewhere = makers_of(recommender, 5, None)
    assert made["weights"] is None and made["filters"] is None
    assert len(made["unknown"]) == 1 and made["unknown"][0].startswith("weights: ")
    assert elsewhere["model_version"] is None and elsewhere["server"] == "grpc://bank:8500"
    assert [text.split()[0] for text in elsewhere["unknown"]] == ["weights:", "weights", "model_version:"]


def test_no_input_is_overwritten(recommender: Recommender, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("customer_id\nC000001\n", encoding="utf-8")
    # The folder is another text for the same file.
    for out in (people, tmp_path / ".." / tmp_path.name / "people.csv"):
        with pytest.raises(nextbest.InputError, match=r"people\.csv.* would be overwritten; name another file"):
            nextbest.score(recommender, people, out)
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]
    assert people.read_text(encoding="utf-8") == "customer_id\nC000001\n"
