"""The page in German: by the browser or by the address, with nothing left in English in the tabs that it looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import expect

from nextbest.serving.formatting import sentence_case
from nextbest.serving.recommender import Recommender, product_names
from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, Screen
from tests.ui.browser.test_accessibility import violations
from tests.ui.tables import known_customers

ENGLISH = (
    *("the", "and", "of", "within", "about", "customer", "products", "average", "reasons", "likely", "holds", "has"),
    *("match", "why", "desk", "profile", "models", "choose", "upload", "search", "leave", "appetite", "not", "years"),
    *("months", "drop", "click", "yes", "known", "adds", "events", "opened", "closed", "risk"),
)
"""Words that the page's English has, and neither German nor the small bank's own columns, categories and names."""
OWN = ".product-card :is(h3, .facts), .language"
"""What is in the bank's words, or the link to the other language."""


def english_words(screen: Screen, names: Sequence[str] = ()) -> list[str]:
    """Return the stated words that are seen on the page, outside of quotation marks and of the bank's own words."""
    text = screen.page.evaluate(
        """own => {
          // Hidden, not cloned: a copy of the radio group would take the choice from the original.
          const hidden = document.createElement("style");
          hidden.textContent = own + " { display: none !important; }";
          document.head.append(hidden);
          const text = document.querySelector("gradio-app").innerText;
          hidden.remove();
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


@pytest.fixture
def adviser(opened: Callable[..., Screen], address: str) -> Screen:
    """Return a customer's page in German, with room for all tabs' names."""
    screen = opened(f"{address}?customer={CUSTOMER}&lang=de", ready="Stand", viewport={"width": 1600, "height": 900})
    expect(screen.at(".product-card .reasons li >> nth=0")).to_be_visible()
    return screen


def look(screen: Screen, tab: str) -> None:
    screen.page.get_by_role("tab", name=tab, exact=True).click()


def test_the_neighbourhood_is_in_german(adviser: Screen, recommender: Recommender) -> None:
    look(adviser, "Umfeld")
    expect(adviser.at("#map .main-svg >> nth=0")).to_be_visible()
    adviser.at("#neighbours summary").click()
    expect(adviser.at("#neighbours details table")).to_contain_text("Nummer 1")
    expect(adviser.at("#neighbours table >> nth=0")).to_contain_text("-Fache des Üblichen")
    assert english_words(adviser, product_names(recommender).tolist()) == []


def test_by_product_is_in_german(adviser: Screen, recommender: Recommender) -> None:
    look(adviser, "Nach Produkt")
    expect(adviser.at("#people")).to_contain_text("Wählen Sie ein Produkt")
    assert english_words(adviser) == []
    field = adviser.page.get_by_role("combobox", name="Produkt", exact=True)
    field.press_sequentially("P0003")
    field.press("Enter")
    # The list comes while it is looked for, then the reasons: the page knows by its own words which of them it shows.
    expect(adviser.at("#people .reasons")).to_have_count(3)
    adviser.page.get_by_role("button", name="Gründe für alle nennen").click()
    expect(adviser.at("#people .reasons")).to_have_count(8)
    assert english_words(adviser, product_names(recommender).tolist()) == []


def test_a_batch_is_in_german(adviser: Screen, recommender: Recommender, trained: Trained, tmp_path: Path) -> None:
    look(adviser, "Kundendatei")
    expect(adviser.at("#batch-report")).to_contain_text("Noch keine Datei bewertet")
    assert english_words(adviser) == []
    adviser.at("#batch-run").click()
    expect(adviser.at("#batch-report")).to_contain_text("Laden Sie zuerst Kunden hoch.")
    people = known_customers(trained.config.parent).head(5)
    people = people.assign(customer_id=["=1", *people["customer_id"][1:]], income=[1e9, None, *people["income"][2:]])
    people.to_csv(tmp_path / "people.csv", index=False)
    adviser.upload("#batch-file", tmp_path / "people.csv")
    expect(adviser.at("#batch-run")).to_have_text("5 Kunden bewerten")
    for told in ("1 von 5 Kunden ist dem Export unbekannt", "1 Nummer beginnt mit"):
        expect(adviser.at("#batch-report")).to_contain_text(told)
    expect(adviser.at("#batch-rows")).to_contain_text(re.compile("1 Wert außerhalb von .*; 1 fehlt"))
    assert english_words(adviser, [sentence_case(name) for name in recommender.customer_columns]) == []
    adviser.at("#batch-run").click()
    # Five for each: what asks for no income is offered to whom it is unknown of.
    expect(adviser.at("#batch-report .good")).to_contain_text("5 Kunden bewertet: 25 Empfehlungen in")
    expect(adviser.at("#batch-download")).to_have_text("Herunterladen")
    assert english_words(adviser, product_names(recommender).tolist()) == []
    adviser.settle()
    assert violations(adviser, "#tab-batch") == []


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
