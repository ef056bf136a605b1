"""The customer at a glance."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from nextbest.serving.artifacts.assets import Event
from nextbest.serving.insights.profiles import Attribute, Holding, Profile
from nextbest.ui.page.customer import finances, portrait, summary, timeline
from nextbest.ui.page.version_data import SelectedCustomer, VersionData

TODAY = date(2024, 9, 27)
AGE = Attribute("age", "age", "number", "time", "43 years", False, percentile=50)
SAVINGS = Attribute("savings", "savings", "number", "money", "9,000 EUR", False, percentile=12.3)


def profile(*since: date | None, **settings: object) -> Profile:
    holdings = tuple(Holding(f"P{place}", "Product", "", day) for place, day in enumerate(since))
    given = {"segment": "well_off", "segment_customers": 9, "customers": 99, "attributes": (AGE, SAVINGS)} | settings
    return Profile(behaviour={"Money": (SAVINGS,)}, holdings=holdings, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (date(2024, 9, 27), "today"),
        (date(2024, 9, 26), "yesterday"),
        (date(2024, 9, 20), "7 days ago"),
        (date(2024, 9, 1), "3 weeks ago"),
        (date(2024, 7, 20), "2 months ago"),
        (date(2021, 9, 27), "3 years ago"),
    ],
)
def test_a_line_sums_up(since: date, said: str) -> None:
    found = summary(profile(date(2020, 1, 1), since), TODAY)
    assert found == f"43 years, well off, 2 products, the last one opened {said}"


def test_what_is_not_known_is_not_said() -> None:
    assert summary(profile(None), TODAY) == "43 years, well off, 1 product"
    assert summary(profile(segment="", attributes=(SAVINGS,)), TODAY) == "no products yet"


def test_the_finances_stand_among_the_segment() -> None:
    shown = finances(profile())
    assert "Among 100 of the segment well off" in shown and "left:12.3%" in shown and "above 12 of 100" in shown
    assert "9,000 EUR" in shown
    assert finances(Profile("", 0, 9, (), {}, ())) == ""


def test_events_stand_in_time(data: VersionData) -> None:
    events = [Event(date(2022, 9, 28), "opened", 0), Event(TODAY, "closed", 0)]
    shown = timeline(data, events, TODAY)
    assert "left:0.0%" in shown and "left:100.0%" in shown and "2 events" in shown
    assert "Sep 2022" in shown and f"27 Sep 2024: closed {data.product_names[0]}" in shown
    assert "looked at" not in shown  # the legend names what happened
    assert timeline(data, [], TODAY) == ""


def test_the_portrait_says_who_it_is(data: VersionData, customer: SelectedCustomer) -> None:
    shown = portrait(data, customer)
    for text in (customer.id, "Income", "EUR/year", "Savings", "years", "product", "event"):
        assert text in shown
    edited = portrait(data, SelectedCustomer(customer.id, {}, {"income": np.float32(1)}))
    assert "changed: income" in edited and "changed" not in shown
    assert "No customer is chosen" in portrait(data, SelectedCustomer())
