"""What was measured: a folder per split and group of models with every test customer's metrics, and all as a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter, process_time
from typing import Self

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.files import new_folder
from nextbest.data.settings import SettingsModel

__all__ = ["Facts", "Metrics", "Result", "Stopwatch", "Table", "Window", "read_results", "result_folder"]

Metrics = Mapping[str, Array]
"""Metric -> value of each customer, [n]."""
Window = tuple[date, date]
"""The last day that is known, and the last day of the test."""

_FACTS, _CUSTOMERS = "result.json", "customers.npz"
_IDS = "customer_id"


class Facts(SettingsModel):
    """What a measurement was about."""

    split: int
    """The split."""
    group: str
    """The models that were measured together: baselines, lightgbm or stages."""
    seed: int
    """The models' seed, from 1 on; 0 where chance plays no part."""
    cutoff: date
    """The last day that the models knew."""
    until: date
    """The last day of the test."""
    trained_at: int
    """The split at which the models were trained; an earlier one if they were only refreshed."""
    seconds: float | None
    """How long training (or the refresh) took; unknown where it was broken off and went on."""
    processor_seconds: float | None = None
    """The time of all processors together, which does not depend on what else the machine does."""
    fallbacks: dict[str, str]
    """Model that could not be trained -> why, and what replaced it."""
    revision: str | None = None
    """The revision of the code that trained the stages."""


@dataclass(frozen=True)
class Stopwatch:
    """Seconds, by the clock and of all processors together."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Self:
        """Read both clocks."""
        return cls(perf_counter(), process_time())

    def since(self, began: Stopwatch) -> Self:
        """Return the seconds since then."""
        return type(self)(self.wall - began.wall, self.processor - began.processor)


@dataclass(frozen=True)
class Result:
    """One measurement."""

    facts: Facts
    """What it was about."""
    customers: Array
    """The test customers' ids, sorted, str, [n]."""
    metrics: Mapping[str, Metrics]
    """Model -> metrics, float32."""

    def save(self, folder: Path) -> None:
        """Write the folder, complete or not at all."""
        flat = {
            f"{model}/{metric}": values for model, found in self.metrics.items() for metric, values in found.items()
        }
        with new_folder(folder) as staging:
            np.savez_compressed(staging / _CUSTOMERS, allow_pickle=False, **{_IDS: self.customers.astype(str)}, **flat)
            (staging / _FACTS).write_text(self.facts.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        facts = Facts.model_validate_json((folder / _FACTS).read_text(encoding="utf-8"))
        metrics: dict[str, dict[str, Array]] = {}
        with np.load(folder / _CUSTOMERS) as arrays:
            for name in arrays.files:
                model, _, metric = name.partition("/")
                if metric:
                    metrics.setdefault(model, {})[metric] = arrays[name]
            return cls(facts, arrays[_IDS], metrics)


def result_folder(out: Path, split: int, group: str, seed: int = 0) -> Path:
    """Return where a measurement lies."""
    return out / "results" / str(split) / (f"{group}-{seed}" if seed else group)


def read_results(out: Path) -> list[Result]:
    """Return all measurements, by split and name."""
    found = sorted(out.glob(f"results/*/*/{_FACTS}"))
    return sorted((Result.load(path.parent) for path in found), key=lambda result: result.facts.split)


_FIRST = ("popularity", "recent_popularity", "item_knn", "ease", "lightgbm", "retrieval", "ranking")


@dataclass(frozen=True)
class Table:
    """What was measured."""

    windows: dict[int, Window]
    """Split -> its window, in the order of time."""
    measured: dict[str, dict[int, dict[int, Metrics]]]
    """Model -> split -> seed -> metric -> value of each customer, [n]."""
    with_fallback: dict[str, set[int]]
    """Model -> the splits at which a fallback replaced it."""

    @classmethod
    def from_results(cls, results: Sequence[Result]) -> Table:
        """Collect results.

        Raises:
            ValueError: Results of one split are about different customers.
        """
        customers: dict[int, Array] = {}
        windows: dict[int, Window] = {}
        measured: dict[str, dict[int, dict[int, Metrics]]] = {}
        with_fallback: dict[str, set[int]] = {}
        for result in sorted(results, key=lambda result: (result.facts.cutoff, result.facts.split)):
            facts = result.facts
            windows[facts.split] = facts.cutoff, facts.until
            if not np.array_equal(customers.setdefault(facts.split, result.customers), result.customers):
                raise ValueError(f"the results of split {facts.split} are about different customers; measure it again")
            for model, metrics in result.metrics.items():
                measured.setdefault(model, {}).setdefault(facts.split, {})[facts.seed] = metrics
            for model in facts.fallbacks:
                with_fallback.setdefault(model, set()).add(facts.split)
        order = sorted(measured, key=lambda model: _FIRST.index(model) if model in _FIRST else len(_FIRST))
        return cls(windows, {model: measured[model] for model in order}, with_fallback)

    def only(self, splits: Collection[int]) -> Table:
        """Return the part of some splits."""
        measured = {
            model: {split: seeds for split, seeds in found.items() if split in splits}
            for model, found in self.measured.items()
        }
        return Table(
            {split: window for split, window in self.windows.items() if split in splits},
            {model: found for model, found in measured.items() if found},
            {model: found & set(splits) for model, found in self.with_fallback.items()},
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
