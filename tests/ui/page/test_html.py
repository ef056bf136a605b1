"""The page's HTML: everything that comes from data is escaped, and tables can be read aloud."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from nextbest.data.errors import Problem
from nextbest.ui.page.html import Column, alert, bar, definitions, details, empty_state, join, problem_report, table

EVIL = '<script>alert("1")</script>&\'"'


class Reader(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


@given(st.text())
def test_text_of_data_never_becomes_a_tag(text: str) -> None:
    pieces = [
        table(text, [Column(text, "text", text), Column(text)], [(text, text)]),
        definitions([(text, text)]),
        bar(0.5, text),
        details(text, text),
        alert("error", text, text),
        empty_state(text, text),
        problem_report([Problem(text, text, 3, text, text)]),
        join([text, text], "<br>"),
    ]
    plain = [
        table("a", [Column("a", "text", "a"), Column("a")], [("a", "a")]),
        definitions([("a", "a")]),
        bar(0.5, "a"),
        details("a", "a"),
        alert("error", "a", "a"),
        empty_state("a", "a"),
        problem_report([Problem("a", "a", 3, "a", "a")]),
        join(["a", "a"], "<br>"),
    ]
    for piece, expected in zip(pieces, plain, strict=True):
        assert read(piece).tags == read(expected).tags


def test_a_table_has_a_caption_and_scopes() -> None:
    made = table(
        "Two rows", [Column("Name"), Column("Amount", "number", "in EUR")], [(EVIL, "1"), ("b", Markup("<i>2</i>"))]
    )
    assert "<caption" in made and "Two rows" in made
    assert made.count('scope="col"') == 2 and made.count('scope="row"') == 2
    assert 'title="in EUR"' in made
    assert "&lt;script&gt;" in made and "<script>" not in made
    assert "<i>2</i>" in made


def test_a_row_with_too_few_cells_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table("t", [Column("a"), Column("b")], [("only one",)])


def test_a_bar_stays_within_its_width() -> None:
    assert "width:100.0%" in bar(7.0, "7") and "width:0.0%" in bar(-1.0, "-1")
    assert "width:25.0%" in bar(0.25, "a quarter")
