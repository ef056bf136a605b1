"""What customers did in the last two years: a world of two customers, by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import ACQUIRE, HELD, REFUSE, RELEASE, SIGNAL, Interactions
from nextbest.serving.artifacts.assets import CustomerEvents, Event

DAY = 20_000  # 2024-10-04
ROWS = [  # customer, product, day, kind; sorted by day
    (0, 0, DAY - 731, ACQUIRE),  # more than two years ago
    (1, 2, DAY - 700, HELD),  # no event
    (0, 1, DAY - 700, ACQUIRE),
    (1, 0, DAY - 10, SIGNAL),
    (0, 2, DAY - 9, REFUSE),
    (0, 1, DAY, RELEASE),
    (1, 1, DAY + 1, ACQUIRE),  # the future
]


def interactions(rows: list[tuple[int, int, int, int]]) -> Interactions:
    customer, product, day, kind = np.array(rows, np.int32).T
    return Interactions(customer, product, day, kind.astype(np.int8), np.ones(len(rows), np.float32))


@pytest.fixture
def events() -> CustomerEvents:
    return CustomerEvents.from_interactions(interactions(ROWS), 3, DAY)


def test_a_customers_events_are_the_last_two_years_oldest_first(events: CustomerEvents) -> None:
    assert list(events.of(0)) == [
        Event(date(2022, 11, 4), "opened", 1),
        Event(date(2024, 9, 25), "refused", 2),
        Event(date(2024, 10, 4), "closed", 1),
    ]
    assert list(events.of(1)) == [Event(date(2024, 9, 24), "looked at", 0)]
    assert list(events.of(2)) == []


def test_later_rows_change_nothing(events: CustomerEvents) -> None:
    past = CustomerEvents.from_interactions(interactions([row for row in ROWS if row[2] <= DAY]), 3, DAY)
    for customer in range(3):
        assert list(past.of(customer)) == list(events.of(customer))


def test_what_was_saved_is_read_again(events: CustomerEvents, tmp_path: Path) -> None:
    events.save(tmp_path / "events.npz")
    loaded = CustomerEvents.load(tmp_path / "events.npz")
    assert [list(loaded.of(customer)) for customer in range(3)] == [list(events.of(customer)) for customer in range(3)]
