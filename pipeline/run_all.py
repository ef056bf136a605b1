"""The main job: train both stages, join them, measure, refresh to the newest day, and push."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nextbest.evaluation.results import Evaluation
from nextbest.pipeline.compose import compose
from nextbest.pipeline.evaluate import evaluate_run
from nextbest.pipeline.export import NotApprovedError, export_run
from nextbest.pipeline.refresh import served_run
from nextbest.pipeline.run import Run
from nextbest.pipeline.train import train

__all__ = ["Outcome", "run_all", "train_and_compose"]


@dataclass(frozen=True)
class Outcome:
    """What all steps of a run made."""

    evaluation: Evaluation
    as_of: date
    """The last day that what is pushed, or would be, knows."""
    version: int | None = None
    """The version that was pushed."""
    refusal: str | None = None
    """Why none was pushed that should have been."""


def train_and_compose(run: Run) -> None:
    """Make everything that is served."""
    train(run)
    compose(run)


def run_all(run: Run, models: Path | None, force: bool = False, why: str | None = None) -> Outcome:
    """Do all steps, and push to `models` if it is given (see `export_run`)."""
    train_and_compose(run)
    evaluation = evaluate_run(run)
    as_of, _ = served_run(run).windows.test.dates
    if models is None:
        return Outcome(evaluation, as_of)
    try:
        return Outcome(evaluation, as_of, version=export_run(run, models, force, why))
    except NotApprovedError as error:
        return Outcome(evaluation, as_of, refusal=str(error))
