"""axe-core in every tab and state: no violation of WCAG 2.2 A and AA. Those of a batch stand in `test_batch`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.browser.screen import CUSTOMER, TABS, Screen

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RUN = """where => axe.run(where, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
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
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)], ids=lambda value: str(value))
def test_no_tab_has_a_violation(
    opened: Callable[..., Screen], address: str, tmp_path: Path, scheme: str, width: int
) -> None:
    screen = opened(address, color_scheme=scheme, viewport={"width": width, "height": 844})
    for tab in TABS:  # without a customer
        screen.show(tab)
        assert violations(screen, f"#tab-{tab}") == [], tab
    assert violations(screen, "body") == []
    (tmp_path / "bad.csv").write_text("customer_id,income\nnew,a lot\n", encoding="utf-8")
    screen.upload("#profile-file", tmp_path / "bad.csv")
    expect(screen.at("#upload-problems")).to_be_visible()
    screen.search.fill("C0000")
    expect(screen.page.get_by_role("option").first).to_be_visible()
    assert violations(screen, "body") == []
    screen.choose(CUSTOMER)
    check_tabs(screen)
    for field, tab, ready in (
        ("#why-other", "why", "#why-view caption:has-text('beside')"),
        ("#by-product-choice", "by-product", "#people .reasons >> nth=0"),
    ):
        screen.look(tab)
        screen.at(field).get_by_role("combobox").click()
        assert violations(screen, field) == []
        screen.page.get_by_role("option").nth(1).click()
        expect(screen.at(ready)).to_be_visible()
        assert violations(screen, f"#tab-{tab}") == [], tab
    screen.search.fill("no-one")
    screen.search.press("Enter")
    expect(screen.card.get_by_role("alert")).to_be_visible()
    assert violations(screen, "#side") == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)], ids=lambda value: str(value))
def test_no_tab_has_a_violation_in_german(opened: Callable[..., Screen], address: str, scheme: str, width: int) -> None:
    screen = opened(
        f"{address}?customer={CUSTOMER}",
        ready="Stand",
        locale="de-DE",
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
    )
    assert violations(screen, "body") == []
    check_tabs(screen)


def check_tabs(screen: Screen) -> None:
    """Look for violations in every tab about a customer, with all that can be unfolded."""
    for tab in TABS:
        panel = screen.look(tab)
        for summary in panel.locator("summary:visible").all():
            summary.click()
        assert violations(screen, f"#tab-{tab}") == [], tab


def test_a_violation_would_be_found(screen: Screen) -> None:
    screen.page.evaluate(
        """document.querySelector('#title').innerHTML =
            '<input><p style="color: #aaa; background: #fff">hardly seen</p>' +
            '<button style="all: unset; width: 9px; height: 9px; display: inline-block">a</button>'.repeat(2)"""
    )
    rules = {found.partition(":")[0] for found in violations(screen, "body")}
    assert rules == {"label", "color-contrast", "target-size"}
