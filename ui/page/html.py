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
from gradio.i18n import I18nData
from markupsafe import Markup

from nextbest.data.errors import Problem
from nextbest.serving.language import say

__all__ = [
    "CLICK",
    "Column",
    "alert",
    "bar",
    "count_problems",
    "csv_link",
    "csv_text",
    "definitions",
    "details",
    "empty_state",
    "html",
    "join",
    "label",
    "problem_report",
    "problem_rows",
    "problem_table",
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


def label(key: str) -> I18nData:
    """Return a message "label-..." for a fixed part of the page, which the browser writes in its reader's language."""
    return I18nData(key)


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
    title = alert("error", say("problems-count", count=count_problems(problems)))
    link = csv_link("problems.csv", say("problems-file"), problem_rows(problems))
    return Markup("{}{}{}").format(title, problem_table(problems), link)


def problem_rows(problems: Sequence[Problem]) -> list[Sequence[Any]]:
    """Return the rows of a file of problems, its header first."""
    return [_PROBLEM, *((one.row, one.column, one.what, one.remedy) for one in problems)]


def count_problems(problems: Sequence[Problem]) -> int:
    """Return how many problems there are, those counted that are not named one by one."""
    return sum(problem.more or 1 for problem in problems)


def problem_table(problems: Sequence[Problem]) -> Markup:
    """Return a table with a row per cause, the first 20 of them: how often, in which lines, and what to do."""
    causes: dict[tuple[str, str], list[Problem]] = {}
    place = ("", "")
    for problem in problems:
        place = place if problem.more else (problem.column or "", problem.remedy)
        causes.setdefault(place, []).append(problem)
    columns = [
        Column(say("problems-column")),
        Column(say("problems-what")),
        Column(say("problems-how-often"), "number"),
        Column(say("problems-where")),
        Column(say("problems-remedy")),
    ]
    rows = [
        (
            column or say("problems-of-file"),
            found[0].what,
            say("number", count=count_problems(found)),
            _where(found),
            remedy,
        )
        for (column, remedy), found in list(causes.items())[:_MOST_CAUSES]
    ]
    cut = len(causes) > _MOST_CAUSES
    caption = say("problems-more", shown=_MOST_CAUSES, count=len(causes)) if cut else say("problems")
    return Markup('<div class="problems">{}</div>').format(table(caption, columns, rows, hide_caption=not cut))


def _where(problems: Sequence[Problem]) -> str:
    lines = [problem for problem in problems if problem.row is not None]
    if not lines:
        return say("problems-everywhere")
    first = ", ".join(str(problem.row) for problem in lines[:_FIRST_LINES])
    more = " ..." if len(lines) > _FIRST_LINES else ""
    return say("problems-place", unit=lines[0].unit, count=len(lines), places=f"{first}{more}")


def csv_link(file: str, text: str, rows: Iterable[Sequence[Any]]) -> Markup:
    """Return a link that saves a CSV; it needs no file and no request.

    Args:
        file: What the file is called.
        text: Of the link.
        rows: The header, then the others.
    """
    encoded = base64.b64encode(csv_text(rows).encode()).decode()
    href = f"data:text/csv;charset=utf-8;base64,{encoded}"
    return Markup('<a class="download" download="{}" href="{}">{}</a>').format(file, href, text)


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV."""
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    return content.getvalue()
