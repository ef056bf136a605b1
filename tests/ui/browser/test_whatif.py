"""What would change if a customer were otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from nextbest.data.dataset import Features
from nextbest.serving.recommender import Recommender
from tests.ui.browser.screen import CUSTOMER, Screen, cells

CHANGES = {"income": "88000", "savings": "150000"}


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page with the form of a customer."""
    screen.choose(CUSTOMER)
    screen.look("whatif")
    return screen


def field(screen: Screen, name: str) -> Locator:
    return screen.at(f"#field-{name} input, #field-{name} textarea")


def changed(request: Features) -> Features:
    """Return the request with the changes."""
    return request | {name: np.array([value], np.float32) for name, value in CHANGES.items()}


def change(screen: Screen) -> None:
    for name, value in CHANGES.items():
        field(screen, name).fill(value)


def expected(recommender: Recommender, request: Features) -> list[list[str]]:
    """Return rank with name, and probability, of the answer."""
    found = recommender.recommend(request, 5)
    names = dict(zip(recommender.products.ids, recommender.products.columns["name"], strict=True))
    answer = zip(found.product_id[0], found.probability[0], strict=True)
    return [[f"{rank}\n{names[product]}", f"{share:.1%}"] for rank, (product, share) in enumerate(answer, start=1)]


def test_both_answers_stand_side_by_side(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    expect(field(screen, "income")).to_have_value(f"{request_of_customer['income'][0]:.0f}")
    change(screen)
    screen.at("#compare").click()
    expect(screen.at("#comparison .chip")).to_contain_text(["Income: 23,700 EUR/year", "Savings: "])
    before, after = (cells(table) for table in screen.at("#comparison .halves table").all())
    assert [row[:2] for row in before] == expected(recommender, request_of_customer)
    assert [row[:2] for row in after] == expected(recommender, changed(request_of_customer))
    left, right = (table.bounding_box() for table in screen.at("#comparison .halves table").all())
    assert left and right and left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    expect(screen.at("#comparison summary").first).to_contain_text("now suitable")
    expect(screen.card.locator(".chip")).to_have_count(0)  # only looked at


def test_changes_are_kept_and_taken_back(
    screen: Screen, recommender: Recommender, request_of_customer: Features
) -> None:
    before, after = (
        recommender.recommend(request, 5).product_id[0].tolist()
        for request in (request_of_customer, changed(request_of_customer))
    )
    assert before != after
    change(screen)
    screen.at("#keep").click()
    expect(screen.card.locator(".chip")).to_have_text("changed: income, savings")
    expect(screen.card).to_contain_text("88,000 EUR/year")
    screen.look("desk")
    screen.expect_recommendations(after)
    screen.look("whatif")
    expect(field(screen, "savings")).to_have_value("150000")
    screen.at("#reset").click()
    expect(screen.card.locator(".chip")).to_have_count(0)
    expect(field(screen, "savings")).to_have_value(f"{request_of_customer['savings'][0]:.0f}")
    screen.look("desk")
    screen.expect_recommendations(before)


def test_what_cannot_be_read_is_an_error(screen: Screen) -> None:
    screen.at("#compare").click()
    expect(screen.at("#comparison")).to_contain_text("Nothing was changed.")
    field(screen, "income").fill("-5")
    screen.at("#compare").click()
    expect(screen.at("#comparison").get_by_role("alert")).to_contain_text(
        "Income: -5 EUR/year makes no sense; give 0 EUR/year or more"
    )
    field(screen, "income").fill("")
    screen.at("#compare").click()
    expect(screen.at("#comparison .chip")).to_contain_text("Income")


def test_the_questionnaire_on_risk_cannot_be_answered_otherwise(screen: Screen) -> None:
    expect(screen.at("#whatif-form .fields input")).to_have_count(3)
    expect(screen.at("#field-risk_tolerance")).to_have_count(0)
