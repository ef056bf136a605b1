"""What rules cost `recommend` for one customer: the same stages without rules, with the run's own, and with ten.

python -m benchmarks.rule_cost --run RUN --out DIR

The run is one of the embedded bank. Each policy is compiled into a composite of its own, saved, and loaded again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

from benchmarks.versus import compare, write_rows
from nextbest.data.dataset import Features
from nextbest.data.rules import PolicyConfig
from nextbest.serving.composite import RecommenderServable, save_recommender
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import take

K, BATCHES = 5, (1, 256)
FIVE_MORE = (
    {"customer": "employment", "op": "not in", "value": ["student"], "reason": "no students"},
    {"product": "launched", "op": "<=", "value": "today", "reason": "not on offer yet"},
    {"customer": "age", "op": "<=", "value": 75, "when": {"product": "category", "value": "mortgage"}, "reason": "age"},
    {"holds": "category", "product": "category", "at_most": 2, "reason": "three of this kind"},
    {
        "any": [
            {"customer": "credit_score", "op": ">=", "value": 500},
            {"customer": "savings", "op": ">=", "value": 10_000},
        ],
        "reason": "credit score",
    },
)


def composite(run: Path, recommender: Recommender, policy: PolicyConfig, folder: Path) -> Callable[..., object]:
    """Return the signature `recommend_packed` of a run's stages under another policy."""
    servable = RecommenderServable(
        run / "retrieval" / "saved_model",
        run / "ranking" / "saved_model",
        policy,
        recommender.products.columns,
        candidates=40,
        default_k=K,
        as_of_day=recommender.manifest["as_of_day"],
    )
    save_recommender(servable, folder)
    loaded = tf.saved_model.load(str(folder))
    call: Callable[..., object] = loaded.signatures["recommend_packed"]
    return call


def packed(recommender: Recommender, size: int) -> Mapping[str, tf.Tensor]:
    """Return the request of the first customers."""
    request: Features = dict(take(recommender.customers().columns, slice(size))) | Filters().arrays(size)
    columns = recommender.manifest["packed"]
    single = {name for names in columns.values() for name in names}
    inputs = {name: tf.constant(values) for name, values in request.items() if name not in single}
    for name, names in columns.items():
        inputs[name] = tf.constant(np.stack([request[column] for column in names], axis=1))
    return inputs | {"k": tf.fill([size], np.int64(K))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="the folder of a run of the embedded bank")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    recommender = Recommender(chosen.run / "recommender")
    own = recommender.manifest["policy"]
    policies = {"no rules": [], "the run's rules": own["rules"], "ten rules": [*own["rules"], *FIVE_MORE]}
    with TemporaryDirectory() as folder:
        calls = {
            name: composite(
                chosen.run, recommender, PolicyConfig.model_validate(own | {"rules": rules}), Path(folder, name)
            )
            for name, rules in policies.items()
        }
        rows = []
        for size in BATCHES:
            request = packed(recommender, size)
            rows += compare(f"batch {size}", {name: partial(call, **request) for name, call in calls.items()})
    write_rows(rows, chosen.out, "rule_cost")


if __name__ == "__main__":
    main()
