"""Training the ranker: how many epochs and the calibration on the last window, then all windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.modelling.metrics import ndcg, top_k
from nextbest.modelling.training import Progress, Training, adam, train, transfer_weights, window_batches, zeros_of_spec
from nextbest.ranking.calibration import Calibration, fit_calibration
from nextbest.ranking.config import RankingConfig
from nextbest.ranking.examples import CatalogueStatistics, WindowExamples, of_known_products, split_customers
from nextbest.ranking.model import RankingModel

__all__ = ["RankerSettings", "refresh_ranker", "select_ranker", "train_ranker"]

_SCORING_BATCH = 1024


_VALIDATION_SHARE = 0.3
"""Share of the customers who validate where there is but one ranking window."""


@dataclass(frozen=True)
class RankerSettings:
    """All settings that a ranker depends on."""

    data: DataConfig
    statistics: StatisticsConfig
    ranking: RankingConfig
    seed: int
    validation_k: int
    """Early stopping maximises nDCG at this k: that of the main metric."""


def _build(encoders: Encoders, catalogue: CatalogueStatistics, settings: RankerSettings) -> RankingModel:
    """Return a model whose variables exist; the catalogue may be of any day."""
    tf.keras.utils.set_random_seed(settings.seed)  # initial weights are a function of the seed alone
    model = RankingModel(encoders, settings.statistics, settings.data, settings.ranking, settings.seed)
    arrays = {name: tf.constant(values) for name, values in catalogue.arrays().items()}
    model.score(zeros_of_spec(encoders.encoded_spec()), tf.zeros([1, 1], tf.int32), tf.zeros([1, 1]), arrays)
    return model


def _prepare(windows: Sequence[WindowExamples], encoders: Encoders, settings: RankerSettings) -> RankingModel:
    model = _build(encoders, windows[0].catalogue, settings)
    model.bind(windows)
    config = settings.ranking
    steps = len(_batches(windows, settings, epoch=0))
    model.compile(optimizer=adam(config.learning_rate, config.averaging, steps))
    model.network.start_from(_base_rate(windows) / _odds(model, windows[-1]))
    model.optimizer.build(model.trainable_variables)
    return model


def _base_rate(windows: Sequence[WindowExamples]) -> float:
    """Return the share of candidates that were acquired, by whom the examples stand for, above 0."""
    acquired = sum(float(window.weight @ window.labels.sum(axis=1)) for window in windows)
    proposed = sum(float(window.weight @ (window.candidates != NO_PRODUCT).sum(axis=1)) for window in windows)
    return (acquired + 1.0) / (proposed + 2.0)


def _odds(model: RankingModel, examples: WindowExamples) -> float:
    """Return the mean of the odds that the candidates' logits alone say, by whom the examples stand for."""
    real = examples.candidates != NO_PRODUCT
    odds = np.exp(_scores(model, examples)[0].astype(np.float64)) * real
    return float(examples.weight @ odds.sum(axis=1)) / max(float(examples.weight @ real.sum(axis=1)), 1.0)


def _batches(windows: Sequence[WindowExamples], settings: RankerSettings, epoch: int) -> Any:
    window = np.repeat(np.arange(len(windows), dtype=np.int32), [len(part.weight) for part in windows])
    return window_batches(window, settings.ranking.batch_size, settings.seed, epoch)


def _train(
    model: RankingModel,
    windows: Sequence[WindowExamples],
    settings: RankerSettings,
    epochs: int,
    checkpoints: Path,
    progress: Progress,
    **validation: Any,
) -> Training:
    def batches(epoch: int) -> Any:
        return _batches(windows, settings, epoch)

    return train(model, batches, epochs, checkpoints, progress=progress, **validation)


def _scores(model: RankingModel, examples: WindowExamples) -> tuple[Array, Array]:
    """Return the candidates' logits [num_examples, num_candidates] and the customers' offsets [num_examples]."""
    catalogue = {name: tf.constant(values) for name, values in examples.catalogue.arrays().items()}
    logits, offsets = [], []
    for first in range(0, len(examples.weight), _SCORING_BATCH):
        rows = slice(first, first + _SCORING_BATCH)
        query = {name: tf.constant(values[rows]) for name, values in examples.queries.items()}
        part = model.score(query, tf.constant(examples.candidates[rows]), tf.constant(examples.scores[rows]), catalogue)
        logits.append(part[0].numpy())
        offsets.append(part[1].numpy())
    return np.concatenate(logits), np.concatenate(offsets)


def _mean_ndcg(logits: Array, examples: WindowExamples, k: int) -> float:
    """Return the mean nDCG@k of the candidates' order over the customers who acquired something."""
    order = np.where(np.isnan(logits), -np.inf, logits)  # what a model that diverged says nothing of comes last
    columns = top_k(order, examples.candidates != NO_PRODUCT, k)
    hits = np.take_along_axis(examples.labels, np.maximum(columns, 0), axis=1) * (columns != NO_PRODUCT)
    active = examples.num_relevant > 0
    return float(ndcg(hits[active], examples.num_relevant[active], k).mean())


def select_ranker(
    windows: Sequence[WindowExamples],
    encoders: Encoders,
    settings: RankerSettings,
    checkpoints: Path,
    progress: Progress,
) -> tuple[Training, Calibration]:
    """Find after how many epochs a ranker orders a window best that it was not trained on, and calibrate it there.

    Where `patience` is 0, nothing is chosen: the ranker trains for all epochs, and is calibrated.

    The last window validates, by the products that the others know. Where it is the only one, a share of its customers
    do.

    Args:
        windows: The ranking windows, the oldest first.
        encoders: Encoders.
        settings: Settings.
        checkpoints: A folder of this training's own.
        progress: Called after every epoch.

    Raises:
        InputError: Nothing was acquired in the validation window.
    """
    if len(windows) == 1:
        windows = split_customers(windows[0], _VALIDATION_SHARE, settings.seed)
    *windows, validation = windows
    if not validation.num_relevant.any():
        what = "nothing was acquired in the last ranking window, so that no ranker can be chosen on it"
        remedy = "raise windows.horizon_days or check interactions.acquire"
        raise InputError([Problem("interactions", None, None, what, remedy)])
    model = _prepare(windows, encoders, settings)
    config = settings.ranking

    known = of_known_products(validation, windows)

    def validate() -> float:
        return _mean_ndcg(_scores(model, known)[0], known, settings.validation_k)

    stopping = {"validate": validate, "patience": config.patience} if config.patience else {}
    training = _train(model, windows, settings, config.epochs, checkpoints, progress, **stopping)
    logits, offsets = _scores(model, validation)
    real = validation.candidates != NO_PRODUCT
    weight = np.broadcast_to(validation.weight[:, None], real.shape)
    calibration = fit_calibration((logits + offsets[:, None])[real], validation.labels[real], weight[real])
    return training, calibration


def train_ranker(
    windows: Sequence[WindowExamples],
    encoders: Encoders,
    epochs: int,
    settings: RankerSettings,
    checkpoints: Path,
    progress: Progress,
) -> RankingModel:
    """Train a ranker on all windows for as many epochs as `select_ranker` found."""
    model = _prepare(windows, encoders, settings)
    _train(model, windows, settings, epochs, checkpoints, progress)
    return model


def refresh_ranker(
    trained: Encoders, encoders: Encoders, catalogue: CatalogueStatistics, settings: RankerSettings, checkpoints: Path
) -> RankingModel:
    """Bring a trained ranker to the positions of other products, without a training step.

    Args:
        trained: The encoders that it was trained with.
        encoders: The same over the other products.
        catalogue: The catalogue of these.
        settings: The settings that it was trained with.
        checkpoints: The folder of its training.
    """
    model: RankingModel = transfer_weights(
        lambda over: _build(over, catalogue, settings), trained, encoders, checkpoints
    )
    return model
