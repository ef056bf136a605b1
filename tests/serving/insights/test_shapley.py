"""Estimators of Shapley values, on problems whose values are known by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbest.data.dataset import Array
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.shapley import ShapleyProblem, permutation, sampling

EXPLAINERS = (sampling, permutation)
Explain = Callable[[ShapleyProblem, Array], tuple[float, Array]]


def problem(score: Callable[[Array], Array], background: Any, groups: Any, **settings: Any) -> ShapleyProblem:
    config = ExplanationConfig(**{"orders": 8, "permutations": 8} | settings)
    return ShapleyProblem(score, np.array(background, np.float32), groups, config)


@pytest.mark.parametrize("explain", EXPLAINERS)
def test_a_linear_score(explain: Explain) -> None:
    weights = np.array([2.0, -1.0, 0.5, 3.0])
    background = [[0, 0, 0, 0], [2, 4, 0, 1], [1, -1, 3, -1]]  # means 1, 1, 1, 0
    linear = problem(lambda vectors: vectors @ weights + 7, background, [[2, 0], [1], [3]])
    base, found = explain(linear, np.array([3, 1, 5, 2], np.float32))
    assert base == pytest.approx(7 + 2 - 1 + 0.5)
    # 2 * (3 - 1) + 0.5 * (5 - 1) of the group, -1 * (1 - 1), 3 * (2 - 0)
    np.testing.assert_allclose(found, [6, 0, 6], atol=1e-5)


@pytest.mark.parametrize("explain", EXPLAINERS)
def test_two_that_matter_only_together_share(explain: Explain) -> None:
    product = problem(lambda vectors: vectors[:, 0] * vectors[:, 1], [[0, 0, 0]], [[0], [1], [2]])
    base, found = explain(product, np.array([3, 2, 9], np.float32))
    assert base == 0
    np.testing.assert_allclose(found, [3, 3, 0], atol=1e-6)


@pytest.mark.parametrize("explain", EXPLAINERS)
def test_three_that_matter_only_together_share(explain: Explain) -> None:
    all_three = problem(
        lambda vectors: vectors.prod(axis=1), [[0, 0, 0]], [[0], [1], [2]], orders=4000, permutations=4000
    )
    _, found = explain(all_three, np.ones(3, np.float32))
    np.testing.assert_allclose(found, [1 / 3] * 3, atol=0.03)  # 4,000 orders: 0.0075 is one standard deviation


def test_sampling_agrees_with_shap() -> None:
    random = np.random.default_rng(2)
    background, vector = random.normal(size=(6, 7)).astype(np.float32), random.normal(size=7).astype(np.float32)
    one = problem(bent, background, [[0, 1], [2], [3], [4], [5, 6]], orders=6000, permutations=3000)
    (base, found), (base_of_shap, of_shap) = sampling(one, vector), permutation(one, vector)
    assert base == pytest.approx(base_of_shap, abs=1e-6)
    np.testing.assert_allclose(found, of_shap, atol=0.02 * np.abs(of_shap).max())


def bent(vectors: Array) -> Array:
    return np.tanh(vectors @ np.sin(np.arange(vectors.shape[1] * 3)).reshape(-1, 3)).prod(axis=1)


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    num_background=st.integers(1, 7),
    orders=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_contributions_add_up_and_what_does_not_differ_has_none(
    groups: list[int], num_background: int, orders: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    ends = np.cumsum(groups)
    places = [list(range(end - size, end)) for end, size in zip(ends, groups, strict=True)]
    background = random.normal(size=(num_background, ends[-1])).astype(np.float32)
    vector = random.normal(size=ends[-1]).astype(np.float32)
    background[:, places[0]] = vector[places[0]]
    one = problem(bent, background, places, orders=orders, seed=seed)
    base, found = sampling(one, vector)
    assert base == pytest.approx(bent(background).mean(), abs=1e-6)
    assert base + found.sum() == pytest.approx(bent(vector[None])[0], abs=1e-6)
    assert found[0] == 0


@pytest.mark.parametrize("explain", EXPLAINERS)
def test_the_seed_decides(explain: Explain) -> None:
    random = np.random.default_rng(0)
    background, vector = random.normal(size=(5, 6)).astype(np.float32), random.normal(size=6).astype(np.float32)
    first, again, other = (
        explain(
            problem(bent, background, [[place] for place in range(6)], orders=5, permutations=1, seed=seed), vector
        )[1]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_more_orders_come_nearer() -> None:
    random = np.random.default_rng(1)
    background, vector = random.normal(size=(5, 8)).astype(np.float32), random.normal(size=8).astype(np.float32)
    places = [[place] for place in range(8)]
    exact = sampling(problem(bent, background, places, orders=20_000), vector)[1]

    def error(orders: int) -> float:
        found = [sampling(problem(bent, background, places, orders=orders, seed=seed), vector)[1] for seed in range(20)]
        return float(np.sqrt(np.mean((np.array(found) - exact) ** 2)))

    assert error(160) < 0.5 * error(10)  # a quarter, were it not for chance


def test_a_step_that_changes_nothing_is_not_scored() -> None:
    scored = []

    def score(vectors: Array) -> Array:
        scored.append(len(vectors))
        return vectors.sum(axis=1)

    one = problem(score, [[0, 0, 0, 0]], [[0], [1], [2], [3]], orders=1)
    sampling(one, np.array([0, 1, 0, 1], np.float32))
    assert scored == [2 * 3]  # two walks: where they start, and two steps each
