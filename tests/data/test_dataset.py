"""Point-in-time tables: which row counts when, and the way into the past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.dataset import ACQUIRE, ALWAYS, Dataset
from tests.worlds import ANN, BOB, CAT, DAN, PENSION, TINY, Tables, random_tables


def assert_equal(left: Dataset, right: Dataset) -> None:
    for table in ("customers", "products"):
        a, b = getattr(left, table), getattr(right, table)
        for field in ("ids", "row_entity", "row_day"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), strict=True)
        assert list(a.columns) == list(b.columns)
        for name, values in a.columns.items():
            np.testing.assert_array_equal(values, b.columns[name], strict=True)
    for field in ("customer", "product", "day", "kind", "weight"):
        ours, theirs = getattr(left.interactions, field), getattr(right.interactions, field)
        np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize(
    ("day", "income"),
    [(9, np.nan), (10, 100), (49, 100), (50, 200), (51, 200), (10_000, 200)],
)
def test_the_newest_row_at_or_before_the_day_counts(day: int, income: float) -> None:
    """Ann's rows are dated 10 and 50: the day itself is known, the next is not."""
    np.testing.assert_array_equal(TINY.dataset().customers.at(day)["income"][ANN], np.float32(income))


def test_an_entity_without_a_row_yet_has_missing_values() -> None:
    customers = TINY.dataset().customers
    assert customers.rows_at(29).tolist() == [0, 2, -1, -1]
    at = customers.at(29)
    assert at["segment"].tolist() == ["retail", "retail", "", ""]
    assert np.isnan(at["score"]).tolist() == [False, False, True, True]
    assert customers.columns["segment"].tolist() == ["retail", "private", "retail", "", "retail"]  # is a copy


def test_a_row_without_a_date_has_always_held() -> None:
    assert TINY.dataset().customers.rows_at(ALWAYS).tolist() == [-1, 2, -1, -1]


def test_positions_of_unknown_ids_are_minus_one() -> None:
    customers = TINY.dataset().customers
    ids = np.array([["dan", "zoe"], ["", "ann"]], object)
    assert customers.positions(ids).tolist() == [[DAN, -1], [-1, ANN]]
    empty, _ = customers.until(ALWAYS - 1)
    assert len(empty) == 0
    assert empty.positions(ids).tolist() == [[-1, -1], [-1, -1]]


def test_between_excludes_its_first_day_and_includes_its_last() -> None:
    interactions = TINY.dataset().interactions
    assert interactions.between(10, 20).day.tolist() == [15, 20]
    assert len(interactions.between(20, 20)) == 0


def test_acquisitions_are_one_kind_of_interaction() -> None:
    acquisitions = TINY.dataset().interactions.acquisitions
    assert set(acquisitions.kind.tolist()) == {ACQUIRE}
    assert len(acquisitions) == 15 - 4 - 1  # four releases, one view


def test_until_renumbers_who_is_left() -> None:
    """On day 59 dan and the pension are unknown, so the vault moves from position 4 to 3."""
    past = TINY.dataset().until(59)
    assert past.customers.ids.tolist() == ["ann", "bob", "cat"]
    assert past.products.ids.tolist() == ["card", "fund", "loan", "vault"]
    table, position = TINY.dataset().products.until(59)
    assert position.tolist() == [0, 1, 2, -1, 3]
    assert table.ids.tolist() == past.products.ids.tolist()
    assert past.interactions.day.max() == 50
    assert past.customers.at(59)["income"][[ANN, BOB, CAT]].tolist()[:2] == [200, 50]


def test_until_drops_what_happened_to_entities_that_were_not_known_yet() -> None:
    early = Tables(TINY.config, TINY.customers, TINY.products, [(20, "bob", "pension", ACQUIRE), *TINY.events])
    assert PENSION in early.dataset().interactions.between(15, 20).product
    assert_equal(early.dataset().until(59), TINY.dataset().until(59))


@given(random_tables(), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_until_equals_reading_the_truncated_tables(tables: Tables, day: int) -> None:
    assert_equal(tables.dataset().until(day), tables.until(day).dataset())


@given(random_tables(), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_until_twice_is_until_the_earlier_day(tables: Tables, first: int, second: int) -> None:
    dataset = tables.dataset()
    assert_equal(dataset.until(first).until(second), dataset.until(min(first, second)).until(second))
