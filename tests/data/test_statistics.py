"""The catalogue's statistics on the tiny bank, by hand. Products in order: card, fund, loan, pension, vault."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nextbest.data.dataset import ACQUIRE, Array
from nextbest.data.item_weights import conditional_shares, ease_weights, shrunk_cosines
from nextbest.data.snapshot import take_snapshot
from nextbest.data.statistics import (
    PairStatistic,
    ProductStatistics,
    StatisticsConfig,
    popularity_features,
    product_statistics,
)
from tests.worlds import CARD, CONFIG, FUND, LOAN, PENSION, TINY, VAULT, Tables, random_tables

DAY = 100
SEGMENTS = np.array([2, 1, 0, 1])  # ann is private, bob and dan are retail, cat's is unknown


def statistics(tables: Tables = TINY, segments: Array = SEGMENTS, **settings: Any) -> ProductStatistics:
    dataset = tables.dataset()
    snapshot = take_snapshot(dataset, DAY, CONFIG.windows)
    return product_statistics(dataset, snapshot, segments, 3, StatisticsConfig(**settings))


def test_popularity_is_the_share_in_each_window() -> None:
    """Days 91 to 100 bring one card; days 51 to 100 two cards, a loan and a pension. With one more for each product

    2 1 1 1 1 of 6, or 3 1 2 2 1 of 9: relative to uniform shares 6/5 and 9/5 of an acquisition.
    """
    config = StatisticsConfig(popularity_days=(10, 50))
    popularity = popularity_features(TINY.dataset(), DAY, config)
    assert popularity.shape == (5, 4)
    assert popularity.dtype == np.float32
    lately, before = np.log(np.array([2, 1, 1, 1, 1]) / (6 / 5)), np.log(np.array([3, 1, 2, 2, 1]) / (9 / 5))
    np.testing.assert_allclose(popularity[:, 0], lately, rtol=1e-6)
    np.testing.assert_allclose(popularity[:, 1], before, rtol=1e-6)
    np.testing.assert_allclose(popularity[:, 2], lately - before, rtol=1e-6, atol=1e-6)  # the trend: above 0 is rising
    assert popularity[VAULT, 2] > 0 > popularity[LOAN, 2]


def test_popularity_knows_when_a_product_was_last_bought() -> None:
    """On days 100, 50, 60 and 90, and never: as if twice the longest window ago."""
    popularity = popularity_features(TINY.dataset(), DAY, StatisticsConfig(popularity_days=(10, 50)))
    np.testing.assert_allclose(popularity[:, -1], np.log(np.array([1, 51, 41, 11, 101]) / 51), atol=1e-6)
    popularity = popularity_features(TINY.dataset(), DAY, StatisticsConfig(popularity_days=(10,)))
    assert popularity.shape == (5, 2)  # one window has no trend
    np.testing.assert_allclose(popularity[:, -1], np.log(np.array([1, 21, 21, 11, 21]) / 11), rtol=1e-6)


def test_popularity_counts_the_day_and_not_the_next() -> None:
    events = [*TINY.events, (DAY + 1, "ann", "vault", ACQUIRE)]
    later = Tables(CONFIG, TINY.customers, TINY.products, events).dataset()
    config = StatisticsConfig(popularity_days=(1, 50))
    expected = popularity_features(TINY.dataset(), DAY, config)
    np.testing.assert_array_equal(popularity_features(later, DAY, config), expected)
    assert popularity_features(later, DAY + 1, config)[VAULT, 0] > expected[VAULT, 0]


def test_segments_prefer_what_their_customers_acquired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards 6, funds 1, loans 2, pensions 1: with one more for each product 7 2 3 2 1 of 15.

    Retail (bob, dan) acquired 3 cards, a fund and a loan; the prior adds 5 acquisitions in the overall shares:
    cards (3 + 35/15) / (5 + 5) = 8/15, which is 8/7 of 7/15; the fund 5/30, which is 5/4 of 2/15; the vault 1/2.
    Private (ann) acquired 4: the pension's (1 + 10/15) / (4 + 5) = 5/27 is 25/18 of 2/15.
    """
    monkeypatch.setattr("nextbest.data.statistics._SEGMENT_PRIOR", 5)
    lift = statistics(segment_days=100).segments
    assert lift.shape == (3, 5)
    assert lift.dtype == np.float32
    np.testing.assert_allclose(np.exp(lift[1, [CARD, FUND, VAULT]]), [8 / 7, 5 / 4, 1 / 2], rtol=1e-6)
    np.testing.assert_allclose(np.exp(lift[2, PENSION]), 25 / 18, rtol=1e-6)
    assert lift[0].tolist() == [0] * 5  # unknown, though cat acquired a card


def test_a_segment_that_acquired_nothing_is_neutral() -> None:
    """Within five days only dan acquired something."""
    lift = statistics(segment_days=5).segments
    np.testing.assert_allclose(lift[2], 0, atol=1e-6)
    assert lift[1, CARD] > 0


def test_the_pairs_are_those_that_are_named() -> None:
    computed = statistics(ease_l2=3, pairs=("conditional", "ease", "cosine"))
    holdings = take_snapshot(TINY.dataset(), DAY, CONFIG.windows).holdings
    assert computed.pairs.dtype == np.float32
    expected = [conditional_shares(holdings), ease_weights(holdings, 3), shrunk_cosines(holdings, 50).toarray()]
    np.testing.assert_allclose(computed.pairs, expected, rtol=1e-6)
    assert statistics(pairs=()).pairs.shape == (0, 5, 5)


def test_no_pair_is_named_twice() -> None:
    with pytest.raises(ValidationError, match="name each once"):
        StatisticsConfig(pairs=("ease", "conditional", "ease"))


def test_a_bank_in_which_nothing_happened_is_neutral() -> None:
    computed = statistics(Tables(CONFIG, TINY.customers, TINY.products, []))
    for values in (computed.popularity[:, :-1], computed.segments, computed.pairs):
        np.testing.assert_allclose(values, 0, atol=1e-6)
    assert (computed.popularity[:, -1] > 0).all()  # as if bought long ago


@given(random_tables(), st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_statistics_are_finite(tables: Tables, day: int) -> None:
    """Also for products that no one ever bought, and at the first day."""
    config = StatisticsConfig(pairs=get_args(PairStatistic))
    history = tables.dataset().until(day)
    segments = np.arange(len(history.customers)) % 3
    snapshot = take_snapshot(history, day, CONFIG.windows)
    computed = product_statistics(history, snapshot, segments, 3, config)
    for values in vars(computed).values():
        assert np.isfinite(values).all()


@pytest.mark.parametrize("days", [(), (0, 30), (30, 30), (91, 30)])
def test_windows_of_popularity_must_increase(days: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending"):
        StatisticsConfig(popularity_days=days)
