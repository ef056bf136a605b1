"""Uploaded files of customers."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path

import pytest

from nextbest.data.errors import InputError
from nextbest.serving.recommender import Filters
from nextbest.ui.page.customer import read_customers, template_link
from nextbest.ui.page.version_data import (
    SelectedCustomer,
    VersionData,
    recommend_products,
)
from tests.trained import Trained
from tests.ui.tables import known_customers


def test_the_template_can_be_uploaded_again(data: VersionData, tmp_path: Path) -> None:
    (link,) = [part for part in template_link(data).split('"') if part.startswith("data:")]
    text = base64.b64decode(link.partition("base64,")[2]).decode()
    header, example = csv.reader(io.StringIO(text))
    assert header[0] == "customer_id" and len(example) == len(header)
    file = tmp_path / "template.csv"
    file.write_text(text)
    customers = read_customers(data, file, 10)
    assert list(customers) == ["new-customer"]
    assert recommend_products(data, customers["new-customer"], 5, Filters())


def test_an_uploaded_customer_is_answered_as_by_id(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    rows = known_customers(trained.config.parent).head(3)
    rows.to_csv(tmp_path / "customers.csv", index=False)
    customers = read_customers(data, tmp_path / "customers.csv", 10)
    assert list(customers) == rows["customer_id"].tolist()
    for customer, uploaded in customers.items():
        expected = recommend_products(data, SelectedCustomer(customer), 5, Filters())
        assert recommend_products(data, uploaded, 5, Filters()) == expected


def test_too_many_customers_belong_into_a_batch(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    known_customers(trained.config.parent).head(3).to_csv(tmp_path / "customers.csv", index=False)
    with pytest.raises(InputError, match="at most 2") as refused:
        read_customers(data, tmp_path / "customers.csv", 2)
    assert "Batch" in str(refused.value) and str(tmp_path) not in str(refused.value)
