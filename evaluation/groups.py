"""What the served model is worth to each group, and for each group of products: metrics, probabilities, exposure.

Nothing is called worse for its figure alone: a group is compared with all others of its grouping, and the p-values of
all groups together are corrected (`evaluation.significance`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.evaluation.baselines import RANDOM_SEED
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.groupings import label_order
from nextbest.evaluation.intervals import BootstrappedMetrics, percentile_interval, resampled_means
from nextbest.evaluation.results import LEVEL, Exposure, Group, GroupCalibration, GroupDifference, Interval, Slice
from nextbest.evaluation.significance import calibrate, compare, holm
from nextbest.evaluation.test_set import TestSet
from nextbest.modelling.metrics import per_customer

__all__ = [
    "MIN_GROUP",
    "SERVED",
    "Groups",
    "Outcomes",
    "all_groups",
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
    product_ids: Array | None = None
    """Ids by position, [num_products]; without them no product is measured by itself."""

    @property
    def dispersion(self) -> float:
        """How much more the customers' numbers of acquisitions vary than if each pair came true by itself, at least 1.

        Who acquires one product may acquire several, so that the pairs say less than as many that know nothing of each
        other: all counts are divided by it, as of a quasi-Poisson model (McCullagh and Nelder 1989).
        """
        excess = np.bincount(self.customer, self.acquired) - np.bincount(self.customer, self.probability)
        expected = float((self.probability * (1 - self.probability)).sum(dtype=np.float64))
        return max(1.0, float((excess**2).sum()) / expected) if expected else 1.0


@dataclass(frozen=True)
class Groups:
    """All groups, and the part of `Evaluation` that is of every model."""

    slices: dict[str, dict[str, Slice]]
    customers: dict[str, dict[str, Group]]
    products: dict[str, dict[str, Group]]
    by_product: dict[str, GroupCalibration]
    """Product id -> calibration of its pairs, for `Evaluation.calibration_by_product`."""


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
    return Groups(slices, customers if SERVED in lists else {}, products, measure.by_product())


class _Measure:
    """Measures one grouping at a time."""

    def __init__(
        self,
        lists: Mapping[str, Array],
        bootstrapped: BootstrappedMetrics,
        test_set: TestSet,
        config: EvaluationConfig,
        outcomes: Outcomes | None,
        min_group: int,
    ) -> None:
        self._shown = {model: ranked[:, : config.main_k] for model, ranked in lists.items()}
        self._bootstrapped, self._test_set, self._config = bootstrapped, test_set, config
        self._outcomes, self._least = outcomes, min_group
        self._dispersion = outcomes.dispersion if outcomes is not None else 1.0
        category = test_set.category
        self._category = None if category is None else _Labels.from_values(category)

    def customers(self, name: str, labels: Array) -> tuple[dict[str, Slice], dict[str, Group]]:
        """Measure a grouping of customers: every model's main metric, and the served model in full."""
        main, slices, groups = self._config.main_metric, {}, {}
        served = SERVED in self._shown
        calibrations = self._calibrations_of_customers(name) if served else {}
        for label in _Labels.from_values(labels).names:
            rows = np.flatnonzero(labels == label)
            part = self._bootstrapped.part(rows, self._config.summary_metrics)
            found = part.intervals()
            slices[label] = Slice(customers=len(rows), models={model: values[main] for model, values in found.items()})
            if served:
                values = self._bootstrapped.values_of(SERVED, main)
                groups[label] = Group(
                    customers=len(rows),
                    metrics=found[SERVED],
                    share_of_oracle=_share_of_oracle(part),
                    difference=compare(values[rows], values[labels != label], self._least),
                    calibration=calibrations.get(label),
                    exposure=self._exposure(rows),
                )
        return slices, groups

    def products(self, values: Array) -> dict[str, Group]:
        """Measure a grouping of products: the metrics are those of what was acquired of each group alone."""
        labels = _Labels.from_values(values)
        calibrations, exposures = self._calibrations_of_products(labels), self._exposures(labels)
        groups = {}
        for place, label in enumerate(labels.names):
            inside = labels.codes == place
            part, rest = self._of_products(inside), self._of_products(~inside)
            difference = None
            if part and rest:
                ours, theirs = (one.values_of(SERVED, self._config.main_metric) for one in (part, rest))
                difference = compare(ours, theirs, self._least)
            groups[label] = Group(
                customers=len(part.values) if part else 0,
                products=int(inside.sum()),
                metrics=part.intervals()[SERVED] if part else {},
                share_of_oracle=_share_of_oracle(part) if part else None,
                difference=difference,
                calibration=calibrations.get(label),
                exposure=exposures[place],
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
        main, k = self._config.main_metric, self._config.main_k
        found = {
            model: {
                metric: values
                for metric, values in per_customer(shown[rows], alone, [k]).items()
                if metric in (main, f"recall@{k}")
            }
            for model, shown in self._shown.items()
            if model in (SERVED, _ORACLE)
        }
        return BootstrappedMetrics.from_values(found, self._config)

    def _exposure(self, rows: Array) -> dict[str, Exposure]:
        """Return product category -> its places in these customers' served lists, and its share of what they took."""
        if self._category is None:
            return {}
        (shares,) = resampled_shares(_count([self._shown[SERVED][rows]], self._category))
        acquired = self._acquired(self._category, rows)
        return {
            name: Exposure(share=share, acquired=part)
            for name, share, part in zip(self._category.names, shares, acquired, strict=bool(shares))
        }

    def _exposures(self, labels: _Labels) -> list[dict[str, Exposure]]:
        """Return for each label model -> its places in the model's lists, and its share of what was acquired."""
        acquired = self._acquired(labels, slice(None))
        shares = resampled_shares(_count(list(self._shown.values()), labels))
        return [
            {
                model: Exposure(share=found[place], acquired=acquired[place])
                for model, found in zip(self._shown, shares, strict=True)
                if found
            }
            for place in range(len(labels.names))
        ]

    def _acquired(self, labels: _Labels, rows: Array | slice) -> list[float]:
        taken = np.asarray((self._test_set.relevant[rows] != 0).sum(axis=0)).ravel()
        parts: list[float] = (np.bincount(labels.codes, taken, len(labels.names)) / taken.sum()).tolist()
        return parts

    def _calibrations_of_customers(self, name: str) -> dict[str, GroupCalibration]:
        if self._outcomes is None:
            return {}
        labels = _Labels.from_values(self._outcomes.customer_groups[name])
        return self._calibrations(self._outcomes, labels.names, labels.codes[self._outcomes.customer])

    def _calibrations_of_products(self, labels: _Labels) -> dict[str, GroupCalibration]:
        if self._outcomes is None:
            return {}
        return self._calibrations(self._outcomes, labels.names, labels.codes[self._outcomes.product])

    def by_product(self) -> dict[str, GroupCalibration]:
        """Return product id -> calibration, corrected for the number of products alone: they stand by themselves."""
        if self._outcomes is None or self._outcomes.product_ids is None:
            return {}
        found = self._calibrations_of_products(_Labels.from_values(self._outcomes.product_ids))
        adjusted = holm(np.array([one.p for one in found.values()])).tolist()
        return {name: _told_of(one, p) for (name, one), p in zip(found.items(), adjusted, strict=True)}

    def _calibrations(self, told: Outcomes, names: list[str], codes: Array) -> dict[str, GroupCalibration]:
        """Return label -> calibration of its pairs, where enough customers have one.

        Args:
            told: The pairs.
            names: The labels.
            codes: The label of each pair, [num_pairs].
        """
        whose = np.unique(told.customer.astype(np.int64) * len(names) + codes) % len(names)
        counts = (np.bincount(codes, weights, len(names)) for weights in (None, told.probability, told.acquired))
        columns = zip(names, np.bincount(whose, minlength=len(names)), *counts, strict=True)
        return {
            name: found
            for name, customers, pairs, expected, happened in columns
            if customers >= self._least
            and (found := calibrate(int(pairs), float(expected), float(happened), self._dispersion)) is not None
        }


@dataclass(frozen=True)
class _Labels:
    """Labels as numbers."""

    names: list[str]
    """In the order of `label_order`."""
    codes: Array
    """Of each value its place in `names`, [num]."""

    @classmethod
    def from_values(cls, labels: Array) -> _Labels:
        """Number the labels, object str [num]."""
        names, codes = np.unique(labels.astype(str), return_inverse=True)
        order = sorted(range(len(names)), key=lambda place: label_order(str(names[place])))
        return cls([str(names[place]) for place in order], np.argsort(order)[codes])


def _share_of_oracle(part: BootstrappedMetrics) -> Interval | None:
    return part.shares_of(_ORACLE).get(SERVED) if _ORACLE in part.models else None


def _count(shown: Sequence[Array], labels: _Labels) -> Array:
    """Return how many places of each list go to each label of a product, [n, num_models, num_labels].

    Args:
        shown: Each model's lists, int32 [n, k].
        labels: The products'.
    """
    counts = np.zeros((len(shown[0]), len(shown), len(labels.names)), np.int64)
    for model, lists in enumerate(shown):
        rows, places = np.nonzero(lists != NO_PRODUCT)
        np.add.at(counts[:, model], (rows, labels.codes[lists[rows, places]]), 1)
    return counts


def resampled_shares(counts: Array) -> list[list[Interval]]:
    """Return for each model the columns' shares of its counts, with a bootstrap interval over the rows.

    Args:
        counts: How often a customer has each, [n, num_models, num_columns].

    Returns:
        A list for each model; an empty one where all counts are 0.
    """
    means = resampled_means(counts.reshape(len(counts), -1), resamples=_RESAMPLES, seed=RANDOM_SEED)
    shares: list[list[Interval]] = []
    for total, drawn in zip(counts.sum(axis=0), means.reshape(-1, *counts.shape[1:]).swapaxes(0, 1), strict=True):
        drawn = drawn[drawn.sum(axis=1) > 0]
        if not total.sum():
            shares.append([])
            continue
        low, high = percentile_interval(drawn / drawn.sum(axis=1, keepdims=True), LEVEL)
        columns = zip(total / total.sum(), low, high, strict=True)
        shares.append([Interval(value=float(a), low=float(b), high=float(c)) for a, b, c in columns])
    return shares


def _tell(*groupings: dict[str, dict[str, Group]]) -> None:
    """Correct the p-values of all groups together, of metrics and of probabilities each, and say what is found."""
    places = [(grouping, label) for part in groupings for grouping in part.values() for label in grouping]
    for field in ("difference", "calibration"):
        tested = [(grouping, label) for grouping, label in places if getattr(grouping[label], field) is not None]
        adjusted = holm(np.array([getattr(grouping[label], field).p for grouping, label in tested]))
        for (grouping, label), p in zip(tested, adjusted.tolist(), strict=True):
            told = _told_of(getattr(grouping[label], field), p)
            grouping[label] = grouping[label].model_copy(update={field: told})


_Tested = TypeVar("_Tested", GroupDifference, GroupCalibration)


def _told_of(found: _Tested, p: float) -> _Tested:
    """Return what was tested, with its corrected p-value and what this shows."""
    if isinstance(found, GroupDifference):
        finding = "better" if found.difference > 0 else "worse"
    else:
        finding = "more than said" if found.ratio.value > 1 else "less than said"
    return found.model_copy(update={"p_adjusted": p, "finding": finding if p < 1 - LEVEL else "none shown"})


def all_groups(groupings: Mapping[str, Mapping[str, Group]]) -> Iterator[tuple[str, str, Group]]:
    """Yield grouping, label and group of all."""
    for name, labels in groupings.items():
        for label, group in labels.items():
            yield name, label, group
