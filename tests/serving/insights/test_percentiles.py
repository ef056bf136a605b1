"""Percentiles are mid-ranks, by segment and overall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.serving.insights.customer_columns import NumberColumn, Segments, WordColumn, percentile_rank
from tests.serving.handmade import numbers, words

LABELS = words("a", "b", "a", "", "b", "a")


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
    assert column.of_segment(a).tolist() == [1, 3]
    assert column.of_segment(b).tolist() == [4, 5]
    assert column.ordered.tolist() == [1, 3, 4, 5, 7]
    assert [segments.code(label) for label in ("", "c", "A")] == [None, None, None]


def test_shares_count_those_with_a_known_value() -> None:
    segments = Segments(LABELS)
    column = WordColumn(words("x", "x", "", "y", "z", "x"), segments)
    assert column.share("x") == (3, 5)
    assert column.share("x", segments.code("a")) == (2, 2)  # the third customer's value is missing
    assert column.share("y", segments.code("b")) == (0, 2)
    assert column.share("unheard of") == (0, 5)


def test_booleans_are_counted_as_words_are() -> None:
    column = WordColumn(numbers(1, 0, np.nan, 0, 0, 1), Segments(LABELS))
    assert column.share(np.float32(0)) == (3, 5)


FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1), FINITE, FINITE)
def test_a_percentile_is_from_0_to_100_and_rises_with_the_value(known: list[float], one: float, other: float) -> None:
    ordered: Array = np.sort(numbers(*known))
    low, high = (percentile_rank(np.float32(value), ordered) for value in sorted((one, other)))
    assert 0 <= low <= high <= 100


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.one_of(FINITE, st.just(float("nan"))))))
def test_every_known_value_is_in_one_segment(rows: list[tuple[str, float]]) -> None:
    segments = Segments(words(*(label for label, _ in rows)))
    column = NumberColumn(numbers(*(value for _, value in rows)), segments)
    parts = [column.of_segment(code) for code in range(len(segments))]
    assert np.sort(np.concatenate([*parts, numbers()])).tolist() == column.ordered.tolist()
    assert all((np.diff(part) >= 0).all() for part in parts)
