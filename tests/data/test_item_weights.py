"""Item-item weights of four customers and three products, by hand."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.data.item_weights import conditional_shares, ease_weights, shrunk_cosines

X = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]])


def test_ease_by_hand() -> None:
    """X'X + 2 I = [[5, 2, 2], [2, 5, 1], [2, 1, 4]] has the determinant 5 * 19 - 2 * 6 - 2 * 8 = 67.

    Its inverse is [[19, -6, -8], [-6, 16, -1], [-8, -1, 21]] / 67; each column is divided by minus its diagonal.
    """
    weights = ease_weights(sp.csr_matrix(X, dtype=np.float32), 2)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, [[0, 6 / 16, 8 / 21], [6 / 19, 0, 1 / 21], [8 / 19, 1 / 16, 0]], atol=1e-12)


def test_ease_is_the_papers_algorithm() -> None:
    """Its listing 1: G = X'X; G[diagonal] += lambda; P = inverse(G); B = P / (-diag(P)); B[diagonal] = 0."""
    gram = X.T @ X + 0.0
    diagonal = np.diag_indices(3)
    gram[diagonal] += 0.7
    inverse = np.linalg.inv(gram)
    expected = inverse / (-np.diag(inverse))
    expected[diagonal] = 0
    np.testing.assert_allclose(ease_weights(sp.csr_matrix(X, dtype=np.float32), 0.7), expected, rtol=1e-12)


def test_ease_minimises_what_it_says() -> None:
    """The squared error plus lambda times the squared weights: no other zero-diagonal matrix does better."""

    def loss(weights: Array) -> float:
        return float(((X - X @ weights) ** 2).sum() + 2 * (weights**2).sum())

    best = ease_weights(sp.csr_matrix(X, dtype=np.float32), 2)
    for row, column in np.argwhere(~np.eye(3, dtype=bool)):
        for step in (-1e-3, 1e-3):
            moved = best.copy()
            moved[row, column] += step
            assert loss(moved) > loss(best)


def test_shrunk_cosines_by_hand() -> None:
    """Of X's products 3, 3 and 2 have holders; 2 hold the first two, 2 the first and last, 1 the last two."""
    weights = shrunk_cosines(sp.csr_matrix(X, dtype=np.float32), 1).toarray()
    a, b, c = 2 / (3 + 1), 2 / (6**0.5 + 1), 1 / (6**0.5 + 1)
    np.testing.assert_allclose(weights, [[0, a, b], [a, 0, c], [b, c, 0]], rtol=1e-12)


def test_a_row_keeps_its_greatest_cosines_and_of_equal_ones_the_first() -> None:
    """The weights are those of the test above, where b > a > c."""
    weights = shrunk_cosines(sp.csr_matrix(X, dtype=np.float32), 1, neighbours=1).toarray()
    a, b = 2 / (3 + 1), 2 / (6**0.5 + 1)
    np.testing.assert_allclose(weights, [[0, 0, b], [a, 0, 0], [b, 0, 0]], rtol=1e-12)
    equal = shrunk_cosines(sp.csr_matrix(np.ones((2, 3), np.float32)), 0, neighbours=1).toarray()
    assert equal.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_what_no_one_holds_has_no_cosine() -> None:
    assert not shrunk_cosines(sp.csr_matrix((4, 3), dtype=np.float32), 1).toarray().any()
    assert not shrunk_cosines(sp.csr_matrix((4, 3), dtype=np.float32), 0).toarray().any()


def test_conditional_shares_by_hand() -> None:
    """Of X's products 3, 3 and 2 have holders; 2 hold the first two, 2 the first and last, 1 the last two."""
    shares = conditional_shares(sp.csr_matrix(X, dtype=np.float32))
    np.testing.assert_allclose(shares, [[0, 2 / 3, 2 / 3], [2 / 3, 0, 1 / 3], [1, 1 / 2, 0]], rtol=1e-12)


def test_what_no_one_holds_has_no_conditional_share() -> None:
    assert not conditional_shares(sp.csr_matrix((4, 3), dtype=np.float32)).any()
