"""What a user does on the page, and what it shows then."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

__all__ = ["CUSTOMER", "TABS", "Screen", "cells"]

CUSTOMER = "C000017"
"""The customer of most tests: one with holdings, and with products to recommend."""

TABS = {
    "desk": "Desk",
    "profile": "Profile",
    "why": "Why",
    "neighbourhood": "Neighbourhood",
    "whatif": "What if",
    "by-product": "By product",
    "models": "Models",
    "batch": "Batch",
    "service": "As a service",
}
"""The tabs' ids -> what is written on them."""
_READY = {
    "desk": ".product-card >> nth=0",
    "profile": "#holdings :is(table, .empty-state) >> nth=0",
    "why": "#why-view .waterfall",
    "neighbourhood": "#map .main-svg >> nth=0",
    "whatif": "#compare",
    "by-product": "#people :is(.empty-state, .sentence, .alert)",
    "models": "#model-report table >> nth=0",
    "batch": "#batch-run",
    "service": "#example code",
}
"""The tabs' ids -> what is seen when a customer's tab is there."""


class Screen:
    """The page in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def at(self, selector: str) -> Locator:
        """Return what a selector finds."""
        return self.page.locator(selector)

    @property
    def search(self) -> Locator:
        """The field that customers are searched in."""
        return self.page.get_by_role("combobox", name="Customer", exact=True)

    @property
    def card(self) -> Locator:
        """Who the customer is."""
        return self.at("#customer-card")

    def choose(self, customer: str) -> None:
        """Search a customer by the whole id and choose the only answer."""
        self.search.fill(customer)
        self.page.get_by_role("option", name=customer, exact=True).click()
        expect(self.card.get_by_role("heading")).to_have_text(customer)

    def show(self, tab: str) -> Locator:
        """Click on a tab, which may be in the menu of those without room, and return what is in it.

        Args:
            tab: Its id.
        """
        button = self.at(f"#tab-{tab}-button")
        if not button.is_visible():
            title = self.at("#tabs .tab-container[aria-hidden] button").nth(list(TABS).index(tab)).inner_text()
            self.at(".overflow-menu > button").click()
            button = self.at(".overflow-dropdown").get_by_role("button", name=title, exact=True)
        button.click()
        panel = self.at(f"#tab-{tab}")
        expect(panel).to_be_visible()
        return panel

    def look(self, tab: str) -> Locator:
        """Show a tab, and wait until a customer's things are there; see `show`."""
        panel = self.show(tab)
        expect(self.at(_READY[tab])).to_be_visible()
        return panel

    def settle(self) -> None:
        """Wait until nothing is on its way and nothing fades any more."""
        expect(self.at(".pending, .generating")).to_have_count(0)
        self.page.wait_for_function("document.getAnimations().every(one => one.playState !== 'running')")

    def recommended(self) -> list[str]:
        """Return the ids of the products on the cards."""
        return [
            str(button.get_attribute("data-product")) for button in self.at("#recommendations [data-product]").all()
        ]

    def expect_recommendations(self, products: list[str]) -> None:
        """Wait until the cards show these products."""
        expect(self.at("#recommendations [data-product]")).to_have_count(len(products))
        for place, product in enumerate(products):
            expect(self.at("#recommendations [data-product]").nth(place)).to_have_attribute("data-product", product)

    def choose_appetite(self, name: str) -> None:
        """Choose an appetite for risk by the beginning of its label."""
        self.at("#appetite").get_by_role("combobox").click()
        self.page.get_by_role("option", name=re.compile(f"^{name}")).click()

    def upload(self, field: str, path: Path) -> None:
        """Give a file to one of the fields for files."""
        if field == "#profile-file" and not self.at("#template").is_visible():
            self.page.get_by_role("button", name=re.compile("^Upload a profile")).click()
        clear = self.at(field).get_by_role("button", name="Clear")
        if clear.is_visible():
            clear.click()
        self.at(f"{field} input[type=file]").set_input_files(path)


def cells(table: Locator) -> list[list[str]]:
    """Return a table's body as text."""
    return table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
