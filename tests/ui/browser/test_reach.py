"""The page on a narrow screen, and for who wants nothing to move."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.ui.browser.screen import CUSTOMER, TABS, Screen

SIZE = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
MOST_SCREENS = 3
"""Of a narrow screen, that a tab may fill when it opens."""
MOVING = """() => [...document.querySelectorAll("*")].flatMap(one =>
    [null, "::before", "::after"].flatMap(part => {
        const style = getComputedStyle(one, part);
        const still = style.animationName === "none" && /^(0s(, )?)+$/.test(style.transitionDuration);
        return still && style.scrollBehavior === "auto" ? [] : [`${one.tagName} ${one.className} ${part ?? ""}`];
    }))"""
"""What has an animation or a transition."""


@pytest.mark.parametrize("width", [390, 768])
def test_nothing_is_wider_or_much_taller_than_a_narrow_screen(
    opened: Callable[..., Screen], address: str, width: int
) -> None:
    screen = opened(address, viewport={"width": width, "height": 844})
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    for tab in TABS:
        screen.look(tab)
        screen.settle()
        wide, tall = screen.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert wide <= width and tall <= MOST_SCREENS * 844, (tab, wide, tall)
        assert screen.page.evaluate(BEYOND, width) == [], tab
    screen.page.get_by_role("button", name="Upload a profile").click()
    assert screen.page.evaluate(BEYOND, width) == []


def test_nothing_moves_for_who_wants_it_so(opened: Callable[..., Screen], address: str) -> None:
    screen = opened(f"{address}?customer={CUSTOMER}", reduced_motion="reduce")
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)
    assert screen.page.evaluate(MOVING) == []
    screen.page.emulate_media(reduced_motion="no-preference")
    assert screen.page.evaluate(MOVING)  # it would be found


BEYOND = """width => [...document.querySelectorAll('#page *, #title *')]
    .filter(one => one.checkVisibility({visibilityProperty: true}) && one.getBoundingClientRect().right > width + 1)
    .filter(one => !one.closest('.scroll, pre, .visually-hidden, .tab-container, [aria-hidden=true]'))
    .map(one => `${one.tagName} ${one.className} ${one.getBoundingClientRect().right}`)"""
"""What is beyond the screen's edge and not in something that scrolls by itself."""
