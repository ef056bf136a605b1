"""Results -> figures: means over splits and seeds, and paired differences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.fartrans.figures import Comparison, Family, Figure, ModelFigures, Part, Report, SplitRow
from benchmarks.fartrans.results import Facts, Result
from benchmarks.fartrans.statistics import families, interval_of_mean, resampled_means_of, standard_error
from benchmarks.fartrans.table import Table
from nextbest.data.dataset import Array

__all__ = ["Summary"]

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
        table, facts = Table.of(results), [result.facts for result in results]
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
        stood_in=tuple(sorted(table.stood_in.get(model, ()))),
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
