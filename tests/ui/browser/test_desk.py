"""From a customer to the products, and from a product to the reasons."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from nextbest.data.dataset import Features
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.recommender import Filters, Recommender
from nextbest.ui.page.product_cards import chance
from tests.ui.browser.screen import CUSTOMER, Screen, cells


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page about a customer."""
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card").first).to_be_visible()
    return screen


def recommended(recommender: Recommender, request: Features, top: int, filters: Filters | None = None) -> list[str]:
    found = recommender.recommend(request, top, filters)
    return [str(product) for product in found.product_id[0, : found.count[0]]]


def risk_of(recommender: Recommender) -> dict[str, float]:
    products = recommender.products
    return dict(zip(products.ids.tolist(), products.columns["risk_level"].tolist(), strict=True))


def choose_filter(screen: Screen, field: str, choice: str) -> None:
    """Choose something in one of the lists of filters."""
    screen.at(field).get_by_role("combobox").click()
    screen.page.get_by_role("option", name=choice).click()
    screen.page.keyboard.press("Escape")


def test_the_cards_are_what_the_models_recommend(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    found = recommender.recommend(request_of_customer, 5)
    names = dict(zip(recommender.products.ids, recommender.products.columns["name"], strict=True))
    cards = screen.at(".product-card")
    assert cards.count() == found.count[0] == 5
    for place, product in enumerate(found.product_id[0]):
        expect(cards.nth(place).locator("h3")).to_have_text(re.compile(rf"{place + 1}\s*{names[product]}"))
        expect(cards.nth(place).locator(".chance")).to_contain_text(chance(found.probability[0, place], 91))
    assert screen.recommended() == found.product_id[0].tolist()


def test_every_card_gets_its_reasons(screen: Screen, recommender: Recommender, request_of_customer: Features) -> None:
    found = recommender.recommend(request_of_customer, 5)
    reasons = ReasonExplainer(recommender).reasons(request_of_customer, found.product_id[0])
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    for place, why in enumerate(reasons):
        card = screen.at(".product-card").nth(place)
        expect(card.locator(".reasons li")).to_have_text(list(why.sentences))
        expect(card.locator(".chance")).to_contain_text(chance(found.probability[0, place], 91, why.base))


def test_another_customers_reasons_take_the_place_of_the_first_ones(screen: Screen) -> None:
    screen.choose("C000018")
    screen.choose("C000019")
    expect(screen.at(".cards")).to_have_attribute("data-of-customer", "C000019")
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    expect(screen.at(".cards")).to_have_attribute("data-of-customer", "C000019")


def test_the_desk_needs_no_scrolling(screen: Screen) -> None:
    """Five cards and who the customer is, at 1280 x 800; what is not offered is one line below."""
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    screen.settle()
    for part in ("#customer-card", ".product-card >> nth=4"):
        box = screen.at(part).bounding_box()
        assert box and box["y"] + box["height"] <= 800, (part, box)


def test_as_many_products_as_are_wanted(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("8")
    number.press("Enter")
    screen.expect_recommendations(recommended(recommender, request_of_customer, 8))
    screen.at("#top").get_by_role("slider").press("Home")
    screen.expect_recommendations(recommended(recommender, request_of_customer, 3))


INVESTOR = "C000019"
"""Who holds what funds and bonds build on, and accepts their risk."""


def test_cautious_means_no_product_above_the_limit(screen: Screen, recommender: Recommender) -> None:
    screen.choose(INVESTOR)
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("20")
    number.press("Enter")
    risk = risk_of(recommender)
    expect(screen.at("#recommendations [data-product]").nth(5)).to_be_visible()
    assert max(risk[product] for product in screen.recommended()) > 1
    screen.choose_appetite("Cautious")
    expect(screen.at("#excluded")).to_contain_text("riskier than wanted", ignore_case=True)
    expect(screen.at("#recommendations")).not_to_contain_text(re.compile("risk [2-5] of 5"))  # which may come later
    assert max(risk[product] for product in screen.recommended()) == 1


def test_no_appetite_above_the_customers_own_is_offered(screen: Screen, request_of_customer: Features) -> None:
    assert request_of_customer["risk_tolerance"][0] == 2
    expect(screen.at("#appetite input")).to_have_value("Customer's own (up to 2)")
    screen.at("#appetite").get_by_role("combobox").click()
    expect(screen.page.get_by_role("option")).to_have_text([re.compile("Customer's own"), re.compile("Cautious")])


def test_categories_and_products_are_filters(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    choose_filter(screen, "#categories", "Credit card")
    cards = recommended(recommender, request_of_customer, 5, Filters(categories=("credit_card",)))
    assert cards
    screen.expect_recommendations(cards)
    choose_filter(screen, "#exclude", f"({cards[0]})")
    screen.expect_recommendations(cards[1:])


def test_filters_that_leave_nothing_say_so(screen: Screen, recommender: Recommender) -> None:
    products = recommender.products
    funds = products.columns["category"] == "fund"
    assert funds.any() and min(products.columns["risk_level"][funds]) > 1
    screen.choose(INVESTOR)
    choose_filter(screen, "#categories", "Fund")
    expect(screen.at("#recommendations [data-product]").first).to_be_visible()
    screen.choose_appetite("Cautious")
    expect(screen.at("#recommendations .empty-state")).to_contain_text("No product is left")
    total = len(products.ids)
    summary = screen.at("#excluded > * summary").first
    expect(summary).to_contain_text(f"Not offered: {total} of {total} products")
    expect(summary).to_contain_text("kept out by your filters")
    screen.choose_appetite("Customer's own")
    screen.at("#categories").get_by_role("combobox").press("Backspace")
    expect(screen.at("#recommendations [data-product]")).to_have_count(5)


def test_excluded_products_have_a_reason(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    (reasons,) = recommender.exclusions(request_of_customer, Filters())
    summaries = screen.at("#excluded summary")
    summaries.first.click()
    expect(summaries.first).to_contain_text(f"Not offered: {np.sum(reasons != '')} of {len(reasons)} products")
    held = summaries.filter(has_text=re.compile("^Already held"))
    expect(held).to_have_text(f"Already held ({np.sum(reasons == 'already held')})")
    held.click()
    expect(held.locator("..")).to_contain_text(str(recommender.products.columns["name"][reasons == "already held"][0]))


def test_from_a_product_to_its_waterfall(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    found = recommender.recommend(request_of_customer, 5)
    name = screen.at(".product-card h3").nth(2).inner_text().removeprefix("3").strip()
    screen.at(".product-card .pick").nth(2).click()
    expect(screen.at("#why-product").get_by_role("combobox")).to_have_value(f"3. {name}")
    expect(screen.at("#why-view table")).to_contain_text("This customer")
    probability = f"{found.probability[0, 2]:.1%}"
    assert adds_up(screen, "#why-view table", "The average customer", "This customer", 0.1) == probability
    expect(screen.at("#why-view .sentence").first).to_contain_text(".")
    screen.page.get_by_role("radio", name="Features of the probability").check()
    charts = screen.at("#why-details table")
    expect(charts.first).to_contain_text(f"This score: {probability}")
    adds_up(screen, "#why-details table >> nth=0", "A typical score", "This score", 0.01)
    expect(charts.nth(1).locator("tbody tr")).to_have_count(15)
    before = cells(charts.nth(1))
    screen.page.get_by_role("radio", name="Features of the match").check()
    expect(charts.first).not_to_contain_text("This score:")  # which a probability follows
    shown = adds_up(screen, "#why-details table >> nth=0", "A typical score", "This score", 0.01)
    assert float(shown) == pytest.approx(float(found.similarity[0, 2]), abs=0.01)
    assert cells(charts.nth(1)) != before
    screen.page.get_by_role("radio", name="The reasons as shap draws them").check()
    expect(screen.at("#why-details img")).to_be_visible()


def adds_up(screen: Screen, table: str, first: str, last: str, digit: float) -> str:
    """Return the score as it is shown; the rows above it lead there, up to the rounding of each."""
    rows = cells(screen.at(table))
    numbers = [float(row[-1].replace("\N{MINUS SIGN}", "-").removesuffix("%")) for row in rows]
    assert rows[0][0].startswith(first) and rows[-1][0].startswith(last)
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.5 * digit * len(rows))
    assert len(rows) > 5
    return rows[-1][-1]


def test_another_product_is_explained(screen: Screen) -> None:
    first, second = (text.lstrip("12").strip() for text in screen.at(".product-card h3").all_inner_texts()[:2])
    screen.look("why")
    expect(screen.at("#why-view caption")).to_contain_text(f"1. {first}")
    screen.at("#why-product").get_by_role("combobox").click()
    screen.page.get_by_role("option", name=f"2. {second}").click()
    expect(screen.at("#why-view caption")).to_contain_text(f"2. {second}")
