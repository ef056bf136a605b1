"""What the served order owes to each thing that it reads of a customer, by permutation.

Breiman 2001, "Random Forests": a column's values are dealt out anew among the test customers, and the main metric is
measured again. What it loses is what the order owed to the column. Columns that say the same stand in for each other,
so that each may seem worth little. Permuting invents customers that do not exist (young pensioners), as every such
measure does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array
from nextbest.data.files import write_text
from nextbest.data.snapshot import Snapshot
from nextbest.evaluation.approval import paired_difference
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.results import Difference
from nextbest.evaluation.test_set import TestSet
from nextbest.pipeline.evaluate import ExportedRecommender, Requests, count_progress, make_test_set
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import SENSITIVITY
from nextbest.serving.recommender import Recommender

__all__ = ["HISTORY", "measure_sensitivity"]

HISTORY = "holdings and events"
"""What a customer holds and did, which is dealt out as one."""
_MOST_CUSTOMERS = 500
"""Test customers, the first by a drawn order: with more the interval narrows by little and the time does not."""


def measure_sensitivity(run: Run) -> dict[str, Difference]:
    """Return column -> main metric with its values dealt out anew less the metric as it is; the largest loss first.

    It is kept in RUN/evaluation, and not measured again. The graph masks by the rules too, so that a column that a rule
    reads has what the rule takes in its figure.

    Args:
        run: A run. Of one that cannot be measured, since nothing that came after it is known, only what was kept is
            returned, or nothing.
    """
    path = run.folder.path(*SENSITIVITY)
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {name: Difference.model_validate(found) for name, found in kept.items()}
    if not run.windows.measured:
        return {}
    found = dict(sorted(_measure(run), key=lambda one: one[1].difference))
    write_text(path, json.dumps({name: one.model_dump() for name, one in found.items()}, indent=2) + "\n")
    return found


def _measure(run: Run) -> Iterator[tuple[str, Difference]]:
    snapshot, _, everybody = make_test_set(run)
    random = np.random.default_rng(run.config.seed)
    test_set = _some(everybody, np.sort(random.permutation(len(everybody))[:_MOST_CUSTOMERS]))
    recommender = Recommender(run.folder.path("recommender"))
    config, order = run.config.evaluation, random.permutation(len(test_set))
    advance = count_progress(run, "sensitivity", len(test_set) * (len(recommender.customer_columns) + 2))

    def ranked(known: Snapshot) -> Array:
        requests = Requests(recommender, known, run.history.products.ids)
        scorer = ExportedRecommender(recommender, requests, run.history.products, max(config.ks))
        return rank_all({"served": scorer}, test_set, config, advance)[0]["served"]

    as_it_is = ranked(snapshot)
    for name in (*recommender.customer_columns, HISTORY):
        lists = ranked(_dealt_out(snapshot, name, test_set.customers, order))
        yield name, paired_difference(lists, as_it_is, test_set.relevant, config, config.main_metric)


def _some(test_set: TestSet, rows: Array) -> TestSet:
    """Return the test set of some of its customers."""
    return replace(
        test_set,
        customers=test_set.customers[rows],
        relevant=test_set.relevant[rows],
        allowed=lambda some: test_set.allowed(rows[some]),
        slices={name: labels[rows] for name, labels in test_set.slices.items()},
    )


def _dealt_out(snapshot: Snapshot, name: str, customers: Array, order: Array) -> Snapshot:
    """Return a snapshot in which the test customers have each other's values.

    Args:
        snapshot: What is known.
        name: A customer column, or HISTORY.
        customers: The test customers' positions, [n].
        order: Whose values each gets, positions in `customers`, [n].
    """
    whose = np.arange(len(snapshot.num_held))
    whose[customers] = customers[order]
    if name == HISTORY:
        lists = {one: getattr(snapshot, one).take(whose) for one in get_args(HistoryList)}
        return replace(snapshot, **lists)
    return replace(snapshot, customers=snapshot.customers | {name: snapshot.customers[name][whose]})
