"""The tab of why: bars are where the arithmetic says, and shap's picture is within the page."""

from __future__ import annotations

import base64
import re

import pytest

from nextbest.serving.insights.reasons import GroupEffect, ProductReasons
from nextbest.ui.page.feature_charts import shap_waterfall
from nextbest.ui.page.tabs.why import reason_bars

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
