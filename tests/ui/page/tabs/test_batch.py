"""The batch's files: what is understood of them, and what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from nextbest.data.errors import EXAMPLES, InputError
from nextbest.serving.recommender import Filters
from nextbest.ui.page.batch_report import (
    Batch,
    first_customers,
    first_recommendations,
    left_out,
    progress,
    read_batch,
    understood,
)
from nextbest.ui.page.tabs.batch import score_file
from nextbest.ui.page.version_data import VersionData
from tests.sheets import read_excel
from tests.trained import Trained
from tests.ui.page.test_html import read
from tests.ui.tables import known_customers

MakeFile = Callable[..., Path]


@pytest.fixture
def people(trained: Trained) -> pd.DataFrame:
    return known_customers(trained.config.parent).head(5)


@pytest.fixture
def file(tmp_path: Path) -> MakeFile:
    """Return what writes a table into a file of customers."""

    def write(table: pd.DataFrame, name: str = "customers.csv") -> Path:
        table.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def facts(batch: Batch) -> dict[str, str]:
    """Return what is told of a file, by name."""
    texts = read(understood(batch)).text
    return {
        name: texts[texts.index(name) + 1] for name in ("Unknown to the export", "Columns not known", "Products held")
    }


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
def test_a_batch_is_shown_as_it_was_written(
    data: VersionData,
    people: pd.DataFrame,
    file: MakeFile,
    ending: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    *steps, done = score_file(data, read_batch(data, file(people)), 3, ending, Filters(), 4)
    assert [step.customers for step in steps] == [5] and done.file is not None
    table = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".xlsx": read_excel}[ending](done.file)
    assert (done.customers, done.recommendations, done.file.suffix) == (5, len(table), ending)
    assert done.file.is_relative_to(tmp_path / "uploads")
    shown = first_recommendations(data, done.first)
    assert shown.count('scope="row"') == 4 and str(table["customer_id"][0]) in shown


def test_who_stops_it_leaves_nothing(
    data: VersionData, people: pd.DataFrame, file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    steps = score_file(data, read_batch(data, file(people)), 3, ".csv", Filters())
    next(steps)
    steps.close()
    assert not list((tmp_path / "uploads").iterdir())


def test_what_was_understood(data: VersionData, people: pd.DataFrame, file: MakeFile) -> None:
    people = people.assign(customer_id=["new", *people["customer_id"][1:]], region="", notes="called", hobby="chess")
    batch = read_batch(data, file(people))
    told = facts(batch)
    assert told["Unknown to the export"] == "1, for example 'new'"
    assert told["Columns not known"] == "notes, hobby" and batch.columns.absent == ()
    assert "as the export knows them" in told["Products held"]
    rows = read(first_customers(data, batch)).text
    assert rows.index("Region") < rows.index("Age") and "5 missing" in rows  # what is strange comes first
    assert "new" in rows and people["customer_id"][people.index[1]] in rows


def test_holdings_come_along(data: VersionData, people: pd.DataFrame, file: MakeFile) -> None:
    first, second, *_ = people["customer_id"]
    rows = {"customer_id": [first, second, "other"], "product_id": ["P0001", "P9999", "P0002"]}
    batch = read_batch(data, file(people), file(pd.DataFrame(rows), "holdings.csv"))
    assert batch.requests["held_products"][0].tolist() == ["P0001"]
    assert facts(batch)["Products held"] == "2 from the file of holdings"
    assert "1 of 2 holdings are of products that the export does not know" in understood(batch)


def test_lists_of_holdings_in_the_file(data: VersionData, people: pd.DataFrame, tmp_path: Path) -> None:
    people.assign(held_products=[["P0001", "P0002"], ["P0003"], [], [], []]).to_parquet(tmp_path / "customers.parquet")
    assert facts(read_batch(data, tmp_path / "customers.parquet"))["Products held"] == "3 from the file's lists"


def test_strangers_are_refused_unless_they_are_meant(data: VersionData, people: pd.DataFrame, file: MakeFile) -> None:
    path = file(people.assign(customer_id=[f"X{row}" for row in range(5)], region="Atlantis"))
    with pytest.raises(InputError, match="5 of 5 customers are unknown to the export, which has ids like 'C000001'"):
        read_batch(data, path)
    assert read_batch(data, path, all_the_same=True).report.unknown_ids == 5


def test_bad_rows_are_all_named_and_left_out_where_that_is_wanted(
    data: VersionData, trained: Trained, file: MakeFile
) -> None:
    people = known_customers(trained.config.parent).head(50)
    people["income"] = ["a lot"] * 40 + people["income"].tolist()[40:]
    path = file(people)
    with pytest.raises(InputError) as refused:
        read_batch(data, path)
    assert [problem.row for problem in refused.value.problems] == list(range(2, 42))  # more than the usual examples
    assert EXAMPLES < 40
    batch = read_batch(data, path, all_the_same=True)
    assert (len(batch.ids), len(batch.left_out)) == (10, 40)
    told = read(left_out(batch)).text
    assert "40 rows cannot be read and are left out." in told and "income" in told and "40" in told
    with pytest.raises(InputError, match="'a lot' is not a number"):  # none is left
        read_batch(data, file(people.head(40)), all_the_same=True)


def test_ids_that_a_spreadsheet_would_compute_are_told(data: VersionData, people: pd.DataFrame, file: MakeFile) -> None:
    path = file(people.assign(customer_id=["=1+1", "@SUM(1)", *people["customer_id"][2:]]))
    assert "2 ids begin with = + - @" in understood(read_batch(data, path))


def test_progress_says_how_fast_and_how_long() -> None:
    told = " ".join(read(progress(600, 3000, 2.0)).text)
    assert told == "600 of 3,000 customers are scored. 300 customers per second. About 8 seconds left."
    assert 'aria-valuenow="600"' in progress(600, 3000, 2.0) and "left" not in progress(0, 3000, 0.0)
    assert "About 10 minutes left" in progress(5, 3005, 1.0)


def test_the_filters_hold_for_every_customer(
    data: VersionData, trained: Trained, file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    batch = read_batch(data, file(known_customers(trained.config.parent).head(20)))
    cautious = Filters(max_risk=1, categories=("savings_account", "digital_service"))
    *_, done = score_file(data, batch, 3, ".csv", cautious)
    assert done.file is not None
    found = pd.read_csv(done.file)
    assert len(found) == done.recommendations > 0
    products = data.recommender.products.columns
    positions = [data.product_rows[product] for product in found["product_id"]]
    assert set(products["risk_level"][positions]) == {1.0}
    assert set(products["category"][positions]) <= {"savings_account", "digital_service"}
