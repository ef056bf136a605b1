"""The tab of why: bars are where the arithmetic says, and shap's picture is within the page."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from nextbest.serving.insights.reasons import CustomerReasons, GroupEffect, ProductReasons
from nextbest.serving.recommender import Filters
from nextbest.ui.page.feature_charts import shap_waterfall
from nextbest.ui.page.product_cards import product_facts
from nextbest.ui.page.tabs.why import beside, reason_bars
from nextbest.ui.page.version_data import SelectedCustomer, VersionData, recommend_products

REASONS = ProductReasons(
    "P1",
    probability=0.12,
    base=0.02,
    groups=(
        GroupEffect("age", "age", "34 years", 34.0, -2.0),
        GroupEffect("held", "products held", "<b>", 2.0, 12.0),
        GroupEffect("protected", "protected attributes", "not shown", float("nan"), 0.0),
    ),
    sentences=("Holds two funds.",),
    sentence="Holds two funds; customers like this one add it about six times as often as the average customer.",
)


def test_bars_lead_from_the_average_customer_to_this_one() -> None:
    shown = reason_bars(REASONS, "1. Name")
    # From 2 up by 12 to 14 and down by 2 to 12; the drawing is from 0 to 14, and wider by 4% of 14 on either side.
    assert "left:16.93%;width:79.37%" in shown and 'class="more"' in shown
    assert "left:83.07%;width:13.23%" in shown and 'class="less"' in shown
    for text in ("The average customer", "2.0%", "This customer", "12.0%", "+12.0", "\N{MINUS SIGN}2.0", "&lt;b&gt;"):
        assert text in shown
    assert shown.index("Products held") < shown.index("Age") < shown.index("Protected attributes")


def test_shaps_picture() -> None:
    pytest.importorskip("matplotlib")
    shown = shap_waterfall(REASONS)
    found = re.search('base64,([^"]+)" alt="Waterfall in percentage points: ([^"]+)"', shown)
    assert found is not None
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert found[2] == "products held +12.0, age -2.0, protected attributes +0.0"


def test_two_products_beside_each_other(data: VersionData, customer: SelectedCustomer) -> None:
    first, _, third = recommend_products(data, customer, 3, Filters())
    reasons = tuple(replace(REASONS, product_id=one.product_id) for one in (first, third))
    compared: list[tuple[int, int]] = []
    found = CustomerReasons(reasons, lambda one, other: compared.append((one, other)) or "One comes <before>.")
    shown = beside(data, [first, third], found, 25)
    assert compared == [(0, 1)] and "One comes &lt;before&gt;." in shown
    rows = [re.findall(r"<th[^>]*>(.*?)</th>|<span>(.*?)</span></td>", row) for row in shown.split("<tr>")[2:]]
    told = {row[0][0]: [cell for _, cell in row[1:]] for row in rows}
    assert told["Chance"][0] == "about 1 in 8 within 3 months, 6 times the average"
    assert told["Match"][0].endswith("closest match of 25")
    assert told["Reasons"] == ['<ul class="reasons"><li>Holds two funds.</li></ul>'] * 2
    # What is the same for both is said in one line, and no row has the same value twice.
    assert all(one != other for title, (one, other) in told.items() if title not in ("Chance", "Match", "Reasons"))
    for product, place in ((first, 0), (third, 1)):
        for fact in product_facts(data, product.row):
            value = re.search(r"[\d,.]+%?/?\w*", fact)
            if value and not fact.startswith("risk"):
                assert any(value[0] in cells[place] for cells in told.values()) or value[0] in shown
