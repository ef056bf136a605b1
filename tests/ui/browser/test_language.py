"""The page in German: by the browser or by the address, on the desk and in Why, with nothing left in English."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import expect

from nextbest.serving.recommender import Recommender, product_names
from tests.ui.browser.screen import CUSTOMER, Screen
from tests.ui.browser.test_accessibility import violations

ENGLISH = (
    *("the", "and", "of", "within", "about", "customer", "products", "average", "reasons", "likely", "holds", "has"),
    *("match", "why", "desk", "profile", "models", "choose", "upload", "search", "leave", "appetite", "not", "years"),
    *("months", "drop", "click", "yes", "known", "adds", "events", "opened", "closed", "risk"),
)
"""Words that the page's English has, and neither German nor the small bank's own columns, categories and names."""
OWN = ".product-card :is(h3, .facts), :is(#tab-neighbourhood-button, #tab-batch-button, .overflow-dropdown, .language)"
"""What is in the bank's words, in tabs that speak English alone, or the link to the other language."""


def english_words(screen: Screen, names: Sequence[str] = ()) -> list[str]:
    """Return the stated words that are seen on the page, outside of quotation marks and of the bank's own words."""
    text = screen.page.evaluate(
        """own => {
          const copy = document.querySelector("gradio-app").cloneNode(true);
          for (const one of copy.querySelectorAll(own + ", script, style")) one.remove();
          document.body.append(copy);
          const text = copy.innerText;
          copy.remove();
          return text;
        }""",
        OWN,
    )
    for name in names:
        text = text.replace(name, "")
    words = set(re.findall("[a-z]+", re.sub("„[^“]*“", "", text).lower()))
    return sorted(words & set(ENGLISH))


@pytest.fixture(params=["browser", "address"])
def german(request: pytest.FixtureRequest, opened: Callable[..., Screen], address: str) -> Screen:
    """Return the page in German, asked for in either way."""
    if request.param == "browser":
        return opened(address, locale="de-DE", ready="Stand")
    return opened(f"{address}?lang=de", locale="en-GB", ready="Stand")


def test_the_desk_and_why_are_in_german(german: Screen, recommender: Recommender) -> None:
    expect(german.at("html")).to_have_attribute("lang", "de")
    expect(german.page.get_by_role("heading", name="Wählen Sie einen Kunden")).to_be_visible()
    assert english_words(german) == []
    german.page.get_by_role("button", name="Profil hochladen").click()
    expect(german.at("#upload")).to_contain_text("Datei hier ablegen")
    assert english_words(german) == []
    german.page.get_by_role("button", name="Profil hochladen").click()
    german.page.get_by_role("combobox", name="Kunde", exact=True).fill(CUSTOMER)
    german.page.get_by_role("option", name=CUSTOMER, exact=True).click()
    expect(german.at(".product-card .reasons li >> nth=0")).to_be_visible()
    expect(german.card.locator(".value >> nth=0")).to_have_text(re.compile(r"^[\d.]+ EUR/Jahr$"))
    assert english_words(german) == []
    german.at(".pick >> nth=0").click()
    expect(german.at("#why-view .waterfall")).to_contain_text("Von der durchschnittlichen Wahrscheinlichkeit")
    expect(german.at("#why-view .waterfall tr >> nth=1")).to_contain_text(re.compile(r"\d,\d\s%"))
    german.settle()
    assert english_words(german, product_names(recommender).tolist()) == []
    assert violations(german, "body") == []


def test_the_choice_stays_with_the_customer(opened: Callable[..., Screen], address: str) -> None:
    screen = opened(f"{address}?customer={CUSTOMER}&top=4", locale="de-DE", ready="Stand")
    expect(screen.at(".product-card")).to_have_count(4)
    screen.page.get_by_role("link", name="English").click()
    expect(screen.at("#title")).to_contain_text("as of")
    expect(screen.at("html")).to_have_attribute("lang", "en")
    expect(screen.at(".product-card")).to_have_count(4)
    expect(screen.page.get_by_role("tab", name="Desk")).to_be_visible()
    assert screen.page.url.endswith(f"?customer={CUSTOMER}&top=4&lang=en")
    screen.page.get_by_role("link", name="Deutsch").click()
    expect(screen.at("#title")).to_contain_text("Stand")


def test_a_language_without_words_is_answered_in_english(opened: Callable[..., Screen], address: str) -> None:
    """Gradio knows French; half of the page in it would be worse than none."""
    screen = opened(address, locale="fr-FR")
    expect(screen.at("html")).to_have_attribute("lang", "en")
    screen.page.get_by_role("button", name="Upload a profile").click()
    expect(screen.at("#upload")).to_contain_text("Drop File Here")
