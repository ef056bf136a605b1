"""Suites that every implementation of a contract inherits, whatever it is made of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nextbest.data.dataset import Array, Features
from nextbest.evaluation.baselines import Scorer
from nextbest.serving.backends import Backend, BackendError, InputSpec
from nextbest.serving.recommender import Filters, Recommendations, Recommender
from nextbest.serving.requests import take


class ScorerContract:
    """What every scorer must satisfy: baselines, the retriever, the ranker.

    A subclass gives the three fixtures, and adds a floor of accuracy of its own.
    """

    @pytest.fixture
    def scorer(self) -> Scorer:
        raise NotImplementedError("return a fitted scorer")

    @pytest.fixture
    def customers(self) -> Array:
        """At least three different positions; the last customer must have no interactions at all."""
        raise NotImplementedError("return positions of customers")

    @pytest.fixture
    def num_products(self) -> int:
        raise NotImplementedError("return the size of the catalogue")

    def test_scores_every_product(self, scorer: Scorer, customers: Array, num_products: int) -> None:
        scores = scorer.score(customers)
        assert scores.dtype == np.float32
        assert scores.shape == (len(customers), num_products)

    def test_scores_are_numbers_or_minus_infinity(self, scorer: Scorer, customers: Array) -> None:
        scores = scorer.score(customers)
        assert not np.isnan(scores).any()
        assert not np.isposinf(scores).any()

    def test_everyone_is_given_something(self, scorer: Scorer, customers: Array) -> None:
        assert np.isfinite(scorer.score(customers)).any(axis=1).all()

    def test_a_customer_without_history_is_given_different_scores(self, scorer: Scorer, customers: Array) -> None:
        # Equal scores for everything would be no recommendation at all.
        assert len(np.unique(scorer.score(customers[-1:]))) > 1

    def test_batch_equals_single(self, scorer: Scorer, customers: Array) -> None:
        one_by_one = np.concatenate([scorer.score(customers[i : i + 1]) for i in range(len(customers))])
        np.testing.assert_allclose(scorer.score(customers), one_by_one, rtol=1e-4, atol=1e-5)

    def test_gives_the_same_answer_twice(self, scorer: Scorer, customers: Array) -> None:
        np.testing.assert_array_equal(scorer.score(customers), scorer.score(customers))

    def test_order_of_customers_does_not_matter(self, scorer: Scorer, customers: Array) -> None:
        backwards = scorer.score(customers[::-1])[::-1]
        np.testing.assert_allclose(scorer.score(customers), backwards, rtol=1e-4, atol=1e-5)

    def test_a_repeated_customer_is_scored_alike(self, scorer: Scorer, customers: Array) -> None:
        scores = scorer.score(np.repeat(customers[:1], 3))
        np.testing.assert_allclose(scores, scores[[0, 0, 0]], rtol=1e-4, atol=1e-5)

    def test_answers_may_be_changed_by_the_caller(self, scorer: Scorer, customers: Array) -> None:
        before = scorer.score(customers).copy()
        handed_out = scorer.score(customers)
        if handed_out.flags.writeable:
            handed_out[:] = 0
        np.testing.assert_array_equal(scorer.score(customers), before)


@st.composite
def echoed(draw: st.DrawFn) -> Features:
    """Draw inputs of the echo model (see `tests.serving.backends.echo`)."""
    batch, width = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    words = arrays.arrays(object, (batch, width), elements=st.text(), fill=st.nothing())
    floats = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 1e-45, 0.1, 16777217.0])
    whole = st.integers(-(2**63), 2**63 - 1)
    return {
        "words": draw(words),
        "numbers": draw(arrays.arrays(np.float32, batch, elements=floats.map(np.float32))),
        "days": draw(arrays.arrays(np.int64, (batch, width), elements=whole, fill=st.nothing())),
    }


def assert_same_recommendations(found: Recommendations, expected: Recommendations) -> None:
    """Words and places are equal bit by bit, scores to 1e-6."""
    for name in ("product_id", "retrieval_rank", "count"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("probability", "similarity"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-6)
    assert {name: values.dtype for name, values in vars(found).items()} == {
        name: values.dtype for name, values in vars(expected).items()
    }


class BackendContract:
    """What every backend must satisfy: the model in this process, or at a server that is asked by gRPC or REST."""

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls) -> Backend:
        raise NotImplementedError("return a backend of the shared run's recommender")

    @pytest.fixture(scope="class")
    @classmethod
    def echo(cls) -> Backend:
        raise NotImplementedError("return a backend of the echo model")

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, backend: Backend, recommender: Recommender) -> Recommender:
        return Recommender(recommender.folder, backend)

    @pytest.fixture(scope="class")
    @classmethod
    def everyone(cls, recommender: Recommender) -> Features:
        """Return the bank's customers, repeated to 1,000."""
        customers = recommender.customers()
        return take(customers.columns, np.resize(np.arange(len(customers.ids)), 1000))

    def test_inputs(self, backend: Backend, recommender: Recommender) -> None:
        inputs = backend.inputs("recommend")
        assert inputs["k"] == inputs["as_of_day"] == InputSpec(np.dtype(np.int64), 1)
        assert inputs["held_products"] == inputs["exclude"] == InputSpec(np.dtype(object), 2)
        assert inputs["income"] == InputSpec(np.dtype(np.float32), 1)
        assert list(inputs) == sorted(set(recommender.customers().columns) | {"k", "max_risk", "categories", "exclude"})
        assert backend.inputs("exclusions") == {name: spec for name, spec in inputs.items() if name != "k"}

    def test_1000_customers_are_answered_as_locally(
        self, asked: Recommender, recommender: Recommender, everyone: Features
    ) -> None:
        found, expected = asked.recommend(everyone, 7), recommender.recommend(everyone, 7)
        assert found.product_id.shape == (1000, 7) and expected.count.any()
        assert_same_recommendations(found, expected)

    def test_batch_equals_single(self, asked: Recommender, everyone: Features) -> None:
        batch = asked.recommend(take(everyone, slice(8)), 5)
        for row in range(8):
            alone = asked.recommend(take(everyone, slice(row, row + 1)), 5)
            assert_same_recommendations(alone, Recommendations(**take(vars(batch), slice(row, row + 1))))

    @pytest.mark.parametrize(
        "filters",
        [
            Filters(max_risk=2),
            Filters(categories=["savings_account", "fund"]),
            Filters(exclude=["P0001", "P0007", "no such product", "\N{SNOWMAN}"]),
            Filters(max_risk=3, categories=["bond"], exclude=["P0002"]),
            Filters(categories=["no such category"]),
        ],
    )
    def test_filters(self, asked: Recommender, recommender: Recommender, everyone: Features, filters: Filters) -> None:
        request = take(everyone, slice(50))
        assert_same_recommendations(asked.recommend(request, 10, filters), recommender.recommend(request, 10, filters))
        np.testing.assert_array_equal(asked.exclusions(request, filters), recommender.exclusions(request, filters))

    def test_customers_without_any_history(
        self, asked: Recommender, recommender: Recommender, everyone: Features
    ) -> None:
        request = {"income": everyone["income"][:3], "age": everyone["age"][:3]}  # lists of no width, missing words
        assert_same_recommendations(asked.recommend(request, 5), recommender.recommend(request, 5))

    def test_no_customers(self, asked: Recommender, everyone: Features) -> None:
        found = asked.recommend(take(everyone, slice(0)), 5)
        assert found.count.shape == (0,) and len(found.product_id) == 0
        assert asked.exclusions(take(everyone, slice(0))).shape[0] == 0

    def test_values_arrive_as_they_are(self, echo: Backend) -> None:
        @settings(deadline=None, max_examples=30)
        @given(inputs=echoed())
        def check(inputs: Features) -> None:
            answer = echo.predict("echo", inputs)
            assert {name: values.dtype for name, values in answer.items()} == {
                name: values.dtype for name, values in inputs.items()
            }
            for name in ("words", "days"):
                assert answer[name].shape == inputs[name].shape
                assert answer[name].tolist() == inputs[name].tolist()
            numbers, sent = answer["numbers"], inputs["numbers"]
            np.testing.assert_array_equal(numbers, sent)  # NaN equals NaN
            np.testing.assert_array_equal(np.signbit(numbers)[sent == 0], np.signbit(sent)[sent == 0])

        check()

    def test_whole_numbers_beyond_what_a_double_holds(self, echo: Backend) -> None:
        days = np.array([[2**53 + 1, 2**63 - 1, -(2**63)]])
        inputs = {"words": np.full((1, 3), "", object), "numbers": np.zeros(1, np.float32), "days": days}
        assert echo.predict("echo", inputs)["days"].tolist() == [[9007199254740993, 9223372036854775807, -(2**63)]]

    def test_a_signature_of_one_output(self, echo: Backend) -> None:
        answer = echo.predict("greet", {"name": np.array(["Zoë", "\N{SNOWMAN}"], object)})
        assert {name: values.tolist() for name, values in answer.items()} == {"greeting": ["hello Zoë", "hello ☃"]}

    def test_an_unknown_signature(self, backend: Backend) -> None:
        for ask in (lambda: backend.inputs("recomend"), lambda: backend.predict("recomend", {})):
            with pytest.raises(BackendError, match=r"no signature 'recomend'; it has \[.*'recommend'"):
                ask()

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"income": np.array(["much", "more"], object)}, "feature 'income' takes numbers .*, not strings"),
            ({"segment": np.array([1.0, 2.0], np.float32)}, "feature 'segment' takes strings .*, not numbers"),
            ({"segment": np.array(["retail", None], object)}, "feature 'segment' takes strings"),
            ({"k": np.array([1.5, 2.5])}, "feature 'k' takes whole numbers .*, not numbers"),
            ({"income": np.zeros((2, 1), np.float32)}, "feature 'income' takes 1 dimensions, not 2"),
            ({"exclude": np.full(2, "P0001", object)}, "feature 'exclude' takes 2 dimensions, not 1"),
            ({"age": np.zeros(3, np.float32)}, "the features differ in length: .*'age': 3"),
            ({"incme": np.zeros(2, np.float32)}, r"there are no features \['incme'\]"),
            ({"income": None, "age": None}, r"the features \['age', 'income'\] are missing"),
        ],
    )
    def test_a_wrong_feature_is_named(
        self, backend: Backend, recommender: Recommender, changed: dict[str, Any], said: str
    ) -> None:
        request = recommender.complete(Filters().arrays(2), 2) | {"k": np.array([5, 5])} | changed
        with pytest.raises(BackendError, match=said):
            backend.predict("recommend", {name: values for name, values in request.items() if values is not None})

    def test_what_only_the_model_can_refuse(self, backend: Backend, recommender: Recommender) -> None:
        request = recommender.complete(Filters().arrays(1), 1) | {"k": np.array([0])}
        with pytest.raises(BackendError, match="at least 1"):
            backend.predict("recommend", request)

    def test_requests_at_the_same_moment(
        self, asked: Recommender, recommender: Recommender, everyone: Features
    ) -> None:
        parts = [take(everyone, slice(first, first + 5)) for first in range(0, 60, 5)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda part: asked.recommend(part, 5), parts))
        for part, found in zip(parts, answers, strict=True):
            assert_same_recommendations(found, recommender.recommend(part, 5))
