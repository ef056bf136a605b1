"""A bank where customers never take what they refuse, and soon take anew what they close: both stages learn it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, take_snapshot
from nextbest.data.statistics import StatisticsConfig
from nextbest.graph.catalogue import fit_encoders
from nextbest.ranking.training import RankerSettings, train_ranker
from nextbest.retrieval.training import RetrieverSettings, train_retriever
from tests.modelling.worlds import BANK_OF_ALL_KINDS, PER_FAMILY, planted_bank, planted_families
from tests.ranking.conftest import WINDOWS, examples_of
from tests.ranking.conftest import small_config as small_ranking
from tests.retrieval.conftest import DAY
from tests.retrieval.conftest import small_config as small_retrieval


def ignore(what: str, share: float) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def bank() -> Dataset:
    return planted_bank(all_kinds=True)


def told_apart(scores: Array, bank: Dataset, which: HistoryList) -> tuple[float, float]:
    """How often the refused product is scored below, or the closed one above, all others of the family that are left.

    Also how often it would be by chance.

    Args:
        scores: [num_customers, num_products], as of DAY.
        bank: The bank.
        which: "refused" or "closed".
    """
    snapshot = take_snapshot(bank.until(DAY), DAY, BANK_OF_ALL_KINDS.windows)
    family = np.arange(scores.shape[1]) // PER_FAMILY == planted_families(bank)[:, None]
    left = family & snapshot.can_acquire(np.arange(len(scores)))
    product = getattr(snapshot, which).products[:, :1]
    others = left & (np.arange(scores.shape[1]) != product)
    known = (product[:, 0] != NO_PRODUCT) & np.take_along_axis(left, product, axis=1)[:, 0] & others.any(axis=1)
    assert known.sum() > 50
    sign = 1 if which == "closed" else -1
    own = sign * np.take_along_axis(scores, product, axis=1)[:, 0]
    first = own > np.where(others, sign * scores, -np.inf).max(axis=1)
    return float(first[known].mean()), float((1 / (1 + others[known].sum(axis=1))).mean())


def retrieved(bank: Dataset, folder: Path) -> Array:
    history = bank.until(DAY)
    settings = RetrieverSettings(
        BANK_OF_ALL_KINDS, StatisticsConfig(), small_retrieval(num_tower_pairs=1, embedding_dim=32), 1
    )
    retriever = train_retriever(history, DAY, 20, settings, folder, ignore)
    snapshot = take_snapshot(history, DAY, BANK_OF_ALL_KINDS.windows)
    return retriever.embed_customers(snapshot, np.arange(len(history.customers))) @ retriever.product_embeddings.T


def ranked(bank: Dataset, folder: Path) -> Array:
    encoders = fit_encoders(bank.until(DAY), DAY, BANK_OF_ALL_KINDS)
    examples = [examples_of(bank, encoders, window, data=BANK_OF_ALL_KINDS) for window in WINDOWS]
    settings = RankerSettings(BANK_OF_ALL_KINDS, StatisticsConfig(), small_ranking(), 1, validation_k=5)
    model = train_ranker(examples[:2], encoders, 4, settings, folder, ignore)
    last = examples[2]
    query, catalogue = (
        {name: tf.constant(values) for name, values in arrays.items()}
        for arrays in (last.queries, last.catalogue.arrays())
    )
    logits, _ = model.score(query, tf.constant(last.candidates), tf.constant(last.scores), catalogue)
    scores = np.full((len(bank.customers), len(bank.products)), -np.inf, np.float32)
    row, place = np.nonzero(last.candidates != NO_PRODUCT)
    scores[row, last.candidates[row, place]] = logits.numpy()[row, place]
    return scores


@pytest.mark.parametrize("stage", [retrieved, ranked])
def test_what_was_refused_sinks_and_what_was_closed_rises(
    stage: Callable[[Dataset, Path], Array], bank: Dataset, tmp_path: Path
) -> None:
    """Customers looked at all products of the family, so that with either taken for interest there is but chance."""
    scores = stage(bank, tmp_path)
    for which in ("refused", "closed"):
        found, chance = told_apart(scores, bank, which)
        assert found > chance + 0.2, which
