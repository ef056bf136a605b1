"""Whom the export does not know, and who brings no holdings, gets an order, no probability, and a word about it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nextbest
from nextbest.data.dataset import Array
from nextbest.serving.artifacts.assets import Table
from nextbest.serving.makers import makers_of, makers_text
from nextbest.serving.recommendation_files import RECOMMENDATION_COLUMNS
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import of_unknown_holdings, requests_from_file
from tests.commands import run_nextbest
from tests.sheets import cells_of_sheet
from tests.trained import Trained

KNOWN, NEW, OTHER = "C000001", "XC000001", "XC000002"


@pytest.fixture(scope="module")
def people(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a known customer and of two with the same attributes under ids that the export does not know."""
    rows = pd.read_csv(trained.config.parent / "customers.csv", dtype=str, keep_default_na=False)
    row = rows[(rows["customer_id"] == KNOWN) & (rows["as_of"] <= "2024-09-27")].tail(1)
    path = tmp_path_factory.mktemp("unknown") / "people.csv"
    pd.concat([row.assign(customer_id=one) for one in (KNOWN, NEW, OTHER)]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def holdings(trained: Trained, people: Path) -> Path:
    """What NEW holds: one product of the bank. OTHER holds one that the bank does not have."""
    product = Recommender.load(trained.models).products.ids[0]
    path = people.with_name("holdings.csv")
    path.write_text(f"customer_id,product_id\n{KNOWN},{product}\n{NEW},{product}\n{OTHER},GONE\n", encoding="utf-8")
    return path


def score(trained: Trained, people: Path, out: Path, *more: str | Path) -> dict[str, Any]:
    """Score the file and return the summary."""
    command = ("score", "--models", trained.models, "--customers", people, "--out", out, "--max-unknown-ids", "1")
    done = run_nextbest(*command, "--json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    assert json.loads(out.with_name(f"{out.name}.summary.json").read_text()).items() <= found.items()
    return found


def with_probability(rows: pd.DataFrame) -> dict[str, bool]:
    """Return of whom a probability is told: of none or of all of their rows."""
    given = rows["probability"].notna().groupby(rows["customer_id"])
    assert (given.all() == given.any()).all()
    return {str(customer): bool(one) for customer, one in given.all().items()}


class TestScore:
    def test_csv(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        summary = score(trained, people, tmp_path / "scores.csv", "--top", "3")
        assert (summary["unknown_ids"], summary["without_probability"]) == (2, 2)
        text = (tmp_path / "scores.csv").read_text(encoding="utf-8")
        assert "nan" not in text and f"{NEW},1,P" in text and ",," in text
        rows = pd.read_csv(tmp_path / "scores.csv")
        assert with_probability(rows) == {KNOWN: True, NEW: False, OTHER: False}
        order = rows[rows["customer_id"] == NEW]
        assert order["rank"].tolist() == [1, 2, 3] and order["similarity"].notna().all()

    def test_parquet(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        score(trained, people, tmp_path / "scores.parquet")
        table = pq.read_table(tmp_path / "scores.parquet")
        assert table.schema.field("probability").type == pa.float32()
        told = {row["customer_id"]: row["probability"] is not None for row in table.to_pylist()}
        assert told == {KNOWN: True, NEW: False, OTHER: False}

    def test_excel(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        score(trained, people, tmp_path / "scores.xlsx")
        _, *rows = cells_of_sheet(tmp_path / "scores.xlsx")  # which holds no cell where there is nothing
        told = {row[0][1]: len(row) == len(RECOMMENDATION_COLUMNS) for row in rows}
        assert told == {KNOWN: True, NEW: False, OTHER: False}

    def test_a_file_of_holdings(self, trained: Trained, people: Path, holdings: Path, tmp_path: Path) -> None:
        """NEW is told one, and is not offered what it holds; the product of OTHER says nothing to the models."""
        summary = score(trained, people, tmp_path / "scores.csv", "--holdings", holdings)
        assert (summary["unknown_ids"], summary["without_probability"]) == (2, 1)
        rows = pd.read_csv(tmp_path / "scores.csv")
        assert with_probability(rows) == {KNOWN: True, NEW: True, OTHER: False}
        held = holdings.read_text().splitlines()[1].split(",")[1]
        assert held not in rows.loc[rows["customer_id"] == NEW, "product_id"].tolist()

    def test_the_lists_of_a_parquet_file(
        self, trained: Trained, recommender: Recommender, people: Path, tmp_path: Path
    ) -> None:
        rows = pd.read_csv(people, dtype={"customer_id": str})
        rows["held_products"] = [[], [recommender.products.ids[0]], None]
        rows.to_parquet(tmp_path / "people.parquet")
        score(trained, tmp_path / "people.parquet", tmp_path / "scores.csv")
        assert with_probability(pd.read_csv(tmp_path / "scores.csv")) == {KNOWN: True, NEW: True, OTHER: False}

    def test_people_are_told(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        command = ("score", "--models", trained.models, "--customers", people, "--out", tmp_path / "scores.csv")
        done = run_nextbest(*command, "--max-unknown-ids", "1")
        assert "2 of 3 customers are unknown to the export" in done.out
        assert "2 of them bring no holdings that the export knows: they get an order and no probability" in done.out

    def test_no_reasons_of_no_probability(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        score(trained, people, tmp_path / "scores.csv", "--top", "1", "--why")
        why = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False).set_index("customer_id")["why"]
        assert why[KNOWN] and not why[NEW] and not why[OTHER]


def test_recommend_prints_and_answers(trained: Trained, people: Path) -> None:
    command = ("recommend", "--models", trained.models, "--customer", people, "--top", "2")
    known, new, _ = json.loads(run_nextbest(*command, "--json").out)
    assert known["holdings_known"] and all(one["probability"] > 0 for one in known["products"])
    assert not new["holdings_known"] and [one["probability"] for one in new["products"]] == [None, None]
    expected = json.loads(makers_text(makers_of(Recommender.load(trained.models), 2, Filters())))
    for one in (known, new):
        assert one["makers"] == expected | {"rows": 2, "made_at": one["makers"]["made_at"]}
    printed = run_nextbest(*command).out
    assert printed.count("the export does not know this customer, nor what is held: an order, and no probability") == 2


def test_python(recommender: Recommender, people: Path, holdings: Path) -> None:
    table = nextbest.recommend(recommender, people, top=2)
    assert table["probability"].is_null().to_pylist() == [False, False, True, True, True, True]
    told = nextbest.recommend(recommender, people, top=2, holdings=holdings)
    assert told["probability"].is_null().to_pylist() == [False] * 4 + [True] * 2


def test_the_graph_answers_as_ever(recommender: Recommender, people: Path) -> None:
    """It sees no ids: an order and a probability, and the order is that of the files."""
    _, requests = requests_from_file(recommender, people)
    found = recommender.recommend(requests, 3)
    assert np.isfinite(found.probability).all()
    table = nextbest.recommend(recommender, people, top=3)
    assert table["product_id"].to_pylist() == found.product_id.ravel().tolist()


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(["p1", "p2", "gone", "P1"]), max_size=3))))
def test_who_it_is(customers: list[tuple[bool, list[str]]]) -> None:
    """By hand: not known, and none of p1 and p2 among what they bring."""

    def knows(ids: Array) -> Array:
        return np.array([one.startswith("known") for one in ids], bool)

    export: Any = SimpleNamespace(knows=knows, products=Table(np.array(["p1", "p2"], object), {}))
    ids = np.array([f"{'known' if known else 'new'}{number}" for number, (known, _) in enumerate(customers)], object)
    width = max((len(held) for _, held in customers), default=0)
    lists = np.full((len(customers), width), "", object)
    for row, (_, held) in enumerate(customers):
        lists[row, : len(held)] = held
    expected = [not known and not {"p1", "p2"} & {*held} for known, held in customers]
    assert of_unknown_holdings(export, ids, {"held_products": lists}).tolist() == expected
