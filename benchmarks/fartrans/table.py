"""All results as one table: model, split, seed, customer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.fartrans.results import Metrics, Result
from benchmarks.fartrans.statistics import Window
from nextbest.data.dataset import Array

__all__ = ["Table"]

_FIRST = ("popularity", "recent_popularity", "item_knn", "ease", "lightgbm", "retrieval", "ranking")


@dataclass(frozen=True)
class Table:
    """What was measured."""

    windows: dict[int, Window]
    """Split -> its window, in the order of time."""
    measured: dict[str, dict[int, dict[int, Metrics]]]
    """Model -> split -> seed -> metric -> value of each customer, [n]."""
    stood_in: dict[str, set[int]]
    """Model -> the splits at which something else stood in for it."""

    @classmethod
    def of(cls, results: Sequence[Result]) -> Table:
        """Collect results.

        Raises:
            ValueError: Results of one split are about different customers.
        """
        customers: dict[int, Array] = {}
        windows: dict[int, Window] = {}
        measured: dict[str, dict[int, dict[int, Metrics]]] = {}
        stood_in: dict[str, set[int]] = {}
        for result in sorted(results, key=lambda result: (result.facts.cutoff, result.facts.split)):
            facts = result.facts
            windows[facts.split] = facts.cutoff, facts.until
            if not np.array_equal(customers.setdefault(facts.split, result.customers), result.customers):
                raise ValueError(f"the results of split {facts.split} are about different customers; measure it again")
            for model, metrics in result.metrics.items():
                measured.setdefault(model, {}).setdefault(facts.split, {})[facts.seed] = metrics
            for model in facts.fallbacks:
                stood_in.setdefault(model, set()).add(facts.split)
        order = sorted(measured, key=lambda model: _FIRST.index(model) if model in _FIRST else len(_FIRST))
        return cls(windows, {model: measured[model] for model in order}, stood_in)

    def only(self, splits: Collection[int]) -> Table:
        """Return the part of some splits."""
        measured = {
            model: {split: seeds for split, seeds in found.items() if split in splits}
            for model, found in self.measured.items()
        }
        return Table(
            {split: window for split, window in self.windows.items() if split in splits},
            {model: found for model, found in measured.items() if found},
            {model: found & set(splits) for model, found in self.stood_in.items()},
        )

    def values(self, model: str, metric: str) -> dict[int, Array]:
        """Return split -> the metric of each customer as the mean over seeds, [n]."""
        return {
            split: np.stack([metrics[metric] for metrics in seeds.values()]).mean(axis=0, dtype=np.float64)
            for split, seeds in self.measured[model].items()
        }

    def means_of_seeds(self, model: str, metric: str) -> dict[int, float]:
        """Return seed -> the mean over splits."""
        found: dict[int, list[float]] = {}
        for seeds in self.measured[model].values():
            for seed, metrics in seeds.items():
                found.setdefault(seed, []).append(float(metrics[metric].mean()))
        return {seed: float(np.mean(means)) for seed, means in sorted(found.items())}
