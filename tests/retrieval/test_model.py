"""The training model's losses, with towers whose scores are given: the product tower is the identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from nextbest.data.config import EncoderConfig
from nextbest.data.dataset import Array
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import Encoders
from nextbest.graph.encoders import EncoderState
from nextbest.retrieval.examples import Queries, TrainingSet
from nextbest.retrieval.indexes import ExactIndex, ProductIndex, ScannIndex
from nextbest.retrieval.model import MaskedFactorizedTopK, TwoTowerModel, uses_full_softmax
from tests.retrieval.conftest import small_config

NO_COLUMNS = EncoderState(config=EncoderConfig(), numbers={}, categories={}, texts=())


def make_training_set(
    scores: Sequence[Sequence[float]],
    targets: Sequence[int],
    *,
    held: Sequence[Sequence[int]] | None = None,
    positives: Sequence[Sequence[int]] | None = None,
    available: Sequence[bool] | None = None,
    frequency: Sequence[float] | None = None,
    weight: Sequence[float] | None = None,
) -> TrainingSet:
    """Make one example per row of `scores`, which are what the towers will give for every product."""
    num_examples, num_products = np.shape(scores)
    everything = np.arange(num_examples, dtype=np.int32)
    return TrainingSet(
        queries=Queries(
            customers=everything,
            encoded={
                "floats": np.array(scores, np.float32),
                "held": np.array(held or [[NO_PRODUCT]] * num_examples, np.int32),
            },
            positives=np.array(positives or [[target] for target in targets], np.int32),
            query=everything,
            product=np.array(targets, np.int32),
            weight=np.ones(num_examples, np.float32),
        ),
        window=np.zeros(num_examples, np.int32),
        weight=np.array(weight or [1.0] * num_examples, np.float32),
        products={"floats": np.eye(num_products, dtype=np.float32)[None]},
        available=np.array([available or [True] * num_products]),
        frequency=np.array([frequency or [1 / num_products] * num_products], np.float32),
    )


def encoders_of(product_ids: Array) -> Encoders:
    return Encoders(NO_COLUMNS, NO_COLUMNS, product_ids, {"held": 9, "recent": 9})


class Scored:
    """A model that is bound to given scores."""

    def __init__(self, examples: TrainingSet, **config: Any) -> None:
        ids = np.array([f"p{number}" for number in range(examples.frequency.shape[1])], object)
        config = {"temperature": 1.0, "mixed_negatives": 0} | config
        self.model = TwoTowerModel(encoders_of(ids), 0, small_config(**config), seed=3)
        self.scores = tf.Variable(examples.queries.encoded["floats"])
        self.examples = tf.range(len(examples.weight))
        self.model.bind(examples)
        towers = SimpleNamespace(
            customer_tower=lambda query, training: tf.gather(self.scores, self.examples),
            product_tower=lambda ids, encoded, training: encoded["floats"],
        )
        self.model.tower_pairs = [towers] * self.model.config.num_tower_pairs

    def loss(self) -> float:
        return float(self.model.compute_loss({"window": tf.constant(0), "examples": self.examples}))

    def loss_and_gradient(self) -> tuple[float, Array]:
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss({"window": tf.constant(0), "examples": self.examples})
        return float(loss), np.asarray(tf.convert_to_tensor(tape.gradient(loss, self.scores)))


def log_loss(positive: float, *negatives: float) -> float:
    """-log(e^positive / (e^positive + the sum of e^negative))."""
    return math.log(1 + sum(math.exp(negative - positive) for negative in negatives))


class TestFullSoftmax:
    def loss(self, **changes: Any) -> float:
        return Scored(make_training_set([[2.0, 1.0, 0.0, 3.0]], [0], **changes), loss="full_softmax").loss()

    def test_golden(self) -> None:
        # -log(e^2 / (e^2 + e^1 + e^0 + e^3)) = log(1 + e^-1 + e^-2 + e^1) = log 4.2215 = 1.4402
        assert self.loss() == pytest.approx(1.4402, abs=1e-4)

    def test_temperature(self) -> None:
        scored = Scored(make_training_set([[2.0, 1.0]], [0]), loss="full_softmax", temperature=0.5)
        assert scored.loss() == pytest.approx(math.log(1 + math.exp(-2)))  # (1 - 2) / 0.5 = -2

    def test_held_products_are_no_negatives(self) -> None:
        assert self.loss(held=[[3, NO_PRODUCT]]) == pytest.approx(log_loss(2, 1, 0))

    def test_other_positives_are_no_negatives(self) -> None:
        assert self.loss(positives=[[3, 0]]) == pytest.approx(log_loss(2, 1, 0))

    def test_products_that_were_not_known_are_no_negatives(self) -> None:
        assert self.loss(available=[True, False, True, True]) == pytest.approx(log_loss(2, 0, 3))

    def test_what_is_masked_has_no_gradient(self) -> None:
        scored = Scored(make_training_set([[2.0, 1.0, 0.0, 3.0]], [0], held=[[3, 1]]), loss="full_softmax")
        _, gradient = scored.loss_and_gradient()
        # Over products 0 and 2 with scores 2 and 0: p = 0.8808 and 0.1192.
        np.testing.assert_allclose(gradient, [[-0.1192, 0.0, 0.1192, 0.0]], atol=1e-4)


class TestSampledSoftmax:
    def loss(self, targets: Sequence[int], **changes: Any) -> float:
        """The first row's loss, times its share in the mean."""
        num_others = len(targets) - 1
        scores = [[2.0, 1.0, 0.0, 3.0]] + [[0.0] * 4] * num_others
        examples = make_training_set(scores, targets, weight=[1.0] + [0.0] * num_others, **changes)
        return Scored(examples, loss="sampled_softmax").loss() * len(targets)

    def test_golden_in_batch(self) -> None:
        # Targets 0, 1, 3: the first row's negatives are 1 and 3. Two are drawn; by its frequency 1/4 a product is
        # expected 1/2 times, so that each negative stands for two: log 2 is added to its score.
        expected = log_loss(2, 1 + math.log(2), 3 + math.log(2))
        assert self.loss([0, 1, 3]) == pytest.approx(expected)

    def test_frequent_negatives_count_less(self) -> None:
        # Expected 2 * 0.8 = 1.6 times and 2 * 0.1 = 0.2 times.
        expected = log_loss(2, 1 - math.log(1.6), 3 - math.log(0.2))
        assert self.loss([0, 1, 3], frequency=[0.05, 0.8, 0.05, 0.1]) == pytest.approx(expected)

    def test_accidental_hits_are_no_negatives(self) -> None:
        # The first row's product is another row's too; three are drawn, 3/4 expected of each.
        assert self.loss([0, 0, 1, 3]) == pytest.approx(log_loss(2, 1 - math.log(0.75), 3 - math.log(0.75)))

    def test_held_products_are_no_negatives(self) -> None:
        held = [[3, NO_PRODUCT]] + [[NO_PRODUCT] * 2] * 2
        assert self.loss([0, 1, 3], held=held) == pytest.approx(log_loss(2, 1 + math.log(2)))

    def test_other_positives_are_no_negatives(self) -> None:
        positives = [[0, 3], [1, NO_PRODUCT], [3, NO_PRODUCT]]
        assert self.loss([0, 1, 3], positives=positives) == pytest.approx(log_loss(2, 1 + math.log(2)))

    def test_products_that_were_not_known_are_no_negatives(self) -> None:
        assert self.loss([0, 1, 3], available=[True, True, True, False]) == pytest.approx(log_loss(2, 1 + math.log(2)))

    def test_mixed_negatives_are_drawn_anew_each_step(self) -> None:
        scored = Scored(make_training_set([[2.0, 1.0, 0.0, 3.0]], [0]), loss="sampled_softmax", mixed_negatives=3)
        losses = [scored.loss() for _ in range(8)]
        assert len(set(losses)) > 1
        again = Scored(make_training_set([[2.0, 1.0, 0.0, 3.0]], [0]), loss="sampled_softmax", mixed_negatives=3)
        assert losses == [again.loss() for _ in range(8)]

    @pytest.mark.parametrize("mixed", [0, 500], ids=["in batch", "mixed"])
    def test_its_gradient_is_nearly_that_of_the_full_softmax(self, mixed: int) -> None:
        random = np.random.default_rng(4)
        frequency = np.arange(1, 13) / 78  # 1% to 15%
        row = random.normal(size=12)

        def gradient(loss: str, assumed: Array) -> Array:
            """The gradient of the customers' common scores, the mean over batches."""
            gradients = []
            for seed in range(12):
                targets = np.random.default_rng(seed).choice(12, 800, p=frequency)
                examples = make_training_set(np.tile(row, (800, 1)), targets, frequency=assumed.tolist())
                if not gradients:
                    scored = Scored(examples, loss=loss, mixed_negatives=mixed)
                scored.model.bind(examples)
                gradients.append(scored.loss_and_gradient()[1].sum(axis=0))
            return np.mean(gradients, axis=0)

        full, sampled = gradient("full_softmax", frequency), gradient("sampled_softmax", frequency)
        uncorrected = gradient("sampled_softmax", np.full(12, 1 / 12))
        assert np.abs(full).max() > 0.2  # it is the mean of p - label
        # With the positive corrected as if it were drawn too, the usual logQ, the error is about 0.03.
        assert np.abs(sampled - full).max() < 0.015
        assert np.abs(uncorrected - full).max() > 0.05


class TestMarginLosses:
    @pytest.mark.parametrize("loss", ["contrastive", "triplet"])
    def test_plain_cosines_without_masked_candidates(self, loss: str) -> None:
        # First row: positive 0.5; of the negatives 0.7 (product 1) and 0.4 (product 2) the first is held.
        scores, targets = [[0.5, 0.7, 0.4], [0.0] * 3, [0.0] * 3], [0, 1, 2]
        examples = make_training_set(scores, targets, held=[[1], [NO_PRODUCT], [NO_PRODUCT]], weight=[1.0, 0.0, 0.0])
        value = Scored(examples, loss=loss).loss() * 3
        # Contrastive: (1 - 0.5)^2 + (0.4 - 0.3)^2 = 0.26. Triplet: 0.2 + 0.4 - 0.5 = 0.1.
        assert value == pytest.approx({"contrastive": 0.26, "triplet": 0.1}[loss])


@pytest.mark.parametrize("loss", ["sampled_softmax", "contrastive", "triplet"])
def test_only_the_hardest_negatives_are_kept(loss: str) -> None:
    scores, targets = [[0.5, 0.6, 0.45, 0.55]] + [[0.0] * 4] * 3, [0, 1, 2, 3]
    weight = [1.0, 0.0, 0.0, 0.0]
    kept = Scored(make_training_set(scores, targets, weight=weight), loss=loss, hard_negatives=2)
    easy_held = make_training_set(scores, targets, weight=weight, held=[[2]] + [[NO_PRODUCT]] * 3)
    assert kept.loss() == pytest.approx(Scored(easy_held, loss=loss).loss())
    assert kept.loss() != pytest.approx(Scored(make_training_set(scores, targets, weight=weight), loss=loss).loss())


@pytest.mark.parametrize("loss", ["full_softmax", "sampled_softmax", "contrastive", "triplet"])
@pytest.mark.parametrize("hard", [None, 1])
@pytest.mark.parametrize(
    "masked",
    [
        {"held": [[0, 1, 2, 3]] * 4},
        {"available": [False] * 4},
        {"positives": [[0, 1, 2, 3]] * 4},
        {"held": [[0]] * 4, "available": [False, True, False, True], "positives": [[0, 1]] * 4},
    ],
    ids=["held", "not available", "positives", "all of it"],
)
def test_a_mask_never_hides_the_positive(loss: str, hard: int | None, masked: dict[str, Any]) -> None:
    # A score mask that hides the positive gives a loss near 1e37.
    examples = make_training_set([[0.5, 0.6, 0.4, 0.2]] * 4, [0, 1, 2, 0], **masked)
    value, gradient = Scored(examples, loss=loss, hard_negatives=hard).loss_and_gradient()
    assert 0 <= value < 10
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() < 10


def test_the_weight_of_an_example_is_its_share() -> None:
    scores, targets = [[1.0, 0.0], [3.0, 0.0]], [0, 0]
    value = Scored(make_training_set(scores, targets, weight=[0.5, 2.0]), loss="full_softmax").loss()
    assert value == pytest.approx((0.5 * log_loss(1, 0) + 2.0 * log_loss(3, 0)) / 2)


def test_an_unbound_model_says_so() -> None:
    ids = np.array(["p0", "p1"], object)
    model = TwoTowerModel(encoders_of(ids), 0, small_config(), seed=3)
    with pytest.raises(RuntimeError, match="bind"):
        model.compute_loss({})


def test_auto_takes_the_full_softmax_on_small_catalogues() -> None:
    assert uses_full_softmax(small_config(), 2000)
    assert not uses_full_softmax(small_config(), 2001)
    assert uses_full_softmax(small_config(loss="full_softmax"), 2001)
    assert not uses_full_softmax(small_config(loss="triplet"), 2000)


class TestMaskedFactorizedTopK:
    random = np.random.default_rng(8)
    products = random.normal(size=(30, 6)).astype(np.float32)
    queries = random.normal(size=(50, 6)).astype(np.float32)
    acquired = random.integers(0, 30, 50).astype(np.int32)
    ks = (1, 5, 30)

    def accuracies(self, held: Array, index: type[ProductIndex] = ExactIndex) -> list[float]:
        metric = MaskedFactorizedTopK(index().index(self.products), ks=self.ks)
        for rows in (slice(0, 20), slice(20, 50)):
            metric.update_masked(*(tf.constant(part[rows]) for part in (self.queries, self.acquired, held)))
        return [float(value) for value in metric.result()]

    @pytest.mark.parametrize("index", [ExactIndex, ScannIndex])
    def test_it_equals_numpy_with_held_products_masked(self, index: type[ProductIndex]) -> None:
        held = np.argsort(self.random.random((50, 30)), axis=1)[:, :8].astype(np.int32)
        held = np.where((held == self.acquired[:, None]) | (self.random.random(held.shape) < 0.3), NO_PRODUCT, held)
        scores = self.queries @ self.products.T
        rows, columns = np.nonzero(held != NO_PRODUCT)
        scores[rows, held[rows, columns]] = -np.inf
        own = np.take_along_axis(scores, self.acquired[:, None], axis=1)
        rank = (scores > own).sum(axis=1)
        assert self.accuracies(held, index) == pytest.approx([(rank < k).mean() for k in self.ks])

    def test_it_equals_tfrs_where_nothing_is_held(self) -> None:
        theirs = tfrs.metrics.FactorizedTopK(
            tfrs.layers.factorized_top_k.BruteForce(k=30).index(tf.constant(self.products)), ks=self.ks
        )
        theirs.update_state(tf.constant(self.queries), tf.constant(self.products[self.acquired]))
        expected = [float(value) for value in theirs.result()]
        assert self.accuracies(np.full((50, 1), NO_PRODUCT, np.int32)) == pytest.approx(expected)
