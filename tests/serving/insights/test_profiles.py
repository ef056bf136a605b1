"""A customer among customers whose percentiles are known by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array
from nextbest.serving.config import ProfilesConfig
from nextbest.serving.insights.profiles import Attribute, Holding, Profile, Profiles
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving.handmade import World, described, numbers, strings

COLUMNS = {
    "segment": described("category"),
    "income": described("number", "EUR/year"),
    "utilisation": described("number"),
    "cards": described("number"),
    "age": described("number", "years"),
    "weight": described("number", "kg"),
    "savings_rate": described("number", "%"),
    "home_owner": described("boolean"),
    "joined": described("date"),
    "note": described("text"),
}
WORLD = World(
    COLUMNS,
    {"name": strings("Saver", "", "Card"), "category": strings("savings", "card", "card")},
    {"name": described("id"), "category": described("category")},
    {"p1": (1, 0), "p2": (0, 1), "p3": (1, 1)},
    {"segment": "segment", "customer_order": list(COLUMNS)},
)
FEW = ProfilesConfig(min_segment=2)


@pytest.fixture
def five(tmp_path: Path) -> Recommender:
    """Five customers: three in segment a, two in segment b."""
    return WORLD.load(
        tmp_path,
        ("1", "2", "3", "4", "5"),
        segment=strings("a", "a", "a", "b", "b"),
        income=numbers(10_000, 30_000, 20_000, 40_000, np.nan),
        utilisation=numbers(0, 0.5, 0.25, 1, 0.5),
        cards=numbers(0, 2, 2, 1, 0),
        age=numbers(20, 30, 40, 50, 60),
        weight=numbers(60.5, 70, 80, 90, 100),
        savings_rate=numbers(1, 2, 3, 4, 5),
        home_owner=numbers(1, 0, 1, np.nan, 0),
        joined=numbers(19_000, 19_100, 19_200, 19_300, 19_400),
        note=strings("", "kind", "", "", ""),
    )


def only(profile: Profile, name: str) -> Attribute:
    (found,) = [attribute for attribute in profile.attributes if attribute.name == name]
    return found


def one(**columns: str | float) -> dict[str, Array]:
    """Return a request of one customer."""
    return {name: strings(value) if isinstance(value, str) else numbers(value) for name, value in columns.items()}


def test_a_number_has_its_percentiles(five: Recommender) -> None:
    income = only(Profiles(five, FEW).profile(one(segment="a", income=30_000.0)), "income")
    # In segment a: 2 of 3 are below and it is one itself. Of the 4 known: 2 below and itself.
    assert income.percentile == pytest.approx(100 * 2.5 / 3)
    assert income.percentile_overall == pytest.approx(100 * 2.5 / 4)
    assert income.quartile_values == (15_000, 20_000, 25_000)
    assert income.quartiles == ("15,000 EUR/year", "20,000 EUR/year", "25,000 EUR/year")
    assert (income.value, income.label, income.missing) == ("30,000 EUR/year", "income", False)


def test_a_date_has_its_percentiles(five: Recommender) -> None:
    joined = only(Profiles(five, FEW).profile(one(segment="b", joined=19_300.0)), "joined")
    assert (joined.value, joined.percentile, joined.percentile_overall) == ("2022-11-04", 25, 70)
    assert joined.quartiles == ("2022-11-29", "2022-12-24", "2023-01-18")


def test_categories_and_booleans_are_shared(five: Recommender) -> None:
    profile = Profiles(five, FEW).profile(one(segment="a", home_owner=1.0))
    owner, segment = only(profile, "home_owner"), only(profile, "segment")
    assert (owner.value, owner.share, owner.share_overall) == ("yes", 2 / 3, 2 / 4)
    assert (segment.share, segment.share_overall) == (None, 3 / 5)
    assert only(profile, "note").share_overall is None
    assert (profile.segment, profile.segment_customers, profile.customers) == ("a", 3, 5)


def test_a_missing_value_is_marked_and_has_no_percentile(five: Recommender) -> None:
    profile = Profiles(five, FEW).profile(one(segment="a"))
    for name in ("income", "home_owner", "joined", "note"):
        attribute = only(profile, name)
        assert attribute.missing and attribute.value == "-"
        assert attribute.percentile is attribute.percentile_overall is attribute.share is None
    assert only(profile, "income").quartile_values == (15_000, 20_000, 25_000)


@pytest.mark.parametrize("segment", ["", "c"])
def test_without_a_known_segment_all_customers_are_left(five: Recommender, segment: str) -> None:
    profile = Profiles(five, FEW).profile(one(segment=segment, age=40.0, home_owner=1.0))
    age, owner = only(profile, "age"), only(profile, "home_owner")
    assert (age.percentile, age.percentile_overall, age.quartiles) == (None, 50, None)
    assert (owner.share, owner.share_overall) == (None, 0.5)
    assert profile.segment_customers == 0


def test_few_customers_are_not_compared(five: Recommender) -> None:
    profile = Profiles(five, ProfilesConfig(min_segment=4)).profile(one(segment="a", age=40.0, home_owner=1.0))
    age, owner = only(profile, "age"), only(profile, "home_owner")
    assert (age.percentile, age.quartiles, age.percentile_overall) == (None, None, 50)
    assert (owner.share, owner.share_overall) == (None, 0.5)


def test_numbers_are_grouped_by_their_units(five: Recommender) -> None:
    behaviour = Profiles(five, FEW).profile(one(segment="a")).behaviour
    assert {heading: [attribute.name for attribute in found] for heading, found in behaviour.items()} == {
        "Money": ["income"],
        "Shares and rates": ["utilisation", "savings_rate"],
        "Counts and scores": ["cards"],
        "Time": ["age"],
        "Other measures": ["weight"],
    }


def test_holdings_are_named_and_dated_the_newest_first(five: Recommender) -> None:
    request = {
        "held_products": np.array([["p2", "gone", "p1", "p3", ""]], object),
        "held_days": np.array([[19_000, 19_500, 19_993]]),
    }
    assert Profiles(five, FEW).profile(request).holdings == (
        Holding("p1", "Saver", "savings", date(2024, 9, 27)),
        Holding("gone", "gone", "", date(2023, 5, 23)),
        Holding("p2", "p2", "card", date(2022, 1, 8)),
        Holding("p3", "Card", "card", None),
    )


def test_what_was_refused_is_listed_where_the_bank_records_it(
    five: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Profiles(five, FEW).profile(one()).refused == ()
    refused = {"refused_products": np.array([["p1", ""]], object), "refused_days": np.array([[19_993, 0]])}
    complete = five.complete
    monkeypatch.setattr(five, "complete", lambda request, batch: {**complete(request, batch), **refused})
    assert Profiles(five, FEW).profile(one()).refused == (Holding("p1", "Saver", "savings", date(2024, 9, 27)),)


def test_fields_are_in_the_configs_order_with_what_is_typical(five: Recommender) -> None:
    fields = {field.name: field for field in Profiles(five, ProfilesConfig(tail=0)).form_fields()}
    assert list(fields) == list(COLUMNS)
    assert fields["segment"].choices == ("a", "b") and fields["segment"].typical == "a"
    assert (fields["age"].low, fields["age"].high, fields["age"].typical) == (20, 60, 40)


def test_without_a_snapshot_there_is_no_one_to_compare_with(tmp_path: Path) -> None:
    profiles = Profiles(WORLD.load(tmp_path), FEW)
    profile = profiles.profile(one(segment="a", income=30_000.0, home_owner=1.0))
    assert profile.customers == profile.segment_customers == 0
    assert only(profile, "income").value == "30,000 EUR/year"
    assert only(profile, "income").percentile_overall is only(profile, "home_owner").share_overall is None
    assert [field.low for field in profiles.form_fields()] == [None] * len(COLUMNS)


def test_a_profile_is_of_one_customer(five: Recommender) -> None:
    with pytest.raises(ValueError, match=r"of one customer.*'age': 2"):
        Profiles(five, FEW).profile({"age": numbers(1, 2)})


def test_a_customer_of_the_bank_is_described(recommender: Recommender) -> None:
    customers = recommender.customers()
    profiles = Profiles(recommender)
    assert [field.name for field in profiles.form_fields()][:4] == ["joined", "branch", "region", "segment"]
    profile = profiles.profile(take(customers.columns, np.array([0])))
    assert profile.segment in {"affluent", "business", "everyday", "family", "private", "senior", "student"}
    held = [product for product in customers.columns["held_products"][0] if product]
    assert sorted(holding.product_id for holding in profile.holdings) == sorted(held)
    days = [holding.since for holding in profile.holdings if holding.since]
    assert days == sorted(days, reverse=True)
    assert not any(holding.name == holding.product_id for holding in profile.holdings)
    for attribute in profile.attributes:
        assert attribute.percentile_overall is None or 0 <= attribute.percentile_overall <= 100
