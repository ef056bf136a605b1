from datetime import date

import numpy as np
import pytest
import scipy.sparse as sp

from nextbest.evaluation.test_set import TestSet


def make_set(customers: list[int], relevant: list[list[int]], **others: object) -> TestSet:
    settings: dict[str, object] = {
        "allowed": lambda rows: np.ones((len(rows), len(relevant[0])), bool),
        "cutoff": date(2024, 1, 1),
        "until": date(2024, 4, 1),
    }
    return TestSet(np.array(customers), sp.csr_matrix(np.array(relevant)), **(settings | others))  # type: ignore[arg-type]


def test_a_sound_test_set() -> None:
    sound = make_set([4, 2], [[1, 0, 0], [0, 1, 1]], slices={"segment": np.array(["a", "b"], object)})
    assert (len(sound), sound.num_products) == (2, 3)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        make_set([4, 4], [[1, 0], [0, 0]], until=date(2023, 1, 1), slices={"segment": np.array(["a"], object)})
    for part in ("occurs twice", "1 customers have no relevant", "slice 'segment' has 1 labels", "is not after"):
        assert part in str(caught.value)


def test_rows_must_match_customers() -> None:
    with pytest.raises(ValueError, match="relevant has 1 rows for 2 customers"):
        make_set([1, 2], [[1, 0]])


def test_no_one_to_evaluate_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="no customer acquired anything in the window; lengthen it"):
        TestSet(np.array([], np.int64), sp.csr_matrix((0, 3)), lambda rows: rows, date(2024, 1, 1), date(2024, 2, 1))
