"""Choosing a customer: by a search, or from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from nextbest.serving.recommender import Recommender
from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, Screen, cells
from tests.ui.tables import known_customers


@pytest.fixture
def people(trained: Trained) -> pd.DataFrame:
    return known_customers(trained.config.parent).head(3)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def saved(rows: pd.DataFrame) -> Path:
        rows.to_csv(tmp_path / "people.csv", index=False)
        return tmp_path / "people.csv"

    return saved


def test_a_part_of_an_id_finds_customers(screen: Screen) -> None:
    expect(screen.at("#customer-card")).to_contain_text("No customer is chosen")
    screen.search.fill("99")
    options = screen.page.get_by_role("option")
    expect(options).to_have_text(["C000099", "C000199", "C000299", "C000399"])
    options.nth(2).click()
    expect(screen.card.get_by_role("heading")).to_have_text("C000299")
    expect(options).to_have_count(0)
    expect(screen.at(".product-card >> nth=0")).to_be_visible()


def test_an_unknown_id_is_an_error_and_forgotten(screen: Screen, recommender: Recommender) -> None:
    screen.choose(CUSTOMER)
    screen.search.fill("no-one")
    expect(screen.at("#customer-list")).to_have_text("No customer is like this")
    screen.search.press("Enter")
    expect(screen.card.get_by_role("alert")).to_contain_text("there is no customer 'no-one'")
    expect(screen.card).to_contain_text(f"the {len(recommender.customers().ids)} customers")
    expect(screen.at("#samples button")).to_have_count(6)
    screen.choose("C000018")
    expect(screen.at(".product-card >> nth=0")).to_be_visible()


def test_an_attribute_finds_customers(screen: Screen, recommender: Recommender) -> None:
    segment = str(recommender.customers().columns["segment"][0])
    screen.search.fill(segment.replace("_", " "))
    screen.page.get_by_role("option").first.click()
    expect(screen.card).to_contain_text(segment.replace("_", " "))


def test_a_sample_is_two_clicks_from_its_products(screen: Screen) -> None:
    sample = screen.at("#samples button").nth(3)
    customer = str(sample.get_attribute("data-customer"))
    sample.click()
    expect(screen.card.get_by_role("heading")).to_have_text(customer)
    expect(screen.at(".product-card")).to_have_count(5)
    expect(screen.at("#samples button")).to_have_count(0)


def test_the_address_keeps_the_customer(screen: Screen, opened: Callable[..., Screen]) -> None:
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card")).to_have_count(5)
    screen.page.wait_for_url(f"**/?customer={CUSTOMER}&top=5")
    screen.page.reload()
    expect(screen.card.get_by_role("heading")).to_have_text(CUSTOMER)
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("8")
    number.press("Enter")
    screen.page.wait_for_url(f"**/?customer={CUSTOMER}&top=8")
    screen.choose("C000018")
    screen.page.wait_for_url("**/?customer=C000018&top=8")
    screen.page.go_back()
    expect(screen.card.get_by_role("heading")).to_have_text(CUSTOMER)
    expect(screen.at(".product-card")).to_have_count(8)


def test_a_profile_of_one_row(screen: Screen, people: pd.DataFrame, save: Callable[..., Path]) -> None:
    stranger = people.head(1).assign(customer_id="<b>stranger</b>")
    screen.upload("#profile-file", save(stranger))
    expect(screen.at("#upload-report")).to_contain_text("1 customer read. 1 not known before")
    expect(screen.card.get_by_role("heading")).to_have_text("<b>stranger</b>")
    expect(screen.card.locator(".chip")).to_have_text("uploaded")
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    expect(screen.at("#profile-row")).not_to_be_visible()


def test_of_many_rows_one_is_looked_at(screen: Screen, people: pd.DataFrame, save: Callable[..., Path]) -> None:
    screen.upload("#profile-file", save(people))
    first, _, third = people["customer_id"]
    expect(screen.at("#upload-report")).to_contain_text("3 customers read. What they hold is known.")
    expect(screen.card.get_by_role("heading")).to_have_text(first)
    screen.at("#profile-row").get_by_role("combobox").click()
    screen.page.get_by_role("option", name=third).click()
    expect(screen.card.get_by_role("heading")).to_have_text(third)
    expect(screen.at(".product-card >> nth=0")).to_be_visible()


def test_the_template_can_be_uploaded(screen: Screen, tmp_path: Path) -> None:
    screen.page.get_by_role("button", name="Upload a profile").click()
    with screen.page.expect_download() as saved:
        screen.at("#template a").click()
    assert saved.value.suggested_filename == "customers.csv"
    saved.value.save_as(tmp_path / "customers.csv")
    screen.upload("#profile-file", tmp_path / "customers.csv")
    expect(screen.at("#upload-report .good")).to_contain_text("1 customer read")
    expect(screen.at(".product-card >> nth=0")).to_be_visible()


def test_a_bad_profile_lists_what_is_wrong(screen: Screen, people: pd.DataFrame, save: Callable[..., Path]) -> None:
    (_, other, _), income, joined = people["customer_id"], people["income"], people["joined"]
    bad = people.assign(income=["a lot", *income[1:]], joined=[*joined[:2], "2023-02-30"])
    screen.upload("#profile-file", save(bad))
    report = screen.at("#upload-problems")
    expect(report.get_by_role("alert")).to_have_text("This file cannot be used: 2 problems.")
    found = {(where, column): what for column, what, _, where, remedy in cells(report.locator("table")) if remedy}
    assert found.keys() == {("line 2", "income"), ("line 4", "joined")}
    assert "'a lot' is not a number" in found["line 2", "income"]
    assert "'2023-02-30' does not exist" in found["line 4", "joined"]
    box = report.bounding_box()
    assert box and box["width"] > 800
    screen.choose(other)  # the page goes on
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    screen.upload("#profile-file", save(people))
    expect(screen.at("#upload-report .good")).to_contain_text("3 customers read")


def test_a_taken_back_profile_leaves_no_report(screen: Screen, people: pd.DataFrame, save: Callable[..., Path]) -> None:
    screen.upload("#profile-file", save(people))
    expect(screen.at("#profile-row")).to_be_visible()
    screen.at("#profile-file").get_by_role("button", name="Clear").click()
    expect(screen.at("#upload-report")).to_have_text("")
    expect(screen.at("#profile-row")).not_to_be_visible()
    expect(screen.card.get_by_role("heading")).to_have_text(people["customer_id"].iloc[0])
