"""The tab of the next best products."""

from __future__ import annotations

from nextbest.serving.recommender import Filters
from nextbest.ui.page.tabs.products import excluded_list, product_details, recommendations_table
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
    excluded_products,
    recommend_products,
)


def test_the_table_shows_what_is_recommended(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    found = data.recommender.recommend(request, 5)
    recommendations = recommend_products(data, request, 5, Filters())
    assert [one.product_id for one in recommendations] == found.product_id[0, : found.count[0]].tolist()
    assert [one.rank for one in recommendations] == list(range(1, len(recommendations) + 1))
    shown = recommendations_table(data, recommendations, recommendations[1].product_id)
    assert shown.count('aria-pressed="true"') == 1
    assert f'data-product="{recommendations[1].product_id}" aria-pressed="true"' in shown
    for one in recommendations:
        assert one.name in shown and f"{one.probability:.1%}" in shown


def test_nothing_left_says_what_to_do(data: VersionData) -> None:
    assert "No product is left" in recommendations_table(data, [], "")


def test_every_product_is_either_recommended_or_excluded(data: VersionData, customer: SelectedCustomer) -> None:
    request = data.request(customer)
    recommendations = recommend_products(data, request, 40, Filters(max_risk=2))
    excluded = excluded_products(data, request, Filters(max_risk=2))
    rows = [row for _, rows in excluded for row in rows]
    assert sorted([*rows, *(one.row for one in recommendations)]) == list(range(40))
    counts = [len(rows) for _, rows in excluded]
    assert counts == sorted(counts, reverse=True)
    shown = excluded_list(data, excluded)
    assert f"{len(rows)} of 40 products" in shown
    for reason, _ in excluded:
        assert reason[1:] in shown


def test_details_have_all_columns(data: VersionData) -> None:
    product = data.recommender.products.ids[0]
    shown = product_details(data, product)
    columns = data.recommender.manifest["products"]["columns"]
    assert shown.count("<dt>") == 1 + sum(column["role"] not in ("id", "text") for column in columns.values())
    assert product_details(data, "<b>") == ""
