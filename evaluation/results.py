"""What an evaluation found; `model_dump_json` of it is metrics.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from nextbest.data.settings import SettingsModel

__all__ = [
    "LEVEL",
    "Bin",
    "Calibration",
    "Comparison",
    "Difference",
    "Evaluation",
    "Interval",
    "Slice",
    "Window",
    "compare_models",
    "stage_pairs",
]


LEVEL = 0.95
"""Level of all intervals."""


class Interval(SettingsModel):
    """A value and how sure we are of it."""

    value: float
    """The value over all customers."""
    low: float | None = None
    """Lower end of the interval; none for coverage, which is no mean over customers."""
    high: float | None = None
    """Upper end of the interval."""


class Difference(SettingsModel):
    """One model's metric less another's, on the same customers and the same resamples."""

    difference: float
    """The difference over all customers."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    share_positive: float
    """Share of the resamples in which the difference is above 0."""


class Slice(SettingsModel):
    """The main metric of the customers with one label."""

    customers: int
    """How many customers have the label."""
    models: dict[str, Interval]
    """Model -> the main metric."""


class Window(SettingsModel):
    """What was predicted, for whom."""

    cutoff: date
    """The last day that the models knew."""
    until: date
    """The last day on which an acquisition counted."""
    customers: int
    """Evaluated customers."""
    acquisitions: int
    """Relevant (customer, product) pairs."""
    products: int
    """Products in the catalogue."""


class Bin(SettingsModel):
    """One bin of the reliability table."""

    count: int
    """Pairs in the bin."""
    probability: float
    """Their mean predicted probability."""
    rate: float
    """The share of them that were acquired."""
    low: float
    """Lower end of the rate's interval."""
    high: float
    """Upper end of the rate's interval."""


class Calibration(SettingsModel):
    """Whether the ranking's probabilities mean what they say."""

    pairs: int
    """Evaluated (customer, candidate) pairs."""
    base_rate: float
    """The share of them that were acquired."""
    mean_probability: float
    """Their mean predicted probability."""
    ece: float
    """Expected calibration error: the bins' mean gap between probability and rate, weighted by their counts."""
    brier: float
    """Brier score: the mean squared error of the probability."""
    log_loss: float
    """Mean negative log-likelihood, nats."""
    bins: tuple[Bin, ...]
    """The reliability table, probabilities ascending."""


class Comparison(SettingsModel):
    """Whether one model beats another on the main metric."""

    model: str
    """The model that should be better."""
    other: str
    """The model that it is compared with."""
    beats: bool
    """Whether the whole interval of the difference is above 0."""
    text: str
    """The answer in words."""


class Evaluation(SettingsModel):
    """What an evaluation found."""

    window: Window
    """What was predicted, for whom."""
    k: tuple[int, ...]
    """List lengths."""
    main_metric: str
    """The metric of slices and comparisons."""
    level: float
    """Level of all intervals."""
    models: dict[str, dict[str, Interval]]
    """Model -> metric -> value."""
    paired: dict[str, dict[str, Difference]]
    """"A-B" -> metric -> A's value less B's."""
    share_of_oracle: dict[str, Interval]
    """Model -> its main metric over the oracle's; empty without an oracle."""
    slices: dict[str, dict[str, Slice]]
    """Customer column -> label -> main metric."""
    verdicts: tuple[Comparison, ...]
    """One for each compared pair; metrics.json calls them so."""
    calibration: Calibration | None
    """The ranking's calibration, where probabilities were given."""
    customers_per_second: dict[str, float]
    """Model -> customers scored per second, whole catalogue, on the machine of the evaluation."""
    skipped: dict[str, str]
    """Model that was left out -> why."""


_STAGES = ("retrieval", "ranking")
_ORACLE = "oracle"


def stage_pairs(models: Collection[str]) -> list[tuple[str, str]]:
    """Return the comparisons that each stage must win: with the stage before it, then with every baseline."""
    stages = [stage for stage in _STAGES if stage in models]
    baselines = [model for model in models if model not in (*_STAGES, _ORACLE)]
    pairs = []
    for number, stage in enumerate(reversed(stages), start=1):
        earlier = stages[: len(stages) - number][::-1]
        pairs += [(stage, other) for other in [*earlier, *baselines]]
    return pairs


def compare_models(
    pairs: Sequence[tuple[str, str]], paired: Mapping[str, Mapping[str, Difference]], metric: str
) -> tuple[Comparison, ...]:
    """Say for each pair whether the first model beats the second on the metric."""
    return tuple(_compare(model, other, paired[f"{model}-{other}"][metric], metric) for model, other in pairs)


def _compare(model: str, other: str, found: Difference, metric: str) -> Comparison:
    if found.low > 0:
        answer = "yes"
    elif found.high < 0:
        answer = "no, it is worse"
    else:
        answer = "no, the difference may be chance"
    figures = f"{found.difference:+.4f} {metric} [{found.low:+.4f}, {found.high:+.4f}]"
    return Comparison(model=model, other=other, beats=found.low > 0, text=f"{model} beats {other}: {answer}, {figures}")
