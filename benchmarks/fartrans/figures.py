"""The figures of a benchmark run: means over splits and seeds, and paired differences over splits that do not overlap.

`model_dump_json` of `Report` is report.json.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt

import numpy as np

from benchmarks.fartrans.results import Facts, Result, Table, Window
from nextbest.data.dataset import Array
from nextbest.data.settings import SettingsModel
from nextbest.evaluation.intervals import percentile_interval, resampled_means

__all__ = [
    "Comparison",
    "Family",
    "Figure",
    "ModelFigures",
    "Part",
    "Report",
    "SplitRow",
    "Summary",
    "families",
    "interval_of_mean",
    "resampled_means_of",
    "standard_error",
]


class Figure(SettingsModel):
    """A mean over splits, each of which is a mean over seeds."""

    value: float
    """The mean."""
    standard_error: float | None
    """Its standard error, as if the splits were independent; None of a single split."""


class ModelFigures(SettingsModel):
    """What one model reached."""

    splits: int
    """On how many splits."""
    metrics: dict[str, Figure]
    """Metric -> figure."""
    seeds: dict[str, tuple[float, ...]]
    """Metric -> the mean over splits of each seed."""
    stood_in: tuple[int, ...]
    """The splits at which a fallback replaced it."""


class Family(SettingsModel):
    """A difference over splits whose tests do not overlap."""

    splits: tuple[int, ...]
    """The splits."""
    difference: float
    """The mean difference."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""


class Comparison(SettingsModel):
    """One model's metric less another's, on the same customers."""

    model: str
    """The model."""
    other: str
    """The model that it is compared with."""
    metric: str
    """The metric."""
    splits: int
    """How many splits both have."""
    won: int
    """At how many of them the difference is above 0."""
    difference: Figure
    """Over all of them."""
    families: tuple[Family, ...]
    """Over each family of splits whose tests do not overlap."""
    average: float
    """The mean of the families' differences."""
    low: float
    """The mean of the lower ends of their intervals."""
    high: float
    """The mean of the upper ends."""


class Part(SettingsModel):
    """The figures of some splits."""

    splits: tuple[int, ...]
    """The splits, in the order of time."""
    models: dict[str, ModelFigures]
    """Model -> its figures."""
    comparisons: tuple[Comparison, ...]
    """The paired differences."""


class SplitRow(SettingsModel):
    """One split."""

    split: int
    """The split."""
    cutoff: date
    """The time point."""
    until: date
    """The last day of the test."""
    customers: int
    """Test customers."""
    trained_at: int | None
    """The split at which ours was trained; None where it was not measured."""
    seconds: dict[str, float]
    """Group of models -> how long training (or the refresh) took, the longest of the seeds."""
    processor_seconds: dict[str, float]
    """The same of the time of all processors together."""
    main_metric: dict[str, float]
    """Model -> the main metric."""


class Report(SettingsModel):
    """All figures."""

    main_metric: str
    """The metric of the rows."""
    level: float
    """Level of the intervals."""
    resamples: int
    """Bootstrap resamples of the customers."""
    revisions: tuple[str, ...]
    """Revisions of the code that trained ours."""
    parts: tuple[Part, ...]
    """All splits, then the chosen parts."""
    rows: tuple[SplitRow, ...]
    """The splits one by one."""
    fallbacks: dict[str, str]
    """Model, split and seed -> why it could not be trained, and what replaced it."""


_MAIN_METRIC = "ndcg@10"
_COMPARED_METRICS = (_MAIN_METRIC, "recall@10")
_PAIRS = (
    ("ranking", "ease"),
    ("ranking", "lightgbm"),
    ("ranking", "retrieval"),
    ("retrieval", "ease"),
    ("retrieval", "lightgbm"),
    ("lightgbm", "ease"),
)


@dataclass(frozen=True)
class Summary:
    """How results become figures."""

    resamples: int = 2000
    """Bootstrap resamples of the customers."""
    seed: int = 0
    """Seed of the resamples."""
    level: float = 0.95
    """Level of the intervals."""

    def report(self, results: Sequence[Result], parts: Sequence[Collection[int]] = ()) -> Report:
        """Compute all figures.

        Args:
            results: What was measured, at least one.
            parts: Splits to report by themselves, beside all of them.

        Raises:
            ValueError: Results of one split are about different customers.
        """
        table, facts = Table.from_results(results), [result.facts for result in results]
        chosen = [table, *(part for part in map(table.only, parts) if part.windows)]
        return Report(
            main_metric=_MAIN_METRIC,
            level=self.level,
            resamples=self.resamples,
            revisions=tuple(sorted({fact.revision for fact in facts if fact.revision})),
            parts=tuple(map(self._part, chosen)),
            rows=tuple(_row(table, split, [fact for fact in facts if fact.split == split]) for split in table.windows),
            fallbacks={
                f"{model}, split {fact.split}, seed {fact.seed}": why
                for fact in facts
                for model, why in fact.fallbacks.items()
            },
        )

    def _part(self, table: Table) -> Part:
        return Part(
            splits=tuple(table.windows),
            models={model: _figures(table, model) for model in table.measured},
            comparisons=tuple(
                self._compare(table, model, other, metric)
                for metric in _COMPARED_METRICS
                for model, other in _PAIRS
                if table.measured.get(model, {}).keys() & table.measured.get(other, {}).keys()
            ),
        )

    def _compare(self, table: Table, model: str, other: str, metric: str) -> Comparison:
        ours, theirs = (table.values(name, metric) for name in (model, other))
        differences = {
            split: ours[split] - theirs[split] for split in table.windows if split in ours and split in theirs
        }
        resampled = resampled_means_of(differences, resamples=self.resamples, seed=self.seed)
        windows = {split: table.windows[split] for split in differences}
        found = tuple(self._family(splits, differences, resampled) for splits in families(windows))
        means = [float(values.mean()) for values in differences.values()]
        return Comparison(
            model=model,
            other=other,
            metric=metric,
            splits=len(means),
            won=sum(mean > 0 for mean in means),
            difference=_figure(means),
            families=found,
            average=float(np.mean([family.difference for family in found])),
            low=float(np.mean([family.low for family in found])),
            high=float(np.mean([family.high for family in found])),
        )

    def _family(
        self, splits: Sequence[int], differences: Mapping[int, Array], resampled: Mapping[int, Array]
    ) -> Family:
        low, high = interval_of_mean([resampled[split] for split in splits], self.level)
        mean = float(np.mean([differences[split].mean() for split in splits]))
        return Family(splits=tuple(splits), difference=mean, low=low, high=high)


def _figure(means: Sequence[float]) -> Figure:
    return Figure(value=float(np.mean(means)), standard_error=standard_error(means))


def _figures(table: Table, model: str) -> ModelFigures:
    splits = table.measured[model]
    metrics = list(next(iter(next(iter(splits.values())).values())))
    return ModelFigures(
        splits=len(splits),
        metrics={
            metric: _figure([float(values.mean()) for values in table.values(model, metric).values()])
            for metric in metrics
        },
        seeds={metric: tuple(table.means_of_seeds(model, metric).values()) for metric in metrics},
        stood_in=tuple(sorted(table.with_fallback.get(model, ()))),
    )


def _row(table: Table, split: int, facts: Sequence[Facts]) -> SplitRow:
    cutoff, until = table.windows[split]
    main = {model: values[split] for model in table.measured if split in (values := table.values(model, _MAIN_METRIC))}
    return SplitRow(
        split=split,
        cutoff=cutoff,
        until=until,
        customers=len(next(iter(main.values()))),
        trained_at=next((fact.trained_at for fact in facts if fact.group == "stages"), None),
        seconds=_longest((fact.group, fact.seconds) for fact in facts),
        processor_seconds=_longest((fact.group, fact.processor_seconds) for fact in facts),
        main_metric={model: float(values.mean()) for model, values in main.items()},
    )


def _longest(seconds: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """Return group -> the greatest of its known seconds."""
    longest: dict[str, float] = {}
    for group, spent in seconds:
        if spent is not None:
            longest[group] = max(spent, longest.get(group, 0.0))
    return longest


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of the mean of independent values, None of a single one."""
    return float(np.std(values, ddof=1) / sqrt(len(values))) if len(values) > 1 else None


def families(windows: Mapping[int, Window]) -> list[list[int]]:
    """Return every family of splits whose tests do not overlap.

    Each begins at another of the splits that begin within the first test, and goes on with the next split that begins
    when the test before it has ended.

    Args:
        windows: Split -> its window, in the order of time.
    """
    splits = sorted(windows, key=lambda split: windows[split])
    _, first_end = windows[splits[0]]
    found = []
    for start in (split for split in splits if windows[split][0] < first_end):
        family = [start]
        for split in splits:
            if windows[split][0] >= windows[family[-1]][1]:
                family.append(split)
        found.append(family)
    return found


def resampled_means_of(values: Mapping[int, Array], *, resamples: int, seed: int) -> dict[int, Array]:
    """Resample the customers of each split by themselves: split -> means, float64, [resamples].

    Args:
        values: Split -> value of each customer, [n].
        resamples: How many resamples.
        seed: Seed; every split has a stream of its own.
    """
    found = {}
    for split, values_of_customers in values.items():
        stream = int(np.random.SeedSequence([seed, split]).generate_state(1)[0])
        found[split] = resampled_means(values_of_customers[:, None], resamples=resamples, seed=stream)[:, 0]
    shortest = min(map(len, found.values()))  # a handful of customers may lose a resample that drew none of them
    return {split: means[:shortest] for split, means in found.items()}


def interval_of_mean(resampled: Sequence[Array], level: float) -> tuple[float, float]:
    """Return the interval of the mean over strata that were resampled by themselves."""
    low, high = percentile_interval(np.mean(resampled, axis=0)[:, None], level)
    return float(low[0]), float(high[0])
