"""The controls' choices and the filters that they mean."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.serving.recommender import Filters
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import _appetites, accepted_risk, describe_filters, highest_risks, read_filters
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
)

CONFIG = PageConfig(cautious_risk=0.4, balanced_risk=0.7)
"""Of the way from the small bank's lowest risk, 1, to its highest, 4: 2.2 and 3.1."""
OWN = "Customer's own"


def with_tolerance(data: VersionData, tolerance: float) -> SelectedCustomer:
    return SelectedCustomer(str(data.customers.ids[16]), edited={"risk_tolerance": np.float32(tolerance)})


def test_appetites_are_shares_of_the_catalogues_risk(data: VersionData) -> None:
    assert data.risks.tolist() == [1.0, 2.0, 3.0, 4.0]  # of the small bank's products
    assert highest_risks(data, CONFIG) == {"own": None, "cautious": 2.0, "balanced": 3.0, "any": None}
    filters = read_filters(data, CONFIG, "cautious", ["fund"], [])
    assert (filters.max_risk, filters.categories) == (2.0, ("fund",))
    assert read_filters(data, CONFIG, "own", [], []) == Filters()
    with pytest.raises(InputError, match="there is no category 'yachts'"):
        read_filters(data, PageConfig(), None, ["yachts"], [])


@pytest.mark.parametrize(("tolerance", "accepted"), [(2, 2.0), (2.5, 2.0), (9, 4.0), (0, 1.0), (np.nan, None)])
def test_a_customer_accepts_what_the_rules_say(data: VersionData, tolerance: float, accepted: float | None) -> None:
    assert accepted_risk(data, data.request(with_tolerance(data, tolerance))) == accepted


def test_what_is_above_the_customers_own_is_not_offered(data: VersionData) -> None:
    offered = [
        [label for label, _ in _appetites(data, CONFIG, data.request(with_tolerance(data, tolerance)))]
        for tolerance in (1, 3, 5)
    ]
    cautious, balanced = "Cautious (up to 2)", "Balanced (up to 3)"
    assert offered == [[f"{OWN} (up to 1)"], [f"{OWN} (up to 3)", cautious], [f"{OWN} (up to 4)", cautious, balanced]]
    assert [name for _, name in _appetites(data, CONFIG, None)] == ["own", "cautious", "balanced", "any"]


def test_filters_are_said(data: VersionData) -> None:
    product, name = str(data.recommender.products.ids[0]), data.product_names[0]
    filters = Filters(max_risk=2, categories=("credit_card", "fund"), exclude=(product,))
    assert describe_filters(data, filters) == f"risk up to 2; only credit card, fund; without {name}"
    assert describe_filters(data, Filters()) == ""


def test_a_risk_of_0_is_a_limit(data: VersionData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.__dict__, "risks", np.array([0.0, 1.0, 2.0]))
    request = data.request(with_tolerance(data, 0))
    assert accepted_risk(data, request) == 0
    assert [label for label, _ in _appetites(data, PageConfig(), request)] == [f"{OWN} (up to 0)"]
