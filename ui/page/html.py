"""The page's HTML in small pieces: tables, definitions, bars, alerts. Whatever comes from data is escaped.

`Markup.format` and `Markup.join` escape every text that they insert and leave other `Markup` as it is. The classes are
styled in `page.css`.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from markupsafe import Markup

from nextbest.data.errors import Problem

__all__ = [
    "CLICK",
    "Column",
    "alert",
    "bar",
    "csv_link",
    "definitions",
    "details",
    "empty_state",
    "html",
    "join",
    "problem_report",
    "table",
]


CLICK = """
element.addEventListener('click', event => {
  const clicked = event.target.closest('[data-%s]');
  if (clicked) trigger('select', {value: clicked.dataset.%s});
});
"""
"""Of a component of HTML: a click on what carries an attribute selects the attribute's value."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    kind: Literal["text", "number", "chart"] = "text"
    """Numbers are aligned on the right, in digits of one width; a chart takes all of a narrow screen."""
    note: str = ""
    """What the title means; shown on hovering, and read by screen readers."""


def html(value: str | Callable[[], str], **settings: Any) -> gr.HTML:
    """Return a component that shows HTML in the page's own style.

    Args:
        value: The HTML, or what makes it whenever the page is opened.
        **settings: Of `gr.HTML`.
    """
    return gr.HTML(value, **{"js_on_load": None, "apply_default_css": False} | settings)


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Join pieces of HTML; text among them is escaped."""
    return Markup(between).join(parts)


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], hide_caption: bool = True) -> Markup:
    """Return an accessible table; a row's first cell names it.

    Args:
        caption: What the table is about; for screen readers, or for all with `hide_caption=False`.
        columns: The columns.
        rows: Cells, text or Markup, as many as columns.
        hide_caption: Whether the caption is for screen readers alone.
    """
    head = join(
        Markup('<th scope="col" class="{}"{}>{}</th>').format(
            column.kind, Markup(' title="{}"').format(column.note) if column.note else "", column.title
        )
        for column in columns
    )
    body = join(Markup("<tr>{}</tr>").format(_cells(columns, row)) for row in rows)
    text = '<div class="scroll" role="region" aria-label="{}" tabindex="0"><table><caption class="{}">{}</caption>'
    return Markup(text + "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>").format(
        caption, "visually-hidden" if hide_caption else "", caption, head, body
    )


def _cells(columns: Sequence[Column], row: Sequence[str]) -> Markup:
    cells = zip(columns, row, strict=True)
    # On a narrow screen a row is a card, where each cell says what it is.
    return join(
        Markup('<th scope="row" class="{}">{}</th>').format(column.kind, cell)
        if place == 0
        else Markup('<td class="{}" data-title="{}"><span>{}</span></td>').format(column.kind, column.title, cell)
        for place, (column, cell) in enumerate(cells)
    )


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return names with their values."""
    return Markup("<dl>{}</dl>").format(
        join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in pairs)
    )


def bar(share: float, text: str, kind: str = "") -> Markup:
    """Return a number with a bar of `share` (0 to 1) of the full width below it."""
    width = 100 * min(max(share, 0.0), 1.0)
    markup = '<span class="with-bar">{}<span class="bar {}" aria-hidden="true"><i style="width:{}%"></i></span></span>'
    return Markup(markup).format(text, kind, f"{width:.1f}")


def details(summary: str, content: str) -> Markup:
    """Return a summary that unfolds its content."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)


def alert(kind: Literal["info", "good", "warning", "error"], title: str, text: str = "") -> Markup:
    """Return a message in a box; screen readers announce errors."""
    role = "alert" if kind == "error" else "status"
    return Markup('<div class="alert {}" role="{}"><strong>{}</strong> {}</div>').format(kind, role, title, text)


def empty_state(title: str, text: str) -> Markup:
    """Return what is shown where there is nothing yet, and what to do about it."""
    return Markup('<div class="empty-state"><p class="what">{}</p><p>{}</p></div>').format(title, text)


_MOST_CAUSES = 20
_FIRST_LINES = 5
_PROBLEM = ("row", "column", "what", "remedy")
"""The columns of the file of problems."""


def problem_report(problems: Sequence[Problem]) -> Markup:
    """Return a table with a row per cause, and all problems as a file; the file's place on this machine is not told."""
    causes: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        causes.setdefault((problem.column or "", problem.remedy), []).append(problem)
    columns = [
        Column("Column"),
        Column("What is wrong"),
        Column("How often", "number"),
        Column("Where"),
        Column("What to do"),
    ]
    rows = [
        (column or "the file", found[0].what, f"{len(found):,}", _where(found), remedy)
        for (column, remedy), found in list(causes.items())[:_MOST_CAUSES]
    ]
    count = f"{len(problems):,} problem{'s' if len(problems) != 1 else ''}"
    more = f" The first {_MOST_CAUSES} of {len(causes)} causes are shown." if len(causes) > _MOST_CAUSES else ""
    title = alert("error", f"This file cannot be used: {count}.", more)
    told = ([problem.row, problem.column, problem.what, problem.remedy] for problem in problems)
    return Markup("{}{}{}").format(
        title,
        table("Problems of the file", columns, rows),
        csv_link("problems.csv", "All as a file (CSV)", [_PROBLEM, *told]),
    )


def _where(problems: Sequence[Problem]) -> str:
    lines = [problem for problem in problems if problem.row is not None]
    if not lines:
        return "everywhere"
    first = ", ".join(str(problem.row) for problem in lines[:_FIRST_LINES])
    unit = lines[0].unit + ("s" if len(lines) > 1 else "")
    return f"{unit} {first}{' ...' if len(lines) > _FIRST_LINES else ''}"


def csv_link(file: str, text: str, rows: Iterable[Sequence[Any]]) -> Markup:
    """Return a link that saves a CSV; it needs no file and no request.

    Args:
        file: What the file is called.
        text: Of the link.
        rows: The header, then the others.
    """
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    encoded = base64.b64encode(content.getvalue().encode()).decode()
    href = f"data:text/csv;charset=utf-8;base64,{encoded}"
    return Markup('<a class="download" download="{}" href="{}">{}</a>').format(file, href, text)
