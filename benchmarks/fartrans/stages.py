"""Ours: retrieval and ranking, trained at one split and refreshed at those that follow it."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from benchmarks.fartrans.results import Spent
from benchmarks.fartrans.tasks import Task
from benchmarks.fartrans.trial import Trial
from benchmarks.fartrans.windows import windows_have_purchases
from data.atomic import write_text
from data.problems import InputError
from evaluation.scorer import Scorer
from modelling.training import Progress
from pipeline.exported import ExportedRecommender, ExportedRetrieval, Requests
from pipeline.refresh import refresh, start_refresh
from pipeline.run import Run, start_run
from pipeline.run_all import train_and_compose
from serving.recommender import Recommender

__all__ = ["measure_stages"]

_STAGES = ("retrieval", "ranking")


def measure_stages(task: Task) -> None:
    """Train at the first split, refresh at the others, and measure each that is not measured yet.

    A history too short to train on is an answer too: EASE stands in for both stages then, and the result says so.
    """
    first = task.splits[0]
    trained = start_run(_config(task, first), task.run(first), _silent)
    began, resumed = Spent.now(), trained.folder.path("retrieval").exists()
    try:
        train_and_compose(trained)
        reason = None
    except (ValueError, InputError) as error:
        if _trainable(trained):
            raise
        reason = str(error)
    spent = None if resumed else Spent.now().since(began)
    for split in task.missing:
        if reason is not None:
            _measure_stand_in(task, split, reason)
        elif split == first:
            _measure(task, Trial.of(split, trained), spent)
        else:
            _refresh_and_measure(task, trained, split)
    if not task.settings.keep_runs:
        rmtree(task.run(first))


def _config(task: Task, split: int) -> Path:
    """Return the split's config with the task's seed."""
    folder = task.settings.tables(split)
    path = folder / f"seed-{task.seed}.toml"
    write_text(path, f"seed = {task.seed}\n" + (folder / "nextbest.toml").read_text(encoding="utf-8"))
    return path


def _silent(step: str) -> Progress:
    """Leave a line per step in the log."""
    print(step, flush=True)
    return lambda what, share: None


def _trainable(run: Run) -> bool:
    """Whether every training window holds purchases."""
    return windows_have_purchases(run.config.data.windows, run.history.interactions.day, run.windows.test.cutoff)


def _refresh_and_measure(task: Task, trained: Run, split: int) -> None:
    began, folder = Spent.now(), task.run(split)
    run = start_refresh(trained.folder.root, _config(task, split), folder, _silent)
    refresh(trained.folder.root, run)
    _measure(task, Trial.of(split, run), Spent.now().since(began))
    if not task.settings.keep_runs:
        rmtree(folder)


def _measure(task: Task, trial: Trial, spent: Spent | None) -> None:
    """Measure what was exported, as `pipeline.evaluate` does."""
    folder, history = trial.run.folder, trial.run.history
    recommender = Recommender(folder.path("recommender"))
    requests = Requests(recommender, trial.snapshot, history.products.ids)
    candidates = min(trial.run.config.ranking.candidates, len(history.products))
    scorers: dict[str, Scorer] = {
        "retrieval": ExportedRetrieval(folder.path("retrieval", "saved_model"), requests),
        "ranking": ExportedRecommender(recommender, requests, history.products, candidates),
    }
    trial.measure(task, scorers, spent, revision=folder.manifest()["git_revision"])


def _measure_stand_in(task: Task, split: int, reason: str) -> None:
    trial = Trial.untrained(task.settings, split)
    ease = trial.baselines(("ease",))["ease"]
    fallbacks = dict.fromkeys(_STAGES, f"could not be trained ({reason}): EASE stands in")
    trial.measure(task, dict.fromkeys(_STAGES, ease), None, fallbacks=fallbacks)
