"""Scoring a file on the page is scoring a file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import expect

import nextbest.serving.scoring
import nextbest.ui.page.tabs.batch
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_from_file
from tests.trained import Trained
from tests.ui.browser.screen import Screen, cells
from tests.ui.tables import known_customers


@pytest.fixture
def people(trained: Trained, tmp_path: Path) -> Path:
    known_customers(trained.config.parent).head(5).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page on the tab, without a customer."""
    screen.look("batch")
    return screen


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what scoring waits for after each two customers."""
    go_on = threading.Event()
    score = nextbest.serving.scoring.score

    def held(*given: Any) -> int:
        *others, advance = given

        def count(customers: int) -> None:
            advance(customers)
            assert go_on.wait(60)

        return score(*others, count)

    monkeypatch.setattr(nextbest.serving.scoring, "SCORING_CHUNK", 2)
    monkeypatch.setattr(nextbest.ui.page.tabs.batch, "score", held)
    return go_on


@pytest.mark.parametrize(("file_format", "read"), [("CSV", pd.read_csv), ("Parquet", pd.read_parquet)])
def test_the_file_is_that_of_the_command(
    screen: Screen, people: Path, recommender: Recommender, file_format: str, read: Any, tmp_path: Path
) -> None:
    screen.upload("#batch-file", people)
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("3")
    number.press("Enter")
    screen.page.get_by_role("radio", name=file_format).check()
    screen.at("#batch-run").click()
    expect(screen.at("#batch-report .good")).to_contain_text("5 customers scored")
    with screen.page.expect_download() as saved:
        screen.at("#batch-download").click()
    assert saved.value.suggested_filename == f"recommendations.{file_format.lower()}"
    saved.value.save_as(tmp_path / "saved")
    expected = tmp_path / f"expected.{file_format.lower()}"
    nextbest.serving.scoring.score(recommender, *requests_from_file(recommender, people), expected, 3)
    table = read(expected)
    pd.testing.assert_frame_equal(read(tmp_path / "saved"), table)
    shown = cells(screen.at("#batch-report table"))
    assert [row[:2] for row in shown] == [[row.customer_id, str(row.rank)] for row in table.itertuples()]


def test_it_shows_its_progress(screen: Screen, people: Path, go_on: threading.Event) -> None:
    screen.upload("#batch-file", people)
    screen.at("#batch-run").click()
    expect(screen.at("#batch-report")).to_contain_text("2/5")
    expect(screen.at("#batch-download")).not_to_be_visible()
    go_on.set()
    expect(screen.at("#batch-report .good")).to_contain_text("5 customers scored")
    expect(screen.at("#batch-download")).to_be_visible()


def test_a_bad_file_lists_what_is_wrong(screen: Screen, people: Path, tmp_path: Path) -> None:
    screen.at("#batch-run").click()
    expect(screen.at("#batch-report")).to_contain_text("Upload customers first.")
    rows = pd.read_csv(people, dtype=str)
    bad = tmp_path / "bad.csv"
    rows.assign(income=["a lot", *rows["income"][1:]]).rename(columns={"age": "years"}).to_csv(bad, index=False)
    screen.upload("#batch-file", bad)
    screen.at("#batch-run").click()
    expect(screen.at("#batch-report").get_by_role("alert")).to_have_text("This file cannot be used: 2 problems.")
    assert [row[0] for row in cells(screen.at("#batch-report table"))] == ["age", "income"]
    expect(screen.at("#batch-download")).not_to_be_visible()
    screen.upload("#batch-file", people)
    screen.at("#batch-run").click()
    expect(screen.at("#batch-report .good")).to_contain_text("5 customers scored")
