"""Measure one group of models on a split: the product's own baselines, the peer, or retrieval with ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import numpy as np

from benchmarks.fartrans.results import Facts, Result, Stopwatch
from benchmarks.fartrans.run import Settings, Task
from benchmarks.peers.lambdarank import LambdaRank, LambdaRankConfig
from nextbest.data.dataset import Array
from nextbest.data.files import write_text
from nextbest.data.snapshot import Snapshot
from nextbest.evaluation.baselines import BaselineName, Scorer, fit_baselines
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.test_set import TestSet
from nextbest.modelling.metrics import per_customer
from nextbest.modelling.training import Progress
from nextbest.pipeline.config import load_config
from nextbest.pipeline.evaluate import load_exported, make_test_set
from nextbest.pipeline.refresh import refresh, start_refresh
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_all import train_and_compose
from nextbest.pipeline.run_folder import RunFolder

__all__ = ["METRICS", "Trial", "measure"]

METRICS = ("ndcg@10", "recall@10", "mrr@10", "recall@100")
"""What is measured. Ranking reorders its 100 candidates, so its recall@100 is that of the candidates."""
_LISTS = EvaluationConfig(ks=(10, 100), main_metric="ndcg@10")


def measure(task: Task) -> None:
    """Fit or train the task's models and save their results; the splits' tables must be prepared."""
    match task.group:
        case "baselines":
            _measure_baselines(task)
        case "lightgbm":
            _measure_lightgbm(task)
        case "stages":
            _measure_stages(task)
        case "tables":
            raise ValueError("tables are prepared, not measured; see benchmarks.fartrans.prepare")


def _measure_baselines(task: Task) -> None:
    """Fit and measure the baselines of one split."""
    trial, began = Trial.from_tables(task.settings, *task.splits), Stopwatch.now()
    scorers = trial.baselines(("popularity", "recent_popularity", "item_knn", "ease"))
    trial.measure(task, scorers, Stopwatch.now().since(began))


def _measure_lightgbm(task: Task) -> None:
    """Train and measure the peer of one split."""
    trial, began = Trial.from_tables(task.settings, *task.splits), Stopwatch.now()
    run, options = trial.run, trial.run.config.evaluation.baselines
    config = LambdaRankConfig(
        ease_l2=options.ease_l2, knn_shrinkage=options.knn_shrinkage, half_life_days=options.half_life_days
    )
    peer = LambdaRank.fit(run.history, run.windows.test.cutoff, run.config.data, config, task.seed)
    why = "no window before the time point has enough buyers to learn from: its candidates in EASE's order"
    fallbacks = {} if peer.booster else {"lightgbm": why}
    trial.measure(task, {"lightgbm": peer}, Stopwatch.now().since(began), fallbacks=fallbacks)


def _measure_stages(task: Task) -> None:
    """Train at the first split, refresh at the others, and measure each that is not measured yet."""
    first = task.splits[0]
    trained = start_run(_config(task, first), task.run(first), _silent)
    began, resumed = Stopwatch.now(), trained.folder.path("retrieval").exists()
    train_and_compose(trained)
    spent = None if resumed else Stopwatch.now().since(began)
    for split in task.missing:
        if split == first:
            _measure_exported(task, Trial.from_run(split, trained), spent)
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
    began, folder = Stopwatch.now(), task.run(split)
    run = start_refresh(trained.folder.root, _config(task, split), folder, _silent)
    refresh(trained.folder.root, run)
    _measure_exported(task, Trial.from_run(split, run), Stopwatch.now().since(began))
    if not task.settings.keep_runs:
        rmtree(folder)


def _measure_exported(task: Task, trial: Trial, spent: Stopwatch | None) -> None:
    """Measure what was exported, as `pipeline.evaluate` does."""
    retrieval, ranking = load_exported(trial.run, trial.snapshot)
    revision = trial.run.folder.manifest()["git_revision"]
    trial.measure(task, {"retrieval": retrieval, "ranking": ranking}, spent, revision=revision)


@dataclass(frozen=True)
class Trial:
    """What the models of one split are measured on."""

    split: int
    """The split."""
    run: Run
    """The split's tables and config."""
    snapshot: Snapshot
    """What is known at the time point."""
    test_set: TestSet
    """The protocol's customers, and what they bought."""

    @classmethod
    def from_run(cls, split: int, run: Run) -> Trial:
        """Read the tables and find out who is tested."""
        snapshot, _, test_set = make_test_set(run)
        return cls(split, run, snapshot, test_set)

    @classmethod
    def from_tables(cls, settings: Settings, split: int) -> Trial:
        """Read the tables of a split without beginning a run."""
        folder = settings.tables(split)
        run = Run(load_config(folder / "nextbest.toml"), folder, RunFolder(folder / "run"), lambda step: _ignore)
        return cls.from_run(split, run)

    def baselines(self, names: tuple[BaselineName, ...]) -> dict[str, Scorer]:
        """Fit some of the product's own baselines with the config's settings."""
        config = self.run.config.evaluation
        return fit_baselines(self.run.history, self.run.windows.test.cutoff, config.baselines, names=names).scorers

    def measure(
        self,
        task: Task,
        scorers: Mapping[str, Scorer],
        spent: Stopwatch | None,
        *,
        fallbacks: Mapping[str, str] | None = None,
        revision: str | None = None,
    ) -> None:
        """Measure the scorers and save the result of the task.

        Args:
            task: The task.
            scorers: Model -> scorer.
            spent: How long it took to make them; None if that is unknown.
            fallbacks: Model that could not be trained -> why, and what replaces it.
            revision: The revision of the code that trained them.
        """
        lists, _ = rank_all(scorers, self.test_set, _LISTS)
        found = {model: per_customer(ranked, self.test_set.relevant, _LISTS.ks) for model, ranked in lists.items()}
        cutoff, until = self.run.windows.test.dates
        facts = Facts(
            split=self.split,
            group=task.group,
            seed=task.seed,
            cutoff=cutoff,
            until=until,
            trained_at=task.splits[0],
            seconds=spent and spent.wall,
            processor_seconds=spent and spent.processor,
            fallbacks=dict(fallbacks or {}),
            revision=revision,
        )
        metrics = {
            model: {name: values[name].astype(np.float32) for name in METRICS} for model, values in found.items()
        }
        Result(facts, self._ids(), metrics).save(task.result(self.split))

    def _ids(self) -> Array:
        return self.run.history.customers.ids[self.test_set.customers]


def _ignore(what: str, share: float) -> None:
    """Show no progress."""
