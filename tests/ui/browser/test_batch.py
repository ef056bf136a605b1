"""Scoring a file on the page is scoring a file, which is looked at first and can be cancelled."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Locator, expect

import nextbest.serving.scoring
import nextbest.ui.page.tabs.batch
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_from_file
from nextbest.serving.scoring import ScoredChunk, score_in_chunks
from nextbest.ui.page.batch_report import Scoring
from nextbest.ui.page.tabs.batch import score_file
from tests.sheets import read_excel
from tests.trained import Trained
from tests.ui.browser.screen import Screen, cells
from tests.ui.browser.test_accessibility import violations
from tests.ui.browser.test_keyboard import ask_for_files_here, go_to
from tests.ui.browser.test_reach import BEYOND
from tests.ui.tables import known_customers


@pytest.fixture
def people(trained: Trained, tmp_path: Path) -> Path:
    known_customers(trained.config.parent).head(5).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


@pytest.fixture
def bad(people: Path) -> Path:
    """Return a file with a row that cannot be read."""
    rows = pd.read_csv(people, dtype=str)
    rows.assign(income=["a lot", *rows["income"][1:]]).to_csv(people.with_name("bad.csv"), index=False)
    return people.with_name("bad.csv")


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page on the tab, without a customer."""
    screen.look("batch")
    return screen


class Held:
    """Scoring that waits after each two customers."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.is_over = threading.Event()
        self.scored = 0

    def chunks(self, *given: Any) -> Iterator[ScoredChunk]:
        for chunk in score_in_chunks(*given):
            self.scored += chunk.customers
            yield chunk
            assert self.go_on.wait(60)

    def file(self, *given: Any) -> Iterator[Scoring]:
        try:
            yield from score_file(*given)
        finally:
            self.is_over.set()  # when what was written is removed too


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held()
    monkeypatch.setattr(nextbest.serving.scoring, "SCORING_CHUNK", 2)
    monkeypatch.setattr(nextbest.ui.page.tabs.batch, "score_in_chunks", held.chunks)
    monkeypatch.setattr(nextbest.ui.page.tabs.batch, "score_file", held.file)
    return held


def report(screen: Screen) -> Locator:
    return screen.at("#batch-report")


def give(screen: Screen, people: Path) -> None:
    """Upload five customers, and wait for what was understood."""
    screen.upload("#batch-file", people)
    expect(screen.at("#batch-run")).to_have_text("Score 5 customers")


def download(screen: Screen, selector: str, path: Path) -> str:
    """Save what a button downloads, and return what it is called."""
    with screen.page.expect_download() as saved:
        screen.at(selector).click()
    saved.value.save_as(path)
    return saved.value.suggested_filename


def scored_files() -> set[Path]:
    """Return the files that the server has written."""
    return set(Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*recommendations*"))


@pytest.mark.parametrize(
    ("file_format", "ending", "read"),
    [("CSV", ".csv", pd.read_csv), ("Parquet", ".parquet", pd.read_parquet), ("Excel", ".xlsx", read_excel)],
)
def test_the_file_is_that_of_the_command(
    screen: Screen, people: Path, recommender: Recommender, file_format: str, ending: str, read: Any, tmp_path: Path
) -> None:
    give(screen, people)
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("3")
    number.press("Enter")
    expect(screen.at("#batch-asked")).to_contain_text("At most 3 products each.")
    screen.page.get_by_role("radio", name=file_format).check()
    screen.at("#batch-run").click()
    expect(report(screen).locator(".good")).to_contain_text("5 customers scored")
    assert download(screen, "#batch-download", tmp_path / "saved") == f"recommendations{ending}"
    expected = tmp_path / f"expected{ending}"
    nextbest.serving.scoring.score(recommender, *requests_from_file(recommender, people), expected, 3)
    table = read(expected)
    pd.testing.assert_frame_equal(read(tmp_path / "saved"), table)
    assert download(screen, "#batch-makers", tmp_path / "makers") == f"recommendations{ending}.makers.json"
    made = json.loads((tmp_path / "makers").read_text(encoding="utf-8"))
    assert (made["model_version"], made["k"], made["rows"]) == (1, 3, len(table))
    shown = cells(screen.at("#batch-rows table"))
    assert [row[:2] for row in shown] == [[row.customer_id, str(row.rank)] for row in table.itertuples()]


def test_it_is_told_what_was_understood_before_anything_is_scored(screen: Screen, people: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(people, dtype=str)
    rows["customer_id"] = ["new", *rows["customer_id"][1:]]
    rows.assign(hobby="chess").to_csv(people, index=False)
    before = scored_files()
    give(screen, people)
    for told in ("5 customers can be scored. Nothing is scored yet.", "1, for example 'new'", "hobby"):
        expect(report(screen)).to_contain_text(told)
    assert {"Income", "Joined"} <= {row[0] for row in cells(screen.at("#batch-rows table"))}
    assert scored_files() == before
    pd.DataFrame({"customer_id": rows["customer_id"][:1], "product_id": "P0001"}).to_csv(tmp_path / "held.csv")
    screen.upload("#batch-holdings", tmp_path / "held.csv")
    expect(report(screen)).to_contain_text("1 from the file of holdings")
    screen.at("#batch-file").get_by_role("button", name="Clear").click()
    expect(report(screen)).to_contain_text("No file is scored yet")


def test_it_shows_its_progress(screen: Screen, people: Path, held: Held) -> None:
    give(screen, people)
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("2 of 5 customers are scored.")
    expect(report(screen)).to_contain_text("customers per second. About")
    expect(report(screen).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "2")
    expect(screen.at("#batch-download")).not_to_be_visible()
    expect(screen.at("#batch-run")).to_be_disabled()
    held.go_on.set()
    expect(report(screen).locator(".good")).to_contain_text("5 customers scored")
    expect(screen.at("#batch-download")).to_be_visible()
    expect(screen.at("#batch-cancel")).not_to_be_visible()


def test_cancel_stops_the_work_and_leaves_nothing(screen: Screen, people: Path, held: Held) -> None:
    before = scored_files()
    give(screen, people)
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("2 of 5")
    screen.at("#batch-cancel").click()
    expect(report(screen)).to_contain_text("Cancelled. Nothing was written.")
    held.go_on.set()
    assert held.is_over.wait(60)
    assert held.scored == 4  # the chunk that was on its way, and not the last one
    assert scored_files() == before
    screen.settle()
    expect(report(screen)).to_contain_text("Cancelled.")
    screen.at("#batch-run").click()  # the file is still there
    expect(report(screen).locator(".good")).to_contain_text("5 customers scored")


def test_who_leaves_the_page_cancels(screen: Screen, people: Path, held: Held) -> None:
    before = scored_files()
    give(screen, people)
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("2 of 5")
    screen.page.reload()
    held.go_on.set()
    assert held.is_over.wait(60)
    assert held.scored < 5 and scored_files() == before


def test_another_file_cancels(screen: Screen, people: Path, bad: Path, held: Held) -> None:
    give(screen, people)
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("2 of 5")
    screen.upload("#batch-file", bad)
    expect(report(screen)).to_contain_text("bad.csv cannot be used")
    held.go_on.set()
    assert held.is_over.wait(60)
    assert held.scored == 4
    screen.settle()
    expect(report(screen)).to_contain_text("bad.csv cannot be used")


def test_a_bad_file_lists_what_is_wrong(screen: Screen, people: Path, bad: Path, tmp_path: Path) -> None:
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("Upload customers first.")
    pd.read_csv(bad, dtype=str).rename(columns={"age": "years"}).to_csv(bad, index=False)
    screen.upload("#batch-file", bad)
    expect(report(screen).get_by_role("alert")).to_have_text("bad.csv cannot be used: 2 problems.")
    assert [row[0] for row in cells(screen.at("#batch-rows table"))] == ["age", "income"]
    expect(screen.at("#batch-all-the-same")).not_to_be_visible()  # no column of a file can be left out
    assert download(screen, "#batch-problems", tmp_path / "problems.csv") == "problems.csv"
    assert pd.read_csv(tmp_path / "problems.csv")["column"].tolist() == ["age", "income"]
    screen.at("#batch-run").click()
    expect(report(screen).get_by_role("alert")).to_have_text("bad.csv cannot be used: 2 problems.")
    expect(screen.at("#batch-download")).not_to_be_visible()
    give(screen, people)
    expect(screen.at("#batch-problems")).not_to_be_visible()


def test_a_bad_row_can_be_left_out(screen: Screen, bad: Path, tmp_path: Path) -> None:
    screen.upload("#batch-file", bad)
    expect(report(screen).get_by_role("alert")).to_have_text("bad.csv cannot be used: 1 problem.")
    assert cells(screen.at("#batch-rows table"))[0][:4] == ["income", "'a lot' is not a number", "1", "line 2"]
    screen.page.get_by_label("Score all the same").check()
    expect(screen.at("#batch-run")).to_have_text("Score 4 customers")
    screen.at("#batch-run").click()
    expect(report(screen).locator(".good")).to_contain_text("4 customers scored")
    expect(screen.at("#batch-rows")).to_contain_text("1 row cannot be read and is left out.")
    download(screen, "#batch-problems", tmp_path / "problems.csv")
    assert pd.read_csv(tmp_path / "problems.csv")["row"].tolist() == [2]


def test_the_filters_stand_beside_the_result(screen: Screen, people: Path) -> None:
    screen.choose_appetite("Cautious")
    expect(screen.at("#batch-asked")).to_contain_text("Filters: risk up to 1.")
    give(screen, people)
    screen.at("#batch-run").click()
    expect(report(screen).locator(".good")).to_contain_text("Filters: risk up to 1.")


def test_by_the_keyboard_alone(screen: Screen, people: Path, held: Held) -> None:
    ask_for_files_here(screen)
    press = screen.page.keyboard.press
    for field, name, file in (("#batch-file", "Customers", people), ("#batch-holdings", "What they hold", None)):
        go_to(screen, f"{field} button")
        assert str(screen.at(f"{field} button:focus").get_attribute("aria-label")).startswith(name)
        if file is not None:
            with screen.page.expect_file_chooser() as chooser:
                press("Enter")
            chooser.value.set_files(file)
            expect(screen.at("#batch-run")).to_have_text("Score 5 customers")
    go_to(screen, "#batch-format input")
    press("ArrowRight")
    expect(screen.page.get_by_role("radio", name="Parquet")).to_be_checked()
    go_to(screen, "#batch-run")
    press("Enter")
    expect(report(screen)).to_contain_text("2 of 5")
    go_to(screen, "#batch-cancel")
    press("Enter")
    expect(report(screen)).to_contain_text("Cancelled.")
    held.go_on.set()
    screen.at("#batch-run").focus()
    press("Enter")
    expect(report(screen).locator(".good")).to_contain_text("5 customers scored")
    go_to(screen, "#batch-download")
    with screen.page.expect_download() as saved:
        press("Enter")
    assert saved.value.suggested_filename == "recommendations.parquet"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)], ids=lambda value: str(value))
def test_every_state_can_be_used_by_everybody(
    opened: Callable[..., Screen], address: str, people: Path, bad: Path, held: Held, scheme: str, width: int
) -> None:
    screen = opened(address, color_scheme=scheme, viewport={"width": width, "height": 844})
    screen.look("batch")
    assert screen.page.evaluate("document.documentElement.scrollHeight") <= 3 * 844  # when it opens

    def check() -> None:
        assert violations(screen, "#tab-batch") == []
        assert screen.page.evaluate(BEYOND, width) == []

    check()
    screen.upload("#batch-file", bad)
    expect(screen.at("#batch-all-the-same")).to_be_visible()
    check()
    give(screen, people)
    check()
    screen.at("#batch-run").click()
    expect(report(screen)).to_contain_text("2 of 5")
    check()
    screen.at("#batch-cancel").click()
    expect(report(screen)).to_contain_text("Cancelled.")
    held.go_on.set()
    check()
    screen.at("#batch-run").click()
    expect(screen.at("#batch-download")).to_be_visible()
    check()
