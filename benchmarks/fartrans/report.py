"""Write report.json and report.md, show what matters most on a terminal, and lay the figures out as tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fartrans.figures import Report, Summary
from benchmarks.fartrans.results import read_results
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import write_text

if TYPE_CHECKING:
    from rich.console import Group
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.fartrans.figures import Comparison, Family, Figure, ModelFigures, Part, SplitRow

__all__ = ["Section", "markdown", "section_markdown", "sections", "terminal", "write_report"]


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

    tables = []
    for section in sections(report):
        if section.detail:
            continue
        table = Table(title=section.title, caption=section.text, title_justify="left", caption_justify="left")
        table.add_column(section.header[0])
        for heading in section.header[1:]:
            table.add_column(heading, justify="right")
        for row in section.rows:
            table.add_row(*row)
        tables.append(table)
    return Group(*tables)


@dataclass(frozen=True)
class Section:
    """A table with its text."""

    title: str
    """What it shows."""
    text: str
    """How to read it."""
    header: tuple[str, ...]
    """The columns; the first holds names, the others figures."""
    rows: tuple[tuple[str, ...], ...]
    """The cells."""
    detail: bool = False
    """Whether it is for the file only, too long or too wide for a terminal."""


def sections(report: Report) -> Iterator[Section]:
    """Yield everything that a report says."""
    for part in report.parts:
        named = _describe_splits(part.splits)
        yield _models(part, named)
        if part.comparisons:
            yield _differences(part, named)
            yield _families(report, part, named)
    yield _splits(report)
    if report.fallbacks:
        yield Section(
            title="What could not be trained",
            text="These count in all tables, with what replaced them.",
            header=("model, split, seed", "why"),
            rows=tuple(report.fallbacks.items()),
        )


def _describe_splits(splits: Sequence[int]) -> str:
    """Describe splits, with consecutive ones as ranges."""
    runs: list[list[int]] = []
    for split in sorted(splits):
        if runs and split == runs[-1][-1] + 1:
            runs[-1].append(split)
        else:
            runs.append([split])
    return "splits " + ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _models(part: Part, named: str) -> Section:
    metrics = list(dict.fromkeys(metric for model in part.models.values() for metric in model.metrics))
    return Section(
        title=f"Models, {named}",
        text=(
            "Mean over splits (each a mean over its customers and over seeds) ± its standard error as if the splits "
            "were independent: neighbouring windows overlap, so this understates it. Recall@100 of ranking is that of "
            "the candidates that it was given. Over seeds: the least and the greatest mean, and the standard deviation."
        ),
        header=("model", "splits", *metrics, f"{metrics[0]} over seeds"),
        rows=tuple(
            (
                name,
                _counted(model),
                *(_figure(model.metrics.get(metric)) for metric in metrics),
                _seeds(model, metrics[0]),
            )
            for name, model in part.models.items()
        ),
    )


def _counted(model: ModelFigures) -> str:
    return str(model.splits) + (f" ({len(model.stood_in)} not trained)" if model.stood_in else "")


def _figure(figure: Figure | None, sign: str = "") -> str:
    if figure is None:
        return "-"
    error = "" if figure.standard_error is None else f" ± {figure.standard_error:.4f}"
    return f"{figure.value:{sign}.4f}{error}"


def _seeds(model: ModelFigures, metric: str) -> str:
    means = model.seeds[metric]
    if len(means) < 2:
        return "-"
    return f"{len(means)}: {min(means):.4f} to {max(means):.4f}, sd {np.std(means, ddof=1):.4f}"


def _interval(difference: float, low: float, high: float) -> str:
    return f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _differences(part: Part, named: str) -> Section:
    return Section(
        title=f"Paired differences, {named}",
        text=(
            "Over all splits: mean ± standard error as if they were independent. Without overlap: the mean over the "
            "families of the table below, of their differences and of the ends of their intervals."
        ),
        header=("difference", "metric", "splits", "above 0 at", "over all", "without overlap", "families above 0"),
        rows=tuple(
            (
                _pair(found),
                found.metric,
                str(found.splits),
                str(found.won),
                _figure(found.difference, "+"),
                _interval(found.average, found.low, found.high),
                f"{sum(family.low > 0 for family in found.families)} of {len(found.families)}",
            )
            for found in part.comparisons
        ),
    )


def _pair(found: Comparison) -> str:
    return f"{found.model} - {found.other}"


def _families(report: Report, part: Part, named: str) -> Section:
    """Show the main metric of every family; the JSON has the others."""
    compared = [found for found in part.comparisons if found.metric == report.main_metric]
    by_splits: dict[tuple[int, ...], dict[str, Family]] = {}
    for found in compared:
        for family in found.families:
            by_splits.setdefault(family.splits, {})[_pair(found)] = family
    pairs = [_pair(found) for found in compared]
    return Section(
        title=f"Families of splits whose tests do not overlap, {named}, {report.main_metric}",
        text=(
            f"In brackets: {report.level:.0%} intervals, {report.resamples:,} bootstrap resamples of the customers, "
            "each split's by themselves."
        ),
        header=("splits", *pairs),
        rows=tuple(
            (
                ", ".join(map(str, splits)),
                *(
                    _interval(found[pair].difference, found[pair].low, found[pair].high) if pair in found else "-"
                    for pair in pairs
                ),
            )
            for splits, found in by_splits.items()
        ),
        detail=True,
    )


def _splits(report: Report) -> Section:
    models = list(report.parts[0].models)
    groups = sorted({group for row in report.rows for group in row.seconds})
    rows = [row for row in report.rows if "stages" in row.seconds]
    durations = [
        _durations("Training ours", [row for row in rows if row.trained_at == row.split]),
        _durations("A refresh", [row for row in rows if row.trained_at != row.split]),
    ]
    return Section(
        title=f"Splits, {report.main_metric}",
        text=" ".join(
            [
                "Seconds: the longest of the seeds; not where training was broken off and went on.",
                *filter(None, durations),
            ]
        ),
        header=(
            "split",
            "time point",
            "test ends",
            "customers",
            *models,
            "trained at",
            *(f"{name}, s" for name in groups),
        ),
        rows=tuple(
            (
                str(row.split),
                str(row.cutoff),
                str(row.until),
                f"{row.customers:,}",
                *(f"{row.main_metric[model]:.4f}" if model in row.main_metric else "-" for model in models),
                "-" if row.trained_at is None else str(row.trained_at),
                *(f"{row.seconds[name]:.0f}" if name in row.seconds else "-" for name in groups),
            )
            for row in report.rows
        ),
        detail=True,
    )


def _durations(what: str, rows: Sequence[SplitRow]) -> str:
    if not rows:
        return ""
    wall = [row.seconds["stages"] for row in rows]
    processors = [row.processor_seconds["stages"] for row in rows if "stages" in row.processor_seconds]
    text = f"{what} took {np.mean(wall):.0f} s on average, {max(wall):.0f} s at most"
    return (
        f"{text}; processors together {np.mean(processors):.0f} s and {max(processors):.0f} s."
        if processors
        else f"{text}."
    )
