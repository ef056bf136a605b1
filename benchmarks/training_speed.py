"""How fast both stages train, beside the same sizes as the TensorFlow Recommenders tutorials write them.

python -m benchmarks.training_speed --config TOML --out DIR

Each contender runs an epoch of the same examples in turn, after one that is not counted; ratios are to the tutorial's.
The last contender is one large matrix multiplication. How many operations it does in a second of a processor is the
limit of which the others' dense layers and scores reach a share.

A batch of ours is of one window: where a window has fewer examples than a batch, ours are smaller than the tutorial's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.peers import tutorial
from benchmarks.versus import Row, compare, write_rows
from nextbest.data.candidates import Candidates
from nextbest.data.dataset import Array, Dataset, Features
from nextbest.data.padding import concat_padded
from nextbest.data.snapshot import new_acquisitions, take_snapshot
from nextbest.data.windows import Window
from nextbest.graph.catalogue import Encoders, fit_encoders
from nextbest.graph.query import raw_request
from nextbest.modelling.training import adam, make_deterministic, window_batches
from nextbest.pipeline.config import RunConfig
from nextbest.pipeline.run import Run, read_run
from nextbest.ranking.examples import WindowExamples, window_examples
from nextbest.ranking.model import RankingModel
from nextbest.retrieval.examples import TrainingSet, make_training_set
from nextbest.retrieval.model import TwoTowerModel

BATCH = 4096
"""Examples a step; of the ranker, customers and candidates."""
_STEPS = 10
"""An epoch has at most so many full batches."""
_ROUNDS = 3
_MATRIX = 2048
"""Rows and columns of the large matrix multiplication."""
_PRODUCT_UNITS = (64,)
"""Of our product tower."""
_RANKERS_WORD_DIM = 6
_TOWERS_WORD_DIM = 8


@dataclass(frozen=True)
class Contender:
    """What trains."""

    epoch: Callable[[], object]
    """Runs an epoch."""
    flops: Callable[[], float]
    """After an epoch: the floating-point operations of its dense layers and of the scores."""


def tower_examples(history: Dataset, day: int, config: RunConfig, encoders: Encoders) -> TrainingSet:
    """Return the newest examples before a cutoff, as many as an epoch has."""
    settings = config.retrieval
    examples = make_training_set(history, day, encoders, config.data.windows, config.statistics, settings, config.seed)
    count = min(_STEPS * BATCH, len(examples.window))
    queries = examples.queries
    newest = replace(
        queries, query=queries.query[:count], product=queries.product[:count], weight=queries.weight[:count]
    )
    return replace(examples, queries=newest, window=examples.window[:count], weight=examples.weight[:count])


def our_towers(examples: TrainingSet, encoders: Encoders, config: RunConfig, pairs: int) -> Contender:
    """Return our towers."""
    settings = config.retrieval.model_copy(update={"num_tower_pairs": pairs})
    model = TwoTowerModel(encoders, config.statistics.num_popularity, settings, config.seed)
    model.bind(examples)
    batches = window_batches(examples.window, BATCH, config.seed, epoch=0)
    count, num_products = len(examples.window), len(encoders.product_ids)

    def flops() -> float:
        passed = {model.customer_tower: count, model.product_tower: len(batches) * num_products}
        return dense_flops(passed) + score_flops(count, num_products, pairs * settings.embedding_dim)

    model.compile(optimizer=adam(settings.learning_rate, settings.averaging, len(batches)))
    return Contender(lambda: model.fit(batches, verbose=0), flops)


def raw_towers(examples: TrainingSet, history: Dataset, day: int, config: RunConfig) -> tuple[Features, list[str]]:
    """Return the same examples as raw columns, [num_examples, ...], and which of them are the customer's."""
    windows, product_ids = config.data.windows, history.products.ids
    customers = examples.queries.customers[examples.queries.query]
    parts = []
    for number in np.unique(examples.window):
        snapshot = take_snapshot(history, day - (int(number) + 1) * windows.stride_days, windows)
        here = examples.window == number
        request = raw_request(
            snapshot, product_ids, _read(config, "customers"), config.data.list_lengths, customers[here]
        )
        bought = examples.queries.product[here]
        products = {name: snapshot.products[name][bought] for name in _read(config, "products")}
        parts.append(
            _tutorial_columns(request, "customer") | _tutorial_columns(products, "product", product_ids[bought])
        )
    columns = {name: filled(concat_padded([part[name] for part in parts], "")) for name in parts[0]}
    return columns, [name for name in columns if name.startswith("customer")]


def tutorial_towers(columns: Features, of_customer: Sequence[str], config: RunConfig, pairs: int) -> Contender:
    """Return the tutorial's towers."""
    settings = config.retrieval
    dims = {name: settings.embedding_dim for name in ("customer held", "customer recent", "product id")}
    sides = (
        ({name: columns[name] for name in of_customer}, settings.customer_units),
        ({name: columns[name] for name in columns if name not in of_customer}, _PRODUCT_UNITS),
    )

    def tower(side: Features, units: Sequence[int]) -> tutorial.TutorialTower:
        features = tutorial.RawFeatures(side, _TOWERS_WORD_DIM, dims)
        return tutorial.TutorialTower(features, (*units, settings.embedding_dim))

    model = tutorial.TutorialTowers([(tower(*sides[0]), tower(*sides[1])) for _ in range(pairs)])
    count = len(columns["product id"])

    def flops() -> float:
        return dense_flops({model: count}) + score_flops(count, BATCH, pairs * settings.embedding_dim)

    return Contender(_tutorial_epoch(model, columns, config.seed), flops)


def ranker_examples(run: Run, encoders: Encoders) -> WindowExamples:
    """Return customers of the last ranking window with drawn candidates, as many pairs as an epoch has."""
    config, history, window = run.config, run.history, run.windows.ranking[-1]
    random = np.random.default_rng(config.seed)
    num_candidates = min(config.ranking.candidates, len(history.products))
    acquired = new_acquisitions(history, window.cutoff, window.until)
    rows = np.unique(acquired.customer)[: _STEPS * BATCH // num_candidates]
    drawn = np.argsort(random.random((len(rows), len(history.products))), axis=1)[:, :num_candidates]
    scores = random.random(drawn.shape, dtype=np.float32)
    candidates = Candidates(history.customers.ids[rows], history.products.ids, drawn.astype(np.int32), scores)
    return window_examples(history, window, candidates, acquired, encoders, config.data, config.statistics)


def our_ranker(examples: WindowExamples, encoders: Encoders, config: RunConfig) -> Contender:
    """Return our ranker."""
    model = RankingModel(encoders, config.statistics, config.data, config.ranking, config.seed)
    model.bind([examples])
    window = np.zeros(len(examples.weight), np.int32)
    batches = window_batches(window, BATCH // examples.candidates.shape[1], config.seed, epoch=0)
    model.compile(optimizer=adam(config.ranking.learning_rate, config.ranking.averaging, len(batches)))
    return Contender(lambda: model.fit(batches, verbose=0), lambda: dense_flops({model: examples.candidates.size}))


def tutorial_ranker(examples: WindowExamples, run: Run, window: Window) -> Contender:
    """Return the tutorial's ranker on the same pairs."""
    config, history = run.config, run.history
    snapshot = take_snapshot(history, window.cutoff, config.data.windows)
    acquired = np.unique(new_acquisitions(history, window.cutoff, window.until).customer)[: len(examples.weight)]
    pairs = np.repeat(acquired, examples.candidates.shape[1]), examples.candidates.ravel()
    customers = {name: snapshot.customers[name][pairs[0]] for name in _read(config, "customers")}
    products = {name: snapshot.products[name][pairs[1]] for name in _read(config, "products")}
    columns = _tutorial_columns(customers, "customer") | _tutorial_columns(
        products, "product", history.products.ids[pairs[1]]
    )
    columns = {name: filled(values) for name, values in columns.items()}
    features = tutorial.RawFeatures(columns, _RANKERS_WORD_DIM, {"product id": config.ranking.product_dim})
    model = tutorial.TutorialRanker(features, config.ranking.units)
    columns |= {tutorial.LABEL: examples.labels.ravel()}
    return Contender(_tutorial_epoch(model, columns, config.seed), lambda: dense_flops({model: len(pairs[0])}))


def _tutorial_epoch(model: tf.keras.Model, columns: Features, seed: int) -> Callable[[], object]:
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    batches = tutorial.batches(columns, BATCH, seed)
    return lambda: model.fit(batches, verbose=0)


def _read(config: RunConfig, table: str) -> list[str]:
    """Return the columns of a table that the models read."""
    columns = getattr(config.data, table).columns
    return [name for name, column in columns.items() if column.role != "id"]


def _tutorial_columns(columns: Mapping[str, Array], side: str, ids: Array | None = None) -> Features:
    """Name columns by their side, and lists by what they list; days, which the tutorials do not read, are left out."""
    named = {
        f"{side} {name.removesuffix('_products')}": values
        for name, values in columns.items()
        if name != "as_of_day" and not name.endswith("_days")
    }
    return named if ids is None else named | {f"{side} id": ids}


def filled(values: Array) -> Array:
    """Put the mean for missing numbers; words become objects."""
    if values.dtype.kind in "OU":
        return values.astype(object)
    known = np.isfinite(values)
    return np.where(known, values, values[known].mean() if known.any() else 0).astype(np.float32)


def dense_flops(passed: Mapping[tf.keras.layers.Layer, int]) -> float:
    """Return the floating-point operations that dense layers take in training.

    A weight costs a multiplication and an addition per row, and as much again for either gradient.

    Args:
        passed: Layers that have been called -> how many rows pass the dense layers in them.
    """
    return float(
        sum(
            6 * rows * int(np.prod(variable.shape))
            for layer, rows in passed.items()
            for variable in layer.trainable_variables
            if variable.name.split("/")[-1].startswith("kernel")
        )
    )


def score_flops(examples: int, candidates: int, dim: int) -> float:
    """Return the floating-point operations of examples' scores in training: a matrix multiplication, two back."""
    return 6.0 * examples * candidates * dim


def with_speed(rows: Sequence[Row], examples: int, flops: Mapping[str, float]) -> list[Row]:
    """Say in each row's note how many examples it trains in a second of a processor, and its share of the limit.

    The processor's seconds, since other work on the machine stretches those of the clock.

    Args:
        rows: Of epochs; the last is that of the large matrix multiplication.
        examples: How many an epoch has.
        flops: Contender -> floating-point operations of its epoch's matrix multiplications.
    """
    limit = 2 * _MATRIX**3 / rows[-1].processor_milliseconds  # operations a millisecond
    noted = []
    for row in rows[:-1]:
        speed = examples / row.processor_milliseconds * 1000
        faster = f"{1 / row.ratio:.2f} x the first, {1 / row.processor_ratio:.2f} x by the processor"
        share = flops[row.contender] / row.processor_milliseconds / limit
        noted.append(replace(row, note=f"{speed:,.0f} examples/processor s, {faster}, {share:.1%} of the limit"))
    return [*noted, replace(rows[-1], note=f"{limit / 1e6:,.0f} GFLOP/processor s: the limit")]


def _measure(work: str, contenders: Mapping[str, Contender], examples: int) -> list[Row]:
    matrix = tf.random.stateless_uniform([_MATRIX, _MATRIX], [1, 2])
    epochs: dict[str, Callable[[], object]] = {name: contender.epoch for name, contender in contenders.items()}
    # Read back, so that it has happened.
    epochs[f"matrix multiplication, {_MATRIX:,} square"] = lambda: tf.matmul(matrix, matrix)[0, 0].numpy()
    rows = compare(work, epochs, rounds=_ROUNDS)
    return with_speed(rows, examples, {name: contender.flops() for name, contender in contenders.items()})


def measure(run: Run) -> list[Row]:
    """Measure both stages on a run's tables."""
    make_deterministic(run.config.seed)
    config, history, day = run.config, run.history, run.windows.test.cutoff
    encoders = fit_encoders(history, day, config.data)
    examples = tower_examples(history, day, config, encoders)
    columns, of_customer = raw_towers(examples, history, day, config)
    towers = {
        "tutorial, one pair": tutorial_towers(columns, of_customer, config, 1),
        "tutorial, two pairs": tutorial_towers(columns, of_customer, config, 2),
        "ours, one pair": our_towers(examples, encoders, config, 1),
        "ours, two pairs": our_towers(examples, encoders, config, 2),
    }
    rows = _measure(f"towers, batch {BATCH:,}", towers, len(examples.window))
    candidates = ranker_examples(run, encoders)
    rankers = {
        "tutorial": tutorial_ranker(candidates, run, run.windows.ranking[-1]),
        "ours": our_ranker(candidates, encoders, config),
    }
    return rows + _measure(f"ranker, batch {BATCH:,}", rankers, candidates.candidates.size)


def main() -> None:
    """Measure and write OUT/training_speed.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    run = read_run(arguments.config, arguments.out, lambda step: lambda what, share: None)
    write_rows(measure(run), arguments.out, "training_speed")


if __name__ == "__main__":
    main()
