"""The evaluation as files: metrics.json for machines, report.html for people."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template

from nextbest.data.atomic import write_text
from nextbest.evaluation.figures import calibration_figure, curve_figure, forest_figure, slice_figure
from nextbest.evaluation.results import Calibration, Evaluation
from nextbest.evaluation.table import format_interval, summary_metrics

__all__ = ["html_report", "write_report"]

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
    """Return one page that needs nothing else: plotly's script is part of it."""
    from plotly.offline import get_plotlyjs

    return _PAGE.substitute(
        title="How good are the recommendations?", plotly=get_plotlyjs(), body="\n".join(_sections(evaluation))
    )


def _sections(evaluation: Evaluation) -> Iterator[str]:
    window = evaluation.window
    yield (
        f"<p>The models knew everything up to {window.cutoff}. They are judged by what {window.customers:,} customers "
        f"newly took after it, until {window.until}: {window.acquisitions:,} acquisitions out of {window.products:,} "
        f"products. Intervals are at the {evaluation.level:.0%} level (bootstrap over customers).</p>"
    )
    yield from _verdicts(evaluation)
    yield "<h2>Models</h2>" + _models_table(evaluation) + _skipped(evaluation)
    yield _figure(forest_figure(evaluation), "models")
    yield "<h2>Recall by length of the list</h2>" + _figure(curve_figure(evaluation), "recall")
    for number, column in enumerate(evaluation.slices):
        note = "<p class='note'>In brackets the number of customers. Click a name to show or hide a model.</p>"
        heading = f"<h2>{evaluation.main_metric} by {escape(column)}</h2>"
        yield heading + note + _figure(slice_figure(evaluation, column), f"slice-{number}")
    if evaluation.calibration is not None:
        yield from _calibration(evaluation.calibration)


def _verdicts(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.verdicts:
        return
    won = sum(verdict.beats for verdict in evaluation.verdicts)
    items = "".join(
        f"<li class='{'yes' if verdict.beats else 'no'}'>{escape(verdict.text)}</li>" for verdict in evaluation.verdicts
    )
    yield f"<h2>Verdict: {won} of {len(evaluation.verdicts)} comparisons won</h2><ul>{items}</ul>"


def _models_table(evaluation: Evaluation) -> str:
    metrics = summary_metrics(evaluation)
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
        f"{calibration.base_rate:.4f} acquired.</p>" + _figure(calibration_figure(calibration), "calibration")
    )


def _figure(figure: object, name: str) -> str:
    from plotly.io import to_html

    # A fixed id keeps the page the same from run to run.
    options = {"displaylogo": False, "responsive": True}
    return str(to_html(figure, include_plotlyjs=False, full_html=False, div_id=name, config=options))
