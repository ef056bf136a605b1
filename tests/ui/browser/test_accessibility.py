"""axe-core on every tab: no serious violation of WCAG 2.1 A and AA."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.browser.screen import CUSTOMER, TABS, Screen

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RUN = """where => axe.run(where, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    resultTypes: ["violations"],
})"""


def violations(screen: Screen, where: str) -> list[str]:
    """Return what axe-core finds below an element: rule, element and remedy."""
    screen.settle()
    page = screen.page
    # The policy of the page forbids other scripts in it, but not to the browser's own tools.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(RUN, where)
    assert found["passes"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)], ids=lambda value: str(value))
def test_no_tab_has_a_serious_violation(opened: Callable[..., Screen], address: str, scheme: str, width: int) -> None:
    screen = opened(address, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert violations(screen, "body") == []  # without a customer
    screen.page.get_by_role("button", name="Upload a profile").click()
    screen.search.fill("C0000")
    expect(screen.page.get_by_role("option").first).to_be_visible()
    assert violations(screen, "#side") == []
    screen.choose(CUSTOMER)
    for tab in TABS:
        panel = screen.look(tab)
        for summary in panel.locator("summary:visible").all():
            summary.click()
        assert violations(screen, f"#tab-{tab}") == [], tab
    screen.search.fill("no-one")
    screen.search.press("Enter")
    expect(screen.card.get_by_role("alert")).to_be_visible()
    assert violations(screen, "body") == []


def test_a_violation_would_be_found(screen: Screen) -> None:
    screen.page.evaluate(
        """document.querySelector('#title').innerHTML =
            '<input><p style="color: #aaa; background: #fff">hardly seen</p>'"""
    )
    rules = {found.partition(":")[0] for found in violations(screen, "body")}
    assert rules == {"label", "color-contrast"}
