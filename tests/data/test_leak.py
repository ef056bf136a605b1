"""Rows after the cutoff change nothing: no feature, no statistic, no baseline's score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.config import EncoderConfig, HistoryList
from nextbest.data.dataset import ALWAYS, Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, History, new_acquisitions, take_snapshot
from nextbest.data.sparse_table import SparseTable
from nextbest.data.statistics import PairStatistic, StatisticsConfig, popularity_features, product_statistics
from nextbest.evaluation.baselines import BaselinesConfig, fit_baselines
from nextbest.graph.catalogue import encode_products, fit_encoders, segment_indices
from nextbest.graph.query import encode_customers, raw_request
from tests.data.test_dataset import assert_equal
from tests.worlds import CONFIG, EntityRow, Event, Tables, random_tables

STATISTICS = StatisticsConfig(popularity_days=(10, 30), segment_days=30, pairs=get_args(PairStatistic))
CUTOFFS = st.integers(0, 29)


def delete(rows: list[Any], _: np.random.Generator) -> list[Any]:
    return []


def shuffle(rows: list[Any], rng: np.random.Generator) -> list[Any]:
    """Permute each column by itself."""
    columns = list(zip(*rows, strict=True))
    return list(zip(*([column[i] for i in rng.permutation(len(rows))] for column in columns), strict=True))


def distort_entities(rows: list[EntityRow], rng: np.random.Generator) -> list[EntityRow]:
    """Keep the rows, add entities that no one knew, and new values to those that were known."""
    names = [f"{letter}{number}" for letter in "abcpz" for number in range(4)]
    values = [row[2] for row in rows]
    more = [(str(rng.choice(names)), 31 + n, tuple(_distorted(value) for value in row)) for n, row in enumerate(values)]
    return rows + more


def _distorted(value: Any) -> Any:
    return f"{value}!" if isinstance(value, str) else 1e9


def distort_events(rows: list[Event], rng: np.random.Generator) -> list[Event]:
    """Duplicate the rows with other days and kinds."""
    return rows + [(day + int(rng.integers(5)), who, what, int(rng.integers(3))) for day, who, what, _ in rows]


def unique(rows: list[EntityRow]) -> list[EntityRow]:
    return list({row[:2]: row for row in rows}.values())


def changed(
    tables: Tables,
    cutoff: int,
    seed: int,
    entities: Callable[..., list[EntityRow]],
    events: Callable[..., list[Event]],
) -> Tables:
    """Change the rows after the cutoff, and write all tables in another order."""
    rng = np.random.default_rng(seed)

    def later(rows: Any, day: Callable[[Any], int], change: Callable[..., list[Any]]) -> list[Any]:
        rows = [row for row in rows if day(row) <= cutoff] + change([row for row in rows if day(row) > cutoff], rng)
        return [rows[i] for i in rng.permutation(len(rows))]

    return Tables(
        tables.config,
        unique(later(tables.customers, lambda row: row[1], entities)),
        unique(later(tables.products, lambda row: row[1], entities)),
        later(tables.events, lambda row: row[0], events),
    )


def all_that_is_computed(dataset: Dataset, cutoff: int) -> dict[str, Array]:
    """Everything a model may see at a cutoff, by name."""
    history = dataset.until(cutoff)
    snapshot = take_snapshot(history, cutoff, CONFIG.windows)
    encoders = fit_encoders(history, cutoff, CONFIG, EncoderConfig(quantiles=4, text_tokens=3))
    encoder = encoders.query_encoder()
    everyone = np.arange(len(history.customers))
    query = encode_customers(snapshot, encoder, everyone)
    popularity = popularity_features(history, cutoff, STATISTICS)
    segment = segment_indices(query["categories"], encoders.customers, CONFIG.segment)
    num_segments = len(encoders.customers.categories["segment"]) + 1
    at_the_cutoff = history, snapshot, segment, num_segments, STATISTICS
    statistics = product_statistics(*at_the_cutoff)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.data.statistics._MAX_CELLS", 0)
        sparse = product_statistics(*at_the_cutoff)
    assert isinstance(sparse.segments, SparseTable)
    assert isinstance(sparse.pairs, SparseTable)
    baselines = fit_baselines(history, cutoff, BaselinesConfig(), segment=CONFIG.segment)
    assert not baselines.skipped
    windows = [new_acquisitions(history, cutoff - 10 * back, cutoff - 10 * (back - 1)) for back in (3, 2, 1)]
    return {
        "encoders": np.array([encoders.customers.model_dump_json(), encoders.products.model_dump_json()]),
        "product_ids": encoders.product_ids,
        "available": snapshot.available,
        "holdings": snapshot.holdings.toarray(),
        **{f"customers.{name}": values for name, values in snapshot.customers.items()},
        **{f"products.{name}": values for name, values in snapshot.products.items()},
        **{f"held.{name}": values for name, values in vars(snapshot.held).items()},
        **{f"recent.{name}": values for name, values in vars(snapshot.recent).items()},
        **{f"closed.{name}": values for name, values in vars(snapshot.closed).items()},
        **{f"refused.{name}": values for name, values in vars(snapshot.refused).items()},
        **{f"query.{name}": values for name, values in query.items()},
        **raw_request(snapshot, history.products.ids, encoders.customers.columns, encoders.list_lengths, everyone),
        **{f"encoded.{k}": v for k, v in encode_products(snapshot, encoders.products, popularity).items()},
        **{f"statistics.{name}": values for name, values in vars(statistics).items()},
        **sparse.segments.arrays("sparse.segments"),
        **sparse.pairs.arrays("sparse.pairs"),
        **{f"acquired.{n}.{k}": v for n, acquired in enumerate(windows) for k, v in vars(acquired).items()},
        **{f"baseline.{name}": scorer.score(everyone) for name, scorer in baselines.scorers.items()},
    }


@pytest.mark.parametrize(
    ("entities", "events"),
    [(delete, delete), (shuffle, shuffle), (distort_entities, distort_events)],
    ids=["delete", "shuffle", "distort"],
)
@given(tables=random_tables(), cutoff=CUTOFFS, seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_rows_after_the_cutoff_change_nothing(
    entities: Callable[..., Any], events: Callable[..., Any], tables: Tables, cutoff: int, seed: int
) -> None:
    other = changed(tables, cutoff, seed, entities, events)
    before, after = tables.dataset(), other.dataset()
    assert_equal(before.until(cutoff), after.until(cutoff))
    expected, computed = all_that_is_computed(before, cutoff), all_that_is_computed(after, cutoff)
    assert expected.keys() == computed.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(computed[name], values, err_msg=name, strict=True)


def test_the_changes_do_change_the_tables() -> None:
    """Else the test above would prove nothing."""
    rows: list[EntityRow] = [("c1", 40 + n, (float(n), "x", None)) for n in range(9)]
    events: list[Event] = [(40 + n, f"c{n}", f"p{n % 3}", n % 3) for n in range(9)]
    tables = Tables(CONFIG, [("c0", ALWAYS, ()), *rows], rows, events)
    for change, change_events in ((delete, delete), (shuffle, shuffle), (distort_entities, distort_events)):
        other = changed(tables, 20, 0, change, change_events)
        assert set(other.customers) != set(tables.customers)
        assert sorted(other.events) != sorted(tables.events)
        assert ("c0", ALWAYS, ()) in other.customers


def _in_ids(history: History, rows: Array, ids: Array, known: set[str]) -> list[list[tuple[str, int]]]:
    """Lists of (product id, day) of the products that are known."""
    return [
        [
            (str(ids[product]), int(day))
            for product, day in zip(history.products[row], history.days[row], strict=True)
            if product != NO_PRODUCT and ids[product] in known
        ]
        for row in rows
    ]


@given(tables=random_tables(), cutoff=CUTOFFS)
@settings(max_examples=100, deadline=None)
def test_an_earlier_snapshot_of_all_rows_equals_the_snapshot_of_the_rows_until_then(
    tables: Tables, cutoff: int
) -> None:
    """For the customers and products that were known then; the others have missing values and are not available."""
    dataset, history = tables.dataset(), tables.dataset().until(cutoff)
    full, past = take_snapshot(dataset, cutoff, CONFIG.windows), take_snapshot(history, cutoff, CONFIG.windows)
    customers = dataset.customers.positions(history.customers.ids)
    products = dataset.products.positions(history.products.ids)
    np.testing.assert_array_equal(np.flatnonzero(full.available), products)
    assert past.available.all()
    for name in past.customers:
        np.testing.assert_array_equal(full.customers[name][customers], past.customers[name], strict=True)
    for name in past.products:
        np.testing.assert_array_equal(full.products[name][products], past.products[name], strict=True)
    np.testing.assert_array_equal(full.holdings[customers][:, products].toarray(), past.holdings.toarray())
    known = set(history.products.ids.tolist())
    everyone = np.arange(len(history.customers))
    for name in get_args(HistoryList):
        assert _in_ids(getattr(full, name), customers, dataset.products.ids, known) == _in_ids(
            getattr(past, name), everyone, history.products.ids, known
        )


@given(tables=random_tables(), cutoff=CUTOFFS)
@settings(max_examples=60, deadline=None)
def test_statistics_at_an_earlier_day_are_those_of_the_rows_until_then(tables: Tables, cutoff: int) -> None:
    """The ranker's windows take them from tables that reach further; here all entities have always been known."""
    customers, products = ([(row[0], ALWAYS, row[2]) for row in rows] for rows in (tables.customers, tables.products))
    dataset = replace(tables, customers=unique(customers), products=unique(products)).dataset()
    segment = np.arange(len(dataset.customers)) % 3
    full, past = (
        product_statistics(rows, take_snapshot(rows, cutoff, CONFIG.windows), segment, 3, STATISTICS)
        for rows in (dataset, dataset.until(cutoff))
    )
    for name, values in vars(full).items():
        np.testing.assert_array_equal(values, getattr(past, name), err_msg=name, strict=True)


@given(tables=random_tables(), cutoff=CUTOFFS)
@settings(max_examples=30, deadline=None)
def test_encoders_fitted_at_an_earlier_day_do_not_know_who_comes_later(tables: Tables, cutoff: int) -> None:
    """Even on all rows: an entity that is first known later is not a missing value."""
    full, past = (
        replace(fit_encoders(dataset, cutoff, CONFIG), product_ids=np.array([]))
        for dataset in (tables.dataset(), tables.dataset().until(cutoff))
    )
    assert (full.customers, full.products) == (past.customers, past.products)
