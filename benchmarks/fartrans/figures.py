"""The figures of a benchmark run; `model_dump_json` of `Report` is report.json."""

from __future__ import annotations

from datetime import date

from nextbest.data.settings import SettingsModel

__all__ = ["Comparison", "Family", "Figure", "ModelFigures", "Part", "Report", "SplitRow"]


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
    """The splits at which something else stood in for it."""


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
    """All splits, then the parts that were asked for."""
    rows: tuple[SplitRow, ...]
    """The splits one by one."""
    fallbacks: dict[str, str]
    """Model, split and seed -> why it could not be trained, and what stood in for it."""
