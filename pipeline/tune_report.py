"""A search as tables for the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nextbest.pipeline.tune_result import CAUTION, StageResult, TuneResult

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["terminal_report"]


def terminal_report(result: TuneResult, top: int = 5) -> Group:
    """Return a rich renderable: each stage's best trials and the given settings, then what the scores are worth.

    Args:
        result: The result.
        top: How many trials of a stage, beside the given settings.
    """
    from rich.console import Group
    from rich.text import Text

    tables = [_table(stage, top) for stage in result.stages]
    return Group(*tables, Text(CAUTION, style="yellow"), Text(f"settings: {result.best}, all trials: {result.trials}"))


def _table(stage: StageResult, top: int) -> Table:
    """Return a column per trial and a row per setting: there may be many of these, with long names."""
    from rich.table import Table

    whole = [trial for trial in stage.trials if not trial.pruned]
    best = sorted(whole, key=lambda trial: -trial.score)[:top]
    shown = best if stage.given in best else [*best, stage.given]
    table = Table(title=str(stage), title_justify="left")
    table.add_column("trial")
    for trial in shown:
        table.add_column("0 (given)" if trial.number == 0 else str(trial.number), justify="right")
    table.add_row(stage.metric, *(f"{trial.score:.4f}" for trial in shown))
    table.add_row("epochs", *(str(trial.epochs) for trial in shown))
    table.add_row("seconds", *(f"{trial.seconds:.0f}" for trial in shown), end_section=True)
    for key in stage.given.settings:
        table.add_row(key, *(_short(trial.settings[key]) for trial in shown))
    return table


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
