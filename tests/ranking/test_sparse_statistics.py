"""A ranker over sparse statistics is the ranker over dense ones, from its windows to the file that serves.

The planted bank's families are held together and never mixed, so that every pair of which EASE says something is held
together by someone: without a limit on neighbours the tables hold all that the matrices do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Array, Dataset
from nextbest.data.sparse_table import SparseTable
from nextbest.graph.catalogue import Encoders
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import WindowExamples
from nextbest.ranking.export import RankingServable, save_ranking
from nextbest.ranking.model import RankingModel
from tests.modelling.worlds import BANK
from tests.ranking.conftest import WINDOWS, examples_of, settings, small_config

BATCH = np.arange(40)


@pytest.fixture(scope="module")
def sparse(bank: Dataset, encoders: Encoders) -> list[WindowExamples]:
    """Return the windows with sparse statistics."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.data.statistics._MAX_CELLS", 0)
        return [examples_of(bank, encoders, window) for window in WINDOWS]


@pytest.fixture(scope="module")
def few_neighbours(bank: Dataset, encoders: Encoders) -> WindowExamples:
    """Return the oldest window with two neighbours of each product."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextbest.data.statistics._MAX_CELLS", 0)
        patch.setattr("nextbest.data.statistics._MAX_NEIGHBOURS", 2)
        return examples_of(bank, encoders, WINDOWS[0])


def ranker(encoders: Encoders, windows: list[WindowExamples]) -> RankingModel:
    """Return a ranker that was not trained, in which nothing is 0 or 1."""
    tf.keras.utils.set_random_seed(1)
    model = RankingModel(encoders, settings().statistics, BANK, small_config(), seed=1)
    model.bind(windows)
    model.compute_loss({"window": tf.constant(0), "examples": tf.constant(BATCH)})
    for variable in model.network.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, [3, 4], stddev=0.1))
    return model


def inputs(examples: WindowExamples) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    queries = {name: tf.constant(values[BATCH]) for name, values in examples.queries.items()}
    return queries, tf.constant(examples.candidates[BATCH]), tf.constant(examples.scores[BATCH])


def scores(model: RankingModel, examples: WindowExamples) -> Array:
    catalogue = {name: tf.constant(values) for name, values in examples.catalogue.arrays().items()}
    return np.asarray(model.score(*inputs(examples), catalogue)[0])


def test_scores_are_those_with_dense_statistics(
    encoders: Encoders, windows: list[WindowExamples], sparse: list[WindowExamples]
) -> None:
    model = ranker(encoders, windows)
    for of_dense, of_sparse in zip(windows, sparse, strict=True):
        assert isinstance(of_sparse.catalogue.pairs, SparseTable)
        assert isinstance(of_sparse.catalogue.segments, SparseTable)
        np.testing.assert_allclose(scores(model, of_sparse), scores(model, of_dense), atol=1e-5)


def test_each_window_is_learned_with_its_own_statistics(
    encoders: Encoders, sparse: list[WindowExamples], few_neighbours: WindowExamples
) -> None:
    """Though the oldest has fewer pairs, and is filled up."""
    windows = [few_neighbours, *sparse[1:]]
    cells = [len(window.catalogue.arrays()["pairs_keys"]) for window in windows]
    assert cells[0] == 20 * 2 + 1 < cells[1]
    model = ranker(encoders, windows)
    first, found = 0, []
    for number, window in enumerate(windows):
        model.bind(windows)
        among_others = loss(model, number, first)
        model.bind([window])
        assert loss(model, 0, 0) == pytest.approx(among_others, abs=1e-6)
        first += len(window.weight)
        found.append(among_others)
    model.bind(sparse)
    assert abs(loss(model, 0, 0) - found[0]) > 1e-4


def loss(model: RankingModel, window: int, first: int) -> float:
    """Return the loss of a window's first examples, without dropout."""
    return float(model.compute_loss({"window": tf.constant(window), "examples": tf.constant(first + BATCH)}))


def test_saved_and_loaded_it_scores_as_the_dense_one_does(
    encoders: Encoders, windows: list[WindowExamples], sparse: list[WindowExamples], tmp_path: Path
) -> None:
    examples = sparse[-1]
    model = ranker(encoders, sparse)
    calibration = Calibration(slope=1.0, intercept=0.0)
    servable = RankingServable(model, encoders, examples.catalogue, calibration, WINDOWS[-1].cutoff)
    save_ranking(servable, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    logits, probability = loaded.score(*inputs(examples))
    np.testing.assert_allclose(logits, scores(model, windows[-1]), atol=1e-5)
    assert ((probability.numpy() > 0) & (probability.numpy() < 1)).all()
    vectors = loaded.features(*inputs(examples))
    np.testing.assert_allclose(tf.sigmoid(loaded.score_features(vectors[:, 0])), probability[:, 0], atol=1e-5)
