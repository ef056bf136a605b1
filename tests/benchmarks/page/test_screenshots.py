from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.page.process import Served, served
from benchmarks.page.screenshots import first_customer, write_customers
from nextbest.data.errors import InputError
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_from_file, take
from tests.trained import Trained


class TestWhoIsShown:
    def test_the_first_with_enough(self, about: Served) -> None:
        asked = []

        def allowed(customer: str) -> int:
            asked.append(customer)
            return {"C1": 9, "C2": 4, "C3": 5}[customer]

        assert first_customer(about, 3, 5, allowed) == "C3"
        assert asked == ["C2", "C3"]  # the first one holds too little

    def test_nobody(self, about: Served) -> None:
        with pytest.raises(InputError, match=r"no customer holds 4 products and may be recommended 5; .*--customer"):
            first_customer(about, 4, 5, lambda customer: 9)


def test_the_customers_file_is_what_the_export_knows(
    trained: Trained, recommender: Recommender, tmp_path: Path
) -> None:
    ids = recommender.customers().ids[:30]
    write_customers(served(trained.models), ids, tmp_path / "customers.csv")
    read, request = requests_from_file(recommender, tmp_path / "customers.csv")
    assert read.tolist() == ids.tolist()
    expected = take(recommender.customers().columns, slice(30))
    for name in recommender.customer_columns:
        np.testing.assert_array_equal(request[name], expected[name])
