"""Statistics of large catalogues, beside the dense ones of the same tables, and on the tiny bank by hand.

Products in order: card, fund, loan, pension, vault. On day 100 ann holds a card, a loan and a pension, bob a card and a
fund, dan a card.
"""

from __future__ import annotations

import tracemalloc
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.dataset import ACQUIRE, ALWAYS, Array, Dataset, EntityTable, Interactions
from nextbest.data.snapshot import take_snapshot
from nextbest.data.sparse_table import SparseTable, split_keys
from nextbest.data.statistics import PairStatistic, ProductStatistics, StatisticsConfig, product_statistics
from tests.worlds import CARD, CONFIG, FUND, LOAN, PENSION, TINY, Tables, random_tables

ALL = get_args(PairStatistic)
DAY = 100
SEGMENTS = np.array([2, 1, 0, 1])  # ann is private, bob and dan are retail, cat's is unknown


def statistics(
    tables: Tables = TINY, day: int = DAY, segments: Array = SEGMENTS, limits: Any = None, **changes: Any
) -> ProductStatistics:
    """Compute the statistics under other limits: name -> value of constants of the module."""
    dataset = tables.dataset().until(day)
    snapshot = take_snapshot(dataset, day, CONFIG.windows)
    config = StatisticsConfig(**{"pairs": ALL, **changes})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (limits or {}).items():
            patch.setattr(f"nextbest.data.statistics.{name}", value)
        return product_statistics(dataset, snapshot, segments, 3, config)


def sparse(*arguments: Any, limits: Any = None, **changes: Any) -> ProductStatistics:
    computed = statistics(*arguments, limits={"_MAX_CELLS": 0, **(limits or {})}, **changes)
    assert isinstance(computed.pairs, SparseTable)
    assert isinstance(computed.segments, SparseTable)
    return computed


def stored(table: Array | SparseTable) -> dict[tuple[int, int], list[float]]:
    """Return the numbers of the cells that are stored."""
    assert isinstance(table, SparseTable)
    row, column = split_keys(table.keys[:-1])
    return dict(zip(zip(row.tolist(), column.tolist(), strict=True), table.values[:-1].tolist(), strict=True))


def whole(table: Array | SparseTable, num_columns: int) -> Array:
    """Return a table as it would be were it dense, [num_numbers, num_rows, num_columns]."""
    assert isinstance(table, SparseTable)
    values = np.repeat(table.background[:, None], num_columns, axis=1)
    for cell, numbers in stored(table).items():
        values[cell] = numbers
    return np.moveaxis(values, 2, 0)


def test_what_is_held_together_is_stored() -> None:
    together = [(CARD, FUND), (CARD, LOAN), (CARD, PENSION), (LOAN, PENSION)]
    table = sparse().pairs
    assert set(stored(table)) == {*together, *((b, a) for a, b in together)}
    assert isinstance(table, SparseTable)
    assert (np.diff(table.keys) > 0).all()
    assert not table.background.any()


def assert_equal_to_dense(table: Array | SparseTable, dense: Array, pairs: tuple[str, ...]) -> None:
    """All cells, and EASE's where they are stored: it is 0 elsewhere, and a dense one is not."""
    found = whole(table, dense.shape[2])
    cells = np.zeros(dense.shape[1:], bool)
    cells[tuple(np.transpose(list(stored(table))))] = True
    for name, values, expected in zip(pairs, found, dense, strict=True):
        wanted = np.where(cells, expected, 0) if name == "ease" else expected
        np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-6, err_msg=name)


@given(random_tables(), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_without_limits_all_is_as_if_it_were_dense(tables: Tables, day: int) -> None:
    segments = np.arange(len(tables.dataset().until(day).customers)) % 3
    dense, computed = (of(tables, day, segments) for of in (statistics, sparse))
    assert_equal_to_dense(computed.pairs, dense.pairs, ALL)
    np.testing.assert_allclose(whole(computed.segments, dense.segments.shape[1])[0], dense.segments, atol=1e-6)
    np.testing.assert_array_equal(computed.popularity, dense.popularity)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (1, {CARD: [FUND], FUND: [CARD], LOAN: [CARD], PENSION: [CARD]}),
        (2, {CARD: [FUND, LOAN], FUND: [CARD], LOAN: [CARD, PENSION], PENSION: [CARD, LOAN]}),
    ],
)
def test_a_product_keeps_the_neighbours_of_most_customers(limit: int, kept: dict[int, list[int]]) -> None:
    """All pairs have one customer, so that the first products are kept."""
    dense, table = statistics().pairs, sparse(limits={"_MAX_NEIGHBOURS": limit}).pairs
    assert set(stored(table)) == {(row, column) for row, columns in kept.items() for column in columns}
    for cell, numbers in stored(table).items():
        np.testing.assert_allclose(numbers, dense[:, *cell], atol=1e-6)


def test_what_more_customers_hold_is_kept_before_what_comes_first() -> None:
    """When dan acquires a loan too, two hold a card and a loan."""
    tables = Tables(CONFIG, TINY.customers, TINY.products, [*TINY.events, (DAY, "dan", "loan", ACQUIRE)])
    table = sparse(tables, limits={"_MAX_NEIGHBOURS": 1}).pairs
    assert [column for row, column in stored(table) if row == CARD] == [LOAN]


def test_ease_is_of_the_most_held_products() -> None:
    """Three hold a card; of the fund, the loan and the pension, which one holds, the fund comes first.

    X'X + 3 I = [[6, 1], [1, 4]] has the inverse [[4, -1], [-1, 6]] / 23; each column is divided by minus its diagonal.
    """
    table = sparse(pairs=("ease",), ease_l2=3, limits={"_EASE_PRODUCTS": 2}).pairs
    found = whole(table, 5)[0]
    np.testing.assert_allclose([found[CARD, FUND], found[FUND, CARD]], [1 / 6, 1 / 4], rtol=1e-6)
    found[[CARD, FUND], [FUND, CARD]] = 0
    assert not found.any()


@pytest.mark.parametrize("at_once", [1, 4])
def test_counted_in_blocks_or_at_once_it_is_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sparse().pairs
    monkeypatch.setattr("nextbest.data.sparse_table._COUNTED_AT_ONCE", at_once)
    for name, values in vars(sparse().pairs).items():
        np.testing.assert_array_equal(values, getattr(expected, name))


def test_segments_have_what_they_acquired_and_of_all_else_the_same() -> None:
    """Retail (bob, dan) acquired cards, a fund and a loan, five in all: 50 / (50 + 5), with a prior of 50, of none."""
    computed = sparse(segment_days=100).segments
    assert set(stored(computed)) == {(1, CARD), (1, FUND), (1, LOAN), (2, CARD), (2, LOAN), (2, PENSION)}
    np.testing.assert_allclose(whole(computed, 5)[0], statistics(segment_days=100).segments, atol=1e-6)
    assert isinstance(computed, SparseTable)
    np.testing.assert_allclose(np.exp(computed.background[:, 0]), [1, 50 / 55, 50 / 54], rtol=1e-6)


@pytest.mark.parametrize(
    ("cells", "pairs_are_sparse", "segments_are_sparse"), [(25, False, False), (24, True, False), (14, True, True)]
)
def test_what_has_more_cells_is_sparse(cells: int, pairs_are_sparse: bool, segments_are_sparse: bool) -> None:
    """Five products have 25 pairs, and three segments 15 shares of them."""
    computed = statistics(limits={"_MAX_CELLS": cells})
    assert isinstance(computed.pairs, SparseTable) == pairs_are_sparse
    assert isinstance(computed.segments, SparseTable) == segments_are_sparse


def test_no_statistics_take_no_room_however_large_the_catalogue() -> None:
    computed = statistics(pairs=(), limits={"_MAX_CELLS": 0})
    assert isinstance(computed.pairs, np.ndarray)
    assert computed.pairs.size == 0


def test_memory_grows_with_what_is_held_and_not_with_the_square_of_the_catalogue() -> None:
    """One matrix of the pairs of 20,000 products would have 400 million cells."""
    random = np.random.default_rng(0)
    products, customers, num_events = 20_000, 500, 1500
    events = Interactions(
        customer=(np.arange(num_events) % customers).astype(np.int32),
        product=random.integers(products, size=num_events).astype(np.int32),
        day=np.sort(random.integers(DAY, size=num_events)).astype(np.int32),
        kind=np.full(num_events, ACQUIRE, np.int8),
        weight=np.ones(num_events, np.float32),
    )
    dataset = Dataset(_known_by_number("c", customers), _known_by_number("p", products), events)
    snapshot = take_snapshot(dataset, DAY, CONFIG.windows)
    config = StatisticsConfig(pairs=ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.data.statistics._EASE_PRODUCTS", 300)
        tracemalloc.start()
        computed = product_statistics(dataset, snapshot, np.arange(customers) % 3, 3, config)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(computed.pairs, SparseTable)
    assert 2000 < len(computed.pairs.keys) < 4000
    assert peak < 50e6


def _known_by_number(letter: str, size: int) -> EntityTable:
    """Return customers or products without columns, who have always been known."""
    ids = np.array([f"{letter}{number:05d}" for number in range(size)], object)
    return EntityTable(ids, np.arange(size, dtype=np.int32), np.full(size, ALWAYS, np.int32), {})
