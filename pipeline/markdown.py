"""Markdown of texts that a bank chose, whose names may hold anything, and the page that is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

__all__ = ["bullets", "escaped", "table", "to_html"]

_SPECIAL = re.compile(r"([\\|<>*`#\[\]])")


def escaped(text: object) -> str:
    """Return text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", str(text))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table, whose cells are shown as they are."""
    yield f"| {' | '.join(map(escaped, headings))} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"


def bullets(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts, which are Markdown already, as the items of a list."""
    return (f"- {text}" for text in texts)


def to_html(markdown: str, below: Mapping[str, str]) -> str:
    """Return Markdown with tables as HTML; HTML in it is shown, not taken.

    Args:
        markdown: The text.
        below: Heading of the second level -> HTML that stands right below it.
    """
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for heading, figure in below.items():
        mark = f"<h2>{escape(heading)}</h2>"
        html = html.replace(mark, f"{mark}\n{figure}", 1)
    return html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
