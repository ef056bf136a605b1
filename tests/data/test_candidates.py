"""The file between the stages: ids in, positions in another cutoff's tables out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextbest.data.candidates import Candidates
from nextbest.data.snapshot import NO_PRODUCT
from tests.worlds import ANN, BOB, CARD, FUND, LOAN, TINY, VAULT


@pytest.fixture
def candidates() -> Candidates:
    """As of day 59, when the pension was unknown and the vault was at 3; and with a product that no longer exists."""
    return Candidates(
        customer_ids=np.array(["bob", "ann"], object),
        product_ids=np.array(["card", "cheque", "fund", "loan", "vault"], object),
        products=np.array([[4, 2, 1], [3, 0, NO_PRODUCT]], np.int32),
        scores=np.array([[0.9, 0.5, -0.25], [0.75, -1, 0]], np.float32),
    )


def test_positions_are_those_of_the_given_tables(candidates: Candidates) -> None:
    customers, products = candidates.positions(TINY.dataset())
    assert customers.tolist() == [BOB, ANN]
    assert products.tolist() == [[VAULT, FUND, NO_PRODUCT], [LOAN, CARD, NO_PRODUCT]]
    assert products.dtype == np.int32
    _, before = candidates.positions(TINY.dataset().until(59))
    assert before.tolist() == [[3, FUND, NO_PRODUCT], [LOAN, CARD, NO_PRODUCT]]


def test_a_saved_file_is_read_back(candidates: Candidates, tmp_path: Path) -> None:
    path = tmp_path / "candidates.npz"
    path.write_bytes(b"an older file")
    candidates.save(path)
    again = Candidates.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["candidates.npz"]
    for name, values in vars(candidates).items():
        np.testing.assert_array_equal(getattr(again, name), values, strict=True)


def test_no_candidates_at_all_are_saved_too(tmp_path: Path) -> None:
    no_customers = np.array([], object)
    Candidates(no_customers, no_customers, np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)).save(
        tmp_path / "none.npz"
    )
    customers, products = Candidates.load(tmp_path / "none.npz").positions(TINY.dataset())
    assert customers.shape == (0,)
    assert products.shape == (0, 3)
