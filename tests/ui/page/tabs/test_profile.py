"""The tab of the profile."""

from __future__ import annotations

from datetime import date

from nextbest.serving.insights.profiles import Attribute, Holding, Profile
from nextbest.ui.page.tabs.profile import holdings_view, profile_view, refused_view
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
)


def test_every_attribute_is_shown_once(data: VersionData, customer: SelectedCustomer) -> None:
    shown = profile_view(data.profiles.profile(data.request(customer)))
    assert shown.count('scope="row"') == len(data.recommender.customer_columns)
    assert "Shared by" in shown


def test_a_unit_is_said_once_and_a_few_are_not_none() -> None:
    income = Attribute(
        "income", "income", "number", "money", "5 EUR", False, 50.0, quartiles=("1 EUR", "4 EUR", "9 EUR")
    )
    job = Attribute("job", "job", "category", None, "clown", False, share=0.004)
    home = Attribute("home", "home", "boolean", None, "no", False, share=0.0)
    shown = profile_view(Profile("retail", 250, 500, (income, job, home), {"Money": (income,)}, ()))
    assert "1 to 9 EUR" in shown
    assert "under 1% of the segment" in shown and ">0% of the segment" in shown


def test_holdings_are_on_a_time_line() -> None:
    holdings = [
        Holding("P2", "Two <b>", "card", date(2024, 7, 1)),
        Holding("P1", "One", "", date(2024, 1, 1)),
        Holding("P0", "Zero", "fund", None),
    ]
    shown = holdings_view(holdings, date(2024, 12, 30))
    assert "Two &lt;b&gt;" in shown and "01 Jul 2024" in shown
    assert "left:50.0%" in shown and "left:0.0%" in shown  # 182 of 364 days, and the first day
    assert "Nothing is held" in holdings_view([], date(2024, 12, 30))


def test_what_was_refused_is_named_with_its_day() -> None:
    shown = refused_view([Holding("P2", "Two <b>", "card", date(2024, 7, 1)), Holding("P0", "Zero", "fund", None)])
    assert "Refused lately" in shown and "Two &lt;b&gt;" in shown and "01 Jul 2024" in shown and "Zero" in shown
    assert refused_view([]) == ""
