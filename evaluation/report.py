"""The evaluation as files and on the terminal: metrics.json for machines, report.html and a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from nextbest.data.files import write_text
from nextbest.evaluation.group_tables import format_interval, group_findings, group_tables
from nextbest.evaluation.results import Calibration, Difference, Evaluation, Interval, summary_metrics

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.console import Group

__all__ = [
    "calibration_figure",
    "curve_figure",
    "effects_figure",
    "embedded",
    "forest_figure",
    "format_interval",
    "html_page",
    "html_report",
    "slice_figure",
    "terminal_report",
    "write_report",
]

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #e4e7eb; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.yes::marker { content: "\\2713\\00a0"; color: #2f7d4f; } .no::marker { content: "\\2717\\00a0"; color: #b8500c; }
summary { cursor: pointer; padding: .35rem 0; }
.note { color: #616e7c; font-size: .9rem; }
</style>
<script>$plotly</script>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write metrics.json and report.html into the folder, each complete or not at all."""
    write_text(folder / "metrics.json", evaluation.model_dump_json(indent=2) + "\n")
    write_text(folder / "report.html", html_report(evaluation))


def html_report(evaluation: Evaluation) -> str:
    """Return the evaluation as a page."""
    return html_page("How good are the recommendations?", "\n".join(_sections(evaluation)))


def html_page(title: str, body: str) -> str:
    """Return one page that needs nothing else: plotly's script is part of it.

    Args:
        title: HTML.
        body: HTML.
    """
    from plotly.offline import get_plotlyjs

    return _PAGE.substitute(title=title, plotly=get_plotlyjs(), body=body)


def _sections(evaluation: Evaluation) -> Iterator[str]:
    window = evaluation.window
    yield (
        f"<p>The models knew everything up to {window.cutoff}. They are measured by what {window.customers:,} "
        f"customers newly acquired after it, until {window.until}: {window.acquisitions:,} acquisitions among "
        f"{window.products:,} products. Intervals are at the {evaluation.level:.0%} level "
        f"(bootstrap over customers).</p>"
    )
    yield from _comparisons(evaluation)
    yield "<h2>Models</h2>" + _models_table(evaluation) + _skipped(evaluation)
    yield embedded(forest_figure(evaluation), "models")
    yield "<h2>Recall by length of the list</h2>" + embedded(curve_figure(evaluation), "recall")
    for number, column in enumerate(evaluation.slices):
        note = "<p class='note'>In brackets the number of customers. Click a name to show or hide a model.</p>"
        heading = f"<h2>{evaluation.main_metric} by {escape(column)}</h2>"
        yield heading + note + embedded(slice_figure(evaluation, column), f"slice-{number}")
    yield from _groups(evaluation)
    if evaluation.calibration is not None:
        yield from _calibration(evaluation.calibration)


def _groups(evaluation: Evaluation) -> Iterator[str]:
    """Yield who is served worse, and the tables of the groups, folded up."""
    if found := group_findings(evaluation):
        items = "".join(f"<li>{escape(text)}</li>" for text in found)
        yield f"<h2>Is any group served worse?</h2><ul>{items}</ul>"
    for one in group_tables(evaluation):
        shown = _table(list(one.headings), [list(row) for row in one.rows])
        yield f"<details><summary>{escape(one.title)}</summary><p class='note'>{escape(one.note)}</p>{shown}</details>"


def _comparisons(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.verdicts:
        return
    won = sum(comparison.beats for comparison in evaluation.verdicts)
    items = "".join(
        f"<li class='{'yes' if comparison.beats else 'no'}'>{escape(comparison.text)}</li>"
        for comparison in evaluation.verdicts
    )
    yield f"<h2>{won} of {len(evaluation.verdicts)} comparisons won</h2><ul>{items}</ul>"


def _models_table(evaluation: Evaluation) -> str:
    metrics = summary_metrics(evaluation.main_metric)
    headings = ["model", *metrics, "share of the oracle's", "customers / s"]
    rows = [
        [
            name,
            *(format_interval(found[metric]) for metric in metrics),
            format_interval(evaluation.share_of_oracle.get(name)),
            f"{evaluation.customers_per_second[name]:,.0f}",
        ]
        for name, found in evaluation.models.items()
    ]
    return _table(headings, rows)


def _table(headings: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='table'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _skipped(evaluation: Evaluation) -> str:
    return "".join(
        f"<p class='note'>{escape(name)} was left out: {escape(reason)}.</p>"
        for name, reason in evaluation.skipped.items()
    )


def _calibration(calibration: Calibration) -> Iterator[str]:
    yield (
        f"<h2>Do the probabilities mean what they say?</h2><p>Over {calibration.pairs:,} (customer, candidate) pairs: "
        f"expected calibration error {calibration.ece:.4f}, Brier score {calibration.brier:.4f}, log loss "
        f"{calibration.log_loss:.4f} nats; mean probability {calibration.mean_probability:.4f} against "
        f"{calibration.base_rate:.4f} acquired.</p>" + embedded(calibration_figure(calibration), "calibration")
    )


def embedded(figure: go.Figure, name: str) -> str:
    """Return a figure as HTML for a page of `html_page`; each of a page has another name."""
    from plotly.io import to_html

    # A fixed id keeps the page the same from run to run.
    options = {"displaylogo": False, "responsive": True}
    return str(to_html(figure, include_plotlyjs=False, full_html=False, div_id=name, config=options))


# Colours that people with colour-blindness can tell apart (Okabe and Ito 2008); baselines stay in the background.
_COLOURS = {"ranking": "#0072B2", "retrieval": "#E69F00", "oracle": "#009E73"}
_BASELINE = "#9AA3AD"
_DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "cross-open", "star-open")
_FEW_MODELS = 4
"""With more, the figures of slices start with the stages only; a click on the legend adds a baseline."""


def forest_figure(evaluation: Evaluation) -> go.Figure:
    """Return every model's main metric with its interval, the best on top."""
    import plotly.graph_objects as go

    found = {name: metrics[evaluation.main_metric] for name, metrics in evaluation.models.items()}
    names = sorted(found, key=lambda name: found[name].value)
    figure = go.Figure([_points({name: found[name]}, _colour(name)) for name in names])
    figure.update_xaxes(title=evaluation.main_metric, rangemode="tozero")
    return _styled(figure, height=120 + 34 * len(names))


def curve_figure(evaluation: Evaluation, measure: str = "recall") -> go.Figure:
    """Return a measure of every model by the length of the list."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, metrics in evaluation.models.items():
        figure.add_scatter(
            x=list(evaluation.k),
            y=[metrics[f"{measure}@{k}"].value for k in evaluation.k],
            name=name,
            mode="lines+markers",
            line={"color": _colour(name), "dash": _own(name, evaluation, _DASHES, "solid"), "width": 2},
        )
    figure.update_xaxes(title="k, length of the list", tickvals=list(evaluation.k))
    figure.update_yaxes(title=f"{measure}@k", rangemode="tozero")
    return _styled(figure, legend=True)


def effects_figure(effects: Mapping[str, Difference], axis: str) -> go.Figure:
    """Return differences with their intervals, the first on top."""
    import plotly.graph_objects as go

    found = {
        name: Interval(value=one.difference, low=one.low, high=one.high)
        for name, one in reversed(list(effects.items()))
    }
    figure = go.Figure([_points(found, _COLOURS["ranking"])])
    figure.update_xaxes(title=axis, zeroline=True)
    return _styled(figure, height=120 + 28 * len(found))


def slice_figure(evaluation: Evaluation, column: str) -> go.Figure:
    """Return the main metric of every model for each label of a customer column."""
    import plotly.graph_objects as go

    slices = evaluation.slices[column]
    figure = go.Figure()
    for name in evaluation.models:
        labels = {f"{label or '(missing)'} ({part.customers:,})": part.models[name] for label, part in slices.items()}
        shown = name in _COLOURS or len(evaluation.models) <= _FEW_MODELS
        points = _points(labels, _colour(name), _own(name, evaluation, _SYMBOLS, "circle"))
        figure.add_trace(points.update(name=name, visible=True if shown else "legendonly"))
    figure.update_xaxes(title=evaluation.main_metric, rangemode="tozero")
    figure.update_layout(scattermode="group", scattergap=0.5)
    return _styled(figure, height=160 + 60 * len(slices), legend=True)


def calibration_figure(calibration: Calibration) -> go.Figure:
    """Return the reliability diagram: what came true against what was predicted."""
    import plotly.graph_objects as go

    top = max(max(one.probability, one.high) for one in calibration.bins)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", line={"color": _BASELINE, "dash": "dot"}, name="perfect", hoverinfo="skip"
    )
    figure.add_scatter(
        x=[one.probability for one in calibration.bins],
        y=[one.rate for one in calibration.bins],
        error_y=_errors([Interval(value=one.rate, low=one.low, high=one.high) for one in calibration.bins]),
        mode="lines+markers",
        line={"color": _COLOURS["ranking"]},
        name="ranking",
        text=[f"{one.count:,} pairs" for one in calibration.bins],
    )
    figure.update_xaxes(title="predicted probability", rangemode="tozero")
    figure.update_yaxes(title="share that was acquired", rangemode="tozero")
    return _styled(figure, legend=True)


def _own(model: str, evaluation: Evaluation, choices: tuple[str, ...], stage: str) -> str:
    """Return what tells a baseline from the others, which share its colour; the stages share `stage`."""
    baselines = [name for name in evaluation.models if name not in _COLOURS]
    return choices[baselines.index(model) % len(choices)] if model in baselines else stage


def _points(values: Mapping[str, Interval], colour: str, symbol: str = "circle") -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[value.value for value in values.values()],
        y=list(values),
        error_x=_errors(list(values.values())),
        mode="markers",
        marker={"color": colour, "size": 10, "symbol": symbol},
        orientation="h",
    )


def _errors(values: list[Interval]) -> dict[str, object]:
    highs = [value.value if value.high is None else value.high for value in values]
    lows = [value.value if value.low is None else value.low for value in values]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value.value for value, high in zip(values, highs, strict=True)],
        "arrayminus": [value.value - low for value, low in zip(values, lows, strict=True)],
        "thickness": 1.5,
        "width": 4,
    }


def _colour(model: str) -> str:
    return _COLOURS.get(model, _BASELINE)


def _styled(figure: go.Figure, *, height: int = 420, legend: bool = False) -> go.Figure:
    return figure.update_layout(
        template="plotly_white",
        height=height,
        showlegend=legend,
        margin={"l": 10, "r": 10, "t": 20, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13},
        yaxis={"automargin": True},
    )


def terminal_report(evaluation: Evaluation) -> Group:
    """Return a rich renderable: one row per model, the comparisons below."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    window = evaluation.window
    metrics_shown = summary_metrics(evaluation.main_metric)
    table = Table(
        title=f"{window.customers:,} customers, acquisitions after {window.cutoff} until {window.until}",
        caption=f"in brackets: {evaluation.level:.0%} intervals, bootstrap over customers",
    )
    table.add_column("model")
    for heading in (*metrics_shown, "of the oracle"):
        table.add_column(heading, justify="right", no_wrap=heading == evaluation.main_metric)
    for name, metrics in evaluation.models.items():
        share = evaluation.share_of_oracle.get(name)
        table.add_row(
            name,
            *(format_interval(metrics[metric]) for metric in metrics_shown),
            "-" if share is None else f"{share.value:.0%}",
        )
    comparisons = [
        Text(comparison.text, style="green" if comparison.beats else "yellow") for comparison in evaluation.verdicts
    ]
    skipped = [Text(f"{name} was left out: {reason}", style="dim") for name, reason in evaluation.skipped.items()]
    return Group(table, *comparisons, *skipped)
