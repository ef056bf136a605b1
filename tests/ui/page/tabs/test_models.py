"""The tab of the models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextbest.serving.language import speak
from nextbest.ui.page.group_report import label_text
from nextbest.ui.page.tabs.models import report_view
from nextbest.ui.page.version_data import (
    VersionData,
)


def test_the_report_shows_the_version_and_all_models(data: VersionData) -> None:
    assert data.report is not None
    shown = report_view(data.report)
    for text in ("Version 1 is", "How good it is", "Item-kNN", "EASE", "served", "by segment", "exact"):
        assert text in shown


def test_the_groups_are_shown_with_what_may_be_said_of_them(data: VersionData) -> None:
    assert data.report is not None
    shown = report_view(data.report)
    for text in ("nDCG@5 by gender", "by known or new", "by time on offer", "20 to 29", "Happened / said"):
        assert text in shown
    for text in ("too few to compare", "if both have at least 30 customers", "The popular and the rest", "Gini"):
        assert text in shown


def test_the_groups_are_shown_in_german(data: VersionData) -> None:
    assert data.report is not None
    with speak("de"):
        shown = report_view(data.report)
    for text in ("nDCG@5 nach bekannt oder neu", "20 bis 29", "0 bis 3 Monate", "12 Monate und mehr", "Abdeckung"):
        assert text in shown
    assert "Neu</th>" in shown and "zu wenige für einen Vergleich" in shown


def test_a_report_of_an_older_version_has_its_slices_alone(data: VersionData) -> None:
    assert data.report is not None
    new = ("groups", "product_groups", "popularity", "min_group")
    metrics = {name: found for name, found in data.report.metrics.items() if name not in new}
    shown = report_view(replace(data.report, metrics=metrics))
    assert "by segment" in shown and "Happened / said" not in shown and "Gini" not in shown


@pytest.mark.parametrize(
    ("label", "english", "german"),
    [
        ("", "Missing", "Fehlt"),
        ("(other)", "All others", "Alle anderen"),
        ("20 to 29", "20 to 29", "20 bis 29"),
        ("-1,200 to 5,000", "-1,200 to 5,000", "-1.200 bis 5.000"),
        ("5 to 10 years", "5 to 10 years", "5 bis 10 Jahre"),
        ("10 years and more", "10 years and more", "10 Jahre und mehr"),
        ("mass_affluent", "Mass affluent", "Mass affluent"),
        ("from 5 to 10", "From 5 to 10", "From 5 to 10"),
    ],
)
def test_labels_are_said_in_the_readers_language(label: str, english: str, german: str) -> None:
    assert label_text(label) == english
    with speak("de"):
        assert label_text(label) == german
