"""The desk on paper: one page with what an adviser hands over, and nothing of the page around it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.ui.browser.screen import CUSTOMER, Screen, cells


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page about a customer, with the reasons."""
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    return screen


def num_pages(screen: Screen) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", screen.page.pdf(format="A4")))


def test_the_desk_is_one_page(screen: Screen) -> None:
    sheet = screen.at("#sheet")
    expect(sheet).not_to_be_visible()
    names = screen.at(".product-card h3").all_inner_texts()
    reasons = screen.at(".product-card .reasons li").all_inner_texts()
    facts = screen.at(".product-card .facts").all_inner_texts()
    assert num_pages(screen) == 1
    screen.page.emulate_media(media="print")
    expect(sheet).to_be_visible()
    shown = sheet.inner_text()
    assert [name.split(maxsplit=1)[1] for name in names] == re.findall(r"(?m)^\d\. (.+)$", shown)
    for text in (
        CUSTOMER,
        *reasons,
        *facts,
        "Already held",
        "Filters: none",
        "Model version 1",
        "Data as of 27 Sep 2024",
    ):
        assert text in shown
    assert re.search(r"Printed on \d{1,2} \w{3,4} \d{4}", shown)  # which the browser wrote when it printed
    for chrome in ("#title", "#side", "#controls", "#recommendations", "#excluded", "#print", "[role=tablist]"):
        expect(screen.at(chrome).first).not_to_be_visible()


def test_filters_are_on_the_page(screen: Screen) -> None:
    screen.choose_appetite("Cautious")
    expect(screen.at("#sheet")).to_contain_text("Filters: risk up to 1")
    expect(screen.at("#sheet")).to_contain_text("Riskier than wanted")


def test_the_button_prints(screen: Screen) -> None:
    screen.page.evaluate("window.print = () => { window.printed = true; }")
    screen.page.get_by_role("button", name="Print").press("Enter")
    screen.page.wait_for_function("window.printed")


def test_another_tab_is_printed_without_the_controls(screen: Screen) -> None:
    screen.look("profile")
    screen.page.emulate_media(media="print")
    expect(screen.at("#holdings table")).to_be_visible()
    expect(screen.at("#sheet")).not_to_be_visible()
    expect(screen.at("#controls")).not_to_be_visible()


def test_two_products_are_compared(screen: Screen) -> None:
    first, third = (screen.at(".product-card h3").nth(place).inner_text().split(maxsplit=1)[1] for place in (0, 2))
    chances = [screen.at(".product-card .chance").nth(place).inner_text() for place in (0, 2)]
    screen.look("why")
    screen.at("#why-other").get_by_role("combobox").click()
    screen.page.get_by_role("option", name=f"3. {third}").click()
    expect(screen.at("#why-view caption")).to_have_text(f"1. {first} beside 3. {third}")
    rows = {row[0]: row[1:] for row in cells(screen.at("#why-view table"))}
    assert rows["Chance"] == chances and rows["Reasons"][0]
    expect(screen.at("#why-view .sentence")).to_contain_text(f"{first} comes before {third}")
    screen.at("#why-other").get_by_role("combobox").click()
    screen.page.get_by_role("option", name="No other product").click()
    expect(screen.at("#why-view .waterfall")).to_be_visible()
