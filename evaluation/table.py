"""The evaluation as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextbest.evaluation.results import Evaluation, Interval

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["format_interval", "summary_metrics", "terminal_report"]


def summary_metrics(evaluation: Evaluation) -> list[str]:
    """Return the metrics that people read first: the main one, then recall, MRR and precision at its list length."""
    k = evaluation.main_metric.split("@")[1]
    others = [f"{measure}@{k}" for measure in ("ndcg", "recall", "mrr", "precision")]
    return [evaluation.main_metric, *(metric for metric in others if metric != evaluation.main_metric)]


def format_interval(value: Interval | None) -> str:
    """Return a value with its interval in words, for example 0.123 [0.110, 0.136]."""
    if value is None:
        return "-"
    if value.low is None or value.high is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def terminal_report(evaluation: Evaluation) -> Group:
    """Return a rich renderable: one row per model, the verdicts below."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    window = evaluation.window
    metrics_shown = summary_metrics(evaluation)
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
    verdicts = [Text(verdict.text, style="green" if verdict.beats else "yellow") for verdict in evaluation.verdicts]
    skipped = [Text(f"{name} was left out: {reason}", style="dim") for name, reason in evaluation.skipped.items()]
    return Group(table, *verdicts, *skipped)
