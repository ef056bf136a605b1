"""The tab of the models."""

from __future__ import annotations

from nextbest.ui.page.tabs.models import report_view
from nextbest.ui.page.version_data import (
    VersionData,
)


def test_the_report_shows_the_version_and_all_models(data: VersionData) -> None:
    assert data.report is not None
    shown = report_view(data.report)
    for text in ("Version 1 is", "How good it is", "Item-kNN", "EASE", "served", "by segment", "exact"):
        assert text in shown
