"""The page in a headless Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nextbest.data.errors import InputError, Problem

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser", "choose", "find_chromium", "reach"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)

_CHOOSE = """
async ([customer, limit]) => {
  document.querySelectorAll('.cards').forEach(old => old.setAttribute('data-old', ''));
  const input = document.querySelector('#customer-input');
  const shown = () => document.querySelector('#customer-card h2')?.textContent === customer
    && document.querySelector('.cards:not([data-old])');
  input.value = customer;
  const began = performance.now();
  input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true}));
  while (!shown()) {
    if (performance.now() - began > limit) throw new Error(`no products for the customer after ${limit} ms`);
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}
"""
"""Chooses a customer as the Enter key does, and returns how long it took until the products were painted, ms."""

_LONGEST_MS = 60_000
"""An answer that takes longer is a failure."""


def find_chromium() -> str:
    """Return where Chromium lies.

    Raises:
        InputError: It is not installed.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        what = f"there is no browser: none of {', '.join(_NAMES)} is on the path"
        raise InputError([Problem("chromium", None, None, what, "Debian and Ubuntu: apt-get install chromium")])
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it with the block.

    Raises:
        InputError: Chromium or Playwright is not installed.
    """
    chromium = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        what = "the Python package that drives Chromium is not installed"
        raise InputError([Problem("playwright", None, None, what, "pip install playwright")]) from None
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium has none for root
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=[*_ARGUMENTS, *sandbox])
        try:
            yield started
        finally:
            started.close()


def reach(page: Page, address: str) -> None:
    """Go to the page, and wait until it can be used."""
    page.goto(address)
    page.locator("#customer-input").wait_for()
    page.locator("#title h1").wait_for()


def choose(page: Page, customer: str) -> float:
    """Choose a customer while the tab of the top products is looked at.

    Returns:
        How long it took until the table was painted, seconds.
    """
    return float(page.evaluate(_CHOOSE, [customer, _LONGEST_MS])) / 1000
