"""The page by the keyboard alone: the tabs, the five tasks of `benchmarks.page.tasks`, and where the focus goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, TABS, Screen
from tests.ui.tables import known_customers

MOST_STOPS = 60
"""Of the keyboard's focus, from the first control to the last."""


FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const { width, height } = one.getBoundingClientRect();
    const visible = outlined && width > 0 && height > 0;
    return { name: one.outerHTML.slice(0, 150), visible, none: one === document.body };
}"""
"""What has the focus, and whether this is seen."""


def tab_on(screen: Screen) -> str:
    """Press Tab, and return what has the focus then, '' for nothing; it must be seen that it has."""
    screen.page.keyboard.press("Tab")
    focused = screen.page.evaluate(FOCUSED)
    assert focused["none"] or focused["visible"], focused["name"]
    return "" if focused["none"] else focused["name"]


def go_to(screen: Screen, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(MOST_STOPS):
        tab_on(screen)
        if screen.at(f"{selector}:focus").count():
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def ask_for_files_here(screen: Screen) -> None:
    """Tell the browser that the test chooses files: told only when it asks for one, it may open its own window."""
    screen.page.on("filechooser", lambda _: None)


@pytest.fixture
def bad(trained: Trained, tmp_path: Path) -> Path:
    """Return a file whose third customer's income cannot be read."""
    rows = known_customers(trained.config.parent).head(4)
    rows.assign(income=["1", "2", "a lot", "3"]).to_csv(tmp_path / "bad.csv", index=False)
    return tmp_path / "bad.csv"


def test_the_five_tasks(screen: Screen, bad: Path) -> None:
    keyboard = screen.page.keyboard
    ask_for_files_here(screen)
    go_to(screen, "#customer-input")
    keyboard.type(CUSTOMER)
    expect(screen.page.get_by_role("option", name=CUSTOMER, exact=True)).to_be_visible()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(screen.card.get_by_role("heading")).to_have_text(CUSTOMER)
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)

    go_to(screen, ".product-card:nth-child(2) .pick")
    keyboard.press("Enter")
    expect(screen.at("#why-view caption")).to_contain_text("2. ")

    walk(screen, "whatif", "ArrowRight", 2)
    go_to(screen, "#field-income input")
    keyboard.press("Control+A")
    keyboard.type("88000")
    go_to(screen, "#compare")
    keyboard.press("Space")
    expect(screen.at("#comparison .compared")).to_contain_text("88,000 EUR/year")

    walk(screen, "batch", "ArrowRight", 3)
    go_to(screen, "#batch-file button")
    with screen.page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files(bad)
    expect(screen.at("#batch-rows td").filter(has_text="line 4")).to_be_visible()

    screen.page.evaluate("window.print = () => { window.printed = true; }")
    walk(screen, "desk", "Home")
    go_to(screen, "#print")
    keyboard.press("Space")
    screen.page.wait_for_function("window.printed")


def walk(screen: Screen, tab: str, key: str, times: int = 1) -> None:
    """Go to the tabs, which are one stop, and press a key until one is looked at that is so many away."""
    go_to(screen, "#tabs [role=tab]")
    for _ in range(times):
        screen.page.keyboard.press(key)
    expect(screen.at(f"#tab-{tab}-button")).to_have_attribute("aria-selected", "true")
    expect(screen.at(f"#tab-{tab}-button")).to_be_focused()
    expect(screen.at(f"#tab-{tab}")).to_be_visible()
    screen.settle()


@pytest.mark.parametrize("width", [1280, 390])
def test_arrows_walk_through_all_tabs_and_no_tab_keeps_the_focus(
    opened: Callable[..., Screen], address: str, width: int
) -> None:
    """On a narrow screen too, where most of the tabs wait in a menu."""
    screen = opened(f"{address}?customer={CUSTOMER}", viewport={"width": width, "height": 844})
    walk(screen, "service", "ArrowLeft")  # from the first to the last
    for tab in TABS:
        walk(screen, tab, "ArrowRight")
        stops = [tab_on(screen)]
        while len(stops) < MOST_STOPS and not screen.at(f"#tab-{tab}-button:focus").count():
            stops.append(tab_on(screen))
        assert len(stops) < MOST_STOPS, stops
    screen.page.keyboard.press("Shift+Tab")
    expect(screen.at(":focus")).not_to_have_attribute("role", "tab")


def test_the_desk_and_its_filters(screen: Screen) -> None:
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
