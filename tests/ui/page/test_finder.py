"""Finding customers in a snapshot of six."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nextbest.serving.artifacts.assets import Table
from nextbest.ui.page.finder import CustomerFinder


def words(*values: str) -> Any:
    return np.array(values, object)


COLUMNS = {
    "segment": words("mass_market", "mass_market", "mass_market", "private", "private", ""),
    "town": words("Wien", "Graz", "Wien", "Linz", "Graz", "Wien"),
    "age": np.array([20, 40, 60, 35, 50, np.nan], np.float32),
    "held_products": words("P1", "P1", "", "P1", "P2", "")[:, None],
    "held_days": np.array([5, 9, 0, 7, 3, 0])[:, None],
}
DESCRIBED = {"segment": {"role": "category"}, "town": {"role": "category"}, "age": {"role": "number"}}


def finder(segment: str | None = "segment", columns: dict[str, Any] = COLUMNS) -> CustomerFinder:
    recommender: Any = SimpleNamespace(manifest={"customers": {"columns": DESCRIBED}, "segment": segment})
    return CustomerFinder(recommender, Table(words("A10", "A2", "B1", "B10", "C1", "X1"), columns))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10", ["A10", "B10"]),
        ("b1", ["B1", "B10"]),
        ("1", ["A10", "B1", "B10", "C1", "X1"]),
        ("private", ["B10", "C1"]),
        ("mass market", ["A10", "A2", "B1"]),
        ("graz PRIVATE", ["C1"]),
        ("age 35", ["B10"]),
        ("wien age 60", ["B1"]),
        ("shoe 43", []),
        ("nobody", []),
    ],
)
def test_by_id_or_by_what_is_true_of_the_customer(text: str, found: list[str]) -> None:
    assert finder().find(text, 9) == found
    assert finder().find(text, 1) == found[:1]


def test_the_samples_are_different_customers_with_a_reason() -> None:
    samples = {one.id: one.about for one in finder().samples}
    assert samples == {
        "A2": "A typical customer of the segment mass market",  # 40 is in the middle of 20, 40 and 60
        "B10": "A typical customer of the segment private",
        "A10": "The youngest who holds something",
        "B1": "Holds nothing yet",
        "C1": "Opened a product lately",
    } | {key: value for key, value in samples.items() if key == "X1"}
    assert len(finder().samples) == 6


def test_without_columns_there_are_samples_by_what_is_held() -> None:
    ids_alone = {name: values for name, values in COLUMNS.items() if name.startswith("held")}
    samples = finder(None, ids_alone).samples
    assert (samples[0].id, samples[0].about) == ("A10", "Holds the most: 1 product")
    assert len({one.id for one in samples}) == len(samples) >= 4


def test_nobody_is_the_youngest_where_no_holders_age_is_known() -> None:
    ages = np.array([np.nan, np.nan, 60, np.nan, np.nan, 20], np.float32)  # those who hold something have none
    samples = finder(columns=COLUMNS | {"age": ages}).samples
    assert not [one for one in samples if "youngest" in one.about]


def test_of_an_export_without_a_snapshot_there_are_none() -> None:
    nothing = Table(words(), {name: values[:0] for name, values in COLUMNS.items()})
    recommender: Any = SimpleNamespace(manifest={"customers": {"columns": DESCRIBED}, "segment": "segment"})
    assert CustomerFinder(recommender, nothing).samples == ()
    assert CustomerFinder(recommender, nothing).find("a", 5) == []
