"""Values as people read them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.serving.artifacts.assets import Table
from nextbest.serving.formatting import column_title, format_name, format_number, format_value, is_money, sentence_case
from nextbest.serving.recommender import product_names


def number(unit: str = "") -> dict[str, str]:
    return {"role": "number", "unit": unit}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (42_136.7, "EUR/year", "42,137 EUR/year"),
        (1_000_000, "EUR", "1,000,000 EUR"),
        (129.9, "EUR", "129.90 EUR"),
        (130, "EUR", "130 EUR"),
        (0, "EUR", "0 EUR"),
        (-250.5, "CHF", "-250.50 CHF"),
        (2.5, "years", "2.5 years"),
        (34, "years", "34 years"),
        (2.25, "%/year", "2.25%/year"),
        (0.427, "share", "42.7%"),
        (1, "share", "100%"),
        (712, "", "712"),
        (0.1, "", "0.1"),
        (1 / 3, "", "0.33"),
        (0.00123, "", "0.0012"),
        (-0.0, "", "0"),
        (-0.0012, "EUR", "-0.0012 EUR"),
        (999.999, "", "1,000"),
    ],
)
def test_numbers_are_rounded_and_have_their_unit(value: float, unit: str, text: str) -> None:
    # The tables hold float32, whose 0.1 is 0.10000000149 and whose 129.9 is 129.899993896.
    assert format_value(np.float32(value), number(unit)) == text


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf, ""])
@pytest.mark.parametrize("role", ["number", "date", "boolean", "category"])
def test_missing_values_are_a_dash(missing: float | str, role: str) -> None:
    assert format_value(missing, {"role": role, "unit": "EUR"}) == "-"


def test_other_roles() -> None:
    assert format_value(np.float32(19_993), {"role": "date", "unit": ""}) == "2024-09-27"
    assert [format_value(np.float32(value), {"role": "boolean", "unit": ""}) for value in (1, 0)] == ["yes", "no"]
    assert format_value("self-employed", {"role": "category", "unit": ""}) == "self-employed"
    assert format_name("credit_utilisation") == "credit utilisation"


@pytest.mark.parametrize(
    ("unit", "money"), [("EUR", True), ("EUR/year", True), ("eur", False), ("years", False), ("", False)]
)
def test_money_has_a_currency(unit: str, money: bool) -> None:
    assert is_money(unit) is money


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(["", "EUR", "%", "years"]))
def test_what_is_read_is_close_to_what_is_there(value: float, unit: str) -> None:
    read = float(format_number(value, unit).removesuffix(unit).replace(",", ""))
    assert abs(read - value) <= (0.5 if abs(value) >= 1000 else 0.00501)


@pytest.mark.parametrize(
    ("name", "unit", "title"),
    [
        ("duration_months", "months", "Duration"),
        ("tenure_years", "years", "Tenure"),
        ("income", "EUR/year", "Income"),
        ("months", "months", "Months"),
        ("risk_level", "", "Risk level"),
    ],
)
def test_a_title_does_not_repeat_the_unit(name: str, unit: str, title: str) -> None:
    assert column_title(name, unit) == title


def test_names_are_titles() -> None:
    assert sentence_case("current_account") == "Current account"
    assert sentence_case("EUR_account") == "EUR account"
    assert sentence_case("") == ""


def test_a_zero_may_mean_something_else() -> None:
    column = {"role": "number", "unit": "months", "zero_means": "open-ended"}
    assert [format_value(np.float32(value), column) for value in (0, 12, np.nan)] == ["open-ended", "12 months", "-"]


def test_products_are_called_as_the_config_says() -> None:
    ids, columns = np.array(["p1", "p2"], object), {"code": "id", "title": "text"}
    values = {"code": np.array(["A", "B"], object), "title": np.array(["Fund one", ""], object)}
    described: dict[str, Any] = {"columns": {name: {"role": role} for name, role in columns.items()}}
    export = SimpleNamespace(products=Table(ids, values), manifest={"products": described})
    assert product_names(export).tolist() == ["A", "B"]  # as in exports of 0.3.0, which say nothing of it
    described["name"] = "title"
    assert product_names(export).tolist() == ["Fund one", "p2"]
