"""Whole trainings on the planted bank: its customers take products of one family each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import take_snapshot
from nextbest.data.windows import Window
from nextbest.graph.catalogue import fit_encoders
from nextbest.modelling.training import Progress, Training, load_training
from nextbest.retrieval.training import Earlier, Retriever, select_epochs, train_retriever
from tests.modelling.worlds import BANK, PER_FAMILY, planted_families
from tests.retrieval.conftest import DAY, settings


def ignore(what: str, share: float) -> None:
    """Report nothing."""


def accuracy(retriever: Retriever, history: Dataset) -> float:
    """How often the best product that is not held is of the customer's family."""
    snapshot = take_snapshot(history, DAY, BANK.windows)
    everyone = np.arange(len(history.customers))
    scores = retriever.embed_customers(snapshot, everyone) @ retriever.product_embeddings.T
    best = np.where(snapshot.holdings.toarray() > 0, -np.inf, scores).argmax(axis=1)
    return float((best // PER_FAMILY == planted_families(history)).mean())


# About two of the seventeen products that a customer does not hold are of the family: chance is below 0.15.
@pytest.mark.parametrize("loss", ["full_softmax", "sampled_softmax", "contrastive", "triplet"])
def test_every_loss_learns_what_is_planted(loss: str, history: Dataset, tmp_path: Path) -> None:
    retriever = train_retriever(history, DAY, 5, settings(loss=loss, num_tower_pairs=1), tmp_path, ignore)
    assert accuracy(retriever, history) > 0.8


def test_hard_negatives_learn_it_too(history: Dataset, tmp_path: Path) -> None:
    hardest = settings(loss="triplet", hard_negatives=8, num_tower_pairs=1)
    retriever = train_retriever(history, DAY, 8, hardest, tmp_path, ignore)
    assert accuracy(retriever, history) > 0.8


def test_from_an_earlier_days_weights_fewer_epochs_are_enough(bank: Dataset, tmp_path: Path) -> None:
    before, now = DAY - 60, bank.until(DAY)
    train_retriever(bank.until(before), before, 5, settings(), tmp_path / "before", ignore)
    started = train_retriever(now, DAY, 3, settings(), tmp_path / "now", ignore, Earlier(before, tmp_path / "before"))
    assert len(load_training(tmp_path / "now").losses) == 1  # 0.4 of 3
    assert load_training(tmp_path / "now").losses[0] < load_training(tmp_path / "before").losses[1]
    assert accuracy(started, now) > 0.8


class Killed(Exception):
    """Stands for a process that is stopped."""


class TestSeed:
    """Two epochs of the sampled softmax, which draws batches, dropout and negatives."""

    @staticmethod
    def train(history: Dataset, folder: Path, seed: int = 1, progress: Progress = ignore) -> Array:
        """Return embeddings of customers and of all products."""
        retriever = train_retriever(history, DAY, 2, settings(seed=seed, loss="sampled_softmax"), folder, progress)
        snapshot = take_snapshot(history, DAY, BANK.windows)
        return np.concatenate([retriever.embed_customers(snapshot, np.arange(30)), retriever.product_embeddings])

    @pytest.fixture(scope="class")
    @classmethod
    def embeddings(cls, history: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Array:
        return cls.train(history, tmp_path_factory.mktemp("first"))

    def test_another_seed_gives_others(self, history: Dataset, embeddings: Array, tmp_path: Path) -> None:
        assert np.abs(self.train(history, tmp_path, seed=2) - embeddings).max() > 0.01

    def test_the_same_seed_gives_the_same_embeddings_though_interrupted(
        self, history: Dataset, embeddings: Array, tmp_path: Path
    ) -> None:
        def kill(what: str, share: float) -> None:
            raise Killed

        with pytest.raises(Killed):
            self.train(history, tmp_path, progress=kill)
        np.testing.assert_array_equal(self.train(history, tmp_path), embeddings)


class TestSelectEpochs:
    window = Window(DAY - 60, DAY)

    @classmethod
    def select(cls, dataset: Dataset, folder: Path) -> Training:
        return select_epochs(dataset, cls.window, settings(epochs=5, patience=2), folder, ignore)

    @pytest.fixture(scope="class")
    @classmethod
    def training(cls, bank: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Training:
        return cls.select(bank, tmp_path_factory.mktemp("select"))

    def test_it_predicts_a_window_that_it_has_not_seen(self, training: Training) -> None:
        # Chance is 3 of about 17 products; of the family two or three are left, so that nearly all are in the best 3.
        assert max(training.scores) > 0.6
        assert training.scores[training.best_epochs - 1] == max(training.scores)
        assert len(training.losses) <= 5

    def test_events_after_the_window_change_nothing(self, bank: Dataset, training: Training, tmp_path: Path) -> None:
        assert self.select(bank.until(self.window.until), tmp_path) == training


def test_no_customers_have_no_embeddings(history: Dataset, tmp_path: Path) -> None:
    encoders = fit_encoders(history, DAY, BANK)
    retriever = Retriever(DAY, encoders, None, np.zeros((20, 8), np.float32))
    snapshot = take_snapshot(history, DAY, BANK.windows)
    assert retriever.embed_customers(snapshot, np.arange(0)).shape == (0, 8)
