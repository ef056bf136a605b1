"""Measure reasons and explainers of features on an export: faithfulness by deletion, error, and seconds.

python -m benchmarks.explanations --models MODELS [--customers N] --out DIR

Of the reasons the players are the groups of what is known of a customer, and the score is the probability in percentage
points; the error is that against a background of ten times as many customers, the seconds are those of all products of
a list. Of the stages' scores the players are the named features, and all else is of one product.

For each stage, customers of the export's snapshot and one of their top products are explained by every explainer. The
features are then replaced by the background's, the largest absolute contribution first (Petsiuk et al., "RISE", BMVC
2018), and the area is the mean distance of the score from the base over all steps: the smaller, the sooner an explainer
has named what the score comes from. It is compared with random orders, and with the order of the absolute weights of
the score's linearisation at the explained vector (gradient times standard deviation; of a group what its absence alone
changes). The error is that of the contributions against sampling with very many orders, as root mean square per
feature; the gap that of local accuracy.
Seconds are those of the clock and of the processor for one explanation, once its feature vector is known.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.data.files import write_text
from nextbest.serving.artifacts.assets import EXPLANATIONS
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import STAGES, ExplanationAssets, Stage
from nextbest.serving.insights.explanations import Explainer
from nextbest.serving.insights.profiles import Profiles
from nextbest.serving.insights.reasons import ReasonExplainer
from nextbest.serving.insights.shapley import (
    CoalitionModel,
    ShapleyProblem,
    exact_shap_values,
    import_shap,
    permutation,
    sampling,
)
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from nextbest.serving.store.versions import latest_version

TOP = 5
REFERENCE = ExplanationConfig(orders=2000)
RANDOM_ORDERS = 10
SETTINGS: Mapping[str, ExplanationConfig] = {
    **{f"sampling, {orders} orders": ExplanationConfig(orders=orders) for orders in (50, 100, 200)},
    **{f"shap permutation, {orders} orders": ExplanationConfig(permutations=orders) for orders in (1, 4, 10)},
}
GROUP_ORDERS = 100
BACKGROUNDS, REFERENCE_BACKGROUND = (10, 30, 50), 300
GRADIENT_SAMPLES = (200, 2000)

Explain = Callable[[ShapleyProblem, Array], tuple[float, Array]]


@dataclass(frozen=True)
class Row:
    """What one explainer came to in one stage; means over the explained pairs, medians of the seconds."""

    stage: str
    explainer: str
    area: float
    """In the unit of the score."""
    of_random: float
    """The area over that of random orders."""
    error: float | None = None
    gap: float | None = None
    seconds: float | None = None
    processor_seconds: float | None = None


class Gradients:
    """The gradients of a stage's score, of the model in this process."""

    def __init__(self, signatures: Mapping[str, Any], stage: Stage, product_id: str) -> None:
        self._score, self._stage, self._product_id = signatures[f"score_{stage}"], stage, product_id

    def __call__(self, vectors: Array) -> Array:
        """Return the gradients at vectors, float32 [num, width]."""
        features = tf.constant(vectors, tf.float32)
        inputs = {f"{self._stage}_features": features}
        if self._stage == "retrieval":
            inputs["product_id"] = tf.fill([len(vectors)], self._product_id)
        with tf.GradientTape() as tape:
            tape.watch(features)
            (scores,) = self._score(**inputs).values()
        return tape.gradient(scores, features).numpy()


def expected_gradients(
    problem: ShapleyProblem, vector: Array, gradients: Gradients, samples: int
) -> tuple[float, Array]:
    """Explain by expected gradients (Erion et al., Nature Machine Intelligence 2021), as shap's GradientExplainer."""
    random = np.random.default_rng(problem.config.seed)
    start = problem.background[np.arange(samples) % len(problem.background)]
    share = random.uniform(size=(samples, 1)).astype(np.float32)
    steps = (gradients(start + share * (vector - start)) * (vector - start)).mean(axis=0, dtype=np.float64)
    return float(problem.score(problem.background).mean()), np.array([steps[places].sum() for places in problem.groups])


def area(problem: ShapleyProblem, vector: Array, order: Array) -> float:
    """Return the mean distance from the base while features are replaced in order."""
    place = np.argsort(order)
    left = place[None, :] >= np.arange(problem.num_features + 1)[:, None]
    values = problem.coalition_value(vector, left)
    return float(np.abs(values - values[-1]).mean())


def measure(
    recommender: Recommender, signatures: Mapping[str, Any], stage: Stage, customers: int, seed: int
) -> list[Row]:
    """Measure all explainers on one stage."""
    random = np.random.default_rng(seed)
    everyone = recommender.customers()
    requests = take(everyone.columns, random.choice(len(everyone.ids), customers, replace=False))
    found = recommender.recommend(requests, TOP)
    some = np.flatnonzero(found.count)
    products = found.product_id[some, random.integers(found.count[some])]
    explainer = Explainer(recommender)
    vectors, scores = explainer.vectors(take(requests, some), products, stage)
    file = recommender.asset(EXPLANATIONS)
    assert file is not None
    deviation = ExplanationAssets.load(file).stages[stage].deviation
    results: dict[str, list[tuple[float, ...]]] = {}
    for vector, score, product in zip(vectors, scores, products, strict=True):
        problem, gradients = explainer.shapley_problem(str(product), stage), Gradients(signatures, stage, str(product))
        _, reference = _with(problem, REFERENCE, sampling, vector)
        for name, config, explain in _contestants(gradients):
            began = time.perf_counter(), time.process_time()
            base, amounts = _with(problem, config, explain, vector)
            took = time.perf_counter() - began[0], time.process_time() - began[1]
            error = float(np.sqrt(((amounts - reference) ** 2).mean()))
            gap = abs(base + float(amounts.sum()) - float(score))
            results.setdefault(name, []).append(
                (area(problem, vector, np.argsort(-np.abs(amounts))), error, gap, *took)
            )
        weights = np.abs(gradients(vector[None])[0]) * deviation
        by_weight = np.argsort([-weights[places].sum() for places in problem.groups])
        results.setdefault("absolute weights", []).append((area(problem, vector, by_weight),))
        orders = [random.permutation(problem.num_features) for _ in range(RANDOM_ORDERS)]
        results.setdefault("random order", []).append((float(np.mean([area(problem, vector, one) for one in orders])),))
    return _rows(stage, results)


def measure_reasons(recommender: Recommender, customers: int, seed: int) -> list[Row]:
    """Measure the reasons: by the package, with backgrounds of several sizes, and by our own sampling."""
    import_shap()
    random, everyone = np.random.default_rng(seed), recommender.customers()
    profiles = Profiles(recommender)
    explainers = {size: ReasonExplainer(recommender, profiles, size) for size in (*BACKGROUNDS, REFERENCE_BACKGROUND)}
    results: dict[str, list[tuple[float, ...]]] = {}
    for row in random.choice(len(everyone.ids), customers, replace=False):
        request = take(everyone.columns, slice(row, row + 1))
        found = recommender.recommend(request, TOP)
        ids = found.product_id[0, : found.count[0]]
        if not len(ids):
            continue
        place = int(random.integers(len(ids)))
        model = explainers[REFERENCE_BACKGROUND].coalition_model(request, ids)
        reference = 100 * exact_shap_values(model.values, model.varying)[1][:, place]
        for size in BACKGROUNDS:
            began = time.perf_counter(), time.process_time()
            one = explainers[size].reasons(request, ids)[place]
            took = time.perf_counter() - began[0], time.process_time() - began[1]
            amounts = np.array([group.points for group in one.groups])
            problem = _group_problem(explainers[size].coalition_model(request, ids), place, len(amounts))
            gap = abs(100 * one.base + float(amounts.sum()) - 100 * float(found.probability[0, place]))
            entry = _of_groups(problem, amounts, reference, gap)
            results.setdefault(f"shap Exact, {size} customers", []).append((*entry, *took))
            if size != BACKGROUNDS[1]:
                continue
            began = time.perf_counter(), time.process_time()
            _, sampled = sampling(problem, np.ones(len(amounts)))
            took = time.perf_counter() - began[0], time.process_time() - began[1]
            results.setdefault(f"sampling, {GROUP_ORDERS} orders", []).append(
                (*_of_groups(problem, sampled, amounts, gap), *took)
            )
            whole = np.ones((1, len(amounts)), bool)
            weights = problem.score(whole) - problem.score(whole & ~np.eye(len(amounts), dtype=bool))
            results.setdefault("absolute weights", []).append((_of_groups(problem, weights, amounts, 0)[0],))
            orders = [random.permutation(len(amounts)) for _ in range(RANDOM_ORDERS)]
            areas = [area(problem, np.ones(len(amounts)), order) for order in orders]
            results.setdefault("random order", []).append((float(np.mean(areas)),))
    return _rows("reasons", results)


def _group_problem(model: CoalitionModel, place: int, num_groups: int) -> ShapleyProblem:
    """Return a product's probability in percentage points as a function of which groups are known, 1 or 0 each."""
    return ShapleyProblem(
        lambda known: 100 * model.values(known > 0)[:, place],
        np.zeros((1, num_groups), np.float32),
        [[group] for group in range(num_groups)],
        ExplanationConfig(orders=GROUP_ORDERS),
    )


def _of_groups(problem: ShapleyProblem, amounts: Array, reference: Array, gap: float) -> tuple[float, float, float]:
    """Return the area, the error and the gap of what groups add."""
    order = np.argsort(-np.abs(amounts))
    return area(problem, np.ones(len(amounts)), order), float(np.sqrt(((amounts - reference) ** 2).mean())), gap


def _contestants(gradients: Gradients) -> list[tuple[str, ExplanationConfig, Explain]]:
    def by_gradient(samples: int) -> Explain:
        return lambda problem, vector: expected_gradients(problem, vector, gradients, samples)

    named: list[tuple[str, ExplanationConfig, Explain]] = [
        (name, config, permutation if name.startswith("shap") else sampling) for name, config in SETTINGS.items()
    ]
    return named + [
        (f"expected gradients, {samples} samples", ExplanationConfig(), by_gradient(samples))
        for samples in GRADIENT_SAMPLES
    ]


def _with(problem: ShapleyProblem, config: ExplanationConfig, explain: Explain, vector: Array) -> tuple[float, Array]:
    """Explain under other settings than the export's, on its background."""
    return explain(ShapleyProblem(problem.score, problem.background, problem.groups, config), vector)


def _rows(stage: str, results: Mapping[str, list[tuple[float, ...]]]) -> list[Row]:
    random = float(np.mean(results["random order"]))
    rows = []
    for name, found in results.items():
        areas, *others = np.array(found).T
        means = [float(values.mean()) for values in others[:2]] + [float(np.median(values)) for values in others[2:]]
        rows.append(Row(stage, name, float(areas.mean()), float(areas.mean()) / random, *means))
    return rows


def table(rows: list[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| stage | order of | area | of random | error | gap | seconds | processor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.stage, row.explainer, f"{row.area:.4f}", f"{row.of_random:.0%}"]
        cells += ["" if row.error is None else f"{row.error:.4f}", "" if row.gap is None else f"{row.gap:.0e}"]
        cells += ["" if row.seconds is None else f"{row.seconds:.3f}"]
        cells += ["" if row.processor_seconds is None else f"{row.processor_seconds:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write DIR/explanations.json and DIR/explanations.md."""
    parser = argparse.ArgumentParser(description="Measure explainers on an export.")
    parser.add_argument("--models", type=Path, required=True, help="the folder with the pushed models")
    parser.add_argument("--customers", type=int, default=40, help="how many customers are explained per stage")
    parser.add_argument("--seed", type=int, default=0, help="draws the customers and their products")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    chosen = parser.parse_args(arguments)
    folder = latest_version(chosen.models / "recommender")
    recommender, model = Recommender(folder), tf.saved_model.load(str(folder))
    rows = measure_reasons(recommender, chosen.customers, chosen.seed)
    for stage in STAGES:
        rows += measure(recommender, model.signatures, stage, chosen.customers, chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_text(chosen.out / "explanations.json", json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    write_text(chosen.out / "explanations.md", table(rows))
    print(table(rows), end="")


if __name__ == "__main__":
    main()
