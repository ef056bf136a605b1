"""What a backtest found, as files and as a table: backtest.json, backtest.md, backtest.html with plots, a terminal."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbest.data.files import write_text
from nextbest.evaluation.report import embedded, format_interval, html_page
from nextbest.evaluation.results import Interval
from nextbest.pipeline.markdown import table, to_html

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.table import Table

__all__ = ["FIGURES", "Backtest", "CutoffResult", "Stability", "terminal_report", "write_backtest"]

FIGURES = ("ranking", "retrieval", "best baseline", "ranking less best baseline", "ECE")


@dataclass(frozen=True)
class CutoffResult:
    """What was found at one cutoff."""

    cutoff: date
    until: date
    customers: int
    baseline: str
    """The baseline with the best main metric here."""
    figures: dict[str, Interval]
    """Of `FIGURES`; the ECE has no interval, and is missing where the test window is not the horizon."""


@dataclass(frozen=True)
class Stability:
    """One figure over all cutoffs."""

    mean: float
    deviation: float
    """Standard deviation over the cutoffs, n - 1."""
    worst: float
    """The lowest, of the ECE the highest."""
    worst_at: date


@dataclass(frozen=True)
class Backtest:
    """What was found at all cutoffs, the oldest first."""

    metric: str
    cutoffs: tuple[CutoffResult, ...]

    @property
    def stability(self) -> dict[str, Stability]:
        """Each figure over the cutoffs that have it."""
        found = {}
        for name in FIGURES:
            at = {one.cutoff: one.figures[name].value for one in self.cutoffs if name in one.figures}
            if at:
                worst = (max if name == "ECE" else min)(at, key=at.__getitem__)
                spread = statistics.stdev(at.values()) if len(at) > 1 else 0.0
                found[name] = Stability(statistics.fmean(at.values()), spread, at[worst], worst)
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what backtest.json holds."""
        cutoffs = [
            asdict(one) | {"figures": {name: value.model_dump() for name, value in one.figures.items()}}
            for one in self.cutoffs
        ]
        stability = {name: asdict(value) for name, value in self.stability.items()}
        return {"metric": self.metric, "cutoffs": cutoffs, "stability": stability}


_TITLE = "Is it as good at other times?"
_PLOTS = (FIGURES[:3], FIGURES[3:4], FIGURES[4:])


def write_backtest(found: Backtest, folder: Path) -> None:
    """Write backtest.json, backtest.md and backtest.html into the folder."""
    write_text(folder / "backtest.json", json.dumps(found.as_json(), indent=2, default=str) + "\n")
    headings, *rows = _rows(found)
    text = "\n".join([_note(found), "", *table(headings, rows)]) + "\n"
    write_text(folder / "backtest.md", f"# {_TITLE}\n\n{text}")
    plots = [embedded(_figure(found, names), f"plot-{number}") for number, names in enumerate(_PLOTS)]
    write_text(folder / "backtest.html", html_page(_TITLE, "\n".join([to_html(text, {}), *plots])))


def terminal_report(found: Backtest) -> Table:
    """Return a rich renderable: a row per cutoff, then mean, deviation and worst."""
    from rich.table import Table

    headings, *rows = _rows(found)
    shown = Table(title=f"{found.metric} at {len(found.cutoffs)} cutoffs", caption=_note(found))
    for heading in headings:
        shown.add_column(heading)
    for row in rows:
        shown.add_row(*row)
    return shown


def _note(found: Backtest) -> str:
    return (
        f"{found.metric} with intervals over customers. The best baseline is chosen at each cutoff by the test window. "
        "The standard deviation is over the cutoffs."
    )


def _rows(found: Backtest) -> Iterator[list[str]]:
    yield ["cutoff", "customers", *FIGURES, "which baseline"]
    for one in found.cutoffs:
        figures = [format_interval(one.figures.get(name)) for name in FIGURES]
        yield [str(one.cutoff), f"{one.customers:,}", *figures, one.baseline]
    stable = found.stability
    for title in ("mean", "deviation", "worst"):
        label = "standard deviation" if title == "deviation" else title
        yield [label, "", *(f"{getattr(stable[name], title):.3f}" if name in stable else "-" for name in FIGURES), ""]


def _figure(found: Backtest, names: tuple[str, ...]) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure(layout={"template": "plotly_white", "height": 360, "showlegend": True})
    for name in names:
        at = {str(one.cutoff): one.figures[name] for one in found.cutoffs if name in one.figures}
        above = [0.0 if one.high is None else one.high - one.value for one in at.values()]
        below = [0.0 if one.low is None else one.value - one.low for one in at.values()]
        bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
        figure.add_scatter(x=list(at), y=[one.value for one in at.values()], name=name, error_y=bars)
    return figure.update_xaxes(title="cutoff")
