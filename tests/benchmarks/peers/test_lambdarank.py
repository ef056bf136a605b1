import sys

import numpy as np
import pytest

from benchmarks.peers.lambdarank import LambdaRank, LambdaRankConfig
from benchmarks.peers.lambdarank_features import DayStatistics, candidate_features, propose
from nextbest.data.config import DataConfig
from nextbest.data.dataset import ACQUIRE, ALWAYS, Array, Dataset
from nextbest.data.errors import InputError
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.evaluation.baselines import Scorer
from tests.contracts import ScorerContract
from tests.worlds import Tables

CONFIG = DataConfig.model_validate(
    {
        "customers": {"path": "-", "id": "id", "columns": {"segment": {"role": "category"}}},
        "products": {"path": "-", "id": "id", "columns": {"kind": {"role": "category"}}},
        "interactions": {"path": "-"},
        "policy": {"category_column": "kind"},
        "segment": "segment",
    }
)
SMALL = LambdaRankConfig(
    ease_l2=1,
    knn_shrinkage=1,
    half_life_days=60,
    knn_candidates=3,
    recent_candidates=3,
    min_customers=5,
    min_data_in_leaf=5,
    max_rounds=30,
)
CUTOFF, PAIRS, CUSTOMERS = 300, 4, 200
NEW = CUSTOMERS - 1  # sorts last, and has no interactions


def bank(last_day: int) -> Dataset:
    """Return a bank where who buys an even product buys the next odd one 10 to 20 days later; no one else does."""
    random = np.random.default_rng(3)
    events = []
    for customer in range(CUSTOMERS - 1):
        day, product = int(random.integers(0, last_day)), 2 * int(random.integers(PAIRS))
        events.append((day, f"c{customer:03}", f"p{product}", ACQUIRE))
        events.append((day + int(random.integers(10, 21)), f"c{customer:03}", f"p{product + 1}", ACQUIRE))
    return Tables(
        CONFIG,
        [(f"c{customer:03}", ALWAYS, ("retail" if customer % 2 else "private",)) for customer in range(CUSTOMERS)],
        [(f"p{product}", ALWAYS, ("fund" if product % 2 else "bond",)) for product in range(2 * PAIRS)],
        events,
    ).dataset()


@pytest.fixture(scope="module")
def history() -> Dataset:
    return bank(CUTOFF).until(CUTOFF)


@pytest.fixture(scope="module")
def fitted(history: Dataset) -> LambdaRank:
    return LambdaRank.fit(history, CUTOFF, CONFIG, SMALL, seed=1)


def waiting(dataset: Dataset) -> Array:
    """Return the customers who hold one product only: the next one is still to come."""
    held = np.bincount(dataset.interactions.customer, minlength=CUSTOMERS)
    return np.flatnonzero(held == 1)


class TestLambdaRank(ScorerContract):
    @pytest.fixture
    def scorer(self, fitted: LambdaRank) -> Scorer:
        return fitted

    @pytest.fixture
    def customers(self) -> Array:
        return np.array([0, 5, NEW])

    @pytest.fixture
    def num_products(self) -> int:
        return 2 * PAIRS


def test_trees_learn_what_follows(history: Dataset, fitted: LambdaRank) -> None:
    assert fitted.booster is not None
    customers = waiting(history)
    held = history.interactions.product[np.isin(history.interactions.customer, customers)]
    order = history.interactions.customer[np.isin(history.interactions.customer, customers)].argsort()
    best = fitted.score(customers).argmax(axis=1)
    assert np.mean(best == held[order] + 1) > 0.9


def test_the_seed_decides(history: Dataset, fitted: LambdaRank) -> None:
    everyone = np.arange(CUSTOMERS)
    again = LambdaRank.fit(history, CUTOFF, CONFIG, SMALL, seed=1)
    np.testing.assert_array_equal(again.score(everyone), fitted.score(everyone))


def test_what_comes_after_the_cutoff_changes_nothing(fitted: LambdaRank) -> None:
    everyone = np.arange(CUSTOMERS)
    later = LambdaRank.fit(bank(CUTOFF), CUTOFF, CONFIG, SMALL, seed=1)
    assert bank(CUTOFF).interactions.day.max() > CUTOFF
    np.testing.assert_array_equal(later.score(everyone), fitted.score(everyone))


def test_without_a_window_to_learn_from_the_candidates_stand_in_ease_s_order(history: Dataset) -> None:
    config = SMALL.model_copy(update={"min_customers": CUSTOMERS + 1})
    fitted = LambdaRank.fit(history, CUTOFF, CONFIG, config, seed=1)
    assert fitted.booster is None
    customers = waiting(history)
    scores, candidates = fitted.score(customers), propose(fitted.statistics, customers, config)
    ease = fitted.statistics.ease.score(customers)
    listed = np.isfinite(scores)
    assert listed.sum(axis=1).tolist() == (candidates != NO_PRODUCT).sum(axis=1).tolist()
    np.testing.assert_array_equal(scores[listed], ease[listed])


def test_candidates_are_neighbours_then_recent_products_without_what_is_held(history: Dataset) -> None:
    statistics = DayStatistics.at(history, CUTOFF, CONFIG, SMALL)
    customers = np.arange(CUSTOMERS)
    candidates = propose(statistics, customers, SMALL)
    assert candidates.shape == (CUSTOMERS, 6)
    for customer, row in zip(customers, candidates, strict=True):
        assert len(set(row)) == 6
        assert not statistics.snapshot.holdings[customer, row].toarray().any()


def test_features_are_those_of_the_day(history: Dataset) -> None:
    statistics = DayStatistics.at(history, CUTOFF, CONFIG, SMALL)
    customer = waiting(history)[:1]
    (held,) = statistics.snapshot.holdings[customer].indices
    names, values = candidate_features(statistics, customer, np.array([[held + 1]]))
    found = dict(zip(names, values[0, 0], strict=True))
    holders = statistics.snapshot.holdings[:, held].sum()
    both = (statistics.snapshot.holdings[:, held].T @ statistics.snapshot.holdings[:, held + 1]).toarray().item()
    assert found["held_with_max"] == found["held_with_sum"] == pytest.approx(both / (holders + SMALL.pair_prior))
    last = history.interactions.day[history.interactions.product == held + 1].max()
    assert found["days_since_last"] == CUTOFF - last
    assert found["customer_num_held"] == 1
    assert found["num_held_in_category"] == 0  # it holds a bond, and the candidate is a fund


def test_without_the_library_the_extra_is_named(history: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"nextbest\[benchmarks\]"):
        LambdaRank.fit(history, CUTOFF, CONFIG, SMALL, seed=1)
