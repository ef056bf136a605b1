"""Ours: retrieval and ranking, trained at one split and refreshed at those that follow it."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from benchmarks.fartrans.results import Spent
from benchmarks.fartrans.tasks import Task
from benchmarks.fartrans.trial import Trial
from nextbest.data.files import write_text
from nextbest.evaluation.baselines import Scorer
from nextbest.modelling.training import Progress
from nextbest.pipeline.evaluate import ExportedRecommender, ExportedRetrieval, Requests
from nextbest.pipeline.refresh import refresh, start_refresh
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.serving.recommender import Recommender

__all__ = ["measure_stages"]


def measure_stages(task: Task) -> None:
    """Train at the first split, refresh at the others, and measure each that is not measured yet."""
    first = task.splits[0]
    trained = start_run(_config(task, first), task.run(first), _silent)
    began, resumed = Spent.now(), trained.folder.path("retrieval").exists()
    train_and_compose(trained)
    spent = None if resumed else Spent.now().since(began)
    for split in task.missing:
        if split == first:
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
