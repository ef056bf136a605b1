"""The tab of one product: whom it suits, in words and rows."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import numpy as np

from nextbest.serving.recommender import Filters
from nextbest.ui.page.product_cards import chance
from nextbest.ui.page.tab import Selection
from nextbest.ui.page.tabs.by_product import ByProductTab, audience_text, people_table
from nextbest.ui.page.version_data import SelectedCustomer, VersionData

PRODUCT = "P0003"


def answer(data: VersionData, filters: Filters, product: str = PRODUCT) -> str:
    with gr.Blocks():
        tab = ByProductTab()
    data.audiences.of(product)
    return str(tab.content(data, Selection(SelectedCustomer(), 5, filters, product))[tab.people])


def test_rows_are_the_likeliest_customers(data: VersionData) -> None:
    audience = data.audiences.of(PRODUCT)
    people = audience.likeliest[:3]
    shown = people_table(data, PRODUCT, people, ["first why", "<b>", ""])
    places = [shown.index(f'data-customer="{one.id}"') for one in people]
    assert places == sorted(places)
    assert chance(people[0].probability, 91) in shown and "products" in shown
    assert "first why" in shown and "&lt;b&gt;" in shown
    assert "Nobody may be offered it" in people_table(data, PRODUCT, [], [])


def test_the_sentence_says_among_whom(data: VersionData) -> None:
    audience = data.audiences.of(PRODUCT)
    name = data.product_names[data.product_rows[PRODUCT]]
    said = audience_text(data, audience)
    assert said.startswith(f"Among all 400 customers, {audience.may_have} may be offered {name}; ")
    drawn = replace(audience, looked_at=2_000, customers=10_000)
    assert audience_text(data, drawn).startswith("Among 2,000 customers drawn at random of 10,000, ")


def test_the_filters_hold(data: VersionData) -> None:
    row = data.product_rows[PRODUCT]
    risk, category = data.recommender.products.columns["risk_level"][row], data.product_categories[row]
    other = next(name for name in data.categories if name != category)
    assert "data-customer" in answer(data, Filters())
    assert "data-customer" in answer(data, Filters(max_risk=risk, categories=(category,)))
    for filters, reason in (
        (Filters(exclude=(PRODUCT,)), "excluded by the request"),
        (Filters(categories=(other,)), "not in the wanted categories"),
    ):
        assert f"Your filters keep this product out: it is {reason}" in answer(data, filters)
    risky = str(data.recommender.products.ids[np.nanargmax(data.recommender.products.columns["risk_level"])])
    assert "riskier than wanted" in answer(data, Filters(max_risk=1), risky)
