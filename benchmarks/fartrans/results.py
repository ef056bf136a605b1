"""What was measured: a folder per split and group of models, with every test customer's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter, process_time
from typing import Self

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.files import new_folder
from nextbest.data.settings import SettingsModel

__all__ = ["Facts", "Metrics", "Result", "Spent", "read_results", "result_folder"]

Metrics = Mapping[str, Array]
"""Metric -> value of each customer, [n]."""

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
    """Model that could not be trained -> why, and what stood in for it."""
    revision: str | None = None
    """The revision of the code that trained the stages."""


@dataclass(frozen=True)
class Spent:
    """Seconds, by the clock and of all processors together."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Self:
        """Return how both stand."""
        return cls(perf_counter(), process_time())

    def since(self, began: Spent) -> Self:
        """Return what was spent since then."""
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
        """Write the folder, whole or not at all."""
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
