"""What a form offers: readable ranges that hold nearly all customers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.serving.config import ProfilesConfig
from nextbest.serving.insights.customer_columns import (
    Field,
    NumberColumn,
    Segments,
    WordColumn,
    fields_of_schema,
    fields_of_snapshot,
    readable_range,
)
from tests.serving.handmade import described, numbers, words

EXACT = ProfilesConfig(tail=0, steps=10)


@pytest.mark.parametrize(
    ("low", "high", "whole", "readable"),
    [
        (18, 87, True, (15, 90)),  # 69 years in at least 10 steps: steps of 5
        (1300, 108_700, True, (0, 110_000)),  # steps of 10,000
        (0.03, 0.87, False, (0, 0.9)),  # steps of 0.05
        (1, 5, True, (1, 5)),  # steps of 0.2, of whole numbers 1
        (-250, 90, False, (-260, 100)),  # steps of 20
        (0.001, 0.0035, False, (0.001, 0.0036)),  # steps of 0.0002
    ],
)
def test_ranges_end_at_readable_numbers(low: float, high: float, whole: bool, readable: tuple[float, float]) -> None:
    assert readable_range(low, high, 10, whole) == readable


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(2, 50), st.booleans())
def test_a_readable_range_holds_the_range(low: float, width: float, steps: int, whole: bool) -> None:
    high = low + width
    if low == high:
        return
    begins, ends = readable_range(low, high, steps, whole)
    slack = 1e-9 * max(abs(low), abs(high))
    assert begins <= low + slack and high <= ends + slack
    assert ends - begins <= (high - low) * (1 + 2 / steps) + (2 if whole else 0) + slack


def of_snapshot(role: str, column: NumberColumn | WordColumn, config: ProfilesConfig = EXACT) -> Field:
    (field,) = fields_of_snapshot({"the_column": described(role, "EUR")}, {"the_column": column}, config)
    return field


NOBODY = Segments(words(*[""] * 5))


def test_a_number_has_its_median_and_is_whole_or_not() -> None:
    field = of_snapshot("number", NumberColumn(numbers(20, 31, 31, np.nan, 69), NOBODY))
    assert field == Field("the_column", "the column", "number", "EUR", 20, 70, True, (), 31)
    assert of_snapshot("number", NumberColumn(numbers(0.3, 0.3, 0.1, np.nan, 0.9), NOBODY)).typical == 0.3


def test_tails_are_beyond_the_range() -> None:
    column = NumberColumn(numbers(*range(100), 10_000), Segments(words(*[""] * 101)))
    assert of_snapshot("number", column).high == 10_000
    assert of_snapshot("number", column, ProfilesConfig(tail=0.02, steps=10)).high == 100


def test_one_value_is_no_range() -> None:
    field = of_snapshot("number", NumberColumn(numbers(7, 7, np.nan, 7, 7), NOBODY))
    assert (field.low, field.high, field.typical) == (None, None, 7)


def test_nothing_known_tells_nothing() -> None:
    dates, categories = NumberColumn(numbers(*[np.nan] * 5), NOBODY), WordColumn(words(*[""] * 5), NOBODY)
    assert of_snapshot("date", dates) == Field("the_column", "the column", "date", "EUR")
    assert of_snapshot("category", categories) == Field("the_column", "the column", "category", "EUR")


def test_dates_are_not_rounded() -> None:
    field = of_snapshot("date", NumberColumn(numbers(19_001, 19_500, 19_500, np.nan, 19_993), NOBODY))
    assert (field.low, field.typical, field.high) == (19_001, 19_500, 19_993)


def test_categories_offer_the_commonest_in_order() -> None:
    column = WordColumn(words("z", "b", "", "z", "a"), NOBODY)
    field = of_snapshot("category", column)
    assert (field.choices, field.typical) == (("a", "b", "z"), "z")
    assert of_snapshot("category", column, ProfilesConfig(max_choices=2)).choices == ("a", "z")


def test_a_boolean_has_its_commonest_value() -> None:
    assert of_snapshot("boolean", WordColumn(numbers(1, 0, 0, np.nan, 0), NOBODY)).typical == 0


SCHEMA = """
feature { name: "age" type: FLOAT float_domain { min: 18 max: 87 } }
feature { name: "home_owner" type: FLOAT float_domain { min: 0 max: 1 } }
feature { name: "region" type: BYTES domain: "region" }
feature { name: "note" type: BYTES }
string_domain { name: "region" value: "South" value: "North" }
"""


def test_a_schema_tells_ranges_and_choices(tmp_path: Path) -> None:
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(SCHEMA)
    roles = {"age": "number", "home_owner": "boolean", "region": "category", "note": "text", "new": "number"}
    columns = {name: described(role) for name, role in roles.items()}
    assert list(fields_of_schema(columns, schema, EXACT)) == [
        Field("age", "age", "number", "", 15, 90),
        Field("home_owner", "home owner", "boolean", ""),
        Field("region", "region", "category", "", choices=("North", "South")),
        Field("note", "note", "text", ""),
        Field("new", "new", "number", ""),
    ]


def test_without_a_schema_nothing_is_told() -> None:
    assert list(fields_of_schema({"age": described("number", "years")}, None, EXACT)) == [
        Field("age", "age", "number", "years")
    ]
