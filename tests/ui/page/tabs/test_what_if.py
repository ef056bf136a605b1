"""The tab of what-if: the form is read and written without a loss, and the answers are compared."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.data.dataset import Features
from nextbest.data.errors import InputError
from nextbest.serving.insights.customer_columns import FormField
from nextbest.ui.page.tabs.what_if import changed_columns, comparison, editable_fields, form_value, raw_value
from nextbest.ui.page.version_data import (
    Recommendation,
    SelectedCustomer,
    VersionData,
)

FIELDS = (
    FormField("income", "income", "number", "EUR"),
    FormField("joined", "joined", "date", ""),
    FormField("owner", "owner", "boolean", ""),
    FormField("region", "region", "category", "", choices=("North", "South")),
)


ORIGINAL: Features = {
    "income": np.array([0.67], np.float32),
    "joined": np.array([19000.0], np.float32),
    "owner": np.array([np.nan], np.float32),
    "region": np.array(["North"], object),
}


def test_an_untouched_form_changes_nothing(data: VersionData) -> None:
    fields = [field for field in data.form_fields.values() if field.role != "id"]
    for customer in data.customers.ids[:40]:
        request = data.request(SelectedCustomer(str(customer)))
        shown = [form_value(field, request[field.name][0]) for field in fields]
        assert changed_columns(fields, request, shown) == {}


def test_what_is_shown_is_short() -> None:
    shown = [form_value(field, ORIGINAL[field.name][0]) for field in FIELDS]
    assert shown == [0.67, "2022-01-08", None, "North"]  # day 19000 after 1970-01-01


def test_changes_are_found() -> None:
    changed = changed_columns(FIELDS, ORIGINAL, [None, "2022-01-09", "yes", "South"])
    assert np.isnan(changed.pop("income"))
    assert changed == {"joined": 19001.0, "owner": 1.0, "region": "South"}


def test_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="'2023-02-30' is not a day"):
        changed_columns(FIELDS, ORIGINAL, [0.67, "2023-02-30", None, "North"])


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        (FormField("income", "income", "number", "EUR", least=0, most=90_000), -5, "give 0 EUR or more"),
        (FormField("income", "income", "number", "EUR", least=0, most=90_000), 900_001, "give at most 900,000 EUR"),
        (FormField("used", "used", "number", "share", least=0, most=0.9), 1.1, "give at most 100%"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(field: FormField, value: float, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        raw_value(field, value)


def test_a_number_beyond_the_usual_is_taken() -> None:
    assert raw_value(FormField("income", "income", "number", "EUR", least=0, most=90_000), 500_000) == 500_000
    assert raw_value(FormField("balance", "balance", "number", "EUR", least=-900, most=900), -5_000) == -5_000


def test_what_the_bank_declared_can_be_changed(data: VersionData) -> None:
    assert [field.name for field in editable_fields(data)] == ["dependants", "income", "savings"]


def test_where_nothing_is_declared_the_questionnaire_on_risk_cannot(data: VersionData) -> None:
    described = data.recommender.manifest["customers"]["columns"]
    undeclared = {name: column | {"editable": False} for name, column in described.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(data.recommender.manifest["customers"], "columns", undeclared)
        names = {field.name for field in editable_fields(data)}
    assert "risk_tolerance" not in names and {"income", "age", "region"} <= names


def test_a_form_that_is_empty_means_missing() -> None:
    number, day, yes, text = (raw_value(field, "") for field in FIELDS)
    assert np.isnan([number, day, yes]).all() and text == ""


def test_both_answers_stand_side_by_side() -> None:
    before = [Recommendation("P1", 0, "One", 1, 1, 0.20, 0.1), Recommendation("P2", 1, "Two", 2, 2, 0.10, 0.1)]
    after = [Recommendation("P3", 2, "Three", 1, 1, 0.30, 0.1), Recommendation("P1", 0, "One", 2, 1, 0.15, 0.1)]
    shown = comparison(before, after, ["Income: 1 → 2"], ["Three <i>"], [])
    assert "gone" in shown and "new" in shown and "▼ 1" in shown and "\N{MINUS SIGN}5.0 points" in shown
    assert "1 product now suitable" in shown and "Three &lt;i&gt;" in shown and "no longer" not in shown
