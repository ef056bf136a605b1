"""Recommended products as cards, and what is not offered."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.serving.recommender import Filters
from nextbest.ui.page.product_cards import chance, excluded_list, match, product_cards, product_facts, product_words
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
    excluded_products,
    recommend_products,
)


def test_the_cards_show_what_is_recommended(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    found = data.recommender.recommend(request, 5)
    recommendations = recommend_products(data, customer, 5, Filters())
    assert [one.product_id for one in recommendations] == found.product_id[0, : found.count[0]].tolist()
    assert [one.rank for one in recommendations] == list(range(1, len(recommendations) + 1))
    shown = product_cards(data, recommendations, 20, {"of-customer": "<b>", "top": "5"})
    assert 'data-of-customer="&lt;b&gt;" data-top="5"' in shown
    for one in recommendations:
        assert one.name in shown and chance(one.probability, 91) in shown
        assert f'data-product="{one.product_id}"' in shown


def test_nothing_left_says_what_to_do(data: VersionData) -> None:
    assert "No product is left" in product_cards(data, [], 0, {})


@pytest.mark.parametrize(
    ("probability", "days", "said"),
    [
        (1 / 12, 91, "about 1 in 12 within 3 months"),
        (0.049, 91, "about 1 in 20 within 3 months"),
        (0.5, 30, "about 1 in 2 within 30 days"),
        (0.72, 365, "about 7 in 10 within 12 months"),
        (0.999, 91, "about 9 in 10 within 3 months"),
        (0.0004, 91, "less than 1 in 1,000 within 3 months"),
        (0.001, 91, "about 1 in 1,000 within 3 months"),
    ],
)
def test_a_chance_is_said_as_people_say_it(probability: float, days: int, said: str) -> None:
    assert chance(probability, days) == said


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (0.5, "less than the average"),
        (1.0, "about the average"),
        (1.5, "more than the average"),
        (3.2, "3 times the average"),
        (40, "over 10 times the average"),
    ],
)
def test_a_chance_is_told_beside_the_average_customers(times: float, said: str) -> None:
    assert chance(0.01 * times, 91, 0.01).endswith(f" within 3 months, {said}")


def test_the_place_of_a_match() -> None:
    places = {1: "closest", 2: "2nd closest", 3: "3rd closest", 11: "11th closest", 12: "12th closest"}
    places |= {21: "21st closest", 112: "112th closest"}
    assert {place: match(place, 200).removesuffix(" match of 200") for place in places} == places


def test_a_fact_that_is_0_for_the_whole_kind_is_left_out(data: VersionData) -> None:
    products = data.recommender.products.columns
    told = {row: " · ".join(product_facts(data, row)) for row in range(len(data.product_rows))}
    for row, facts in told.items():
        same_kind = data.product_categories == data.product_categories[row]
        has_term = products["duration_months"][same_kind].any()
        assert ("term" in facts) == has_term, facts
        assert f"risk {products['risk_level'][row]:g} of" in facts
        assert "min " not in facts, "what the rules ask of customers is no fact of the product"
        assert "nan" not in facts and " 0 " not in f" {facts} "


def test_a_kind_has_its_own_words(data: VersionData) -> None:
    kinds = {str(data.product_categories[row]): row for row in range(len(data.product_rows))}
    assert product_words(data, "expected_yield", kinds["credit_card"]) == "interest charged"
    assert product_words(data, "expected_yield", kinds["savings_account"]) == "interest paid"
    assert product_words(data, "expected_yield", kinds["fund"]) == "expected return"
    assert product_words(data, "annual_fee", kinds["fund"]) == "annual fee"


def test_every_product_is_either_recommended_or_not_offered(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    first, *_ = recommend_products(data, customer, 40, Filters(max_risk=1))
    filters = Filters(max_risk=1, exclude=(first.product_id,))  # which no rule keeps out
    recommendations = recommend_products(data, customer, 40, filters)
    excluded = excluded_products(data, request, filters)
    rows = [row for _, rows in excluded for row in rows]
    assert sorted([*rows, *(one.row for one in recommendations)]) == list(range(40))
    counts = [len(rows) for _, rows in excluded]
    assert counts == sorted(counts, reverse=True)
    shown = excluded_list(data, excluded, request)
    assert f"Not offered: {len(rows)} of 40 products" in shown
    assert "kept out by your filters" in shown
    for reasons, _ in excluded:
        assert "; ".join(reasons.splitlines())[1:] in shown


def test_what_a_rule_asks_for_is_told_beside_what_the_customer_has(data: VersionData) -> None:
    """Nobody who earns 1,000 EUR a year reaches the incomes that some products ask for."""
    customer = SelectedCustomer(str(data.customers.ids[16]), edited={"income": np.float32(1000)})
    request = data.request(customer)
    shown = excluded_list(data, excluded_products(data, request, Filters()), request)
    least = data.recommender.products.columns["min_income"]
    assert "income is 1,000 EUR/year" in shown
    assert f"asks for {least.max():,.0f} EUR/year" in shown


def test_nothing_kept_out_is_said(data: VersionData, customer: SelectedCustomer) -> None:
    assert "Every product may be offered" in excluded_list(data, [], data.request(customer))
