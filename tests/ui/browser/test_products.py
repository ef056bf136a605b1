"""From a customer to the products, and from a product to the reasons."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from nextbest.data.dataset import Features
from nextbest.serving.recommender import Filters, Recommender
from tests.ui.browser.screen import CUSTOMER, Screen, cells


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page about a customer."""
    screen.choose(CUSTOMER)
    expect(screen.at("#recommendations table")).to_be_visible()
    return screen


def recommended(recommender: Recommender, request: Features, top: int, filters: Filters | None = None) -> list[str]:
    found = recommender.recommend(request, top, filters)
    return [str(product) for product in found.product_id[0, : found.count[0]]]


def risk_of(recommender: Recommender) -> dict[str, float]:
    products = recommender.products
    return dict(zip(products.ids.tolist(), products.columns["risk_level"].tolist(), strict=True))


def choose_filter(screen: Screen, field: str, choice: str) -> None:
    """Choose something in one of the controls that unfold."""
    if not screen.at(field).is_visible():
        screen.page.get_by_role("button", name="Categories and exclusions").click()
    screen.at(field).get_by_role("combobox").click()
    screen.page.get_by_role("option", name=choice).click()
    screen.page.keyboard.press("Escape")


def test_the_table_is_what_the_models_recommend(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    found = recommender.recommend(request_of_customer, 5)
    rows = cells(screen.at("#recommendations table"))
    assert len(rows) == found.count[0] == 5
    for place, (product, probability, similarity, before, *_) in enumerate(rows):
        assert product.startswith(f"{place + 1}\n")
        assert probability == f"{found.probability[0, place]:.1%}"
        assert similarity == f"{found.similarity[0, place]:.2f}"
        assert before.split()[0] == str(found.retrieval_rank[0, place])
    assert screen.recommended() == found.product_id[0].tolist()


def test_as_many_products_as_are_wanted(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("8")
    number.press("Enter")
    screen.expect_recommendations(recommended(recommender, request_of_customer, 8))
    screen.at("#top").get_by_role("slider").press("Home")
    screen.expect_recommendations(recommended(recommender, request_of_customer, 1))


def test_cautious_means_no_product_above_the_limit(screen: Screen, recommender: Recommender) -> None:
    number = screen.at("#top").get_by_role("spinbutton")
    number.fill("20")
    number.press("Enter")
    risk = risk_of(recommender)
    expect(screen.at("#recommendations [data-product]").nth(5)).to_be_visible()
    assert max(risk[product] for product in screen.recommended()) > 1
    cautious = screen.page.get_by_role("radio", name="Cautious")
    cautious.check()
    expect(screen.at("#excluded")).to_contain_text("riskier than wanted", ignore_case=True)
    assert max(risk[product] for product in screen.recommended()) == 1


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
    choose_filter(screen, "#categories", "Fund")
    screen.page.get_by_role("radio", name="Cautious").check()
    expect(screen.at("#recommendations .empty-state")).to_contain_text("No product is left")
    expect(screen.at("#why-button")).not_to_be_visible()
    total = len(products.ids)
    expect(screen.at("#excluded > * summary").first).to_have_text(f"{total} of {total} products are not shown")
    screen.page.get_by_role("radio", name="Risk-tolerant").check()
    screen.at("#categories").get_by_role("combobox").press("Backspace")
    expect(screen.at("#recommendations [data-product]")).to_have_count(5)


def test_excluded_products_have_a_reason(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    (reasons,) = recommender.exclusions(request_of_customer, Filters())
    summaries = screen.at("#excluded summary")
    summaries.first.click()
    expect(summaries.first).to_have_text(f"{np.sum(reasons != '')} of {len(reasons)} products are not shown")
    held = summaries.filter(has_text=re.compile("held", re.I))
    expect(held).to_have_text(f"Already held ({np.sum(reasons == 'already held')})")
    held.click()
    expect(held.locator("..")).to_contain_text(str(recommender.products.columns["name"][reasons == "already held"][0]))


def test_from_a_product_to_its_waterfall(screen: Screen) -> None:
    third = screen.at("#recommendations [data-product]").nth(2)
    name, product = third.inner_text(), str(third.get_attribute("data-product"))
    probability, similarity = cells(screen.at("#recommendations table"))[2][1:3]
    third.click()
    expect(third).to_have_attribute("aria-pressed", "true")
    expect(screen.at("#recommendations [aria-pressed=true]")).to_have_count(1)
    expect(screen.at("#details h3")).to_have_text(name)
    expect(screen.at("#details")).to_contain_text(product)
    screen.at("#why-button").click()
    expect(screen.at("#why-product").get_by_role("combobox")).to_have_value(f"3. {name}")
    expect(screen.at("#why-view table")).to_contain_text("This score")
    assert adds_up(screen, f"This score: {probability}") < 0.1
    beeswarm = screen.at("#importance table")
    expect(beeswarm.locator("tbody tr")).to_have_count(15)
    before = cells(beeswarm)
    screen.page.get_by_role("radio", name="Similarity (first stage)").check()
    expect(screen.at("#why-view table")).not_to_contain_text("This score:")  # which a probability follows
    assert adds_up(screen, "This score") == pytest.approx(float(similarity), abs=0.01)
    assert cells(beeswarm) != before


def adds_up(screen: Screen, last: str) -> float:
    """Return the score, as shown; the rows above it lead there, up to the rounding of each."""
    rows = cells(screen.at("#why-view table"))
    numbers = [float(row[-1].replace("\N{MINUS SIGN}", "-")) for row in rows]
    assert rows[0][0].startswith("A typical score") and rows[-1][0] == last
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.005 * len(rows))
    assert len(rows) > 5
    return numbers[-1]


def test_another_product_is_explained(screen: Screen) -> None:
    first, second = screen.at("#recommendations .pick").all_inner_texts()[:2]
    screen.look("why")
    expect(screen.at("#why-view caption")).to_contain_text(f"1. {first}")
    screen.at("#why-product").get_by_role("combobox").click()
    screen.page.get_by_role("option", name=f"2. {second}").click()
    expect(screen.at("#why-view caption")).to_contain_text(f"2. {second}")
    screen.look("products")
    expect(screen.at("#recommendations [aria-pressed=true]")).to_have_text(second)
