"""What ours is compared with: the product's own baselines, and a peer."""

from __future__ import annotations

from benchmarks.fartrans.results import Spent
from benchmarks.fartrans.tasks import Task
from benchmarks.fartrans.trial import Trial
from benchmarks.peers.config import LambdaRankConfig
from benchmarks.peers.lambdarank import LambdaRank

__all__ = ["measure_baselines", "measure_lightgbm"]


def measure_baselines(task: Task) -> None:
    """Fit and measure the baselines of one split."""
    trial, began = Trial.untrained(task.settings, *task.splits), Spent.now()
    scorers = trial.baselines(("popularity", "recent_popularity", "item_knn", "ease"))
    trial.measure(task, scorers, Spent.now().since(began))


def measure_lightgbm(task: Task) -> None:
    """Train and measure the peer of one split."""
    trial, began = Trial.untrained(task.settings, *task.splits), Spent.now()
    run, options = trial.run, trial.run.config.evaluation.baselines
    config = LambdaRankConfig(
        ease_l2=options.ease_l2, knn_shrinkage=options.knn_shrinkage, half_life_days=options.half_life_days
    )
    peer = LambdaRank.fit(run.history, run.windows.test.cutoff, run.config.data, config, task.seed)
    why = "no window before the time point has enough buyers to learn from: its candidates in EASE's order"
    fallbacks = {} if peer.booster else {"lightgbm": why}
    trial.measure(task, {"lightgbm": peer}, Spent.now().since(began), fallbacks=fallbacks)
