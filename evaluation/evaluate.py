"""Measuring every scorer on the test set: lists, metrics, intervals, comparisons, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from nextbest.data.dataset import Array
from nextbest.evaluation.baselines import Scorer
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.groups import MIN_GROUP, Outcomes, measure_groups
from nextbest.evaluation.intervals import BootstrappedMetrics
from nextbest.evaluation.popularity import measure_popularity
from nextbest.evaluation.results import LEVEL, Calibration, Evaluation, Interval, Window, compare_models
from nextbest.evaluation.test_set import TestSet
from nextbest.modelling.metrics import coverage, per_customer, top_k

__all__ = ["evaluate", "rank_all"]

_ORACLE = "oracle"


def evaluate(
    scorers: Mapping[str, Scorer],
    test_set: TestSet,
    config: EvaluationConfig,
    pairs: Sequence[tuple[str, str]] = (),
    *,
    calibration: Calibration | None = None,
    outcomes: Outcomes | None = None,
    min_group: int = MIN_GROUP,
    skipped: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda customers: None,
) -> Evaluation:
    """Measure every scorer on the same customers.

    Args:
        scorers: Name -> scorer. With one named oracle the others' share of it is reported.
        test_set: The customers and what they acquired.
        config: The metrics.
        pairs: Names (A, B) to compare: does A beat B?
        calibration: The ranking's calibration, reported as it is.
        outcomes: What it was measured on, for that of the groups.
        min_group: Groups of fewer customers are not compared.
        skipped: Name of a model that was left out -> why, reported as it is.
        advance: Called with the number of customers that were scored by all, after each batch.

    Raises:
        ValueError: There is no scorer, a pair or slice names what is not there, or a scorer breaks its contract.
    """
    _check(scorers, test_set, config, pairs)
    ranked, seconds = rank_all(scorers, test_set, config, advance)
    found = {name: per_customer(lists, test_set.relevant, config.ks) for name, lists in ranked.items()}
    bootstrapped = BootstrappedMetrics.from_values(found, config)
    models = bootstrapped.intervals()
    for name, lists in ranked.items():
        for k in config.ks:
            models[name][f"coverage@{k}"] = Interval(value=coverage(lists, test_set.num_products, k))
    groups = measure_groups(ranked, bootstrapped, test_set, config, outcomes, min_group)
    paired = {f"{model}-{other}": bootstrapped.differences(model, other) for model, other in pairs}
    return Evaluation(
        window=_window(test_set),
        k=config.ks,
        main_metric=config.main_metric,
        level=LEVEL,
        models=models,
        paired=paired,
        share_of_oracle=bootstrapped.shares_of(_ORACLE) if _ORACLE in scorers else {},
        slices=groups.slices,
        verdicts=compare_models(pairs, paired, config.main_metric),
        calibration=calibration,
        customers_per_second={name: len(test_set) / max(spent, 1e-9) for name, spent in seconds.items()},
        skipped=dict(skipped or {}),
        min_group=min_group,
        groups=groups.customers,
        product_groups=groups.products,
        calibration_by_product=groups.by_product,
        popularity=None
        if test_set.popularity is None
        else measure_popularity(ranked, test_set.popularity, test_set.relevant, config.main_k),
    )


def _check(
    scorers: Mapping[str, Scorer], test_set: TestSet, config: EvaluationConfig, pairs: Sequence[tuple[str, str]]
) -> None:
    problems = []
    if not scorers:
        problems.append("there is no scorer; give at least one")
    if unknown := sorted({name for pair in pairs for name in pair} - set(scorers)):
        problems.append(f"pairs name {unknown}; there are {list(scorers)}")
    if missing := [column for column in config.slices if column not in test_set.slices]:
        problems.append(f"slices {missing} are not in the test set; it has {list(test_set.slices)}")
    if problems:
        raise ValueError("nothing was evaluated: " + "; ".join(problems))


_BATCH = 1024
"""Customers scored at once,"""
_BATCH_SCORES = 2**23
"""or as many as have so many scores (customers x products): a large catalogue makes the batch smaller."""


def rank_all(
    scorers: Mapping[str, Scorer],
    test_set: TestSet,
    config: EvaluationConfig,
    advance: Callable[[int], None] = lambda customers: None,
) -> tuple[dict[str, Array], dict[str, float]]:
    """Return each scorer's lists, int32, [n, max(ks)], and the seconds that it spent scoring."""
    batch = min(_BATCH, max(1, _BATCH_SCORES // test_set.num_products))
    lists: dict[str, list[Array]] = {name: [] for name in scorers}
    seconds = dict.fromkeys(scorers, 0.0)
    for start in range(0, len(test_set), batch):
        rows = np.arange(start, min(start + batch, len(test_set)))
        allowed = test_set.allowed(rows)
        for name, scorer in scorers.items():
            began = perf_counter()
            scores = scorer.score(test_set.customers[rows])
            seconds[name] += perf_counter() - began
            try:
                lists[name].append(top_k(scores, allowed, max(config.ks)))
            except ValueError as error:
                raise ValueError(f"scorer {name!r}: {error}") from error
        advance(len(rows))
    return {name: np.concatenate(parts) for name, parts in lists.items()}, seconds


def _window(test_set: TestSet) -> Window:
    return Window(
        cutoff=test_set.cutoff,
        until=test_set.until,
        customers=len(test_set),
        acquisitions=int(np.count_nonzero(test_set.relevant.data)),
        products=test_set.num_products,
    )
