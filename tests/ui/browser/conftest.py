"""Headless Chromium on the page of the small bank. Whatever a test does, neither side may complain about it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, expect, sync_playwright

from nextbest.data.dataset import Features
from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.server import open_page
from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, Screen

_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # Chromium refuses root, which tests in a container are, with its own sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 120_000
"""How long a busy machine may take for anything, in milliseconds; nothing waits for it to pass."""
_CLOSED_BY_THE_PAGE = ("/queue/data?", "/upload_progress?")
"""Streams of events that Gradio closes by itself: of answers when all are there, of an upload when it is done."""
_LEFT = ("AbortError: signal is aborted", "Connection errored out", "net::ERR_ABORTED")
"""What is said of the requests that a page has on their way when it is left for another one."""
_NO_NEWER_VERSION = 3600
"""Seconds between two looks of the page at the version, where a test is not about them."""
# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
_COUNTED = ("ignore:'future.no_silent_downcasting' is deprecated", "ignore:The copy keyword is deprecated")

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests of this folder bear what gradio's counting deprecates."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in _COUNTED:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="package")
def chromium() -> str:
    """Return the path of a Chromium."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(
            f"there is no browser: none of {', '.join(_NAMES)} is on the path (Debian: apt-get install chromium)"
        )
    return found


@pytest.fixture(scope="package")
def address(chromium: str, trained: Trained) -> Iterator[str]:
    """Yield the address of the page over the small bank, which all tests open that do not change the models."""
    with (
        LiveRecommender(LocalVersions(trained.models)) as live,
        open_page(live, PageConfig(port=0, refresh_seconds=_NO_NEWER_VERSION)) as address,
    ):
        yield address


# Not for the whole session: while Playwright is open its event loop counts as running, and others could not run theirs.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Yield the browser; each test has a context of its own in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


class Watch:
    """Whatever goes wrong in the pages of a test; those of earlier tests may still say that they were closed."""

    def __init__(self, context: BrowserContext) -> None:
        self._pages: list[Page] = []
        self._seen: list[str] = []
        self._address = ""
        self._num_pages = 0
        context.on("page", lambda page: self._pages.append(page))
        context.on("console", lambda message: self._console(message.page, message.type, message.text))
        context.on("weberror", lambda error: self._see(error.page, f"{error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def begin(self, address: str) -> None:
        """Look at the pages that are opened from now on, and at no older one."""
        self._pages.clear()
        self._seen.clear()
        self._address, self._num_pages = address, 0

    @property
    def complaints(self) -> list[str]:
        """What went wrong. A page that was left for another one may have said that its requests ended."""
        was_left = self._num_pages > 1
        return [seen for seen in self._seen if not (was_left and any(left in seen for left in _LEFT))]

    def close_pages(self) -> None:
        """Close the pages, and forget what they left in the browser."""
        for page in self._pages:
            if not page.is_closed():
                page.evaluate("localStorage.clear(); sessionStorage.clear()")
                page.close()
        self._pages.clear()

    def _see(self, page: Page | None, what: str) -> None:
        if page in self._pages:
            self._seen.append(what)

    def _console(self, page: Page | None, kind: str, text: str) -> None:
        if kind in ("error", "assert"):
            self._see(page, f"console: {text}")

    def _request(self, request: Request) -> None:
        page = request.frame.page
        self._num_pages += page in self._pages and request.is_navigation_request()
        if not request.url.startswith((self._address, "data:", "blob:")):
            self._see(page, f"request to another server: {request.url}")

    def _failed(self, request: Request) -> None:
        closed = request.failure == "net::ERR_ABORTED" and any(name in request.url for name in _CLOSED_BY_THE_PAGE)
        if not closed:
            self._see(request.frame.page, f"{request.failure}: {request.url}")

    def _response(self, got: Response) -> None:
        if got.status >= 400:
            self._see(got.frame.page, f"{got.status} of {got.url}")


class Contexts:
    """The browser's contexts by their settings: each keeps the scripts of the page from test to test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._made: dict[str, tuple[BrowserContext, Watch]] = {}

    def of(self, settings: Mapping[str, Any]) -> tuple[BrowserContext, Watch]:
        """Return a context, which is made when it is first asked for."""
        key = json.dumps(settings, sort_keys=True)
        if key not in self._made:
            context = self._browser.new_context(**settings)
            context.set_default_timeout(PATIENCE)
            self._made[key] = context, Watch(context)
        return self._made[key]


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Contexts:
    """Return the contexts that all tests share."""
    return Contexts(browser)


@pytest.fixture
def opened(contexts: Contexts, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Screen]]:
    """Yield what opens a page in a context of its settings.

    At the end the browser must have had nothing to complain about, and the server's log may hold neither an error nor
    a customer.
    """
    watches: list[Watch] = []

    def opened(address: str, ready: str = "as of", **settings: Any) -> Screen:
        context, watch = contexts.of(settings)
        if watch not in watches:
            watch.begin(address.partition("?")[0])
            watches.append(watch)
        page: Page = context.new_page()
        page.goto(address)
        expect(page.locator("#title")).to_contain_text(ready)
        return Screen(page)

    yield opened
    complaints = []
    for watch in watches:
        complaints += watch.complaints  # before the page goes, which ends what is on its way
        watch.close_pages()
    log = "".join(capfd.readouterr())
    assert not complaints
    assert "Traceback" not in log
    assert not re.search(r"C0\d{5}|new-customer", log)


@pytest.fixture
def request_of_customer(recommender: Recommender) -> Features:
    """Return the request of `CUSTOMER`."""
    return requests_for_ids(recommender, np.array([CUSTOMER], object))


@pytest.fixture
def screen(opened: Callable[..., Screen], address: str) -> Screen:
    """Return the page, just opened."""
    return opened(address)
