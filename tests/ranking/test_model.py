from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import PairStatistic, StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.ranking.examples import WindowExamples
from nextbest.ranking.model import RankingModel
from tests.modelling.worlds import BANK
from tests.ranking.conftest import WINDOWS, examples_of, small_config

ROWS = slice(0, 12)


class Scorer:
    """A ranker in which nothing is 0 or 1, as after training."""

    def __init__(
        self,
        encoders: Encoders,
        examples: WindowExamples,
        statistics: StatisticsConfig | None = None,
        **changes: Any,
    ) -> None:
        tf.keras.utils.set_random_seed(1)
        statistics = statistics or StatisticsConfig()
        self.model = RankingModel(encoders, statistics, BANK, small_config(dropout=0.5, **changes), seed=1)
        self.model.bind([examples])
        self.model.compute_loss({"window": tf.constant(0), "examples": tf.range(40)}, training=True)
        for variable in self.model.network.trainable_variables:  # the correction starts at 0
            variable.assign_add(tf.random.stateless_normal(variable.shape, [3, 4], stddev=0.1))
        self.catalogue = {name: tf.constant(values) for name, values in examples.catalogue.arrays().items()}
        self.query = {name: values[ROWS] for name, values in examples.queries.items()}
        self.candidates, self.scores = examples.candidates[ROWS], examples.scores[ROWS]

    def score(
        self, candidates: Array | None = None, scores: Array | None = None, query: dict[str, Array] | None = None
    ) -> tuple[Array, Array]:
        """Return logits and offsets."""
        logits, offsets = self.model.score(
            {name: tf.constant(values) for name, values in {**self.query, **(query or {})}.items()},
            tf.constant(self.candidates if candidates is None else candidates),
            tf.constant(self.scores if scores is None else scores),
            self.catalogue,
        )
        return logits.numpy(), offsets.numpy()


@pytest.fixture(scope="module")
def scorer(encoders: Encoders, windows: list[WindowExamples]) -> Scorer:
    return Scorer(encoders, windows[1])


def test_one_logit_per_candidate_and_one_offset_per_customer(scorer: Scorer) -> None:
    logits, offsets = scorer.score()
    assert logits.shape == (12, 20)
    assert offsets.shape == (12,)
    assert len(np.unique(logits.round(6))) > 100
    assert len(np.unique(offsets.round(6))) > 5


def test_a_batch_of_one_equals_a_batch_of_many(scorer: Scorer) -> None:
    logits, offsets = scorer.score()
    for row in range(12):
        one = slice(row, row + 1)
        query = {name: values[one] for name, values in scorer.query.items()}
        single = scorer.score(scorer.candidates[one], scorer.scores[one], query)
        np.testing.assert_allclose(single[0], logits[one], atol=1e-5)
        np.testing.assert_allclose(single[1], offsets[one], atol=1e-5)


def test_one_candidate_is_scored_as_among_many(scorer: Scorer) -> None:
    alone, _ = scorer.score(scorer.candidates[:, 3:4], scorer.scores[:, 3:4])
    np.testing.assert_allclose(alone, scorer.score()[0][:, 3:4], atol=1e-5)


def test_the_order_of_the_candidates_does_not_matter(scorer: Scorer) -> None:
    order = np.random.default_rng(0).permutation(20)
    logits, offsets = scorer.score(scorer.candidates[:, order], scorer.scores[:, order])
    np.testing.assert_allclose(logits, scorer.score()[0][:, order], atol=1e-5)
    np.testing.assert_allclose(offsets, scorer.score()[1], atol=1e-6)


def test_padding_candidates_change_nothing(scorer: Scorer) -> None:
    candidates = np.pad(scorer.candidates, ((0, 0), (0, 5)), constant_values=NO_PRODUCT)
    scores = np.pad(scorer.scores, ((0, 0), (0, 5)), constant_values=0.77)
    logits, offsets = scorer.score(candidates, scores)
    np.testing.assert_allclose(logits[:, :20], scorer.score()[0], atol=1e-5)
    np.testing.assert_allclose(offsets, scorer.score()[1], atol=1e-6)


def test_padding_histories_change_nothing(scorer: Scorer) -> None:
    query = {
        name: np.pad(scorer.query[name], ((0, 0), (0, 3)), constant_values=fill)
        for name, fill in {"held": NO_PRODUCT, "held_age": 9, "recent": NO_PRODUCT, "recent_age": 9}.items()
    }
    for found, expected in zip(scorer.score(query=query), scorer.score(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("width", [0, 2])
def test_a_customer_without_history_is_ranked(scorer: Scorer, width: int) -> None:
    query = {name: np.full((12, width), NO_PRODUCT, np.int32) for name in ("held", "recent")}
    query |= {name: np.zeros((12, width), np.float32) for name in ("held_age", "recent_age")}
    logits, offsets = scorer.score(query=query)
    assert np.isfinite(logits).all()
    assert np.isfinite(offsets).all()
    assert np.ptp(logits, axis=1).min() > 0


@pytest.mark.parametrize("name", ["floats", "categories", "held", "recent"])
def test_every_input_counts(scorer: Scorer, name: str) -> None:
    changed = {name: np.roll(scorer.query[name], 1, axis=0)}
    assert np.abs(scorer.score(query=changed)[0] - scorer.score()[0]).max() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"product_dim": 0, "trend_prior": 0.3, "votes_saturation": 1.0}])
def test_it_is_served_as_it_was_trained(
    encoders: Encoders, windows: list[WindowExamples], changes: dict[str, Any]
) -> None:
    scorer = Scorer(encoders, windows[1], **changes)
    served = scorer.model.network.served(scorer.catalogue)
    query = {name: tf.constant(values) for name, values in scorer.query.items()}
    asked = query, tf.constant(scorer.candidates), tf.constant(scorer.scores), scorer.catalogue
    parts, expected = served.features(*asked), scorer.model.network.features(*asked)
    assert list(parts) == list(expected)
    for name, part in expected.items():
        np.testing.assert_allclose(parts[name], part, atol=1e-6, err_msg=name)
    logits, offsets = scorer.score()
    np.testing.assert_allclose(served.logits(parts), logits, atol=1e-5)
    np.testing.assert_allclose(served.customers_offset(parts), offsets, atol=1e-5)


def test_the_logits_are_a_function_of_named_features(scorer: Scorer) -> None:
    network = scorer.model.network
    query = {name: tf.constant(values) for name, values in scorer.query.items()}
    parts = network.features(query, tf.constant(scorer.candidates), tf.constant(scorer.scores), scorer.catalogue)
    logits, offsets = scorer.score()
    np.testing.assert_allclose(network.logits(parts), logits, atol=1e-5)
    np.testing.assert_allclose(network.customers_offset(parts), offsets, atol=1e-5)
    named = network.named_features()
    assert list(named) == list(parts)
    for part, values in parts.items():
        assert sum(len(feature.places) for feature in named[part]) == values.shape[2], part
    features = [feature for part in named.values() for feature in part]
    vectors = tf.concat(list(parts.values()), axis=2).numpy()
    assert sorted(place for feature in features for place in feature.places) == list(range(vectors.shape[2]))
    (similarity,) = (feature.places for feature in features if feature.name == "retrieval_score")
    np.testing.assert_allclose(vectors[:, :, similarity[0]], scorer.scores, atol=1e-6)


def test_the_retrieval_score_counts(scorer: Scorer) -> None:
    assert np.abs(scorer.score(scores=-scorer.scores)[0] - scorer.score()[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("pairs", "saturation", "votes", "product"),
    [
        (("ease", "cosine"), 0, {"ease": [2, -1], "cosine": [8, 0]}, 2 * 8),
        (("conditional", "cosine"), 0, {"conditional": [2, -1], "cosine": [8, 0]}, 2 * 8),
        (("conditional", "cosine"), 1, {"conditional": [np.log(2), -1], "cosine": [50, 0]}, 1 / 2 * 1),
        (("conditional", "cosine"), 2, {"conditional": [np.log(2), -1], "cosine": [50, 0]}, 3 / 8 * 1 / 2),
        ((), 0, {}, 1),
    ],
)
def test_before_training_the_logit_is_the_prior(
    bank: Dataset,
    encoders: Encoders,
    pairs: tuple[PairStatistic, ...],
    saturation: float,
    votes: dict[str, list[float]],
    product: float,
) -> None:
    """5 times the cosine and half of the logarithm of each vote, and the least votes for the second candidate."""
    statistics = StatisticsConfig(pairs=pairs)
    windows = [examples_of(bank, encoders, WINDOWS[0], statistics)]
    config = small_config(similarity_prior=5, votes_prior=0.5, votes_saturation=saturation)
    network = RankingModel(encoders, statistics, BANK, config, seed=1).network
    catalogue = {name: tf.constant(values) for name, values in windows[0].catalogue.arrays().items()}
    query = {name: tf.constant(values[:1]) for name, values in windows[0].queries.items()}
    parts = network.features(query, tf.constant([[0, 1]]), tf.constant([[0.3, -0.2]]), catalogue)
    names = network.numeric.keys
    crosses = np.zeros((1, 2, len(names)), np.float32)
    for name, values in {"retrieval_score": [0.3, -0.2], **{f"{name}_sum": votes[name] for name in votes}}.items():
        crosses[0, :, names.index(name)] = values
    logits = network.logits({**parts, "crosses": tf.constant(crosses)})
    of_votes = [0.5 * np.log(product), 0.5 * np.log(1e-4) * len(votes)]
    np.testing.assert_allclose(logits, [[5 * 0.3 + of_votes[0], 5 * -0.2 + of_votes[1]]], rtol=1e-5)


@pytest.mark.parametrize(("days", "share", "trend"), [((365,), 0, None), ((91, 365), 0, 2), ((30, 91, 182, 365), 2, 6)])
def test_the_prior_follows_the_trend(
    bank: Dataset, encoders: Encoders, days: tuple[int, ...], share: int, trend: int | None
) -> None:
    """The floats end with the shares of the windows, their differences, and an age."""
    statistics = StatisticsConfig(popularity_days=days)
    examples = examples_of(bank, encoders, WINDOWS[1], statistics)
    candidates, catalogue = examples.candidates[ROWS], examples.catalogue.arrays()
    query = {name: tf.constant(values[ROWS]) for name, values in examples.queries.items()}

    def logits(weight: float) -> Array:
        model = RankingModel(encoders, statistics, BANK, small_config(trend_prior=weight), seed=1)
        found, _ = model.score(query, tf.constant(candidates), tf.constant(examples.scores[ROWS]), catalogue)
        return np.asarray(found)

    popularity = catalogue["floats"][:, -2 * len(days) :]
    expected = popularity[:, share] + (0 if trend is None else popularity[:, trend])
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(logits(0.3) - logits(0.0), 0.3 * expected[np.maximum(candidates, 0)], atol=1e-5)


def test_the_parts_are_what_is_scored(scorer: Scorer) -> None:
    network = scorer.model.network
    query = {name: tf.constant(values) for name, values in scorer.query.items()}
    parts = network.features(query, tf.constant(scorer.candidates), tf.constant(scorer.scores), scorer.catalogue)
    np.testing.assert_array_equal(network.logits(parts), scorer.score()[0])


def test_inference_is_repeatable(scorer: Scorer) -> None:
    first = scorer.score()[0]
    scorer.model.step.assign_add(1)
    np.testing.assert_array_equal(scorer.score()[0], first)


def test_a_catalogue_without_pairs_is_ranked(bank: Dataset, encoders: Encoders) -> None:
    statistics = StatisticsConfig(pairs=())
    examples = examples_of(bank, encoders, WINDOWS[1], statistics)
    assert examples.catalogue.arrays()["pairs"].size == 0
    logits, _ = Scorer(encoders, examples, statistics).score()
    assert np.isfinite(logits).all()
    assert logits.shape == (12, 20)
