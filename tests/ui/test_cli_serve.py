"""recommend, score and ui: the same answers by id and by file, for people and for machines."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nextbest.serving.scoring
from nextbest.data.errors import InputError
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.language import speak
from nextbest.serving.recommendation_files import RECOMMENDATION_COLUMNS, recommendation_table
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import requests_for_ids, requests_from_file, take
from nextbest.serving.scoring import score
from tests.commands import Outcome, run_nextbest
from tests.conftest import ROOT
from tests.trained import Trained
from tests.ui.tables import BAD_FILES, BadFile, known_customers


def recommend(models: Path, customer: str | Path, *more: str) -> Outcome:
    return run_nextbest("recommend", "--models", models, "--customer", customer, *more)


@pytest.fixture(scope="module")
def people(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of all customers as they were at the cutoff."""
    path = tmp_path_factory.mktemp("people") / "people.csv"
    known_customers(trained.config.parent).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def scored(trained: Trained, people: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What `score` writes for all customers."""
    out = tmp_path_factory.mktemp("scored") / "scored.csv"
    done = run_nextbest("score", "--models", trained.models, "--customers", people, "--out", out, "--top", "4")
    assert done.code == 0, done.err
    return pd.read_csv(out)


class TestRecommend:
    def test_by_id(self, trained: Trained, recommender: Recommender) -> None:
        (answer,) = json.loads(recommend(trained.models, "C000017", "--json").out)
        expected = recommender.recommend(requests_for_ids(recommender, np.array(["C000017"], object)), 5)
        assert answer["customer_id"] == "C000017"
        assert [shown["product_id"] for shown in answer["products"]] == expected.product_id[0].tolist()
        assert [shown["rank"] for shown in answer["products"]] == [1, 2, 3, 4, 5]
        shown = [shown["probability"] for shown in answer["products"]]
        np.testing.assert_allclose(shown, expected.probability[0], atol=1e-6)
        products = pd.read_csv(trained.config.parent / "products.csv").set_index("product_id")
        for product in answer["products"]:
            row = products.loc[product["product_id"]]
            assert product["name"] == product["product"]["name"] == row["name"]
            assert product["product"]["risk_level"] == row["risk_level"]

    def test_by_file_as_by_id(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        few = tmp_path / "few.csv"
        few.write_text("".join(people.read_text().splitlines(keepends=True)[:4]))
        first, *others = json.loads(recommend(trained.models, few, "--json").out)
        (alone,) = json.loads(recommend(trained.models, first["customer_id"], "--json").out)
        assert len(others) == 2
        assert alone["customer_id"] == first["customer_id"]
        for together, single in zip(first["products"], alone["products"], strict=True):
            for rounded in ("probability", "similarity"):  # to six digits; a batch may differ in the last one
                assert together.pop(rounded) == pytest.approx(single.pop(rounded), abs=2e-6)
            assert together == single

    def test_filters(self, trained: Trained) -> None:
        everything = json.loads(recommend(trained.models, "C000017", "--json", "--top", "40").out)[0]["products"]
        first = everything[0]["product_id"]
        category = everything[1]["product"]["category"]
        arguments = ("--max-risk", "2", "--category", category, "--category", "fund", "--exclude", first)
        (answer,) = json.loads(recommend(trained.models, "C000017", "--json", "--top", "40", *arguments).out)
        expected = {
            shown["product_id"]
            for shown in everything
            if shown["product"]["risk_level"] <= 2 and shown["product"]["category"] in (category, "fund")
        } - {first}
        assert {shown["product_id"] for shown in answer["products"]} == expected

    def test_explain_lists_every_product(self, trained: Trained, recommender: Recommender) -> None:
        (answer,) = json.loads(recommend(trained.models, "C000017", "--json", "--top", "40", "--explain").out)
        shown = {product["product_id"] for product in answer["products"]}
        assert shown and answer["excluded"]
        assert shown | answer["excluded"].keys() == set(recommender.products.ids)
        assert not shown & answer["excluded"].keys()
        assert ["already held"] in answer["excluded"].values()

    def test_for_people(self, trained: Trained) -> None:
        outcome = recommend(trained.models, "C000017", "--explain", "--top", "3")
        (answer,) = json.loads(recommend(trained.models, "C000017", "--json", "--top", "3").out)
        assert outcome.code == 0 and "C000017" in outcome.out
        for product in answer["products"]:
            assert product["product_id"] in outcome.out
        assert "already held: " in outcome.out

    def test_ids_are_no_markup(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        odd = tmp_path / "odd.csv"
        rows = pd.read_csv(people, dtype=str).head(1)
        rows.assign(customer_id="[/bold] :tada:").to_csv(odd, index=False)
        outcome = recommend(trained.models, odd)
        assert outcome.code == 0 and "[/bold] :tada:" in outcome.out

    def test_nothing_is_left(self, trained: Trained) -> None:
        outcome = recommend(trained.models, "C000017", "--json", "--max-risk", "0")
        (answer,) = json.loads(outcome.out)
        assert (outcome.code, answer["customer_id"], answer["products"]) == (0, "C000017", [])

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--customer", "C9"), ("no customer C9", "ids like C000001", "or give a file")),
            (("--customer", "C000017", "--category", "yachts"), ("no category 'yachts'", "savings_account")),
            (("--customer", "C000017", "--exclude", "P9", "--exclude", "P8"), ("no product 'P9'", "no product 'P8'")),
        ],
    )
    def test_what_is_not_known(self, trained: Trained, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
        refused = run_nextbest("recommend", "--models", trained.models, *arguments)
        assert (refused.code, refused.out) == (2, "")
        for text in says:
            assert text in refused.err

    def test_missing_models(self, tmp_path: Path) -> None:
        refused = recommend(tmp_path / "nowhere", "C000017")
        assert refused.code == 2
        assert str(tmp_path / "nowhere" / "recommender") in refused.err and "nextbest export" in refused.err


class TestScore:
    def test_all_customers_as_by_id(self, scored: pd.DataFrame, recommender: Recommender) -> None:
        # The file holds each customer's newest row at the cutoff, which is what the export's snapshot holds.
        customers = recommender.customers()
        found = recommender.recommend(customers.columns, 4)
        expected = [
            (customer, place + 1, found.product_id[row, place])
            for row, customer in enumerate(customers.ids)
            for place in range(found.count[row])
        ]
        assert list(scored[["customer_id", "rank", "product_id"]].itertuples(index=False, name=None)) == expected
        np.testing.assert_allclose(scored["probability"], found.probability[found.product_id != ""], rtol=1e-5)
        assert tuple(scored.columns) == RECOMMENDATION_COLUMNS

    def test_csv_equals_parquet_and_compressed_input(
        self, trained: Trained, people: Path, scored: pd.DataFrame, tmp_path: Path
    ) -> None:
        pd.read_csv(people).to_csv(tmp_path / "people.csv.gz", index=False)
        out = tmp_path / "scored.parquet"
        done = run_nextbest(
            "score",
            "--models",
            trained.models,
            "--customers",
            tmp_path / "people.csv.gz",
            "--out",
            out,
            "--top",
            "4",
            "--json",
        )
        summary = json.loads(done.out)
        assert (summary["customers"], summary["recommendations"], summary["out"]) == (400, len(scored), str(out))
        table = pd.read_parquet(out)
        assert list(table.columns) == list(scored.columns)
        for name, values in scored.items():
            if values.dtype.kind == "f":
                np.testing.assert_array_equal(table[name], values.astype(np.float32))
            else:
                assert table[name].tolist() == values.tolist()

    @pytest.mark.parametrize("ending", [".csv", ".parquet"])
    def test_chunks_do_not_matter(
        self, recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
    ) -> None:
        customers = recommender.customers()
        # The first chunks are left without any recommendation: every product asks for a tolerance of its risk.
        tolerance = np.where(np.arange(400) < 150, np.nan, customers.columns["risk_tolerance"])
        columns = customers.columns | {"risk_tolerance": tolerance.astype(np.float32)}
        for chunk in (70, 4096):
            monkeypatch.setattr(nextbest.serving.scoring, "SCORING_CHUNK", chunk)
            seen: list[int] = []
            written = score(recommender, customers.ids, columns, tmp_path / f"{chunk}{ending}", 3, advance=seen.append)
            assert sum(seen) == 400 and len(seen) == -(-400 // chunk)
        read = pd.read_csv if ending == ".csv" else pd.read_parquet
        few, many = (read(tmp_path / f"{chunk}{ending}") for chunk in (70, 4096))
        assert len(few) == written
        pd.testing.assert_frame_equal(few, many, rtol=1e-5, atol=1e-6)
        assert few["customer_id"].min() > customers.ids[149]

    @pytest.mark.parametrize("ending", [".csv", ".parquet"])
    def test_a_table_without_rows(self, recommender: Recommender, tmp_path: Path, ending: str) -> None:
        customers = recommender.customers()
        out = tmp_path / f"none{ending}"
        assert score(recommender, customers.ids, customers.columns, out, 3, Filters(max_risk=0)) == 0
        table = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
        assert tuple(table.columns) == RECOMMENDATION_COLUMNS and not len(table)

    @pytest.mark.parametrize("ending", [".csv", ".parquet"])
    def test_a_failure_leaves_no_file(
        self, recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
    ) -> None:
        monkeypatch.setattr(nextbest.serving.scoring, "SCORING_CHUNK", 100)
        customers = recommender.customers()
        out = tmp_path / f"scored{ending}"

        def fail(count: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            score(recommender, customers.ids, customers.columns, out, 3, advance=fail)
        assert not list(tmp_path.iterdir())
        out.write_text("an older file")
        with pytest.raises(KeyboardInterrupt):
            score(recommender, customers.ids, customers.columns, out, 3, advance=fail)
        assert [path.read_text() for path in tmp_path.iterdir()] == ["an older file"]

    def test_strangers_and_gaps_are_answered_as_missing(
        self, trained: Trained, recommender: Recommender, people: Path, tmp_path: Path
    ) -> None:
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(8)

        def file(name: str, **changed: Any) -> Path:
            rows.assign(**changed).to_csv(tmp_path / name, index=False)
            return tmp_path / name

        strange, out = file("strange.csv", region="Atlantis", credit_score="NaN"), tmp_path / "out.csv"
        arguments = ("score", "--models", trained.models, "--customers", strange, "--out", out, "--top", "3")
        refused = run_nextbest(*arguments)
        assert refused.code == 2 and "column 'region': 8 of 8 values are words that the models never saw" in refused.err
        assert not out.exists()
        done = run_nextbest(*arguments, "--max-unseen", "1")
        assert done.code == 0, done.err
        assert "region: 8 values that the models never saw (for example 'Atlantis'; they know" in done.out
        assert "credit_score: 8 missing" in done.out
        found = pd.read_csv(out)
        ids, request = requests_from_file(recommender, file("missing.csv", region="", credit_score=""))
        missing = recommendation_table(ids, recommender.recommend(request, 3)).to_pandas()
        assert found["product_id"].tolist() == missing["product_id"].tolist()
        np.testing.assert_allclose(found["probability"], missing["probability"], rtol=1e-5)

    def test_an_unknown_customer_holds_nothing(self, recommender: Recommender, people: Path, tmp_path: Path) -> None:
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(3)
        rows.assign(customer_id=["new", *rows["customer_id"][1:]]).to_csv(tmp_path / "people.csv", index=False)
        ids, request = requests_from_file(recommender, tmp_path / "people.csv")
        assert ids[0] == "new" and not any(request["held_products"][0])
        known = requests_for_ids(recommender, ids[1:])
        for name in (f"{one}_{part}" for one in recommender.history_lists for part in ("products", "days")):
            np.testing.assert_array_equal(request[name][1:], known[name])

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            (
                lambda rows: rows.assign(customer_id="K" + rows["customer_id"]),
                "8 of 8 customers are unknown to the export",
            ),
            (
                lambda rows: rows.assign(segment=rows["segment"].str.upper()),
                "column 'segment': 8 of 8 values are words",
            ),
        ],
    )
    def test_most_of_a_file_must_be_known(
        self, trained: Trained, people: Path, tmp_path: Path, spoil: Any, says: str
    ) -> None:
        file, out = tmp_path / "strange.csv", tmp_path / "out.csv"
        spoil(pd.read_csv(people, dtype=str, keep_default_na=False).head(8)).to_csv(file, index=False)
        refused = run_nextbest("score", "--models", trained.models, "--customers", file, "--out", out)
        assert (refused.code, says in refused.err) == (2, True)
        assert [path.name for path in tmp_path.iterdir()] == ["strange.csv"]

    def test_blanks_change_nothing(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(8)
        found = []
        for name, spoil in (("plain", str), ("padded", lambda value: f" {value}  ")):
            file, out = tmp_path / f"{name}.csv", tmp_path / f"{name}_out.csv"
            rows.map(spoil).to_csv(file, index=False)
            assert run_nextbest("score", "--models", trained.models, "--customers", file, "--out", out).code == 0
            found.append(out.read_text())
        assert found[0] == found[1]

    def test_bad_rows_are_left_out_and_written_down(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        lines = people.read_text().splitlines()
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(6)
        rows["income"] = ["a lot", *rows["income"][1:]]
        rows["joined"] = [rows["joined"][0], "2023-02-30", *rows["joined"][2:]]
        rows["customer_id"] = [*rows["customer_id"][:5], rows["customer_id"][4]]
        file, out, rejects = tmp_path / "people.csv", tmp_path / "out.csv", tmp_path / "rejects.csv"
        rows.to_csv(file, index=False)
        file.write_text(f"{file.read_text()}C000009,1,2\n")
        arguments = ("score", "--models", trained.models, "--customers", file, "--out", out, "--json")
        assert run_nextbest(*arguments).code == 2 and not out.exists()
        done = run_nextbest(*arguments, "--rejects", rejects)
        assert done.code == 0, done.err
        summary, found = json.loads(done.out), pd.read_csv(rejects)
        assert (summary["customers"], summary["rejected"]) == (3, 4)  # 7 rows in all
        assert found["number"].tolist() == [8, 2, 3, 7] and set(found["unit"]) == {"line"}
        assert found["reason"].str.contains("3 values|'a lot' is not a number|does not exist|stands on line 6").all()
        assert len(lines[0].split(",")) == len(rows.columns)

    def test_what_customers_hold_may_be_given(
        self, trained: Trained, recommender: Recommender, people: Path, tmp_path: Path
    ) -> None:
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(3)
        rows.to_csv(tmp_path / "people.csv", index=False)
        first, second, _ = rows["customer_id"]
        holdings = tmp_path / "holdings.csv"
        holdings.write_text(
            f"customer_id,product_id,since\n{second},P0001,2024-01-01\n{first},P0002,\n{first},P0003,2024-02-01\n"
            f"somebody,P0001,2024-01-01\n"
        )
        ids, request = requests_from_file(recommender, tmp_path / "people.csv", holdings)
        assert [list(filter(None, row)) for row in request["held_products"]] == [["P0002", "P0003"], ["P0001"], []]
        as_of = recommender.manifest["as_of_day"]
        assert request["held_days"][0].tolist() == [as_of, 19_754]  # 2024-02-01
        out = tmp_path / "out.csv"
        arguments = ("score", "--models", trained.models, "--customers", tmp_path / "people.csv", "--out", out)
        assert run_nextbest(*arguments, "--holdings", holdings, "--top", "40").code == 0
        table = pd.read_csv(out)
        assert "P0001" not in set(table[table["customer_id"] == second]["product_id"])
        expected = recommendation_table(ids, recommender.recommend(request, 40)).to_pandas()
        assert table["product_id"].tolist() == expected["product_id"].tolist()
        holdings.write_text("customer_id,product\nC1,P1\n")
        refused = run_nextbest(*arguments, "--holdings", holdings)
        assert refused.code == 2 and "column 'product_id': the column is missing" in refused.err

    def test_lists_in_the_customers_file_are_what_they_hold(
        self, recommender: Recommender, people: Path, tmp_path: Path
    ) -> None:
        rows = pd.read_csv(people).head(3)
        day = np.datetime64("2024-02-01").astype(int)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        lists = {"held_products": [["P0003", "P0002"], None, []], "held_days": [[day, day - 1], None, []]}
        for name, values in lists.items():
            table = table.append_column(name, pa.array(values))
        pq.write_table(table, tmp_path / "people.parquet")
        _, request = requests_from_file(recommender, tmp_path / "people.parquet")
        assert [list(filter(None, row)) for row in request["held_products"]] == [["P0003", "P0002"], [], []]
        assert request["held_days"][0].tolist() == [day, day - 1]
        dates = pa.array([[date(2024, 1, 1), date(2024, 2, 1)], None, []], pa.list_(pa.date32()))
        pq.write_table(table.drop("held_days").append_column("held_days", dates), tmp_path / "people.parquet")
        _, request = requests_from_file(recommender, tmp_path / "people.parquet")
        assert [list(filter(None, row)) for row in request["held_products"]] == [["P0002", "P0003"], [], []]
        pq.write_table(
            table.drop("held_days").append_column("held_days", pa.array([[1], None, []])), tmp_path / "p.parquet"
        )
        with pytest.raises(InputError, match="'held_days': a customer has another number of days"):
            requests_from_file(recommender, tmp_path / "p.parquet")

    def test_a_summary_lies_beside_the_scores(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        rows = pd.read_csv(people, dtype=str, keep_default_na=False).head(8)
        rows["customer_id"] = ["new", *rows["customer_id"][1:]]
        rows["income"] = ["1e9", "", *rows["income"][2:]]
        rows["region"] = ["Atlantis", *rows["region"][1:]]
        file, out = tmp_path / "people.csv", tmp_path / "out.parquet"
        rows.to_csv(file, index=False)
        done = run_nextbest("score", "--models", trained.models, "--customers", file, "--out", out, "--json")
        assert done.code == 0, done.err
        summary = json.loads((tmp_path / "out.parquet.summary.json").read_text())
        assert json.loads(done.out) == summary | {"out": str(out)}
        assert summary["recommendations"] == len(pd.read_parquet(out))
        assert (summary["customers"], summary["unknown_ids"], summary["unknown_id"]) == (8, 1, "new")
        columns = {column["column"]: column for column in summary["columns"]}
        assert (columns["income"]["missing"], columns["income"]["out_of_range"]) == (1, 1)
        assert (columns["region"]["unseen"], columns["region"]["example"]) == (1, "Atlantis")

    @pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
    def test_a_bad_file_is_refused(self, trained: Trained, people: Path, tmp_path: Path, bad: BadFile) -> None:
        file = tmp_path / "bad.csv"
        file.write_bytes(bad.spoil(people.read_bytes()))
        refused = run_nextbest("score", "--models", trained.models, "--customers", file, "--out", tmp_path / "out.csv")
        assert (refused.code, refused.out) == (2, "")
        for text in (str(file), *bad.says):
            assert text in refused.err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]

    def test_all_problems_of_a_file_at_once(self, trained: Trained, people: Path, tmp_path: Path) -> None:
        file, content = tmp_path / "bad.csv", people.read_bytes()
        wanted = [bad for bad in BAD_FILES if bad.name in ("a wrong type", "an impossible date", "a duplicate id")]
        for bad in wanted:
            content = bad.spoil(content)
        file.write_bytes(content)
        refused = run_nextbest("score", "--models", trained.models, "--customers", file, "--out", tmp_path / "out.csv")
        assert refused.code == 2
        for bad in wanted:
            assert bad.says[0] in refused.err

    @pytest.mark.parametrize(
        ("out", "says"),
        [
            ("scored.ods", "'.ods'"),
            ("scored", "''"),
            ("nowhere/scored.csv", "no such folder"),
            ("folder.csv", "is a folder"),
        ],
    )
    def test_an_output_that_cannot_be_written(
        self, trained: Trained, people: Path, tmp_path: Path, out: str, says: str
    ) -> None:
        (tmp_path / "folder.csv").mkdir()
        refused = run_nextbest("score", "--models", trained.models, "--customers", people, "--out", tmp_path / out)
        assert (refused.code, says in refused.err) == (2, True)
        assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]

    def test_missing_customers(self, trained: Trained, tmp_path: Path) -> None:
        refused = run_nextbest(
            "score", "--models", trained.models, "--customers", tmp_path / "no.csv", "--out", tmp_path / "o.csv"
        )
        assert refused.code == 2 and str(tmp_path / "no.csv") in refused.err
        assert not list(tmp_path.iterdir())


class TestWhy:
    def test_adds_up_and_is_that_of_the_api(self, trained: Trained, recommender: Recommender) -> None:
        (answer,) = json.loads(recommend(trained.models, "C000017", "--json", "--why", "--top", "2").out)
        request = requests_for_ids(recommender, np.array(["C000017"], object))
        ids = np.array([product["product_id"] for product in answer["products"]], object)
        for product, expected in zip(
            answer["products"], ReasonExplainer(recommender).reasons(request, ids), strict=True
        ):
            why = product["why"]
            assert (why["sentence"], tuple(why["sentences"])) == (expected.sentence, expected.sentences)
            total = 100 * why["base"] + sum(group["points"] for group in why["groups"])
            assert total == pytest.approx(100 * why["probability"], abs=1e-2)
            assert why["probability"] == pytest.approx(product["probability"], abs=1e-5)
            sizes = [abs(group["points"]) for group in why["groups"]]
            assert sizes == sorted(sizes, reverse=True)
        printed = " ".join(recommend(trained.models, "C000017", "--why", "--top", "2").out.split())  # lines are broken
        for product in answer["products"]:
            assert f"{product['rank']}. {product['product_id']}: {product['why']['sentence']}" in printed

    def test_a_scored_file_has_a_sentence_for_each(
        self, trained: Trained, recommender: Recommender, people: Path, tmp_path: Path
    ) -> None:
        few, out = tmp_path / "few.csv", tmp_path / "scored.csv"
        few.write_text("".join(people.read_text().splitlines(keepends=True)[:4]))
        arguments = ("score", "--models", trained.models, "--customers", few, "--out", out, "--top", "2")
        assert run_nextbest(*arguments, "--why").code == 0
        table = pd.read_csv(out)
        assert tuple(table.columns) == (*RECOMMENDATION_COLUMNS, "why")
        explainer = ReasonExplainer(recommender)
        for customer, product, sentence in table[["customer_id", "product_id", "why"]].itertuples(index=False):
            request = requests_for_ids(recommender, np.array([customer], object))
            (alone,) = explainer.reasons(request, np.array([product], object))
            assert sentence == alone.sentence

    def test_in_german(self, trained: Trained, recommender: Recommender, tmp_path: Path) -> None:
        few, out = tmp_path / "few.csv", tmp_path / "scored.csv"
        few.write_text("customer_id\nC000017\n")
        arguments = ("score", "--models", trained.models, "--customers", few, "--out", out, "--top", "2", "--why")
        (answer,) = json.loads(
            recommend(trained.models, "C000017", "--json", "--why", "--top", "2", "--language", "de").out
        )
        request = requests_for_ids(recommender, np.array(["C000017"], object))
        ids = np.array([product["product_id"] for product in answer["products"]], object)
        with speak("de"):
            expected = [one.sentence for one in ReasonExplainer(recommender).reasons(request, ids)]
        assert [product["why"]["sentence"] for product in answer["products"]] == expected
        assert all("Durchschnitt" in sentence for sentence in expected)
        refused = run_nextbest(*arguments, "--language", "xx")
        assert refused.code == 2 and "there are no words in 'xx'; give de or en" in refused.err

    def test_chunks_do_not_matter_nor_customers_without_recommendations(
        self, recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customers = recommender.customers()
        columns = take(customers.columns, slice(5))
        columns["income"] = np.where(np.arange(5) < 3, np.nan, columns["income"]).astype(np.float32)
        for chunk in (2, 16):
            monkeypatch.setattr(nextbest.serving.scoring, "EXPLAINED_CHUNK", chunk)
            out = tmp_path / f"{chunk}.parquet"
            written = score(recommender, customers.ids[:5], columns, out, 2, explainer=ReasonExplainer(recommender))
        few, many = (pd.read_parquet(tmp_path / f"{chunk}.parquet") for chunk in (2, 16))
        assert 0 < written == len(few)
        pd.testing.assert_frame_equal(few, many, rtol=1e-5, atol=1e-6)

    def test_an_export_without_reasons(
        self, trained: Trained, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out.csv"
        monkeypatch.setattr(Recommender, "has_signature", lambda recommender, name: False)
        refused = run_nextbest("score", "--models", trained.models, "--customers", people, "--out", out, "--why")
        assert (refused.code, refused.out) == (2, "")
        assert "without what --why needs; export it again, or leave --why out" in refused.err
        assert not out.exists()


class TestTheAddressOfThePage:
    """It is refused before anything is loaded: there are no models."""

    def refuse(self, *arguments: str | Path) -> str:
        refused = run_nextbest("ui", "--models", "nowhere", *arguments)
        assert (refused.code, refused.out) == (2, "")
        return refused.err

    def test_a_port_that_is_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as used:
            port = used.getsockname()[1]
            assert f"127.0.0.1:{port} cannot be listened on" in self.refuse("--port", str(port))

    def test_an_address_of_another_machine(self) -> None:
        message = self.refuse("--host", "192.0.2.1", "--port", "0")  # RFC 5737: for documentation
        assert "192.0.2.1:0 cannot be listened on" in message and "--host" in message

    def test_a_port_from_the_settings(self, tmp_path: Path) -> None:
        (tmp_path / "page.toml").write_text("port = 70000")
        assert "'port'" in self.refuse("--page", tmp_path / "page.toml")


@pytest.mark.slow
def test_a_stopped_page_leaves_no_uploads(trained: Trained, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nextbest.ui.cli", "ui", "--models", trained.models, "--port", "0"]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        assert any("the page is open" in line for line in page.stdout)
        assert len(list(tmp_path.glob("nextbest-page-*"))) == 1
        page.terminate()
        assert page.wait(timeout=60) == 0
    assert not list(tmp_path.glob("nextbest-page-*"))
