"""What is wrong with an uploaded file, told by cause: how often, where first, and what to do."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence

from markupsafe import Markup

from nextbest.data.errors import Problem
from nextbest.ui.page.html import Column, alert, table

__all__ = ["problem_report"]

_MOST_CAUSES = 20
_FIRST_LINES = 5


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
    return Markup("{}{}{}").format(title, table("Problems of the file", columns, rows), _download(problems))


def _where(problems: Sequence[Problem]) -> str:
    lines = [problem for problem in problems if problem.row is not None]
    if not lines:
        return "everywhere"
    first = ", ".join(str(problem.row) for problem in lines[:_FIRST_LINES])
    unit = lines[0].unit + ("s" if len(lines) > 1 else "")
    return f"{unit} {first}{' ...' if len(lines) > _FIRST_LINES else ''}"


def _download(problems: Sequence[Problem]) -> Markup:
    """Return a link that saves all problems as CSV; it needs no file and no request."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["row", "column", "what", "remedy"])
    rows.writerows([problem.row, problem.column, problem.what, problem.remedy] for problem in problems)
    content = base64.b64encode(text.getvalue().encode()).decode()
    href = f"data:text/csv;charset=utf-8;base64,{content}"
    return Markup('<a class="download" download="problems.csv" href="{}">All as a file (CSV)</a>').format(href)
