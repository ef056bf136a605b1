"""Whole trainings on the planted bank: candidates in an order that knows nothing are to be put in a better one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from nextbest.data.dataset import Array
from nextbest.data.errors import InputError
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import Encoders
from nextbest.modelling.training import Progress, Training
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import WindowExamples, of_known_products, split_customers
from nextbest.ranking.model import RankingModel
from nextbest.ranking.training import select_ranker, train_ranker
from tests.modelling.worlds import BANK
from tests.ranking.conftest import settings, small_config


def ignore(what: str, share: float) -> None:
    """Report to no one."""


def ndcg(logits: Array, examples: WindowExamples, k: int = 5) -> float:
    """nDCG@k by its definition, customer by customer."""
    values = []
    for row, count in enumerate(examples.num_relevant):
        if not count:
            continue
        real = examples.candidates[row] != NO_PRODUCT
        order = np.argsort(-logits[row][real], kind="stable")[:k]
        gains = examples.labels[row][real][order]
        ideal = sum(1 / np.log2(place + 2) for place in range(min(count, k)))
        values.append(sum(gain / np.log2(place + 2) for place, gain in enumerate(gains)) / ideal)
    return float(np.mean(values))


def score(model: RankingModel, examples: WindowExamples) -> tuple[Array, Array]:
    catalogue = {name: tf.constant(values) for name, values in examples.catalogue.arrays().items()}
    query = {name: tf.constant(values) for name, values in examples.queries.items()}
    scored = model.score(query, tf.constant(examples.candidates), tf.constant(examples.scores), catalogue)
    return scored[0].numpy(), scored[1].numpy()


class TestTrainRanker:
    @staticmethod
    def train(
        windows: list[WindowExamples], encoders: Encoders, folder: Path, seed: int = 1, progress: Progress = ignore
    ) -> RankingModel:
        return train_ranker(windows[:2], encoders, 2, settings(seed), folder, progress)

    @pytest.fixture(scope="class")
    @classmethod
    def model(
        cls, windows: list[WindowExamples], encoders: Encoders, tmp_path_factory: pytest.TempPathFactory
    ) -> RankingModel:
        return cls.train(windows, encoders, tmp_path_factory.mktemp("ranker"))

    def test_it_orders_better_than_retrieval(self, model: RankingModel, windows: list[WindowExamples]) -> None:
        unseen = windows[2]
        before, after = ndcg(unseen.scores, unseen), ndcg(score(model, unseen)[0], unseen)
        assert before < 0.3  # one or two of some seventeen candidates, in random order
        assert after > before + 0.3

    def test_another_seed_gives_another(
        self, model: RankingModel, windows: list[WindowExamples], encoders: Encoders, tmp_path: Path
    ) -> None:
        other = self.train(windows, encoders, tmp_path, seed=2)
        assert np.abs(score(other, windows[2])[0] - score(model, windows[2])[0]).max() > 1e-2

    def test_the_same_seed_gives_the_same_ranker_though_interrupted(
        self, model: RankingModel, windows: list[WindowExamples], encoders: Encoders, tmp_path: Path
    ) -> None:
        def kill(what: str, share: float) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.train(windows, encoders, tmp_path, progress=kill)
        resumed = self.train(windows, encoders, tmp_path)
        np.testing.assert_array_equal(score(resumed, windows[2])[0], score(model, windows[2])[0])


class TestSelectRanker:
    @pytest.fixture(scope="class")
    @classmethod
    def selected(
        cls, windows: list[WindowExamples], encoders: Encoders, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Training, Calibration]:
        folder = tmp_path_factory.mktemp("select")
        return select_ranker(windows[:3], encoders, settings(epochs=3, patience=3), folder, ignore)

    def test_the_best_epoch_is_better_than_retrieval(
        self, selected: tuple[Training, Calibration], windows: list[WindowExamples]
    ) -> None:
        training, _ = selected
        assert len(training.scores) == 3
        assert training.scores[training.best_epochs - 1] > ndcg(windows[2].scores, windows[2]) + 0.3

    def test_its_score_is_ndcg_and_its_probabilities_come_true(
        self,
        selected: tuple[Training, Calibration],
        windows: list[WindowExamples],
        encoders: Encoders,
        tmp_path: Path,
    ) -> None:
        training, calibration = selected
        # The same training for as many epochs as were best is the model that was validated.
        model = train_ranker(windows[:2], encoders, training.best_epochs, settings(epochs=3), tmp_path, ignore)
        logits, offsets = score(model, windows[2])
        known = of_known_products(windows[2], windows[:2])
        assert max(training.scores) == pytest.approx(ndcg(logits, known), abs=1e-6)
        real = windows[2].candidates != NO_PRODUCT
        probability = expit(calibration.slope * (logits + offsets[:, None]) + calibration.intercept)
        weight = np.broadcast_to(windows[2].weight[:, None], real.shape)[real]
        expected = np.average(windows[2].labels[real], weights=weight)
        assert np.average(probability[real], weights=weight) == pytest.approx(expected, rel=0.02)

    def test_a_window_without_acquisitions_is_refused(
        self, windows: list[WindowExamples], encoders: Encoders, tmp_path: Path
    ) -> None:
        empty = dataclasses.replace(windows[2], num_relevant=np.zeros_like(windows[2].num_relevant))
        with pytest.raises(InputError, match=r"nothing was acquired.*interactions\.acquire"):
            select_ranker([*windows[:2], empty], encoders, settings(), tmp_path, ignore)

    def test_of_a_single_window_a_share_of_the_customers_validates(
        self, windows: list[WindowExamples], encoders: Encoders, tmp_path: Path
    ) -> None:
        few = settings(epochs=1)
        training, calibration = select_ranker(windows[:1], encoders, few, tmp_path, ignore)
        _, validation = split_customers(windows[0], 0.3, few.seed)
        assert len(training.scores) == 1
        assert training.scores[0] > ndcg(validation.scores, validation)
        assert calibration.slope > 0

    def test_without_patience_all_epochs_are_trained_and_calibrated(
        self, windows: list[WindowExamples], encoders: Encoders, tmp_path: Path
    ) -> None:
        training, calibration = select_ranker(windows, encoders, settings(epochs=2, patience=0), tmp_path, ignore)
        assert (len(training.losses), training.scores, training.best_epochs) == (2, [], 2)
        assert calibration.slope > 0


class TestModel:
    def test_customers_without_a_purchase_weigh_in_the_probability_alone(
        self, encoders: Encoders, windows: list[WindowExamples]
    ) -> None:
        acquired = windows[0].labels.sum(axis=1) > 0
        active, negative = int(np.flatnonzero(acquired)[0]), int(np.flatnonzero(~acquired)[0])
        weight = np.where(acquired, 1.0, 3.0).astype(np.float32)

        def loss(rows: list[int], probability_weight: float) -> float:
            tf.keras.utils.set_random_seed(1)
            model = RankingModel(
                encoders, StatisticsConfig(), BANK, small_config(probability_weight=probability_weight), seed=1
            )
            model.bind([dataclasses.replace(windows[0], weight=weight)])
            return float(model.compute_loss({"window": tf.constant(0), "examples": tf.constant(rows)}))

        order = loss([active], 0.0)
        of_active, of_negative = loss([active], 1.0) - order, loss([negative], 1.0)
        expected = order + (1 * of_active + 3 * of_negative) / 4
        assert loss([active, negative], 1.0) == pytest.approx(expected, rel=1e-5)

    def test_the_probability_has_its_weight(self, encoders: Encoders, windows: list[WindowExamples]) -> None:
        def loss(probability_weight: float) -> float:
            tf.keras.utils.set_random_seed(1)
            model = RankingModel(
                encoders, StatisticsConfig(), BANK, small_config(probability_weight=probability_weight), seed=1
            )
            model.bind(windows[:1])
            return float(model.compute_loss({"window": tf.constant(0), "examples": tf.range(8)}))

        assert loss(2.0) - loss(1.0) == pytest.approx(loss(1.0) - loss(0.0), rel=1e-4)
        assert loss(1.0) > loss(0.0)

    def test_windows_of_different_list_lengths_are_padded(
        self, encoders: Encoders, windows: list[WindowExamples]
    ) -> None:
        model = RankingModel(encoders, StatisticsConfig(), BANK, small_config(), seed=1)
        short = dataclasses.replace(
            windows[0],
            candidates=windows[0].candidates[:, :7],
            scores=windows[0].scores[:, :7],
            labels=windows[0].labels[:, :7],
        )
        model.bind([short, windows[1]])
        rows = tf.range(10)
        alone = RankingModel(encoders, StatisticsConfig(), BANK, small_config(), seed=1)
        alone.bind([short])
        for each in (model, alone):
            each.compute_loss({"window": tf.constant(0), "examples": rows})
        alone.set_weights(model.get_weights())
        losses = [float(each.compute_loss({"window": tf.constant(0), "examples": rows})) for each in (model, alone)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    def test_an_unbound_model_says_so(self, encoders: Encoders) -> None:
        with pytest.raises(RuntimeError, match="bind"):
            RankingModel(encoders, StatisticsConfig(), BANK, small_config(), seed=1).compute_loss({})
