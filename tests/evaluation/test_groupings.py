"""Which group a customer and a product are in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextbest.data.config import ColumnConfig, DataConfig
from nextbest.data.snapshot import take_snapshot
from nextbest.evaluation.groupings import (
    KNOWN_OR_NEW,
    LAUNCH,
    OTHER,
    TENURE,
    customer_groupings,
    label_column,
    label_order,
    product_groupings,
)
from tests.worlds import CONFIG, TINY

TODAY = 20_000
NAN = float("nan")


def labels(name: str, values: list[Any], role: str = "number", **column: Any) -> list[str]:
    array = np.array(values, object if role == "category" else np.float32)
    return label_column(name, ColumnConfig(role=role, **column), array, TODAY).tolist()


def test_ages_are_decades() -> None:
    assert labels("age", [9, 19, 20, 29.9, 101, NAN]) == [
        "0 to 9",
        "10 to 19",
        "20 to 29",
        "20 to 29",
        "100 to 109",
        "",
    ]
    born = [TODAY - 40 * 365.25 - 1, TODAY - 40 * 365.25 + 1, NAN]
    assert labels("date_of_birth", born, "date") == ["40 to 49", "30 to 39", ""]


def test_times_as_a_customer_are_years_whatever_their_unit() -> None:
    expected = ["0 to 1 years", "1 to 2 years", "10 years and more"]
    assert labels("tenure_months", [11, 12, 120], unit="months") == expected
    assert labels("tenure_years", [0.9, 1, 10], unit="years") == expected
    assert labels("joined", [TODAY - 364, TODAY - 366, TODAY - 3653], "date") == expected


def test_other_numbers_are_quarters_of_the_customers() -> None:
    # The quartiles of 10 to 80 are 27.5, 45 and 62.5.
    found = labels("income", [10, 20, 30, 40, 50, 60, 70, 80, NAN])
    assert found == [*["10 to 27.5"] * 2, *["27.5 to 45"] * 2, *["45 to 62.5"] * 2, *["62.5 to 80"] * 2, ""]
    assert labels("income", [0] * 6 + [1000, 2000, 3000, 4000, 5000, 6000, 7000])[-1] == "4,000 to 7,000"


def test_few_numbers_are_themselves_and_booleans_say_yes_or_no() -> None:
    assert labels("dependants", [0, 2, 2, NAN]) == ["0", "2", "2", ""]
    assert labels("share", [0.25, 0.5]) == ["0.25", "0.5"]
    assert labels("home_owner", [1, 0, NAN], "boolean") == ["yes", "no", ""]
    assert labels("gender", ["f", ""], "category") == ["f", ""]


def test_bands_are_sorted_by_their_numbers() -> None:
    names = ["b", "100 to 109", "", "20 to 29", "-5 to 3", "1,200 to 5,000"]
    assert sorted(names, key=label_order) == ["-5 to 3", "20 to 29", "100 to 109", "1,200 to 5,000", "", "b"]


def with_columns(**columns: dict[str, Any]) -> DataConfig:
    described = CONFIG.model_dump(exclude_none=True)
    described["customers"]["columns"] |= columns
    return DataConfig.model_validate(described)


def groupings(data: DataConfig, slices: tuple[str, ...] = (), day: int = 100) -> dict[str, list[str]]:
    history = TINY.dataset().until(day)
    snapshot = take_snapshot(history, day, data.windows)
    for name in data.customers.columns:
        snapshot.customers.setdefault(name, np.full(len(history.customers), "", object))
    return {name: found.tolist() for name, found in customer_groupings(data, slices, history, snapshot).items()}


def test_there_are_always_groups() -> None:
    # Known by day 100: ann since day 10, bob since his first event on 15, cat since 30, dan since that day, within the
    # horizon of 10 days.
    found = groupings(CONFIG)
    assert list(found) == ["segment", TENURE, KNOWN_OR_NEW]
    assert found["segment"] == ["private", "retail", "", "retail"]
    assert found[KNOWN_OR_NEW] == ["known", "known", "known", "new"]
    assert found[TENURE] == ["0 to 1 years"] * 4


def test_what_is_protected_is_measured_by_setting_or_by_name() -> None:
    word: dict[str, Any] = {"role": "category"}
    data = with_columns(gender=word, religion=word | {"protected": False}, club=word | {"protected": True}, region=word)
    assert list(groupings(data, ("region", "segment"))) == [
        "segment",
        "region",
        "gender",
        "club",
        TENURE,
        KNOWN_OR_NEW,
    ]


def test_texts_and_ids_are_no_groups_of_their_own() -> None:
    data = with_columns(gender={"role": "text"}, sex={"role": "id"})
    assert list(groupings(data)) == ["segment", TENURE, KNOWN_OR_NEW]


def test_the_rarest_of_many_are_one_group() -> None:
    data = with_columns()
    history = TINY.dataset().until(100)
    snapshot = take_snapshot(history, 100, data.windows)
    many = [f"s{number % 60:02d}" for number in range(110)] + [""]
    snapshot.customers["segment"] = np.array(many, object)
    found = customer_groupings(data, (), history, snapshot)["segment"]
    assert len(set(found)) == 51 and "" in found  # 49 of 60, the others, the missing one
    assert np.sum(found == OTHER) == 12  # one that is there twice, and ten that are there once


@pytest.mark.parametrize(
    ("day", "card", "pension"), [(100, "0 to 3 months", "0 to 3 months"), (110, "3 to 12 months", "0 to 3 months")]
)
def test_products_are_on_offer_since_their_first_row_or_first_event(day: int, card: str, pension: str) -> None:
    """The card has no dated row and is first bought on day 10; the pension's row begins on day 60."""
    data = CONFIG.model_copy(update={"policy": CONFIG.policy.model_copy(update={"category_column": "group"})})
    history = TINY.dataset().until(day)
    found = product_groupings(data, history, take_snapshot(history, day, data.windows))
    assert found["group"].tolist() == ["account", "invest", "credit", "invest", ""]
    assert (found[LAUNCH][0], found[LAUNCH][3]) == (card, pension)
