"""A version that is pushed while the page is open."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.store.push import rollback
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.server import open_page
from tests.trained import Trained
from tests.ui.browser.screen import CUSTOMER, Screen


@pytest.fixture
def models(trained: Trained, tmp_path: Path) -> Path:
    """Return a copy of the models, to which may be pushed."""
    shutil.copytree(trained.models / "recommender", tmp_path / "models" / "recommender")
    return tmp_path / "models"


@pytest.fixture
def live(models: Path) -> Iterator[LiveRecommender]:
    """Yield a recommender on the copy; it looks for a newer version when the test says so."""
    with LiveRecommender(LocalVersions(models)) as live:
        yield live


@pytest.fixture
def address(live: LiveRecommender) -> Iterator[str]:
    """Yield the address of a page over the copy."""
    with open_page(live, PageConfig(port=0, refresh_seconds=0.5)) as address:
        yield address


def test_a_newer_version_takes_over_while_the_page_is_open(screen: Screen, live: LiveRecommender, models: Path) -> None:
    expect(screen.at("#title")).to_contain_text("version 1")
    screen.choose(CUSTOMER)
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    products = screen.recommended()
    screen.look("models")
    assert rollback(models, 1) == 2 and live.poll()
    expect(screen.at("#title")).to_contain_text("version 2")
    expect(screen.at("#model-report")).to_contain_text("Copy of")  # the visible tab is computed again
    expect(screen.card.get_by_role("heading")).to_have_text(CUSTOMER)
    screen.look("desk")
    screen.expect_recommendations(products)
    expect(screen.at(".product-card .reasons ul")).to_have_count(5)  # of the new version
    screen.choose("C000018")
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
