"""The benchmark of training counts what it says, and its peers are the tutorials' models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.peers.tutorial import LABEL, RawFeatures, TutorialRanker, TutorialTower, TutorialTowers, batches
from benchmarks.training_speed import dense_flops, filled, score_flops, with_speed
from benchmarks.versus import Row

COLUMNS = {
    "customer age": np.array([20.0, 40.0, 60.0], np.float32),
    "customer segment": np.array(["a", "b", "a"], object),
    "customer held": np.array([["p", "q"], ["q", ""], ["", ""]], object),
}


def test_a_dense_weight_costs_six_operations_a_row_and_a_bias_none() -> None:
    dense, cross = tf.keras.layers.Dense(2), tf.keras.Sequential([tf.keras.layers.Dense(1), tf.keras.layers.Dense(5)])
    dense(tf.zeros([1, 3]))
    cross(tf.zeros([1, 4]))
    assert dense_flops({dense: 10}) == 6 * 3 * 2 * 10
    assert dense_flops({dense: 10, cross: 7}) == 360 + 6 * (4 * 1 + 1 * 5) * 7
    assert score_flops(examples=10, candidates=120, dim=64) == 6 * 10 * 120 * 64


def test_speed_and_share_of_the_limit() -> None:
    # 2 * 2048^3 operations in 100 ms of a processor are 1.718e8 a ms. 500 ms at half of it are 4.295e10 operations.
    limit = Row("towers", "matrix multiplication", 70.0, 100.0, 0.05, 0.05)
    first = Row("towers", "tutorial", 2000.0, 1000.0, 1.0, 1.0)
    rows = with_speed(
        [
            first,
            replace(
                first,
                contender="ours",
                milliseconds=500.0,
                processor_milliseconds=500.0,
                ratio=0.25,
                processor_ratio=0.5,
            ),
            limit,
        ],
        4000,
        {"tutorial": 0.0, "ours": 2.0**32 * 10},
    )
    assert [row.note for row in rows] == [
        "4,000 examples/processor s, 1.00 x the first, 1.00 x by the processor, 0.0% of the limit",
        "8,000 examples/processor s, 4.00 x the first, 2.00 x by the processor, 50.0% of the limit",
        "172 GFLOP/processor s: the limit",
    ]


def test_missing_numbers_are_filled_with_the_mean_and_words_stay() -> None:
    assert filled(np.array([1.0, np.nan, 3.0], np.float32)).tolist() == [1, 2, 3]
    assert filled(np.array([np.nan], np.float32)).tolist() == [0]
    assert filled(np.array(["a", ""], object)).tolist() == ["a", ""]


def test_raw_features_standardise_embed_and_average() -> None:
    features = RawFeatures(COLUMNS, 2, {"customer held": 3})
    out = features(COLUMNS).numpy()
    assert out.shape == (3, 1 + 2 + 3)
    # Mean 40, variance 800 / 3.
    np.testing.assert_allclose(out[:, 0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-5)
    np.testing.assert_array_equal(out[0, 1:3], out[2, 1:3])  # both of segment a
    alone = features({**COLUMNS, "customer held": np.array([["p", ""], ["q", ""], ["", ""]], object)}).numpy()[:, 3:]
    np.testing.assert_allclose(out[:, 3:], [(alone[0] + alone[1]) / 2, alone[1], [0, 0, 0]], rtol=1e-5, atol=1e-7)


def test_an_epoch_has_every_row_once_and_later_ones_the_same_batches() -> None:
    data = batches({"number": np.arange(10)}, 4, seed=1)
    first, second = ([batch["number"].numpy().tolist() for batch in data] for _ in range(2))
    assert sorted(number for batch in first for number in batch) == list(range(10))
    assert first == second
    assert [len(batch) for batch in first] == [4, 4, 2]


@pytest.mark.parametrize("stage", ["towers", "ranker"])
def test_the_tutorials_models_learn(stage: str) -> None:
    tf.keras.utils.set_random_seed(1)
    columns = {**COLUMNS, "product id": np.array(["p", "q", "r"], object), LABEL: np.array([1, 0, 1], np.float32)}
    customer = RawFeatures(COLUMNS, 4)
    if stage == "towers":
        product = RawFeatures({"product id": columns["product id"]}, 4)
        model = TutorialTowers([(TutorialTower(customer, (8, 4)), TutorialTower(product, (4,)))])
    else:
        model = TutorialRanker(customer, (8,))
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    losses = model.fit(batches(columns, 3, seed=1), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
