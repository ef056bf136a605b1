"""Write report.json and report.md, and show what matters most on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fartrans.figures import Report
from benchmarks.fartrans.results import read_results
from benchmarks.fartrans.sections import Section, sections
from benchmarks.fartrans.summary import Summary
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["markdown", "section_markdown", "terminal", "write_report"]


def write_report(out: Path, only: Collection[int] | None = None, parts: Sequence[Collection[int]] = ()) -> Report:
    """Write a benchmark run's report.json and report.md.

    Args:
        out: The folder of the benchmark run.
        only: The splits that count; all that were measured without it.
        parts: Splits to report by themselves beside all.

    Raises:
        InputError: Nothing was measured, or a part has none of the splits.
    """
    results = [result for result in read_results(out) if only is None or result.facts.split in only]
    measured = {result.facts.split for result in results}
    if not results:
        what, remedy = "no split is measured here", "measure some: python -m benchmarks.fartrans run"
        raise InputError([Problem(str(out), None, None, what, remedy)])
    if empty := [part for part in parts if not measured & set(part)]:
        remedy = f"there are {', '.join(map(str, sorted(measured)))}"
        raise InputError(
            Problem(str(out), None, None, f"none of the splits {', '.join(map(str, part))} is measured", remedy)
            for part in empty
        )
    report = Summary().report(results, parts)
    write_text(out / "report.json", report.model_dump_json(indent=2) + "\n")
    write_text(out / "report.md", markdown(report))
    return report


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    revisions = f"Ours was trained by revision {', '.join(report.revisions)}.\n" if report.revisions else ""
    blocks = ["# FAR-Trans\n", revisions, *map(section_markdown, sections(report))]
    return "\n".join(filter(None, blocks))


def section_markdown(section: Section) -> str:
    """Return a table with its title and text as Markdown."""
    rule = ["---", *("---:" for _ in section.header[1:])]
    table = "\n".join(_line(cells) for cells in (section.header, rule, *section.rows))
    return f"## {section.title}\n\n{section.text}\n\n{table}\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def terminal(report: Report) -> Group:
    """Return the report without its details as a rich renderable."""
    from rich.console import Group
    from rich.table import Table

    shown = []
    for section in sections(report):
        if section.detail:
            continue
        table = Table(title=section.title, caption=section.text, title_justify="left", caption_justify="left")
        table.add_column(section.header[0])
        for heading in section.header[1:]:
            table.add_column(heading, justify="right")
        for row in section.rows:
            table.add_row(*row)
        shown.append(table)
    return Group(*shown)
