import numpy as np
import pytest

from benchmarks.peers.als import IALS, IALSConfig
from nextbest.data.dataset import Array
from nextbest.evaluation.baselines import Scorer
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import rank_all
from nextbest.modelling.metrics import per_customer
from tests.contracts import ScorerContract
from tests.evaluation.worlds import Planted, planted_world

CONFIG = IALSConfig(factors=4, regularization=1.0, alpha=10.0, iterations=10)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return planted_world()


class TestIALS(ScorerContract):
    @pytest.fixture
    def scorer(self, planted: Planted) -> Scorer:
        pytest.importorskip("implicit", reason="the extra 'benchmarks' is not installed")
        return IALS.fit(planted.history, planted.cutoff_day, CONFIG, seed=0)

    @pytest.fixture
    def customers(self, planted: Planted) -> Array:
        return np.array([5, 0, 17, 400, len(planted.history.customers) - 1])

    @pytest.fixture
    def num_products(self, planted: Planted) -> int:
        return planted.num_products

    def test_finds_the_blocks(self, scorer: Scorer, planted: Planted) -> None:
        # Four factors for four blocks. Two of the three products of a block of six that a customer does not hold are
        # wanted: if each stands among the first three with equal chance, the DCG is 2/3 (1 + 0.631 + 0.5) = 1.42 on
        # average, of 1.63: 0.87.
        ranked, _ = rank_all({"it": scorer}, planted.test_set, EvaluationConfig())
        assert per_customer(ranked["it"], planted.test_set.relevant, (5,))["ndcg@5"].mean() > 0.85

    def test_is_a_function_of_the_seed(self, scorer: Scorer, planted: Planted, customers: Array) -> None:
        again = IALS.fit(planted.history, planted.cutoff_day, CONFIG, seed=0)
        other = IALS.fit(planted.history, planted.cutoff_day, CONFIG, seed=1)
        np.testing.assert_array_equal(scorer.score(customers), again.score(customers))
        assert (scorer.score(customers) != other.score(customers)).any()

    def test_newcomers_are_given_what_the_mean_customer_is(self, scorer: Scorer, planted: Planted) -> None:
        everyone = np.arange(len(planted.history.customers))
        scores = scorer.score(everyone)
        bought = np.setdiff1d(everyone, np.flatnonzero(np.isclose(scores, scores[-1]).all(axis=1)))
        np.testing.assert_allclose(scores[-1], scores[bought].mean(axis=0), rtol=1e-3, atol=1e-4)
