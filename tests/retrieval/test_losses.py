"""Golden numbers, on cosines that make the arithmetic short."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.retrieval.config import RetrievalConfig
from nextbest.retrieval.losses import ContrastiveLoss, TripletLoss, retrieval_loss

MASKED = float(np.finfo(np.float32).min) / 100  # what tfrs gives to a candidate that must not count


def labels(positive: int, length: int) -> tf.Tensor:
    return tf.one_hot([positive], length)


def value_and_gradient(loss: tf.keras.losses.Loss, y_true: tf.Tensor, scores: list[float]) -> tuple[float, list[float]]:
    y_pred = tf.constant([scores])
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return float(value), tape.gradient(value, y_pred).numpy()[0].tolist()


class TestContrastive:
    def test_golden(self) -> None:
        # Positive 0.5: (1 - 0.5)^2 = 0.25. Negatives above the margin 0.3: 0.7 and 0.4, so that the mean is
        # (0.4^2 + 0.1^2) / 2 = (0.16 + 0.01) / 2 = 0.085; the negative at 0.2 costs nothing and is not in the mean.
        value, gradient = value_and_gradient(ContrastiveLoss(0.3), labels(1, 4), [0.7, 0.5, 0.4, 0.2])
        assert value == pytest.approx(0.25 + 0.085)
        # d/ds+ = -2 (1 - 0.5) = -1; d/ds- = 2 (s- - 0.3) / 2 = 0.4 and 0.1.
        assert gradient == pytest.approx([0.4, -1.0, 0.1, 0.0])

    def test_a_positive_counts_however_low_it_is(self) -> None:
        # (1 + 1)^2 = 4; the positive is below the margin and is not a negative.
        assert value_and_gradient(ContrastiveLoss(0.3), labels(0, 2), [-1.0, 0.0])[0] == pytest.approx(4.0)


class TestTriplet:
    def test_golden(self) -> None:
        # Positive 0.5, margin 0.2. Violations: 0.2 + 0.7 - 0.5 = 0.4 and 0.2 + 0.4 - 0.5 = 0.1; 0.2 + 0.2 - 0.5 < 0.
        # The mean over the two violating ones is 0.25.
        value, gradient = value_and_gradient(TripletLoss(0.2), labels(1, 4), [0.7, 0.5, 0.4, 0.2])
        assert value == pytest.approx(0.25)
        assert gradient == pytest.approx([0.5, -1.0, 0.5, 0.0])

    def test_without_a_violation_there_is_no_loss(self) -> None:
        assert value_and_gradient(TripletLoss(0.2), labels(0, 3), [0.9, 0.1, -0.5]) == (0.0, [0.0, 0.0, 0.0])


class TestSoftmax:
    def test_golden_with_temperature(self) -> None:
        # Cosines 0.2 and 0.1 at temperature 0.1 are 2 and 1: -log(e^2 / (e^2 + e^1)) = log(1 + e^-1) = 0.3133.
        loss, temperature = retrieval_loss(RetrievalConfig(loss="full_softmax", temperature=0.1))
        assert temperature == 0.1
        value, gradient = value_and_gradient(loss, labels(0, 2), [0.2 / temperature, 0.1 / temperature])
        assert value == pytest.approx(0.3133, abs=1e-4)
        assert gradient == pytest.approx([-0.2689, 0.2689], abs=1e-4)  # p - label, p = 1 / (1 + e^1)

    def test_golden_with_log_q(self) -> None:
        # Two customers with the embeddings of their products, cosines 1 and 0, temperature 1. The products are drawn
        # with probability 1/2 and 1/8, which adds log 2 and log 8 to the logits:
        #   first:  -log(2 e / (2 e + 8)) = log(1 + 4 / e)      = 0.9048
        #   second: -log(8 e / (2 + 8 e)) = log(1 + 1 / (4 e))  = 0.0880
        loss, _ = retrieval_loss(RetrievalConfig(loss="sampled_softmax"))
        task = tfrs.tasks.Retrieval(loss=loss, temperature=1.0)
        value = task(tf.eye(2), tf.eye(2), candidate_sampling_probability=tf.constant([0.5, 0.125]))
        assert float(value) == pytest.approx((math.log(1 + 4 / math.e) + math.log(1 + 0.25 / math.e)) / 2)
        assert float(value) == pytest.approx((0.9048 + 0.0880) / 2, abs=1e-4)

    @pytest.mark.parametrize("name", ["auto", "full_softmax", "sampled_softmax"])
    def test_all_softmax_losses_are_the_cross_entropy(self, name: str) -> None:
        loss, _ = retrieval_loss(RetrievalConfig(loss=name))
        assert float(loss(labels(0, 4), tf.zeros([1, 4]))) == pytest.approx(math.log(4))


LOSSES = {
    "softmax": retrieval_loss(RetrievalConfig(loss="sampled_softmax"))[0],
    "contrastive": ContrastiveLoss(0.3),
    "triplet": TripletLoss(0.2),
}


@pytest.mark.parametrize("name", LOSSES)
class TestMasked:
    def test_a_masked_candidate_contributes_nothing(self, name: str) -> None:
        scores = [0.1, 0.8, MASKED, 0.6]
        value, gradient = value_and_gradient(LOSSES[name], labels(0, 4), scores)
        without = value_and_gradient(LOSSES[name], labels(0, 3), [0.1, 0.8, 0.6])
        assert value == pytest.approx(without[0])
        assert gradient[2] == 0.0
        assert gradient[:2] + gradient[3:] == pytest.approx(without[1])

    def test_with_everything_else_masked_only_the_positive_is_left(self, name: str) -> None:
        value, gradient = value_and_gradient(LOSSES[name], labels(0, 3), [0.5, MASKED, MASKED])
        # Softmax over one: 0. Contrastive: (1 - 0.5)^2. Triplet: nothing violates.
        assert value == pytest.approx({"softmax": 0.0, "contrastive": 0.25, "triplet": 0.0}[name])
        assert np.isfinite(gradient).all()

    def test_a_weight_of_0_takes_a_row_out(self, name: str) -> None:
        y_true, y_pred = tf.one_hot([0, 1], 2), tf.constant([[0.1, 0.8], [0.7, 0.2]])
        both = LOSSES[name](y_true, y_pred, sample_weight=tf.constant([1.0, 0.0]))
        assert float(both) == pytest.approx(float(LOSSES[name](y_true[:1], y_pred[:1])) / 2)  # mean over two rows


def test_margin_losses_take_plain_cosines() -> None:
    assert isinstance(retrieval_loss(RetrievalConfig(loss="contrastive"))[0], ContrastiveLoss)
    assert isinstance(retrieval_loss(RetrievalConfig(loss="triplet"))[0], TripletLoss)
    assert retrieval_loss(RetrievalConfig(loss="contrastive"))[1] is None
    assert retrieval_loss(RetrievalConfig(loss="triplet"))[1] is None
