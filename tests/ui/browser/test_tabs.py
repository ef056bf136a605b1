"""The tabs that inform: profile, neighbourhood, models, service. None of them works before it is looked at."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from nextbest.serving.insights.explanations import Explainer
from nextbest.serving.insights.neighbourhood import Neighbourhood
from nextbest.serving.insights.profiles import Profiles
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, TABS, Screen, cells


@pytest.fixture
def screen(screen: Screen) -> Screen:
    """Return the page about a customer."""
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    return screen


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often the server computes what."""
    calls: Counter[str] = Counter()
    for kind, name in (
        (Neighbourhood, "view"),
        (Explainer, "explain"),
        (ReasonExplainer, "of_customer"),
        (Profiles, "profile"),
        (Recommender, "recommend"),
    ):
        original = getattr(kind, name)

        def counted(*given: Any, original: Any = original, name: str = name) -> Any:
            calls[name] += 1
            return original(*given)

        monkeypatch.setattr(kind, name, counted)
    return calls


def test_profile(screen: Screen, recommender: Recommender) -> None:
    profile = Profiles(recommender).profile(requests_for_ids(recommender, np.array([CUSTOMER], object)))
    screen.look("profile")
    expect(screen.at("#profile-view")).to_contain_text(f"{profile.segment_customers} customers of the segment")
    headings = screen.at("#profile-view h3").all_inner_texts()
    assert headings == [*profile.behaviour, "Dates", "Other attributes"]
    shown = {row[0]: row[1:] for table in screen.at("#profile-view table").all() for row in cells(table)}
    assert len(shown) == len(recommender.customer_columns)
    assert shown["Income"][0] == "23,700 EUR/year"
    held = cells(screen.at("#holdings table"))
    assert [row[0] for row in held] == [holding.name for holding in profile.holdings]


def test_neighbourhood(screen: Screen, recommender: Recommender) -> None:
    first = screen.at(".product-card h3").first.inner_text().removeprefix("1").strip()
    found = recommender.recommend(requests_for_ids(recommender, np.array([CUSTOMER], object)), 5)
    similarity = f"{found.similarity[0, 0]:.2f}"
    screen.look("neighbourhood")
    points = screen.at("#map .scatterlayer .point")
    expect(points).to_have_count(len(recommender.products.ids) + 1 + 50)  # the most similar customers, without a name
    expect(screen.at("#map .scatterlayer .textpoint")).to_have_count(5)
    categories = set(recommender.products.columns["category"])
    expect(screen.page.get_by_role("list", name="Colours of the map").get_by_role("listitem")).to_have_count(
        len(categories) + 2
    )
    screen.at("#map .scatterlayer .textpoint").filter(has_text="1").hover(force=True)
    expect(screen.at("#map .hoverlayer")).to_contain_text(f"{first}similarity {similarity}")
    expect(screen.at("#neighbours table tbody tr").first).to_be_visible()
    screen.at("#neighbours summary").press("Enter")  # by the keyboard and as a table
    expect(screen.at("#neighbours details table")).to_contain_text(first)
    # Of customers none but this one, whom the page's address names, and with it plotly's.
    assert {*re.findall(r"C0\d{5}", screen.at("#tab-neighbourhood").inner_html())} <= {CUSTOMER}
    assert not screen.page.get_by_role("link", name="plotly").count()  # nothing leads to another server


def test_models(screen: Screen, trained: Trained) -> None:
    screen.look("models")
    expect(screen.at("#model-report .alert")).to_contain_text("Version 1 is ")
    metrics = json.loads((trained.run / "evaluation" / "metrics.json").read_text(encoding="utf-8"))["models"]
    rows = {row[0].removesuffix(" served").lower(): row for row in cells(screen.at("#model-report table").first)}
    assert len(rows) == len(metrics)
    assert rows["ranking"][1] == f"{metrics['ranking']['ndcg@5']['value']:.3f}"
    assert rows["ranking"][0] == "Ranking served"
    screen.page.get_by_role("button", name="Model card").click()
    expect(screen.at("#model-card").get_by_role("heading").first).to_be_visible()


def test_service(screen: Screen, address: str) -> None:
    screen.look("service")
    endpoints = [row[0] for row in cells(screen.at("#endpoints table"))]
    assert endpoints == ["/recommend", "/profile", "/reasons", "/explain", "/score"]
    expect(screen.at("#example code")).to_contain_text(f'Client("{address.rstrip("/")}", analytics_enabled=False)')


def test_tabs_without_a_customer_say_what_to_do(opened: Callable[..., Screen], address: str) -> None:
    screen = opened(address)
    for tab, text in (
        ("profile", "#profile-view"),
        ("why", "#why-view"),
        ("neighbourhood", "#neighbours"),
        ("whatif", "#whatif-hint"),
    ):
        screen.page.get_by_role("tab", name=TABS[tab], exact=True).click()
        expect(screen.at(text)).to_contain_text("No customer is chosen")


def test_nothing_is_computed_for_a_tab_that_is_not_looked_at(screen: Screen, calls: Counter[str]) -> None:
    screen.choose("C000018")
    screen.at("#top").get_by_role("slider").press("Home")
    expect(screen.at("#recommendations [data-product]")).to_have_count(3)
    expect(screen.at(".product-card .reasons li").first).to_be_visible()
    assert calls.keys() == {"recommend", "profile", "of_customer"}  # the desk says who it is, and why
    screen.look("neighbourhood")
    assert calls["view"] == 1
    screen.look("models")
    before = calls.copy()
    screen.choose("C000019")
    assert calls - before == Counter(profile=1)  # the models are the same for all customers
    before = calls.copy()
    screen.look("why")
    # The sentences compare the customer with others; the features wait until they are asked for.
    assert calls - before == Counter(recommend=1, of_customer=1, profile=1)
    screen.look("profile")
    assert calls - before == Counter(recommend=1, of_customer=1, profile=2)
