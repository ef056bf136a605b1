"""What the served model is worth to each group, and for each group of products: metrics, probabilities, exposure.

Nothing is called worse for its figure alone. A group is compared with all others of its grouping, and the p-values of
all groups together are corrected by Holm's method ("A simple sequentially rejective multiple test procedure", 1979):
with it the chance that even one group is named wrongly is below 5 %, however the groups overlap. Benjamini and
Hochberg's, which finds more, bounds the share of the wrong ones among those that are named, and each name in a card
must stand for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.special import gammainc, gammaincc, gammaincinv

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.evaluation.baselines import RANDOM_SEED
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.groupings import label_order
from nextbest.evaluation.intervals import BootstrappedMetrics, percentile_interval, resampled_means
from nextbest.evaluation.results import LEVEL, Exposure, Group, GroupCalibration, GroupDifference, Interval, Slice
from nextbest.modelling.metrics import per_customer

if TYPE_CHECKING:
    from nextbest.evaluation.evaluate import TestSet

__all__ = [
    "MIN_GROUP",
    "SERVED",
    "Groups",
    "Outcomes",
    "all_groups",
    "calibrate",
    "compare",
    "holm",
    "measure_groups",
    "resampled_shares",
]

SERVED, _ORACLE = "ranking", "oracle"
"""The model whose order is served, and the best possible one."""
_RESAMPLES = 1000
MIN_GROUP = 30
"""Groups of fewer customers are shown and not compared with others: below it a mean is not about normal, and nothing
could be shown but by chance."""


@dataclass(frozen=True)
class Outcomes:
    """The ranking's probabilities of all customers' candidates, and what came true; not of the test customers alone."""

    probability: Array
    """float32, [num_pairs]."""
    acquired: Array
    """Whether it came true, bool, [num_pairs]."""
    customer: Array
    """Positions in `customer_groups`, int, [num_pairs]."""
    product: Array
    """Product positions, int, [num_pairs]."""
    customer_groups: Mapping[str, Array]
    """Grouping -> each customer's label, object str, [num_customers]."""

    @property
    def dispersion(self) -> float:
        """How much more the customers' numbers of acquisitions vary than if each pair came true by itself, at least 1.

        Who acquires one product may acquire several, so that the pairs say less than as many that know nothing of each
        other: all counts are divided by it, as of a quasi-Poisson model (McCullagh and Nelder 1989).
        """
        excess = np.bincount(self.customer, self.acquired - self.probability.astype(np.float64))
        expected = float((self.probability * (1 - self.probability.astype(np.float64))).sum())
        return max(1.0, float((excess**2).sum()) / expected) if expected else 1.0


@dataclass(frozen=True)
class Groups:
    """All groups, and the part of `Evaluation` that is of every model."""

    slices: dict[str, dict[str, Slice]]
    customers: dict[str, dict[str, Group]]
    products: dict[str, dict[str, Group]]


def measure_groups(
    lists: Mapping[str, Array],
    bootstrapped: BootstrappedMetrics,
    test_set: TestSet,
    config: EvaluationConfig,
    outcomes: Outcomes | None,
    min_group: int = MIN_GROUP,
) -> Groups:
    """Measure all groupings of the test set.

    Args:
        lists: Model -> its lists, int32 [n, max(ks)].
        bootstrapped: Every model's metrics per customer.
        test_set: The customers, with their groupings and those of the products.
        config: The metrics.
        outcomes: The probabilities; None where they speak of another time than the window.
        min_group: Groups of fewer customers are not compared.
    """
    measure = _Measure(lists, bootstrapped, test_set, config, outcomes, min_group)
    slices, customers, products = {}, {}, {}
    for name, labels in test_set.slices.items():
        slices[name], customers[name] = measure.customers(name, labels)
    if SERVED in lists:
        products = {name: measure.products(labels) for name, labels in test_set.product_groups.items()}
        _tell(customers, products)
    return Groups(slices, customers if SERVED in lists else {}, products)


class _Measure:
    """Measures one group at a time."""

    def __init__(
        self,
        lists: Mapping[str, Array],
        bootstrapped: BootstrappedMetrics,
        test_set: TestSet,
        config: EvaluationConfig,
        outcomes: Outcomes | None,
        min_group: int,
    ) -> None:
        self._lists, self._bootstrapped, self._test_set = lists, bootstrapped, test_set
        self._config, self._outcomes, self._least = config, outcomes, min_group
        self._dispersion = outcomes.dispersion if outcomes is not None else 1.0

    def customers(self, name: str, labels: Array) -> tuple[dict[str, Slice], dict[str, Group]]:
        """Measure a grouping of customers: every model's main metric, and the served model in full."""
        main, slices, groups = self._config.main_metric, {}, {}
        for label in _sorted(labels):
            rows = np.flatnonzero(labels == label)
            part = self._bootstrapped.part(rows, self._config.summary_metrics)
            found = part.intervals()
            slices[label] = Slice(customers=len(rows), models={model: values[main] for model, values in found.items()})
            if SERVED in found:
                values = self._bootstrapped.values_of(SERVED, main)
                groups[label] = Group(
                    customers=len(rows),
                    metrics=found[SERVED],
                    share_of_oracle=_share_of_oracle(part),
                    difference=compare(values[rows], values[labels != label], self._least),
                    calibration=self._calibration_of(lambda told: told.customer_groups[name][told.customer], label),
                    exposure=self._exposure(rows),
                )
        return slices, groups

    def products(self, labels: Array) -> dict[str, Group]:
        """Measure a grouping of products: the metrics are those of what was acquired of each group alone."""
        config, relevant = self._config, self._test_set.relevant
        groups = {}
        for label in _sorted(labels):
            inside = labels == label
            part = self._of_products(inside)
            found = part.intervals()[SERVED] if part else {}
            difference = None
            if part and (rest := self._of_products(~inside)):
                ours, theirs = (one.values_of(SERVED, config.main_metric) for one in (part, rest))
                difference = compare(ours, theirs, self._least)
            groups[label] = Group(
                customers=len(part.values) if part else 0,
                products=int(inside.sum()),
                metrics=found,
                share_of_oracle=_share_of_oracle(part) if part else None,
                difference=difference,
                calibration=self._calibration_of(lambda told: labels[told.product], label),
                exposure={
                    model: Exposure(share=shares[0], acquired=float(relevant[:, inside].sum() / relevant.sum()))
                    for model, lists in self._lists.items()
                    if (shares := resampled_shares(_count(lists[:, : config.main_k], ~inside, 2)))
                },
            )
        return groups

    def _of_products(self, inside: Array) -> BootstrappedMetrics | None:
        """Return the metrics of those who acquired some of these products, as if only they counted."""
        relevant = sp.csr_matrix(self._test_set.relevant[:, inside] != 0)
        rows = np.flatnonzero(np.diff(relevant.indptr))
        if not len(rows):
            return None
        columns = np.flatnonzero(inside)[relevant.indices]
        alone = sp.csr_matrix((relevant.data, columns, relevant.indptr), shape=self._test_set.relevant.shape)[rows]
        k = self._config.main_k
        found = {
            model: {
                metric: values
                for metric, values in per_customer(lists[rows], alone, [k]).items()
                if metric in (self._config.main_metric, f"recall@{k}")
            }
            for model, lists in self._lists.items()
            if model in (SERVED, _ORACLE)
        }
        return BootstrappedMetrics.from_values(found, self._config)

    def _exposure(self, rows: Array) -> dict[str, Exposure]:
        """Return product category -> its places in these customers' served lists, and its share of what they took."""
        category = self._test_set.category
        if category is None:
            return {}
        names = _sorted(category)
        codes = np.array([names.index(label) for label in category])
        shares = resampled_shares(_count(self._lists[SERVED][rows, : self._config.main_k], codes, len(names)))
        acquired = np.bincount(codes, np.asarray(self._test_set.relevant[rows].sum(axis=0)).ravel(), len(names))
        return {
            name: Exposure(share=share, acquired=float(taken / acquired.sum()))
            for name, share, taken in zip(names, shares, acquired, strict=False)
        }

    def _calibration_of(self, labels: Callable[[Outcomes], Array], label: str) -> GroupCalibration | None:
        told = self._outcomes
        if told is None:
            return None
        inside = labels(told) == label
        if len(np.unique(told.customer[inside])) < self._least:
            return None
        return calibrate(told.probability[inside], told.acquired[inside], self._dispersion)


def _sorted(labels: Array) -> list[str]:
    return sorted({str(label) for label in labels}, key=label_order)


def _share_of_oracle(part: BootstrappedMetrics) -> Interval | None:
    return part.shares_of(_ORACLE).get(SERVED) if _ORACLE in part.models else None


def _count(lists: Array, codes: Array, num_codes: int) -> Array:
    """Return how many places of each list go to each code of a product, [n, num_codes]."""
    real = lists != NO_PRODUCT
    cells = np.arange(len(lists))[:, None] * num_codes + codes.astype(int)[np.maximum(lists, 0)]
    return np.bincount(cells[real], minlength=len(lists) * num_codes).reshape(len(lists), num_codes)


def resampled_shares(counts: Array) -> list[Interval]:
    """Return each column's share of all counts, with a bootstrap interval over the rows; none where all are 0.

    Args:
        counts: How often a customer has each, [n, num_columns].
    """
    total = counts.sum()
    if not total:
        return []
    means = resampled_means(counts, resamples=_RESAMPLES, seed=RANDOM_SEED)
    means = means[means.sum(axis=1) > 0]
    low, high = percentile_interval(means / means.sum(axis=1, keepdims=True), LEVEL)
    columns = (counts.sum(axis=0) / total, low, high)
    return [Interval(value=float(a), low=float(b), high=float(c)) for a, b, c in zip(*columns, strict=True)]


def compare(ours: Array, theirs: Array, least: int) -> GroupDifference | None:
    """Compare the mean of a group with that of all others; None where one has fewer than `least` customers, at least 2.

    The standard error is Welch's, with each side's variance at least that of all together: a small group of which all
    happen to have the same value is not taken for one that always has it.
    """
    if min(len(ours), len(theirs)) < max(least, 2):
        return None
    sides = [side.astype(np.float64) for side in (ours, theirs)]
    pooled = np.concatenate(sides).var(ddof=1)
    error = float(np.sqrt(sum(max(side.var(ddof=1), pooled) / len(side) for side in sides)))
    difference = float(sides[0].mean() - sides[1].mean())
    normal = NormalDist()
    half = normal.inv_cdf((1 + LEVEL) / 2) * error
    p = 2 * normal.cdf(-abs(difference) / error) if error else 1.0
    return GroupDifference(difference=difference, low=difference - half, high=difference + half, p=p)


def calibrate(probability: Array, acquired: Array, dispersion: float) -> GroupCalibration | None:
    """Compare how often pairs came true with how often their probabilities say; None where they say never.

    The interval is Garwood's (1936) of a Poisson count over what was expected, both divided by the dispersion.

    Args:
        probability: [num_pairs].
        acquired: [num_pairs].
        dispersion: See `Outcomes.dispersion`.
    """
    expected, count = float(probability.sum(dtype=np.float64)), float(acquired.sum())
    if not expected:
        return None
    said, happened = expected / dispersion, count / dispersion
    tail = (1 - LEVEL) / 2
    low = float(gammaincinv(happened, tail)) if happened else 0.0
    high = float(gammaincinv(happened + 1, 1 - tail))
    at_least = float(gammainc(happened, said)) if happened else 1.0
    at_most = float(gammaincc(happened + 1, said))
    return GroupCalibration(
        pairs=len(probability),
        said=expected / len(probability),
        happened=count / len(probability),
        ratio=Interval(value=count / expected, low=low / said, high=high / said),
        p=min(1.0, 2 * min(at_least, at_most)),
    )


def holm(p: Array) -> Array:
    """Return p-values that are corrected for their number (Holm 1979), [n]: at most one in 20 sets has one below 0.05.

    The smallest of n is multiplied by n, the next by n - 1 and so on, and none is smaller than one before it.

    Args:
        p: p-values in any order, [n].
    """
    order = np.argsort(p, kind="stable")
    scaled = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(scaled)
    return adjusted


def _tell(*groupings: dict[str, dict[str, Group]]) -> None:
    """Correct the p-values of all groups together, of metrics and of probabilities each, and say what is found."""
    places = [(grouping, label) for part in groupings for grouping in part.values() for label in grouping]
    for field, below, above in (
        ("difference", "worse", "better"),
        ("calibration", "less than said", "more than said"),
    ):
        tested = [(grouping, label) for grouping, label in places if getattr(grouping[label], field) is not None]
        adjusted = holm(np.array([getattr(grouping[label], field).p for grouping, label in tested]))
        for (grouping, label), p in zip(tested, adjusted.tolist(), strict=True):
            found = getattr(grouping[label], field)
            high = found.difference > 0 if field == "difference" else found.ratio.value > 1
            finding = (above if high else below) if p < 1 - LEVEL else "none shown"
            told = found.model_copy(update={"p_adjusted": p, "finding": finding})
            grouping[label] = grouping[label].model_copy(update={field: told})


def all_groups(groupings: Mapping[str, Mapping[str, Group]]) -> Iterator[tuple[str, str, Group]]:
    """Yield grouping, label and group of all."""
    for name, labels in groupings.items():
        for label, group in labels.items():
            yield name, label, group
