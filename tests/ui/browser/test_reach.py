"""The page by the keyboard alone, and on a narrow screen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.ui.browser.screen import CUSTOMER, TABS, Screen

MOST_STOPS = 60
"""Of the keyboard's focus, from the first control to the last."""


def go_to(screen: Screen, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(MOST_STOPS):
        screen.page.keyboard.press("Tab")
        if screen.at(f"{selector}:focus").count():
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_by_the_keyboard_alone(screen: Screen) -> None:
    press = screen.page.keyboard.press
    go_to(screen, "#customer-input")
    screen.page.keyboard.type("C00001")
    options = screen.page.get_by_role("option")
    expect(options.nth(1)).to_have_text("C000011")  # the list of all that was typed
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"):
        press(key)
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(screen.search).to_have_attribute("aria-activedescendant", str(options.nth(1).get_attribute("id")))
    press("Enter")
    expect(screen.card.get_by_role("heading")).to_have_text("C000011")
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    go_to(screen, "#appetite input")
    press("ArrowUp")  # from the first one to the last
    press("Enter")
    expect(screen.at("#appetite input")).to_have_value(re.compile("Cautious"))
    expect(screen.at("#excluded")).to_contain_text("riskier than wanted", ignore_case=True)
    go_to(screen, "#recommendations .pick")
    for _ in range(2):  # the next card's details, then its reasons
        press("Tab")
    second = screen.at(".product-card h3").nth(1).inner_text().removeprefix("2").strip()
    press("Enter")
    expect(screen.at("#why-view caption")).to_contain_text(f"2. {second}")
    go_to(screen, "#why-product input")
    press("ArrowDown")
    press("ArrowDown")
    press("Enter")
    expect(screen.at("#why-view caption")).not_to_contain_text("2. ")


def test_a_marked_customer_stays_marked_while_typing_on(screen: Screen) -> None:
    screen.search.fill("C00001")
    options = screen.page.get_by_role("option")
    expect(options.nth(1)).to_have_text("C000011")
    screen.search.press("ArrowDown")
    screen.search.press("ArrowDown")
    screen.search.press_sequentially("1")
    expect(options).to_have_text(["C000011"])
    expect(options).to_have_attribute("aria-selected", "true")
    expect(screen.search).to_have_attribute("aria-activedescendant", str(options.get_attribute("id")))
    screen.search.press("Backspace")
    screen.search.press("Backspace")
    screen.search.press_sequentially("2")
    expect(options.nth(0)).to_have_text("C000020")
    expect(screen.search).not_to_have_attribute("aria-activedescendant", re.compile(".*"))


def test_escape_closes_the_search(screen: Screen) -> None:
    screen.search.fill("C00001")
    expect(screen.search).to_have_attribute("aria-expanded", "true")
    screen.search.press("Escape")
    expect(screen.search).to_have_attribute("aria-expanded", "false")
    expect(screen.page.get_by_role("option")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 768])
def test_nothing_is_wider_than_a_narrow_screen(opened: Callable[..., Screen], address: str, width: int) -> None:
    screen = opened(address, viewport={"width": width, "height": 844})
    screen.choose(CUSTOMER)
    screen.page.get_by_role("button", name="Upload a profile").click()
    for tab in TABS:
        screen.look(tab)
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert screen.page.evaluate(BEYOND, width) == []


BEYOND = """width => [...document.querySelectorAll('#page *, #title *')]
    .filter(one => one.checkVisibility({visibilityProperty: true}) && one.getBoundingClientRect().right > width + 1)
    .filter(one => !one.closest('.scroll, pre, .visually-hidden, .tab-container, [aria-hidden=true]'))
    .map(one => `${one.tagName} ${one.className} ${one.getBoundingClientRect().right}`)"""
"""What is beyond the screen's edge and not in something that scrolls by itself."""
