"""What a search found, as files and as a table: best.toml, trials.csv, the best trials on a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbest.data.config import TableConfig
from nextbest.data.files import write_text
from nextbest.pipeline.config import RunConfig, set_in_toml
from nextbest.pipeline.tune_search import Trial
from nextbest.pipeline.tune_space import Stage

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

__all__ = ["CAUTION", "WRITTEN_BY", "StageResult", "TuneResult", "terminal_report", "write_best", "write_trials"]

WRITTEN_BY = "Written by `nextbest tune`."
"""How the comment begins that best.toml begins with."""

_WIDTH = 116
CAUTION = (
    "The best score is optimistic: it was chosen for being the highest on this window. The test window was not read; "
    "`nextbest run` with best.toml measures on it what the settings are worth."
)


@dataclass(frozen=True)
class StageResult:
    """What the search of one stage found."""

    stage: Stage
    metric: str
    """What the scores are, for example ndcg@5."""
    window: tuple[str, str]
    """The validation window: cutoff and last day, ISO dates."""
    trials: tuple[Trial, ...]

    @property
    def given(self) -> Trial:
        """The config's own settings."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The trial with the highest score (of equals the first) of those that ran to their end."""
        return max((trial for trial in self.trials if not trial.pruned), key=lambda trial: trial.score)

    @property
    def changed(self) -> dict[str, Any]:
        """The best settings that are not the given ones."""
        own = self.given.settings
        return {key: value for key, value in self.best.settings.items() if value != own[key]}

    def __str__(self) -> str:
        pruned = sum(trial.pruned for trial in self.trials)
        return (
            f"{self.stage}: {self.metric} on {self.window[0]} to {self.window[1]}, {len(self.trials)} trials "
            f"({pruned} ended early): given settings {self.given.score:.4f}, best {self.best.score:.4f} "
            f"(trial {self.best.number})"
        )


@dataclass(frozen=True)
class TuneResult:
    """What a search found."""

    stages: tuple[StageResult, ...]
    """Retrieval first; each later stage was searched with the best settings of the one before."""
    best: Path
    """The TOML with the best settings."""
    trials: Path
    """The CSV with all trials."""

    def as_json(self) -> dict[str, Any]:
        """Return what machines read."""
        return {
            "stages": [
                {
                    "stage": stage.stage,
                    "metric": stage.metric,
                    "window": stage.window,
                    "given": _as_json(stage.given),
                    "best": _as_json(stage.best),
                    "trials": [_as_json(trial) for trial in stage.trials],
                }
                for stage in self.stages
            ],
            "best": str(self.best),
            "trials": str(self.trials),
            "caution": CAUTION,
        }


def _as_json(trial: Trial) -> dict[str, Any]:
    return asdict(trial) | {"score": trial.score, "epochs": trial.epochs}


def write_best(result: TuneResult, config: RunConfig, text: str, source: Path) -> None:
    """Write the given TOML with the best settings in it; its comments stay.

    Args:
        result: The result; the file is its `best`.
        config: What the given TOML says.
        text: The given TOML.
        source: The folder at which its relative paths start.
    """
    here = result.best.parent.resolve()
    changed: dict[str, Any] = {key: os.path.relpath(source / path, here) for key, path in _files(config)}
    for stage in result.stages:
        changed |= stage.changed
    paragraphs = (WRITTEN_BY, *map(str, result.stages), CAUTION)
    header = [f"# {line}" for paragraph in paragraphs for line in textwrap.wrap(paragraph, _WIDTH)]
    write_text(result.best, "\n".join([*header, "", set_in_toml(text, changed)]))


def _files(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield the keys of the config that name a file, with the path."""
    for name in ("customers", "products", "interactions"):
        table: TableConfig = getattr(config.data, name)
        if table.query is None:
            yield f"data.{name}.path", table.path
    for name, path in (("customers", config.evaluation.customers), ("oracle", config.evaluation.oracle)):
        if path is not None:
            yield f"evaluation.{name}", path


def write_trials(result: TuneResult) -> None:
    """Write a row per trial, with a column per setting."""
    keys = list(dict.fromkeys(key for stage in result.stages for key in stage.given.settings))
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["stage", "number", "pruned", "metric", "score", "epochs", "seconds", *keys])
    for stage in result.stages:
        for trial in stage.trials:
            about = [stage.stage, trial.number, _cell(trial.pruned), stage.metric]
            measured = [trial.score, trial.epochs, f"{trial.seconds:.1f}"]
            writer.writerow([*about, *measured, *_cells(trial.settings, keys)])
    write_text(result.trials, rows.getvalue())


def _cells(settings: Mapping[str, Any], keys: list[str]) -> list[str]:
    return [_cell(settings[key]) if key in settings else "" for key in keys]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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

    completed = [trial for trial in stage.trials if not trial.pruned]
    best = sorted(completed, key=lambda trial: -trial.score)[:top]
    listed = best if stage.given in best else [*best, stage.given]
    table = Table(title=str(stage), title_justify="left")
    table.add_column("trial")
    for trial in listed:
        table.add_column("0 (given)" if trial.number == 0 else str(trial.number), justify="right")
    table.add_row(stage.metric, *(f"{trial.score:.4f}" for trial in listed))
    table.add_row("epochs", *(str(trial.epochs) for trial in listed))
    table.add_row("seconds", *(f"{trial.seconds:.0f}" for trial in listed), end_section=True)
    for key in stage.given.settings:
        table.add_row(key, *(_short(trial.settings[key]) for trial in listed))
    return table


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
