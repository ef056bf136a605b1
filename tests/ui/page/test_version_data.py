"""The page's requests and recommendations for the small bank."""

from __future__ import annotations

import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.serving.requests import requests_for_ids
from nextbest.ui.page.version_data import (
    Recommendation,
    SelectedCustomer,
    VersionData,
    selected_product,
)


def test_an_id_is_found_by_any_part_of_it(data: VersionData) -> None:
    assert data.finder.find("c00001", 3) == ["C000010", "C000011", "C000012"]
    assert data.finder.find("99", 100) == ["C000099", "C000199", "C000299", "C000399"]
    assert data.finder.find("  C000007 ", 8) == ["C000007"]
    assert data.finder.find("no-one", 8) == []
    assert len(data.finder.find("", 8)) == 8


def test_the_request_of_a_known_customer_is_that_of_the_id(data: VersionData, customer: SelectedCustomer) -> None:
    expected = requests_for_ids(data.recommender, np.array([customer.id], object))
    for name, values in data.request(customer).items():
        np.testing.assert_array_equal(values, expected[name])


def test_what_is_edited_comes_before_what_is_uploaded_and_that_before_what_is_known(data: VersionData) -> None:
    known = str(data.customers.ids[0])
    customer = SelectedCustomer(known, {"income": 1.0, "age": 2.0}, {"age": 3.0})
    request = data.request(customer)
    assert (request["income"][0], request["age"][0]) == (1.0, 3.0)
    assert request["savings"][0] == data.customers.columns["savings"][0]
    assert request["age"].dtype == np.float32


def test_a_stranger_must_be_uploaded(data: VersionData) -> None:
    with pytest.raises(InputError, match="there is no customer 'no-one'"):
        data.request(SelectedCustomer("no-one"))
    request = data.request(SelectedCustomer("no-one", {"age": 40.0}))
    assert request["age"].tolist() == [40.0] and not any(request["held_products"][0])
    assert np.isnan(request["income"][0])


def test_a_column_of_another_version_is_left_out(data: VersionData, customer: SelectedCustomer) -> None:
    other = SelectedCustomer(customer.id, {}, {"shoe_size": 44.0})
    assert "shoe_size" not in data.request(other)


def test_a_product_that_is_not_recommended_any_more_is_not_selected() -> None:
    recommendations = [
        Recommendation("P1", 0, "one", 1, 1, 0.1, 0.1),
        Recommendation("P2", 1, "two", 2, 2, 0.1, 0.1),
    ]
    assert (
        selected_product(recommendations, "P2"),
        selected_product(recommendations, "P9"),
        selected_product([], "P1"),
    ) == ("P2", "P1", "")
