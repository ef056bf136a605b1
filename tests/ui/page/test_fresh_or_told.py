"""The page says how old the data are, refuses what is too old, and tells no probability of whom nobody knows."""

from __future__ import annotations

from copy import copy
from datetime import date
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.serving import data_age
from nextbest.serving.language import speak
from nextbest.serving.recommender import Filters, Recommender
from nextbest.ui.page.app import heading
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.customer import portrait
from nextbest.ui.page.tab import Selection
from nextbest.ui.page.tabs.desk import DeskTab
from nextbest.ui.page.tabs.what_if import comparison
from nextbest.ui.page.tabs.why import WhyTab
from nextbest.ui.page.version_data import CurrentVersion, SelectedCustomer, VersionData, recommend_products

STRANGER = SelectedCustomer("no-one", {"age": 40.0, "income": 50_000.0, "risk_tolerance": 3.0, "savings": 20_000.0})
"""An uploaded customer without holdings."""
NO_PROBABILITY = "no probability: what the customer holds is not known"


def on(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_age, "today", lambda: day)


def test_the_heading_says_how_old_the_data_are(data: VersionData, monkeypatch: pytest.MonkeyPatch) -> None:
    on(date(2024, 9, 30), monkeypatch)
    assert "as of 27 Sep 2024, 3 days ago" in heading(data, 1) and "out of date" not in heading(data, 1)
    on(date(2024, 12, 28), monkeypatch)  # the 92nd day
    assert "out of date" in heading(data, 1) and "The 91 days after it" in heading(data, 1)
    with speak("de"):
        assert "Stand 27.09.2024, vor 92 Tagen" in heading(data, 1) and "veraltet" in heading(data, 1)


@pytest.mark.parametrize(("language", "words"), [("en", "3 days old"), ("de", "sind 3 Tage alt")])
def test_data_that_are_too_old_answer_nothing(
    recommender: Recommender, language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(date(2024, 9, 30), monkeypatch)
    limited = copy(recommender)
    limited.manifest = recommender.manifest | {"max_age_days": 2}
    live: Any = SimpleNamespace(ask=lambda question: question(limited))
    with speak(language), pytest.raises(InputError, match=words) as refused:
        CurrentVersion(live).ask(lambda data: data)
    assert "nextbest refresh" in str(refused.value) and "--any-age" in str(refused.value)
    assert CurrentVersion(live, any_age=True).ask(lambda data: data).recommender is limited
    on(date(2024, 9, 29), monkeypatch)
    assert CurrentVersion(live).ask(lambda data: data).recommender is limited


def test_a_stranger_gets_an_order_and_no_probability(data: VersionData) -> None:
    found = recommend_products(data, STRANGER, 5, Filters())
    assert len(found) == 5 and [one.probability for one in found] == [None] * 5


def test_a_stranger_who_says_what_is_held_gets_both(data: VersionData) -> None:
    first, *_ = recommend_products(data, STRANGER, 5, Filters())
    held = SelectedCustomer("no-one", {**STRANGER.uploaded, "held_products": np.array([first.product_id, ""], object)})
    found = recommend_products(data, held, 5, Filters())
    assert all(one.probability is not None and one.product_id != first.product_id for one in found)


def select(customer: SelectedCustomer) -> Selection:
    return Selection(customer, 3, Filters(), "")


def test_the_desk_says_why_there_is_none(data: VersionData, customer: SelectedCustomer) -> None:
    with gr.Blocks():
        desk = DeskTab()
    shown = desk.content(data, select(STRANGER))
    assert shown[desk.recommendations].count(NO_PROBABILITY) == 3
    assert shown[desk.sheet].count("No probability: what the customer holds is not known") == 3
    assert "products not known" in portrait(data, STRANGER) and "products not known" in shown[desk.sheet]
    assert "products not known" not in portrait(data, customer)
    assert NO_PROBABILITY not in desk.content(data, select(customer))[desk.recommendations]
    with speak("de"):
        assert (
            "die Produkte des Kunden sind nicht bekannt" in desk.content(data, select(STRANGER))[desk.recommendations]
        )


def test_there_are_no_reasons_of_no_probability(data: VersionData) -> None:
    with gr.Blocks():
        why = WhyTab(PageConfig())
    assert NO_PROBABILITY in why.content(data, select(STRANGER))[why.view]


def test_what_would_change_is_told_by_places_alone(data: VersionData) -> None:
    found = recommend_products(data, STRANGER, 3, Filters())
    compared = comparison(found, found[::-1], ["age: 40 to 50"], [], [])
    assert "%" not in compared and "=" in compared
