"""Training the retriever: how many epochs (once, on the oldest window), then a retriever for every cutoff.

A trained retriever can be refreshed with newer tables, and proposes each customer's candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.candidates import Candidates
from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, take_snapshot
from nextbest.data.statistics import StatisticsConfig, popularity_features
from nextbest.data.windows import Window, labels
from nextbest.graph.catalogue import MASKED_SCORE, Encoders, encode_products, fit_encoders
from nextbest.graph.query import encode_customers
from nextbest.modelling.training import Progress, Training, adam, train, transfer_weights, window_batches, zeros_of_spec
from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.examples import Queries, TrainingSet, make_queries, make_training_set
from nextbest.retrieval.indexes import ExactIndex, ScannIndex
from nextbest.retrieval.model import MaskedFactorizedTopK, TwoTowerModel
from nextbest.retrieval.towers import CustomerTowers

__all__ = [
    "VALIDATION_K",
    "Earlier",
    "Retriever",
    "RetrieverSettings",
    "propose_candidates",
    "refresh_retriever",
    "select_epochs",
    "train_retriever",
]


@dataclass(frozen=True)
class RetrieverSettings:
    """All settings that a retriever depends on."""

    data: DataConfig
    statistics: StatisticsConfig
    retrieval: RetrievalConfig
    seed: int


@dataclass(frozen=True)
class Retriever:
    """A trained retriever, as of a cutoff."""

    day: int
    encoders: Encoders
    customer_tower: CustomerTowers
    product_embeddings: Array
    """[num_products, num_tower_pairs * embedding_dim], each of length 1."""

    def embed(self, encoded: Mapping[str, Array], batch_size: int = 4096) -> Array:
        """Embed encoded queries, [num_queries, num_tower_pairs * embedding_dim]."""
        num_queries = len(encoded["floats"])
        # Called eagerly: on batches this large a graph saves nothing, and each would have to be traced first.
        parts = [
            self.customer_tower(
                {name: tf.constant(values[first : first + batch_size]) for name, values in encoded.items()}
            ).numpy()
            for first in range(0, num_queries, batch_size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.product_embeddings.shape[1]), np.float32)

    def embed_customers(self, snapshot: Snapshot, rows: Array) -> Array:
        """Embed customers of a snapshot in this retriever's positions, [num_rows, num_tower_pairs * embedding_dim]."""
        return self.embed(encode_customers(snapshot, self.encoders.query_encoder(), rows))


@dataclass(frozen=True)
class Earlier:
    """A finished training as of an earlier day, from whose weights one may start."""

    day: int
    checkpoints: Path


def select_epochs(
    dataset: Dataset, window: Window, settings: RetrieverSettings, checkpoints: Path, progress: Progress
) -> Training:
    """Find after how many epochs a retriever predicts a window best that it has not seen.

    Args:
        dataset: Tables that reach to the window's end.
        window: The validation window.
        settings: Settings.
        checkpoints: A folder of this training's own.
        progress: Called after every epoch.
    """
    history = dataset.until(window.cutoff)
    run = _prepare(history, window.cutoff, settings)
    snapshot = take_snapshot(history, window.cutoff, settings.data.windows)
    acquired = labels(dataset, history, window)
    acquired = acquired[snapshot.num_held[acquired.customer] >= settings.data.windows.min_holdings]
    queries = make_queries(snapshot, acquired, run.encoders.query_encoder())
    config = settings.retrieval
    return run.train(
        config.epochs,
        checkpoints,
        progress,
        validate=_validator(run, history, snapshot, queries),
        patience=config.patience,
    )


def train_retriever(
    history: Dataset,
    day: int,
    epochs: int,
    settings: RetrieverSettings,
    checkpoints: Path,
    progress: Progress,
    earlier: Earlier | None = None,
) -> Retriever:
    """Train a retriever on what is known at the end of `day`.

    Most of what it learns from, one of an earlier day has seen already: it starts from that one's weights and trains
    for a share of the epochs.

    Args:
        history: `dataset.until(day)`.
        day: The cutoff.
        epochs: How many epochs, from `select_epochs`.
        settings: Settings.
        checkpoints: A folder of this training's own.
        progress: Called after every epoch.
        earlier: What it starts from; without, or where the tables have other columns now, it starts from chance.
    """
    run = _prepare(history, day, settings, earlier)
    run.train(max(1, round(_SHARE_OF_EPOCHS * epochs)) if run.continues else epochs, checkpoints, progress)
    snapshot = take_snapshot(history, day, settings.data.windows)
    products = _encoded_products(history, snapshot, run.encoders, settings)
    return _retriever(run.model, run.encoders, products, day)


def refresh_retriever(
    history: Dataset, day: int, trained: Encoders, settings: RetrieverSettings, checkpoints: Path
) -> Retriever:
    """Bring a trained retriever to what is known at the end of `day`, without a training step.

    Its weights and encoders stay; the products and their popularity are that day's.

    Args:
        history: `dataset.until(day)`.
        day: The cutoff.
        trained: The encoders that it was trained with.
        settings: The settings that it was trained with.
        checkpoints: The folder of its training.
    """
    snapshot = take_snapshot(history, day, settings.data.windows)
    encoders = trained.for_products(history.products.ids)
    products = _encoded_products(history, snapshot, encoders, settings)
    model = transfer_weights(lambda over: _build(over, products, settings), trained, encoders, checkpoints)
    return _retriever(model, encoders, products, day)


_SHARE_OF_EPOCHS = 0.4
"""So much of a training from chance is enough for one that starts from an earlier day's weights."""
VALIDATION_K = 10
"""Early stopping maximises FactorizedTopK's accuracy at this k (at most the catalogue's size)."""
_CUSTOMERS_PER_CHUNK = 4096


def propose_candidates(
    retriever: Retriever,
    history: Dataset,
    snapshot: Snapshot,
    suitable: Callable[[Array], Array],
    rows: Array,
    k: int,
) -> Candidates:
    """Return each customer's best products among those that are available, suitable and not held.

    Args:
        retriever: A retriever in the positions of `history`.
        history: The tables up to the snapshot's day.
        snapshot: The snapshot.
        suitable: Customer positions -> whether the policy allows each product, bool [num_rows, num_products].
        rows: Customer positions, [num_rows].
        k: How many, at most the catalogue's size.
    """
    k = min(k, len(history.products))
    products, scores = [], []
    for first in range(0, max(len(rows), 1), _CUSTOMERS_PER_CHUNK):
        chunk = rows[first : first + _CUSTOMERS_PER_CHUNK]
        cosines = retriever.embed_customers(snapshot, chunk) @ retriever.product_embeddings.T
        allowed = suitable(chunk) & snapshot.can_acquire(chunk)
        top = tf.math.top_k(np.where(allowed, cosines, MASKED_SCORE), k)
        found = top.values.numpy() > MASKED_SCORE
        products.append(np.where(found, top.indices.numpy(), NO_PRODUCT).astype(np.int32))
        scores.append(np.where(found, top.values.numpy(), 0.0).astype(np.float32))
    return Candidates(
        history.customers.ids[rows], history.products.ids, np.concatenate(products), np.concatenate(scores)
    )


@dataclass(frozen=True)
class _PreparedModel:
    """A model with its training set, ready to train."""

    model: TwoTowerModel
    encoders: Encoders
    examples: TrainingSet
    settings: RetrieverSettings
    continues: bool
    """Whether it starts from an earlier training's weights."""

    def batches(self, epoch: int) -> tf.data.Dataset:
        """Return an epoch's batches as a dataset."""
        settings = self.settings
        return window_batches(self.examples.window, settings.retrieval.batch_size, settings.seed, epoch)

    def train(self, epochs: int, checkpoints: Path, progress: Progress, **validation: Any) -> Training:
        """Train from the checkpoints on."""
        return train(self.model, self.batches, epochs, checkpoints, progress=progress, **validation)


def _build(encoders: Encoders, products: Mapping[str, Array], settings: RetrieverSettings) -> TwoTowerModel:
    """Return a model whose variables exist.

    Args:
        encoders: Its encoders.
        products: Encoded products, of any day, [num_products, width] each.
        settings: Settings.
    """
    tf.keras.utils.set_random_seed(settings.seed)  # initial weights are a function of the seed alone
    model = TwoTowerModel(encoders, settings.statistics.num_popularity, settings.retrieval, settings.seed)
    model.customer_tower(zeros_of_spec(encoders.encoded_spec()))
    model.product_tower(tf.range(1), {name: tf.zeros_like(values[:1]) for name, values in products.items()})
    return model


def _initial_model(
    history: Dataset,
    encoders: Encoders,
    products: Mapping[str, Array],
    settings: RetrieverSettings,
    earlier: Earlier | None,
) -> tuple[TwoTowerModel, bool]:
    """Return the model that training begins with, and whether it has the weights of an earlier training."""
    build = partial(_build, products=products, settings=settings)
    if earlier is not None:
        trained = fit_encoders(history.until(earlier.day), earlier.day, settings.data)
        if trained.same_places(encoders):
            return transfer_weights(build, trained, encoders, earlier.checkpoints), True
    return build(encoders), False


def _prepare(history: Dataset, day: int, settings: RetrieverSettings, earlier: Earlier | None = None) -> _PreparedModel:
    config, data = settings.retrieval, settings.data
    encoders = fit_encoders(history, day, data)
    examples = make_training_set(history, day, encoders, data.windows, settings.statistics, config, settings.seed)
    products = {name: values[0] for name, values in examples.products.items()}
    model, continues = _initial_model(history, encoders, products, settings, earlier)
    model.bind(examples)
    run = _PreparedModel(model, encoders, examples, settings, continues)
    model.compile(optimizer=adam(config.learning_rate, config.averaging, steps=len(run.batches(0))))
    model.optimizer.build(model.trainable_variables)
    return run


def _encoded_products(
    history: Dataset, snapshot: Snapshot, encoders: Encoders, settings: RetrieverSettings
) -> dict[str, Array]:
    popularity = popularity_features(history, snapshot.day, settings.statistics)
    return encode_products(snapshot, encoders.products, popularity)


def _retriever(model: TwoTowerModel, encoders: Encoders, products: Mapping[str, Array], day: int) -> Retriever:
    """Return a model as of a day, with that day's products, encoded [num_products, width] each."""
    positions = tf.range(len(encoders.product_ids))
    return Retriever(day, encoders, model.customer_tower, np.asarray(model.product_tower(positions, products)))


def _validator(run: _PreparedModel, history: Dataset, snapshot: Snapshot, queries: Queries) -> Callable[[], float]:
    """Return a function that measures FactorizedTopK's accuracy on queries with what they acquired."""
    products = _encoded_products(history, snapshot, run.encoders, run.settings)
    k = min(VALIDATION_K, len(history.products))

    def validate() -> float:
        retriever = _retriever(run.model, run.encoders, products, snapshot.day)
        embedded = retriever.embed(queries.encoded)
        index = ScannIndex() if run.settings.retrieval.index == "scann" else ExactIndex()
        metric = MaskedFactorizedTopK(index.index(retriever.product_embeddings), ks=(k,))
        batch = run.settings.retrieval.batch_size
        for first in range(0, len(queries.query), batch):
            rows = queries.query[first : first + batch]
            held = snapshot.held.products[queries.customers[rows]]
            metric.update_masked(
                tf.constant(embedded[rows]), tf.constant(queries.product[first : first + batch]), tf.constant(held)
            )
        return float(metric.result()[0])

    return validate
