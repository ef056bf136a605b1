"""Measure `recommend` beside the two stages glued in Python, and count the operations that run for one customer.

python -m benchmarks.recommend --models MODELS --out DIR

The contenders call the stages' own SavedModels, as `tf.saved_model.load` gives them: the customers' embeddings, then
the products by NumPy or by TensorFlow Recommenders' BruteForce layer, the rules and the holdings as a mask in NumPy,
and the ranker on what is left. All answer by the same weights, and alike, which is checked first.
"""

from __future__ import annotations

import argparse
import json
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.versus import Row, compare, write_rows
from nextbest.data.dataset import Array, Features
from nextbest.data.files import write_text
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from nextbest.serving.store.versions import latest_version

K = 5
BATCHES = (1, 1024)
_OPERATORS = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_GIVEN = ("Const", "VarHandleOp", "_Arg", "_Retval", "NoOp", "_SOURCE")
"""Kinds of operations that are left out of the count: they compute nothing, and depend on nothing that does."""

Candidates = Callable[[Features], tuple[Array, Array]]
"""From requests to product positions, best first, and cosines, [batch, num_products] each."""


class TwoStages:
    """The stages' SavedModels, called one after the other from Python."""

    def __init__(self, models: Path, recommender: Recommender, candidates: int) -> None:
        """Load the stages.

        Args:
            models: The folder with the pushed models.
            recommender: The composite, for its products and its policy.
            candidates: How many products are ranked.
        """
        self._models = [tf.saved_model.load(str(latest_version(models / stage))) for stage in ("retrieval", "ranking")]
        self._embed, self._embed_product, self._rank = (
            self._models[0].signatures["embed_customer"],
            self._models[0].signatures["embed_product"],
            self._models[1].signatures["rank"],
        )
        self._ids, self._products = recommender.products.ids, recommender.products.columns
        self._rules = recommender.manifest["policy"]["rules"]
        self._candidates = min(candidates, len(self._ids))
        self.embeddings = self._embed_product(product_id=tf.constant(self._ids))["embedding"].numpy()
        import tensorflow_recommenders as tfrs

        brute_force = tfrs.layers.factorized_top_k.BruteForce(k=len(self._ids))
        self._brute_force = brute_force.index(tf.constant(self.embeddings))

    def by_numpy(self, request: Features) -> tuple[Array, Array]:
        """Return all products by their cosine; see `Candidates`."""
        cosines = self._embedded(request).numpy() @ self.embeddings.T
        order = np.argsort(-cosines, axis=1, kind="stable")
        return order, np.take_along_axis(cosines, order, axis=1)

    def by_brute_force(self, request: Features) -> tuple[Array, Array]:
        """Return all products by their cosine; see `Candidates`."""
        cosines, order = self._brute_force(self._embedded(request))
        return order.numpy(), cosines.numpy()

    def _embedded(self, request: Features) -> tf.Tensor:
        return self._embed(**_inputs(self._embed, request))["embedding"]

    def recommend(self, find: Candidates, request: Features) -> tuple[Array, Array]:
        """Return the best products' ids and probabilities, [batch, K] each; '' and 0 where there are no more."""
        order, cosines = find(request)
        allowed = np.take_along_axis(self._allowed(request), order, axis=1)
        first = np.argsort(~allowed, axis=1, kind="stable")[:, : self._candidates]
        found = np.take_along_axis(allowed, first, axis=1)
        products = np.where(found, self._ids[np.take_along_axis(order, first, axis=1)], "")
        similarity = np.where(found, np.take_along_axis(cosines, first, axis=1), 0)
        asked = request | {"candidates": products, "similarity": similarity.astype(np.float32)}
        ranked = self._rank(**_inputs(self._rank, asked))
        best = np.argsort(-ranked["logit"].numpy(), axis=1, kind="stable")[:, :K]
        probability = np.take_along_axis(ranked["probability"].numpy(), best, axis=1)
        return np.take_along_axis(products, best, axis=1), probability

    def _allowed(self, request: Features) -> Array:
        """Return which products may be shown, bool [batch, num_products]."""
        held = (request["held_products"][:, :, None] == self._ids).any(axis=1)
        allowed = ~held
        for rule in self._rules:
            if rule["holds"]:
                allowed &= self._builds_on(rule, held)
                continue
            limit = self._products[rule["product"]] if rule["product"] else np.array([rule["value"]])
            value = request[rule["customer"]][:, None] if rule["customer"] else limit
            right = limit if rule["value"] is None else np.array([rule["value"]])
            allowed &= _OPERATORS[rule["op"]](value, right) | (_missing(limit) if rule["product"] else False)
            if rule["customer"] and rule["missing"] == "exclude":
                allowed &= ~_missing(value) | (limit == 0)
        return allowed

    def _builds_on(self, rule: Mapping[str, Any], held: Array) -> Array:
        """Return whether what a product requires is held, or nothing is required; bool [batch, num_products]."""
        asked, when = self._products[rule["product"]], rule["when"]
        counts = held.astype(int) @ (self._products[rule["holds"]][:, None] == asked).astype(int)
        asks = _OPERATORS[when["op"]](self._products[when["product"]], when["value"]) & ~_missing(asked)
        return ~asks | (counts > 0)


def _missing(values: Array) -> Array:
    return values == "" if values.dtype == object else ~np.isfinite(values.astype(float))


def _inputs(signature: Any, request: Features) -> dict[str, tf.Tensor]:
    specs = signature.structured_input_signature[1]
    return {name: tf.constant(request[name], spec.dtype) for name, spec in specs.items()}


def measure(models: Path, candidates: int, batches: Iterable[int]) -> list[Row]:
    """Compare what the API answers with the contenders, for each batch size.

    Args:
        models: The folder with the pushed models.
        candidates: How many products the run ranked.
        batches: Numbers of customers.
    """
    recommender = Recommender(latest_version(models / "recommender"))
    stages = TwoStages(models, recommender, candidates)
    rows = []
    for batch in batches:
        request = _request(recommender, batch)
        ours = partial(recommender.recommend, request, K)
        for name, find in (
            ("two stages, NumPy", stages.by_numpy),
            ("two stages, TFRS BruteForce", stages.by_brute_force),
        ):
            glued = partial(stages.recommend, find, request)
            _check_alike(ours, glued, name)
            rows += compare(f"batch {batch:,}", {name: glued, f"`recommend`, to {name}": ours})
    return rows


def _request(recommender: Recommender, batch: int) -> Features:
    customers = recommender.customers()
    rows = np.arange(batch) % len(customers.ids)
    return recommender.complete(take(customers.columns, rows), batch)


def _check_alike(ours: Callable[[], Any], glued: Callable[[], tuple[Array, Array]], name: str) -> None:
    """Refuse a contender that answers otherwise."""
    answer, (products, probability) = ours(), glued()
    if (answer.product_id != products).mean() > 0.001:  # equal logits may stand in another order
        raise SystemExit(f"{name} recommends other products")
    np.testing.assert_allclose(np.sort(answer.probability), np.sort(probability), atol=1e-5)


def operations(folder: Path, request: Features, signature: str) -> list[dict[str, Any]]:
    """Return what runs for a request: each operation's kind, the stage of which it is a part, and its microseconds.

    Args:
        folder: A version of the composite.
        request: All inputs of the signature.
        signature: Its name.
    """
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.meta_optimizer_iterations = 1  # as `LocalBackend`
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        found = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def[signature]
        feed = {info.name: np.asarray(request[name]) for name, info in found.inputs.items()}
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True)
        for _ in range(5):  # the first one optimises the graph
            metadata = tf.compat.v1.RunMetadata()
            session.run([info.name for info in found.outputs.values()], feed, options, metadata)
    kinds = {node.name: node.op for graph in metadata.partition_graphs for node in graph.node}
    return [
        {
            "kind": kinds.get(node.node_name, node.node_name),
            "stage": _stage(node.node_name),
            "microseconds": node.op_end_rel_micros - node.op_start_rel_micros,
        }
        for device in metadata.step_stats.dev_stats
        for node in device.node_stats
    ]


STAGES = ("encode", "embed", "search", "rank", "choose")
"""The parts of `recommend`, as the composite names its scopes."""


def _stage(name: str) -> str:
    return next((part for part in name.split("/") if part in STAGES), "inputs")


def profile(ran: Iterable[Mapping[str, Any]]) -> str:
    """Return a table of the operations by stage, and the commonest kinds."""
    ran = list(ran)
    computing = [operation for operation in ran if operation["kind"] not in _GIVEN]
    lines = ["| stage | nodes | operations | microseconds |", "|---|---|---|---|"]
    for stage in (*STAGES, "inputs", None):
        own, own_computing = (
            [operation for operation in some if stage in (None, operation["stage"])] for some in (ran, computing)
        )
        time = sum(operation["microseconds"] for operation in own)
        lines.append(f"| {stage or 'all'} | {len(own)} | {len(own_computing)} | {time:,} |")
    kinds = Counter(operation["kind"] for operation in computing).most_common(12)
    lines += ["", "Commonest: " + ", ".join(f"{kind} {count}" for kind, count in kinds) + "."]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write DIR/recommend.json, DIR/recommend.md and DIR/operations.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="the folder with the pushed models")
    parser.add_argument("--candidates", type=int, default=40, help="how many products the run ranked")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="numbers of customers")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    folder = latest_version(chosen.models / "recommender")
    recommender = Recommender(folder)
    one = _request(recommender, 1) | {"k": np.array([K])}
    ran = operations(folder, one, "recommend")
    write_text(chosen.out / "operations.json", json.dumps(ran) + "\n")
    write_text(chosen.out / "operations.md", profile(ran))
    print(profile(ran), flush=True)
    write_rows(measure(chosen.models, chosen.candidates, chosen.batches), chosen.out, "recommend")


if __name__ == "__main__":
    main()
