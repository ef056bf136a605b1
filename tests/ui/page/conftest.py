"""The data of the small bank's version, one of its customers, and the page over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.recommender import Recommender
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.server import open_page
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
)
from tests.trained import Trained


@pytest.fixture(scope="module")
def data(recommender: Recommender) -> VersionData:
    return VersionData(recommender)


@pytest.fixture
def customer(data: VersionData) -> SelectedCustomer:
    return SelectedCustomer(str(data.customers.ids[16]))


@pytest.fixture(scope="package")
def live(trained: Trained) -> Iterator[LiveRecommender]:
    with LiveRecommender(LocalVersions(trained.models)) as live:
        yield live


@pytest.fixture(scope="package")
def address(live: LiveRecommender) -> Iterator[str]:
    with open_page(live, PageConfig(port=0, upload_megabytes=1)) as address:
        yield address
