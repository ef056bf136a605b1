"""Arguments as callers write them, in notebooks, JSON and forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.errors import InputError
from nextbest.serving.arguments import as_count, as_id, as_ids, as_number, as_words
from nextbest.serving.recommender import Filters


@pytest.mark.parametrize("value", [3, 3.0, "3", " 3 ", "3.0", np.int64(3), np.float32(3)])
def test_a_count(value: Any) -> None:
    assert as_count("top", value) == 3
    assert as_number("max_risk", value) == 3.0


NO_COUNTS = (None, "", "three", 2.5, 0, -1, True, float("nan"), float("inf"), 10**400, [3], {}, 21)


@pytest.mark.parametrize("value", NO_COUNTS)
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(InputError, match=r"arguments: top = .* cannot be used; give 1 to 20"):
        as_count("top", value, most=20)


@pytest.mark.parametrize(("value", "id"), [(1, "1"), (1.0, "1"), (" C1 ", "C1"), (b"C1", "C1"), (2**63, str(2**63))])
def test_an_id(value: Any, id: str) -> None:
    assert as_id("customer", value) == id


@pytest.mark.parametrize("value", [None, "", "  ", 1.5, True, [], {"a": 1}, float("nan")])
def test_what_is_no_id(value: Any) -> None:
    with pytest.raises(InputError, match="customer = "):
        as_id("customer", value)


def test_all_bad_ids_are_named() -> None:
    assert as_ids("customers", np.array([1, 2])).tolist() == ["1", "2"]
    assert as_ids("customers", "C1").tolist() == ["C1"]
    with pytest.raises(InputError) as refused:
        as_ids("customers", ["C1", None, 1.5])
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    ("value", "words"), [(None, ()), ("fund", ("fund",)), (["fund", "loan"], ("fund", "loan")), (7, ("7",)), ((), ())]
)
def test_words(value: Any, words: tuple[str, ...]) -> None:
    assert as_words("categories", value) == words


def test_filters_take_what_is_meant() -> None:
    filters = Filters("3", "fund", np.array(["P1"], object))  # type: ignore[arg-type]
    assert (filters.max_risk, filters.categories, filters.exclude) == (3.0, ("fund",), ("P1",))
    with pytest.raises(InputError, match="max_risk = 'low' cannot be used; give a number, or none"):
        Filters("low")  # type: ignore[arg-type]


anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()))


@given(anything)
def test_anything_is_taken_or_refused(value: Any) -> None:
    for take in (as_count, as_number, as_words, as_id, as_ids):
        try:
            take("x", value)
        except InputError as error:
            assert all(problem.remedy for problem in error.problems)
