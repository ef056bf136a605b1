"""What is known of each customer at the end of a day."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.dataset import ACQUIRE, REFUSE, RELEASE, SIGNAL
from nextbest.data.snapshot import NO_PRODUCT, History, holdings_at, new_acquisitions, take_snapshot
from tests.worlds import ANN, BOB, CARD, CAT, CONFIG, DAN, FUND, LOAN, PENSION, TINY, VAULT, Tables, random_tables

WINDOWS = CONFIG.windows


def listed(history: History, customer: int) -> list[tuple[int, int]]:
    """A customer's (product, day) pairs without the padding, which must come last."""
    products, days = history.products[customer], history.days[customer]
    length = int((products != NO_PRODUCT).sum())
    assert (products[length:] == NO_PRODUCT).all()
    assert (days[length:] == 0).all()
    return list(zip(products[:length].tolist(), days[:length].tolist(), strict=True))


@pytest.mark.parametrize(
    ("day", "ann"),
    [
        (9, []),
        (10, [CARD]),  # opened on this day: known
        (19, [CARD]),
        (20, []),  # closed on this day
        (29, []),
        (30, [CARD]),  # opened again, and only looked at the fund
        (60, [CARD, LOAN]),
        (90, [CARD, LOAN, PENSION]),
    ],
)
def test_holdings_follow_opening_closing_and_opening_again(day: int, ann: list[int]) -> None:
    assert holdings_at(TINY.dataset(), day)[ANN].indices.tolist() == ann


def test_opened_and_closed_on_one_day_is_not_held() -> None:
    assert holdings_at(TINY.dataset(), 40)[BOB].indices.tolist() == [CARD]


def test_holdings_are_ones_however_often_a_product_was_opened() -> None:
    events = [*TINY.events, (91, "ann", "loan", ACQUIRE), (92, "ann", "loan", ACQUIRE), (93, "ann", "loan", SIGNAL)]
    dataset = Tables(CONFIG, TINY.customers, TINY.products, events).dataset()
    holdings = holdings_at(dataset, 100)
    assert holdings.shape == (4, 5)
    assert holdings.dtype == np.float32
    assert holdings.toarray().tolist() == [[1, 0, 1, 1, 0], [1, 1, 0, 0, 0], [0] * 5, [1, 0, 0, 0, 0]]
    assert listed(take_snapshot(dataset, 100, WINDOWS).held, ANN)[0] == (LOAN, 92)  # the day of the last opening


def test_held_products_are_listed_newest_first_with_their_days() -> None:
    held = take_snapshot(TINY.dataset(), 100, WINDOWS).held
    assert held.products.shape == (4, 3)  # as wide as the longest list, not cut to max_holdings = 2
    assert listed(held, ANN) == [(PENSION, 90), (LOAN, 60), (CARD, 30)]
    assert listed(held, BOB) == [(CARD, 80), (FUND, 50)]
    assert listed(held, CAT) == []
    assert listed(held, DAN) == [(CARD, 100)]


def test_take_returns_some_customers_lists() -> None:
    held = take_snapshot(TINY.dataset(), 100, WINDOWS).held.take(np.array([DAN, BOB]))
    assert held.products.shape == (2, 3)
    assert listed(held, 0) == [(CARD, 100)]


def test_recent_products_are_those_taken_or_looked_at_in_the_last_days() -> None:
    """With recent_days = 20, day 60 sees the days 41 to 60: bob's fund (50), but no longer his loan (40)."""
    recent = take_snapshot(TINY.dataset(), 60, WINDOWS).recent
    assert [listed(recent, customer) for customer in (ANN, BOB, CAT)] == [[(LOAN, 60)], [(FUND, 50)], [(CARD, 50)]]
    recent = take_snapshot(TINY.dataset(), 59, WINDOWS).recent
    assert [listed(recent, customer) for customer in (ANN, BOB)] == [[], [(FUND, 50), (LOAN, 40)]]
    recent = take_snapshot(TINY.dataset(), 30, WINDOWS).recent
    assert listed(recent, ANN) == [(CARD, 30), (FUND, 30)]  # once each; one day: by position


def test_what_was_closed_is_a_list_of_its_own() -> None:
    """Cat closed the card on day 60, bob on day 70 until he opened it again; ann had it back on day 30."""
    closed = take_snapshot(TINY.dataset(), 89, WINDOWS).closed
    assert [listed(closed, customer) for customer in (ANN, BOB, CAT)] == [[], [(CARD, 70)], []]
    snapshot = take_snapshot(TINY.dataset(), 79, WINDOWS)
    assert [listed(snapshot.closed, customer) for customer in (ANN, BOB, CAT)] == [[], [(CARD, 70)], [(CARD, 60)]]
    assert listed(snapshot.recent, BOB) == listed(snapshot.recent, CAT) == []


def test_what_was_refused_is_neither_held_nor_of_interest() -> None:
    for day, refused in ((94, []), (95, [(VAULT, 95)]), (114, [(VAULT, 95)]), (115, [])):
        snapshot = take_snapshot(TINY.dataset(), day, WINDOWS)
        assert listed(snapshot.refused, ANN) == refused
        assert VAULT not in snapshot.held.products[ANN] and VAULT not in snapshot.recent.products[ANN]


def test_what_is_held_and_refused_is_held_still() -> None:
    again = dataclasses.replace(TINY, events=[*TINY.events, (101, "ann", "card", REFUSE)])
    snapshot = take_snapshot(again.dataset(), 101, WINDOWS)
    assert listed(snapshot.held, ANN) == [(PENSION, 90), (LOAN, 60), (CARD, 30)]
    assert listed(snapshot.refused, ANN) == [(CARD, 101), (VAULT, 95)]


def test_a_bank_without_events_has_empty_lists() -> None:
    dataset = Tables(CONFIG, TINY.customers, TINY.products, []).dataset()
    snapshot = take_snapshot(dataset, 100, WINDOWS)
    assert snapshot.held.products.tolist() == [[NO_PRODUCT]] * 4
    assert snapshot.recent.days.tolist() == [[0]] * 4
    assert snapshot.holdings.nnz == 0
    assert len(new_acquisitions(dataset, 0, 100)) == 0


@pytest.mark.parametrize(("day", "known"), [(59, False), (60, True)])
def test_a_product_is_available_from_its_first_row_on(day: int, known: bool) -> None:
    available = take_snapshot(TINY.dataset(), day, WINDOWS).available
    assert available.tolist() == [True, True, True, known, True]


def test_new_acquisitions_are_first_ones_of_products_not_held() -> None:
    acquired = new_acquisitions(TINY.dataset(), 29, 90)
    assert list(zip(acquired.customer.tolist(), acquired.product.tolist(), acquired.day.tolist(), strict=True)) == [
        (ANN, CARD, 30),  # closed on day 20, so it is new again
        (BOB, LOAN, 40),  # acquired, though closed on the same day
        (BOB, FUND, 50),
        (CAT, CARD, 50),
        (ANN, LOAN, 60),
        (ANN, PENSION, 90),
    ]  # not bob's card of day 80: he held it on day 29


def test_what_may_be_held_twice_is_acquired_again_once_per_window() -> None:
    dataset = TINY.dataset()
    repeatable = np.arange(len(dataset.products)) == CARD
    again = new_acquisitions(replace(dataset, repeatable=repeatable), 29, 90)
    pairs = set(zip(again.customer.tolist(), again.product.tolist(), again.day.tolist(), strict=True))
    once = new_acquisitions(dataset, 29, 90)
    assert pairs - set(zip(once.customer.tolist(), once.product.tolist(), once.day.tolist(), strict=True)) == {
        (BOB, CARD, 80)  # he held it on day 29
    }
    snapshot = take_snapshot(replace(dataset, repeatable=repeatable).until(89), 89, WINDOWS)
    held = snapshot.holdings.toarray() > 0
    assert held[BOB, CARD] and snapshot.can_acquire(np.array([BOB]))[0, CARD]
    np.testing.assert_array_equal(
        snapshot.can_acquire(np.arange(len(held))), snapshot.available & (~held | snapshot.repeatable)
    )


def test_an_acquisition_is_new_once_per_window() -> None:
    acquired = new_acquisitions(TINY.dataset(), 9, 30)
    pairs = list(zip(acquired.customer.tolist(), acquired.product.tolist(), acquired.day.tolist(), strict=True))
    assert pairs == [(ANN, CARD, 10), (BOB, CARD, 15)]


@pytest.mark.parametrize(("after", "new"), [(69, False), (70, True), (80, False)])
def test_what_is_held_at_the_cutoff_is_not_new(after: int, new: bool) -> None:
    """Bob closed his card on day 70 and opened it again on day 80."""
    acquired = new_acquisitions(TINY.dataset(), after, 89)
    assert ((acquired.customer == BOB) & (acquired.product == CARD)).any() == new


@given(random_tables(), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_snapshot_equals_replaying_the_events(tables: Tables, day: int) -> None:
    """The slow way: walk through the events in order and keep a dictionary per customer."""
    dataset = tables.dataset()
    snapshot = take_snapshot(dataset, day, WINDOWS)
    held: list[dict[int, int]] = [{} for _ in dataset.customers.ids]
    recent: list[dict[int, int]] = [{} for _ in dataset.customers.ids]
    closed: list[dict[int, int]] = [{} for _ in dataset.customers.ids]
    refused: list[dict[int, int]] = [{} for _ in dataset.customers.ids]
    lately = {RELEASE: closed, REFUSE: refused}
    events = dataset.interactions
    for customer, product, when, kind in zip(events.customer, events.product, events.day, events.kind, strict=True):
        if when > day:
            break
        if kind == ACQUIRE:
            held[customer][int(product)] = int(when)
        elif kind == RELEASE:
            held[customer].pop(int(product), None)
        if when > day - WINDOWS.recent_days:
            lately.get(int(kind), recent)[customer][int(product)] = int(when)
    for customer in range(len(dataset.customers)):
        for name, expected in {"held": held, "recent": recent, "closed": closed, "refused": refused}.items():
            newest_first = sorted(expected[customer].items(), key=lambda pair: (-pair[1], pair[0]))
            assert listed(getattr(snapshot, name), customer) == newest_first
        assert sorted(snapshot.holdings[customer].indices) == sorted(held[customer])
