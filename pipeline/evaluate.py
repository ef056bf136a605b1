"""Measure what was exported beside the baselines, once, on the test window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import tensorflow as tf

from nextbest.data.dataset import Array, Dataset, EntityTable, Interactions
from nextbest.data.errors import InputError, Problem
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, take_snapshot
from nextbest.data.windows import labels
from nextbest.evaluation.baselines import Oracle, acquisition_counts, fit_baselines
from nextbest.evaluation.calibration import measure_calibration
from nextbest.evaluation.evaluate import evaluate
from nextbest.evaluation.groupings import customer_groupings, product_groupings
from nextbest.evaluation.groups import Outcomes
from nextbest.evaluation.report import write_report
from nextbest.evaluation.results import Evaluation, stage_pairs
from nextbest.evaluation.test_set import TestSet
from nextbest.graph.policy import SuitabilityPolicy
from nextbest.graph.query import raw_request
from nextbest.pipeline.machine import machine_facts
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import metrics_file
from nextbest.serving.recommender import Recommender

__all__ = [
    "ExportedRecommender",
    "ExportedRetrieval",
    "Requests",
    "count_progress",
    "evaluate_run",
    "load_exported",
    "make_test_set",
    "select_test_customers",
]

_CUSTOMERS_PER_BATCH = 1024


def evaluate_run(run: Run) -> Evaluation:
    """Measure the exported models and write RUN/evaluation; a finished report is read back.

    Raises:
        InputError: The run is not trained to the end, or there is nothing to measure it by.
    """
    report = metrics_file(run.folder)
    if not report.exists():
        run.folder.check_trained()
        run.folder.add_machine(machine_facts())
        with run.folder.staged("evaluation") as staging:
            write_report(_measure(run), staging)
    evaluation = Evaluation.model_validate_json(report.read_text(encoding="utf-8"))
    run.folder.add_to_manifest(metrics=_main_metrics(evaluation))
    return evaluation


def _measure(run: Run) -> Evaluation:
    config, history, window = run.config, run.history, run.windows.test
    snapshot, acquisitions, test_set = make_test_set(run)
    retrieval, ranking = load_exported(run, snapshot)
    outcomes = _outcomes(run, ranking, acquisitions, snapshot)
    baselines = fit_baselines(history, window.cutoff, config.evaluation.baselines, segment=config.data.segment)
    scorers = {**baselines.scorers, "retrieval": retrieval, "ranking": ranking}
    if config.evaluation.oracle is not None:
        scorers["oracle"] = _oracle(run.source / config.evaluation.oracle, history)
    return evaluate(
        scorers,
        test_set,
        config.evaluation,
        stage_pairs(list(scorers)),
        calibration=None if outcomes is None else measure_calibration(outcomes.probability, outcomes.acquired),
        outcomes=outcomes,
        skipped=baselines.skipped,
        advance=count_progress(run, "evaluation", len(test_set)),
    )


def _oracle(path: Path, history: Dataset) -> Oracle:
    try:
        return Oracle.read(path, history)
    except ValueError as error:
        raise InputError([Problem(str(path), "evaluation.oracle", None, str(error), "")]) from None


def _main_metrics(evaluation: Evaluation) -> dict[str, float]:
    metric = evaluation.main_metric
    return {f"{name}/{metric}": found[metric].value for name, found in evaluation.models.items()}


def _outcomes(run: Run, scorer: ExportedRecommender, acquisitions: Interactions, snapshot: Snapshot) -> Outcomes | None:
    """Compare all candidates' probabilities with what the customers acquired; only for a window of the horizon."""
    window, config, history = run.windows.test, run.config, run.history
    if window.until - window.cutoff != run.horizon_days:
        return None
    relevant = _acquired(acquisitions, history)
    parts = []
    for first in range(0, len(history.customers), _CUSTOMERS_PER_BATCH):
        rows = np.arange(first, min(first + _CUSTOMERS_PER_BATCH, len(history.customers)))
        products, probability = scorer.ranked(rows)
        row, place = np.nonzero(products != NO_PRODUCT)
        found = products[row, place]
        acquired = np.take_along_axis(relevant[rows].toarray(), np.maximum(products, 0), axis=1)[row, place]
        parts.append((probability[row, place], acquired, rows[row].astype(np.int32), found.astype(np.int32)))
    groups = customer_groupings(config.data, config.evaluation.slices, history, snapshot)
    probability, acquired, customer, product = map(np.concatenate, zip(*parts, strict=True))
    return Outcomes(probability, acquired, customer, product, groups, history.products.ids)


def make_test_set(run: Run) -> tuple[Snapshot, Interactions, TestSet]:
    """Return what is known at the test cutoff, the new acquisitions in the test window, and the test set made of them.

    Raises:
        InputError: There is no one to evaluate.
    """
    history, window = run.history, run.windows.test
    snapshot = take_snapshot(history, window.cutoff, run.config.data.windows)
    acquisitions = labels(run.dataset, history, window)
    try:
        return snapshot, acquisitions, select_test_customers(run, snapshot, acquisitions)
    except ValueError as error:
        raise InputError([Problem(str(run.folder.root), None, None, str(error), "fix [evaluation]")]) from None


def select_test_customers(run: Run, snapshot: Snapshot, acquisitions: Interactions) -> TestSet:
    """Return the test window's customers and what each acquired.

    Args:
        run: The run.
        snapshot: What is known at the test window's cutoff, of `run.history`.
        acquisitions: The new acquisitions in the window, in positions of `run.history`.
    """
    history, window = run.history, run.windows.test
    chosen = _may_be_tested(run, history, snapshot)
    customers = np.intersect1d(np.unique(acquisitions.customer), np.flatnonzero(chosen))
    policy = SuitabilityPolicy(run.config.data.policy, snapshot.products, snapshot.product_ids)

    def allowed(rows: Array) -> Array:
        who = customers[rows]
        suitable = policy.suitable_array(snapshot, who)
        return np.asarray(suitable & snapshot.can_acquire(who))

    cutoff, until = window.dates
    data = run.config.data
    return TestSet(
        customers=customers,
        relevant=_acquired(acquisitions, history)[customers],
        allowed=allowed,
        cutoff=cutoff,
        until=until,
        slices={
            name: labels[customers]
            for name, labels in customer_groupings(data, run.config.evaluation.slices, history, snapshot).items()
        },
        product_groups=product_groupings(data, history, snapshot),
        popularity=acquisition_counts(history, window.cutoff),
    )


def _may_be_tested(run: Run, history: Dataset, snapshot: Snapshot) -> Array:
    """Return whether each customer may be in the test set, bool, [num_customers]."""
    config = run.config.evaluation
    chosen = snapshot.num_held >= config.min_holdings
    if config.customers is not None:
        wanted = (run.source / config.customers).read_text(encoding="utf-8").split()
        positions = history.customers.positions(np.array(wanted, object))
        listed = np.zeros(len(history.customers), bool)
        listed[positions[positions >= 0]] = True
        chosen &= listed
    return chosen


def _acquired(acquisitions: Interactions, history: Dataset) -> sp.csr_matrix:
    shape = (len(history.customers), len(history.products))
    return sp.csr_matrix((np.ones(len(acquisitions), bool), (acquisitions.customer, acquisitions.product)), shape=shape)


def count_progress(run: Run, what: str, total: int) -> Callable[[int], None]:
    """Return a function that is called with the number of customers that were scored, and shows how far it is."""
    progress, done = run.progress(f"{what}: {total} customers"), 0

    def advance(customers: int) -> None:
        nonlocal done
        done += customers
        progress(f"{done} of {total}", done / total)

    return advance


def load_exported(run: Run, snapshot: Snapshot) -> tuple[ExportedRetrieval, ExportedRecommender]:
    """Return what a run exported as scorers: the retrieval stage, and the composite with the ranking stage.

    Args:
        run: A run that is trained to the end.
        snapshot: What is known of the customers whose requests are sent.
    """
    products = run.history.products
    recommender = Recommender(run.folder.path("recommender"))
    requests = Requests(recommender, snapshot, products.ids)
    candidates = min(run.config.ranking.candidates, len(products))
    return (
        ExportedRetrieval(run.folder.path("retrieval", "saved_model"), requests),
        ExportedRecommender(recommender, requests, products, candidates),
    )


class Requests:
    """Raw requests of the customers of a snapshot, for an exported model.

    A column that the model reads and the tables lack is left out of them: to the model it is missing.
    """

    def __init__(self, recommender: Recommender, snapshot: Snapshot, product_ids: Array) -> None:
        self._columns = [name for name in recommender.customer_columns if name in snapshot.customers]
        self._lists = recommender.history_lists
        self._snapshot, self._product_ids = snapshot, product_ids

    def __call__(self, customers: Array) -> dict[str, Array]:
        """Return the requests of customers by their positions, [n, ...]."""
        return raw_request(self._snapshot, self._product_ids, self._columns, self._lists, customers)


class ExportedRetrieval:
    """The retrieval stage's SavedModel as a scorer."""

    def __init__(self, folder: Path, requests: Requests) -> None:
        self._model = tf.saved_model.load(str(folder))
        (self._inputs,), _ = self._model.encode.concrete_functions[0].structured_input_signature
        self._requests = requests

    def score(self, customers: Array) -> Array:
        """Return the cosine of every product, float32, [n, num_products]."""
        request = self._requests(customers)
        request = {name: tf.constant(request[name], spec.dtype) for name, spec in self._inputs.items()}
        return np.asarray(self._model.similarities(self._model.embed(self._model.encode(request))))


class ExportedRecommender:
    """The composite as a scorer: a product's place in the list is its score.

    The composite may be another run's: a product that it lists and the tables lack is left out.
    """

    def __init__(self, recommender: Recommender, requests: Requests, products: EntityTable, k: int) -> None:
        """Score by a recommender.

        Args:
            recommender: The recommender.
            requests: Its requests.
            products: The products whose positions are meant.
            k: How many products each customer's list has at most.
        """
        self._recommender, self._requests, self._products, self._k = recommender, requests, products, k

    def ranked(self, customers: Array) -> tuple[Array, Array]:
        """Return the listed products' positions, NO_PRODUCT for padding, and probabilities, [n, k] each."""
        found = self._recommender.recommend(self._requests(customers), self._k)
        return self._products.positions(found.product_id), found.probability

    def score(self, customers: Array) -> Array:
        """Return minus the rank, -inf for what is not in the list, float32, [n, num_products]."""
        positions, _ = self.ranked(customers)
        scores = np.full((len(customers), len(self._products) + 1), -np.inf, np.float32)  # the last takes NO_PRODUCT
        ranks = -np.arange(positions.shape[1], dtype=np.float32)
        np.put_along_axis(scores, positions, np.broadcast_to(ranks, positions.shape), axis=1)
        return scores[:, :-1]
