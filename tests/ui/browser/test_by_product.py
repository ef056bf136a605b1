"""From a product to the customers whom it suits, to their reasons and to the desk."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from playwright.sync_api import expect

from nextbest.serving.insights.audience import Audiences
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from tests.ui.browser.screen import Screen, cells
from tests.ui.browser.test_accessibility import violations

PRODUCT = "P0003"


def choose_product(screen: Screen, product: str) -> None:
    """Choose a product by the keyboard."""
    screen.look("by-product")
    field = screen.at("#by-product-choice").get_by_role("combobox")
    field.press("ArrowDown")
    expect(screen.page.get_by_role("option")).to_have_count(40)
    field.press_sequentially(product)
    expect(screen.page.get_by_role("option")).to_have_count(1)
    field.press("Enter")


def test_whom_a_product_suits(screen: Screen, recommender: Recommender) -> None:
    """No customer needs to be chosen; the list comes, then the reasons of the first three, then those of all."""
    choose_product(screen, PRODUCT)
    found = Audiences(recommender).of(PRODUCT)
    rows = screen.at("#people tbody tr")
    expect(rows).to_have_count(8)
    assert [row[0].split("\n")[0] for row in cells(screen.at("#people table"))] == [
        one.id for one in found.likeliest[:8]
    ]
    expect(screen.at("#people .reasons")).to_have_count(3)
    first = requests_for_ids(recommender, np.array([found.likeliest[0].id], object))
    (why,) = ReasonExplainer(recommender).reasons(first, np.array([PRODUCT], object))
    expect(rows.first.locator("li")).to_have_text(list(why.sentences))
    assert violations(screen, "#tab-by-product") == []
    screen.page.get_by_role("button", name="Give the reasons of all").click()
    expect(screen.at("#people .reasons")).to_have_count(8)
    expect(screen.at("#people-reasons")).not_to_be_visible()


def test_from_a_customer_of_the_list_to_the_desk(screen: Screen) -> None:
    choose_product(screen, PRODUCT)
    button = screen.at("#people .pick").nth(1)
    customer = button.inner_text()
    button.press("Enter")
    expect(screen.at(".cards")).to_have_attribute("data-of-customer", customer)
    expect(screen.at(".cards")).to_be_visible()
    expect(screen.card.get_by_role("heading")).to_have_text(customer)
    expect(screen.at(".product-card .reasons ul").first).to_be_visible()


def test_filters_hold_for_the_product(screen: Screen) -> None:
    choose_product(screen, PRODUCT)
    expect(screen.at("#people tbody tr")).to_have_count(8)
    screen.at("#exclude").get_by_role("combobox").click()
    screen.page.get_by_role("option", name=f"({PRODUCT})").click()
    expect(screen.at("#people .alert")).to_contain_text("Your filters keep this product out")


def test_it_is_short_on_a_narrow_screen(opened: Callable[..., Screen], address: str) -> None:
    screen = opened(address, viewport={"width": 390, "height": 844})
    choose_product(screen, PRODUCT)
    expect(screen.at("#people .reasons")).to_have_count(3)
    assert screen.page.evaluate("document.documentElement.scrollHeight") <= 3 * 844
    assert not re.search("NaN|None", screen.at("#people").inner_text())
