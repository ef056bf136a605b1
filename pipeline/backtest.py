"""Train and measure at several cutoffs by the code of a run: is the model as good at other times?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from nextbest.data.errors import InputError, Problem
from nextbest.evaluation.results import Evaluation, Interval
from nextbest.modelling.training import Progress
from nextbest.pipeline.backtest_result import Backtest, CutoffResult, write_backtest
from nextbest.pipeline.config import set_in_toml
from nextbest.pipeline.evaluate import evaluate_run
from nextbest.pipeline.run import Run, begin_run, check_trainable, read_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.pipeline.run_folder import RunFolder

__all__ = ["backtest", "plan"]


def backtest(config: Path, out: Path, cutoffs: int, every: int | None, progress: Callable[[str], Progress]) -> Backtest:
    """Train and measure at the config's test cutoff and at earlier ones; write backtest.json, .md and .html.

    Args:
        config: The TOML.
        out: The folder; each cutoff's run lies in a folder of it, and goes on if it was killed.
        cutoffs: How many, at least 2.
        every: Days from one to the next; by default the horizon.
        progress: See `Run.show`.

    Raises:
        InputError: The config or the tables have problems, or do not reach back far enough; nothing is trained then.
    """
    runs = plan(config, out, cutoffs, every, progress)
    for run in runs:
        begin_run(run, _toml_at(config, run.windows.test.dates[0]))
    metric, results = runs[0].config.evaluation.main_metric, []
    while runs:  # the oldest first; what a run read goes with it
        run = runs.pop()
        train_and_compose(run)
        results.append(_result(evaluate_run(run)))
    found = Backtest(metric, tuple(results))
    write_backtest(found, out)
    return found


def plan(config: Path, out: Path, cutoffs: int, every: int | None, progress: Callable[[str], Progress]) -> list[Run]:
    """Return a run for each cutoff, the newest first, which share their tables. Arguments and errors as `backtest`."""
    first = read_run(config, out, progress)
    newest, days = first.windows.test.dates[0], every or first.config.data.windows.horizon_days
    runs: list[Run] = []
    problems: list[Problem] = []
    possible = None
    for number in range(cutoffs):
        cutoff = newest - timedelta(days * number)
        run = _run_at(first, runs, out / str(cutoff), cutoff)
        try:
            check_trainable(config, run)
        except (InputError, ValueError) as error:
            possible = number if possible is None else possible
            told = error.problems if isinstance(error, InputError) else [_of_windows(config, str(error))]
            problems += [replace(one, what=f"at cutoff {cutoff}: {one.what}") for one in told]
        runs.append(run)
    if problems:
        what, remedy = f"{possible} of {cutoffs} cutoffs are possible, {days} days apart", "lower --cutoffs or --every"
        raise InputError([*problems, Problem(str(config), None, None, what, remedy)])
    return runs


def _of_windows(config: Path, what: str) -> Problem:
    return Problem(str(config), "data.windows", None, what, "")


def _run_at(first: Run, runs: list[Run], folder: Path, cutoff: date) -> Run:
    """Return a run with another cutoff. The oracle is left out: it knows one cutoff alone."""
    windows = first.config.data.windows.model_copy(update={"test_cutoff": cutoff})
    config = first.config.model_copy(
        update={
            "data": first.config.data.model_copy(update={"windows": windows}),
            "evaluation": first.config.evaluation.model_copy(update={"oracle": None}),
        }
    )

    def show(step: str) -> Progress:
        return first.show(f"{cutoff}: {step}")

    return Run(config, first.source, RunFolder(folder), show, same_tables_as=runs[0] if runs else None)


def _toml_at(config: Path, cutoff: date) -> str:
    import tomlkit

    document = tomlkit.parse(set_in_toml(config.read_text(encoding="utf-8"), {"data.windows.test_cutoff": cutoff}))
    document.get("evaluation", {}).pop("oracle", None)
    return tomlkit.dumps(document)


def _result(evaluation: Evaluation) -> CutoffResult:
    metric, models = evaluation.main_metric, evaluation.models
    baselines = [name for name in models if name not in ("retrieval", "ranking", "oracle")]
    best = max(baselines, key=lambda name: models[name][metric].value)
    paired = evaluation.paired[f"ranking-{best}"][metric]
    figures = {
        "ranking": models["ranking"][metric],
        "retrieval": models["retrieval"][metric],
        "best baseline": models[best][metric],
        "ranking less best baseline": Interval(value=paired.difference, low=paired.low, high=paired.high),
    }
    if evaluation.calibration is not None:
        figures["ECE"] = Interval(value=evaluation.calibration.ece)
    window = evaluation.window
    return CutoffResult(window.cutoff, window.until, window.customers, best, figures)
