"""Quintiles, Gini and coverage, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.snapshot import NO_PRODUCT
from nextbest.evaluation.popularity import gini, measure_popularity, quintiles


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1, 1], 0),
        ([0, 0, 0, 4], 3 / 4),
        ([3, 1], 1 / 4),  # (-1 x 1 + 1 x 3) / (2 x 4)
        ([1, 2, 3, 4], 1 / 4),  # (-3 x 1 - 1 x 2 + 1 x 3 + 3 x 4) / (4 x 10)
        ([0, 0], 0),
    ],
)
def test_gini(counts: list[int], expected: float) -> None:
    assert gini(np.array(counts)) == pytest.approx(expected)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_gini_is_a_share_and_knows_no_order(counts: list[int]) -> None:
    found = gini(np.array(counts))
    assert -1e-12 <= found <= 1 - 1 / len(counts) + 1e-12
    assert gini(np.array(counts[::-1])) == pytest.approx(found)
    assert gini(3 * np.array(counts)) == pytest.approx(found)


def test_quintiles_have_a_fifth_of_the_products_each() -> None:
    assert quintiles(np.array([5, 1, 4, 2, 3])).tolist() == [4, 0, 3, 1, 2]
    assert quintiles(np.array([0, 0, 0, 0, 9])).tolist() == [0, 1, 2, 3, 4]
    assert np.bincount(quintiles(np.arange(7))).tolist() == [2, 1, 2, 1, 1]
    assert quintiles(np.array([7, 8])).tolist() == [0, 2]


def test_what_two_customers_are_shown() -> None:
    """Of products 0 to 4, ever more popular, one is shown 4 and 3, the other 4 alone; 0 and 4 are acquired."""
    lists = {"ranking": np.array([[4, 3, 0], [4, NO_PRODUCT, NO_PRODUCT]], np.int32)}
    relevant = sp.csr_matrix(np.array([[1, 0, 0, 0, 1], [0, 0, 0, 0, 1]]))
    found = measure_popularity(lists, np.arange(5), relevant, 2)
    model = found.models["ranking"]
    assert [one.value for one in model.quintiles] == pytest.approx([0, 0, 0, 1 / 3, 2 / 3])
    assert model.gini == pytest.approx((2 * 1 + 4 * 2) / (5 * 3))  # counts 0 0 0 1 2, weights -4 -2 0 2 4
    assert model.coverage == 2 / 5
    assert found.acquired == pytest.approx((1 / 3, 0, 0, 0, 2 / 3))
    assert found.acquired_gini == model.gini
