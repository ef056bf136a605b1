"""What an evaluation found; `model_dump_json` of it is metrics.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Literal

from pydantic import Field

from nextbest.data.settings import SettingsModel

__all__ = [
    "LEVEL",
    "Bin",
    "Calibration",
    "Comparison",
    "Difference",
    "Evaluation",
    "Exposure",
    "Group",
    "GroupCalibration",
    "GroupDifference",
    "Interval",
    "Popularity",
    "PopularityReport",
    "ProtectedCost",
    "Slice",
    "Window",
    "compare_models",
    "stage_pairs",
    "summary_metrics",
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


class Exposure(SettingsModel):
    """How much of what is shown something gets."""

    share: Interval
    """Its share of the places of all first `main_k` places."""
    acquired: float
    """Its share of what these customers acquired."""


class GroupDifference(SettingsModel):
    """A group's main metric less that of all others of its grouping, of the served model."""

    difference: float
    """The difference of the means."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""
    p: float
    """Probability of so large a difference, to either side, if there were none."""
    p_adjusted: float = 1.0
    """The same after Holm's correction for all groups that are compared."""
    finding: Literal["worse", "better", "none shown"] = "none shown"
    """What can be said: something only where p_adjusted is below 1 - level."""


class GroupCalibration(SettingsModel):
    """Whether the ranking's probabilities mean what they say, of a group's candidates."""

    pairs: int
    """Evaluated (customer, candidate) pairs."""
    said: float
    """Their mean predicted probability."""
    happened: float
    """The share of them that were acquired."""
    ratio: Interval
    """Happened over said; 1 is right, above it more happens than is said."""
    p: float
    """Probability of a ratio so far from 1, to either side, if the probabilities were right."""
    p_adjusted: float = 1.0
    """The same after Holm's correction for all groups."""
    finding: Literal["more than said", "less than said", "none shown"] = "none shown"
    """What can be said: something only where p_adjusted is below 1 - level."""


class Group(SettingsModel):
    """What the served model is worth to a group of customers, or for the products of a group."""

    customers: int
    """Evaluated customers: of the group, or who acquired one of its products."""
    products: int | None = None
    """How many products a group of products has."""
    metrics: dict[str, Interval]
    """The served model's metrics; of products, as if only those of the group counted as acquired."""
    share_of_oracle: Interval | None = None
    """Its main metric over the oracle's, on the same customers."""
    difference: GroupDifference | None = None
    """None where the group or all others have fewer than `min_group` customers."""
    calibration: GroupCalibration | None = None
    """None where probabilities were not measured, or fewer customers than that have a candidate."""
    exposure: dict[str, Exposure] = Field({})
    """Of customers: product category -> its places in the served lists. Of products: model -> their places in its."""


class Popularity(SettingsModel):
    """How a model spreads its lists over the catalogue, by how often products were acquired before the cutoff."""

    quintiles: tuple[Interval, ...]
    """Share of the first `main_k` places that each fifth of the products has, the least popular first."""
    gini: float
    """Gini coefficient of the products' places: 0 where all have the same, towards 1 where one has all."""
    coverage: float
    """Share of the products that are shown to somebody."""


class PopularityReport(SettingsModel):
    """All models' `Popularity`."""

    acquired: tuple[float, ...]
    """Share of what was acquired in the window that each fifth of the products has."""
    acquired_gini: float
    """Gini coefficient of what was acquired."""
    models: dict[str, Popularity]
    """Model -> how it spreads its lists."""


class ProtectedCost(SettingsModel):
    """What it costs to leave columns out of the models: two runs that differ in nothing else, on the same customers."""

    columns: tuple[str, ...]
    """The columns that one run reads and the other protects."""
    metric: str
    """The main metric."""
    customers: int
    """Evaluated customers of the two runs' test window."""
    cutoff: date
    """Its cutoff."""
    seeds: tuple[int, ...]
    """With which both were trained; the metrics are means over them."""
    read: Interval
    """The ranking that reads them."""
    protected: Interval
    """The ranking without."""
    difference: Interval
    """Without less with, paired: negative is what protection costs."""
    seed_spread: float | None = None
    """Standard deviation of the difference from seed to seed; None with one seed."""

    @property
    def text(self) -> str:
        """What was found, in words."""
        found, trainings = self.difference, len(self.seeds)
        assert found.low is not None and found.high is not None
        error, spread = (self.seed_spread or 0.0) / trainings**0.5, ""
        if self.seed_spread is not None:
            spread = (
                f"; from seed to seed it varies by {self.seed_spread:.4f}, which leaves the mean a standard error of "
                f"{error:.4f} that the interval does not hold"
            )
        half = ((found.high - found.low) ** 2 / 4 + (1.96 * error) ** 2) ** 0.5
        chance = ", which may be chance" if abs(found.value) <= half else ""
        return (
            f"Without {', '.join(self.columns)} the ranking has {self.metric} {self.protected.value:.4f} instead of "
            f"{self.read.value:.4f}: {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]{chance}, on the same "
            f"{self.customers:,} customers after {self.cutoff}, {trainings} training{'s' if trainings > 1 else ''} "
            f"each{spread}."
        )


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
    """Grouping of customers -> label -> main metric of every model."""
    verdicts: tuple[Comparison, ...]
    """One for each compared pair; metrics.json calls them so."""
    calibration: Calibration | None
    """The ranking's calibration, where probabilities were given."""
    customers_per_second: dict[str, float]
    """Model -> customers scored per second, whole catalogue, on the machine of the evaluation."""
    skipped: dict[str, str]
    """Model that was left out -> why."""
    min_group: int = 0
    """Groups of fewer customers are not compared."""
    groups: dict[str, dict[str, Group]] = Field({})
    """Grouping of customers -> label -> what the served model is worth to them."""
    product_groups: dict[str, dict[str, Group]] = Field({})
    """Grouping of products -> label -> how well they are recommended."""
    calibration_by_product: dict[str, GroupCalibration] = Field({})
    """Product id -> whether its probabilities mean what they say, of the products with enough candidates; their p is
    corrected for their number."""
    popularity: PopularityReport | None = None
    """How the models spread their lists over the catalogue; none in what nextbest 0.3 wrote."""


def summary_metrics(main_metric: str) -> list[str]:
    """Return the metrics that people read first: the main one, then recall, MRR and precision at its list length."""
    k = main_metric.split("@")[1]
    return list(dict.fromkeys([main_metric, *(f"{measure}@{k}" for measure in ("ndcg", "recall", "mrr", "precision"))]))


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
