import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nextbest.data.dataset import Array
from nextbest.modelling.metrics import top_k


def everything(scores: Array) -> Array:
    return np.ones(scores.shape, bool)


def test_best_first() -> None:
    scores = np.array([[0.1, -2.0, 3.0, 0.5]], np.float32)
    assert top_k(scores, everything(scores), 3).tolist() == [[2, 3, 0]]


def test_ties_go_to_the_lower_position() -> None:
    scores = np.array([[1.0, 2.0, 1.0, 2.0, 1.0], [0.0, -0.0, 0.0, -0.0, 1.0]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 3, 0, 2], [4, 0, 1, 2]]


def test_forbidden_and_minus_infinity_are_left_out_and_not_padded_with() -> None:
    scores = np.array([[5.0, -np.inf, 4.0, 3.0]], np.float32)
    allowed = np.array([[False, True, True, True]])
    assert top_k(scores, allowed, 3).tolist() == [[2, 3, -1]]


def test_k_may_exceed_the_catalogue() -> None:
    scores = np.array([[1.0, 2.0]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 0, -1, -1]]


def test_infinity_is_best() -> None:
    scores = np.array([[1.0, np.inf, -3e38, 3e38]], np.float32)
    assert top_k(scores, everything(scores), 4).tolist() == [[1, 3, 0, 2]]


def test_nan_is_an_error_that_names_the_place() -> None:
    scores = np.array([[1.0, 2.0], [1.0, np.nan]], np.float32)
    with pytest.raises(ValueError, match="row 1, product 1 is NaN"):
        top_k(scores, everything(scores), 1)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\), allowed has \(1, 2\)"):
        top_k(np.zeros((1, 3), np.float32), np.ones((1, 2), bool), 1)


@given(data=st.data())
def test_agrees_with_a_stable_sort(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
    # Few different values, so that ties are common.
    values = st.sampled_from([-np.inf, -1e30, -1.5, -0.0, 0.0, 1e-30, 2.0, 7.0])
    scores = data.draw(hnp.arrays(np.float32, shape, elements=values))
    allowed = data.draw(hnp.arrays(bool, shape))
    k = data.draw(st.integers(1, 15))
    for row, ranked in enumerate(top_k(scores, allowed, k).tolist()):
        candidates = [p for p in range(shape[1]) if allowed[row, p] and scores[row, p] > -np.inf]
        expected = sorted(candidates, key=lambda p: -scores[row, p])[:k]  # sorted is stable
        assert ranked == expected + [-1] * (k - len(expected))
