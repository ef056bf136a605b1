"""The columns of customers: percentiles are mid-ranks, and a form's readable ranges hold nearly all customers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.serving.config import ProfilesConfig
from nextbest.serving.insights.customer_columns import (
    CategoryColumn,
    FormField,
    NumberColumn,
    Segments,
    form_fields_from_schema,
    form_fields_from_snapshot,
    percentile_rank,
    readable_range,
)
from tests.serving.handmade import described, numbers, strings

LABELS = strings("a", "b", "a", "", "b", "a")


@pytest.mark.parametrize(
    ("value", "percentile"),
    # Of 10, 20, 20, 40: none is below 10, which counts half itself; below 20 is one, and two count half.
    [(5, 0), (10, 12.5), (15, 25), (20, 50), (40, 87.5), (41, 100)],
)
def test_percentiles_count_equal_values_half(value: float, percentile: float) -> None:
    assert percentile_rank(np.float32(value), numbers(10, 20, 20, 40)) == percentile


def test_segments_hold_their_own_known_values() -> None:
    segments = Segments(LABELS)
    column = NumberColumn(numbers(3, 5, np.nan, 7, 4, 1), segments)
    a, b = segments.code("a"), segments.code("b")
    assert a is not None and b is not None
    assert column.values_in_segment(a).tolist() == [1, 3]
    assert column.values_in_segment(b).tolist() == [4, 5]
    assert column.sorted_values.tolist() == [1, 3, 4, 5, 7]
    assert [segments.code(label) for label in ("", "c", "A")] == [None, None, None]


def test_shares_count_those_with_a_known_value() -> None:
    segments = Segments(LABELS)
    column = CategoryColumn(strings("x", "x", "", "y", "z", "x"), segments)
    assert column.share("x") == (3, 5)
    assert column.share("x", segments.code("a")) == (2, 2)  # the third customer's value is missing
    assert column.share("y", segments.code("b")) == (0, 2)
    assert column.share("unheard of") == (0, 5)


def test_booleans_are_counted_as_categories_are() -> None:
    column = CategoryColumn(numbers(1, 0, np.nan, 0, 0, 1), Segments(LABELS))
    assert column.share(np.float32(0)) == (3, 5)


FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1), FINITE, FINITE)
def test_a_percentile_is_from_0_to_100_and_rises_with_the_value(known: list[float], one: float, other: float) -> None:
    sorted_values: Array = np.sort(numbers(*known))
    low, high = (percentile_rank(np.float32(value), sorted_values) for value in sorted((one, other)))
    assert 0 <= low <= high <= 100


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.one_of(FINITE, st.just(float("nan"))))))
def test_every_known_value_is_in_one_segment(rows: list[tuple[str, float]]) -> None:
    segments = Segments(strings(*(label for label, _ in rows)))
    column = NumberColumn(numbers(*(value for _, value in rows)), segments)
    parts = [column.values_in_segment(code) for code in range(len(segments))]
    assert np.sort(np.concatenate([*parts, numbers()])).tolist() == column.sorted_values.tolist()
    assert all((np.diff(part) >= 0).all() for part in parts)


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


def form_field(role: str, column: NumberColumn | CategoryColumn, config: ProfilesConfig = EXACT) -> FormField:
    (field,) = form_fields_from_snapshot({"the_column": described(role, "EUR")}, {"the_column": column}, config)
    return field


NO_SEGMENT = Segments(strings(*[""] * 5))


def test_a_number_has_its_median_and_is_whole_or_not() -> None:
    field = form_field("number", NumberColumn(numbers(20, 31, 31, np.nan, 69), NO_SEGMENT))
    assert field == FormField("the_column", "the column", "number", "EUR", 20, 70, 20, 69, True, (), 31)
    assert form_field("number", NumberColumn(numbers(0.3, 0.3, 0.1, np.nan, 0.9), NO_SEGMENT)).typical == 0.3


def test_tails_are_beyond_the_range() -> None:
    column = NumberColumn(numbers(*range(100), 10_000), Segments(strings(*[""] * 101)))
    assert form_field("number", column).high == 10_000
    assert form_field("number", column, ProfilesConfig(tail=0.02, steps=10)).high == 100


def test_one_value_has_no_range() -> None:
    field = form_field("number", NumberColumn(numbers(7, 7, np.nan, 7, 7), NO_SEGMENT))
    assert (field.low, field.high, field.typical) == (None, None, 7)


def test_a_column_without_values_has_no_range_and_no_choices() -> None:
    dates, categories = NumberColumn(numbers(*[np.nan] * 5), NO_SEGMENT), CategoryColumn(strings(*[""] * 5), NO_SEGMENT)
    assert form_field("date", dates) == FormField("the_column", "the column", "date", "EUR")
    assert form_field("category", categories) == FormField("the_column", "the column", "category", "EUR")


def test_dates_are_not_rounded() -> None:
    field = form_field("date", NumberColumn(numbers(19_001, 19_500, 19_500, np.nan, 19_993), NO_SEGMENT))
    assert (field.low, field.typical, field.high) == (19_001, 19_500, 19_993)


def test_categories_offer_the_commonest_in_order() -> None:
    column = CategoryColumn(strings("z", "b", "", "z", "a"), NO_SEGMENT)
    field = form_field("category", column)
    assert (field.choices, field.typical) == (("a", "b", "z"), "z")
    assert form_field("category", column, ProfilesConfig(max_choices=2)).choices == ("a", "z")


def test_a_boolean_has_its_commonest_value() -> None:
    assert form_field("boolean", CategoryColumn(numbers(1, 0, 0, np.nan, 0), NO_SEGMENT)).typical == 0


SCHEMA = """
feature { name: "age" type: FLOAT float_domain { min: 18 max: 87 } }
feature { name: "home_owner" type: FLOAT float_domain { min: 0 max: 1 } }
feature { name: "region" type: BYTES domain: "region" }
feature { name: "note" type: BYTES }
string_domain { name: "region" value: "South" value: "North" }
"""


def test_a_schema_gives_ranges_and_choices() -> None:
    schema = io.BytesIO(SCHEMA.encode())
    roles = {"age": "number", "home_owner": "boolean", "region": "category", "note": "text", "new": "number"}
    columns = {name: described(role) for name, role in roles.items()}
    assert list(form_fields_from_schema(columns, schema, EXACT)) == [
        FormField("age", "age", "number", "", 15, 90, 18, 87),
        FormField("home_owner", "home owner", "boolean", ""),
        FormField("region", "region", "category", "", choices=("North", "South")),
        FormField("note", "note", "text", ""),
        FormField("new", "new", "number", ""),
    ]


def test_without_a_schema_there_are_no_ranges_and_choices() -> None:
    assert list(form_fields_from_schema({"age": described("number", "years")}, None, EXACT)) == [
        FormField("age", "age", "number", "years")
    ]
