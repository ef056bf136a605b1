from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.ranking.losses import listwise_softmax, probability_loss

CANDIDATES = tf.constant([[4, 7, 9, NO_PRODUCT]])


def value_and_gradient(
    loss: Callable[..., tf.Tensor], labels: list[float], logits: list[float]
) -> tuple[float, list[float]]:
    scores = tf.constant([logits])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = loss(tf.constant([labels], tf.float32), scores, CANDIDATES)
    assert value.shape == [1]
    return float(value[0]), tape.gradient(value, scores).numpy()[0].tolist()


class TestListwiseSoftmax:
    def test_golden(self) -> None:
        # Over the three candidates 2, 1, 0: -log(e^2 / (e^2 + e + 1)) = log(1 + e^-1 + e^-2) = 0.4076.
        # The padding's logit of 50 does not count.
        value, gradient = value_and_gradient(listwise_softmax, [1, 0, 0, 0], [2.0, 1.0, 0.0, 50.0])
        assert value == pytest.approx(0.4076, abs=1e-4)
        # p - label with p = 0.6652, 0.2447, 0.0900.
        assert gradient == pytest.approx([-0.3348, 0.2447, 0.0900, 0.0], abs=1e-4)

    def test_several_positives_share_the_label(self) -> None:
        # (0.4076 + 1.4076) / 2 = 0.9076: the second's logit is 1 less.
        value, gradient = value_and_gradient(listwise_softmax, [1, 1, 0, 0], [2.0, 1.0, 0.0, 50.0])
        assert value == pytest.approx(0.9076, abs=1e-4)
        assert gradient == pytest.approx([0.1652, -0.2553, 0.0900, 0.0], abs=1e-4)  # p - 1/2, p - 1/2, p

    def test_without_a_positive_there_is_no_loss(self) -> None:
        assert value_and_gradient(listwise_softmax, [0, 0, 0, 0], [2.0, 1.0, 0.0, 50.0]) == (0.0, [0.0] * 4)

    def test_a_customer_with_padding_alone_has_none(self) -> None:
        padding = tf.fill([1, 3], NO_PRODUCT)
        assert listwise_softmax(tf.zeros([1, 3]), tf.constant([[1.0, 2.0, 3.0]]), padding).numpy().tolist() == [0.0]

    def test_the_level_of_the_logits_does_not_matter(self) -> None:
        low = value_and_gradient(listwise_softmax, [0, 1, 0, 0], [2.0, 1.0, 0.0, 0.0])[0]
        high = value_and_gradient(listwise_softmax, [0, 1, 0, 0], [1002.0, 1001.0, 1000.0, 0.0])[0]
        assert high == pytest.approx(low, abs=1e-3)


class TestProbabilityLoss:
    def test_golden(self) -> None:
        # -log s(2) - log(1 - s(1)) - log(1 - s(0)) = log(1 + e^-2) + log(1 + e) + log 2 = 0.1269 + 1.3133 + 0.6931
        value, gradient = value_and_gradient(probability_loss, [1, 0, 0, 0], [2.0, 1.0, 0.0, 50.0])
        assert value == pytest.approx(0.1269 + 1.3133 + 0.6931, abs=1e-4)
        assert gradient == pytest.approx([-0.1192, 0.7311, 0.5, 0.0], abs=1e-4)  # s - label

    def test_extreme_logits_are_finite(self) -> None:
        value, gradient = value_and_gradient(probability_loss, [1, 0, 0, 0], [-500.0, 500.0, 0.0, 0.0])
        assert value == pytest.approx(1000 + np.log(2))
        assert np.isfinite(gradient).all()
