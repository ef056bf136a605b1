"""Requests from files and ids: customers to be scored, with what the export's snapshot knows of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextbest.data.config import EntityConfig
from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.data.tables.load import read_customers
from nextbest.graph.served_inputs import HISTORY_INPUTS, SERVED_INPUTS, missing_values
from nextbest.serving.arguments import as_ids
from nextbest.serving.artifacts.assets import Table
from nextbest.serving.recommender import Filters, Recommender

__all__ = ["check_filters", "requests_for_ids", "requests_from_file", "take"]


def take(request: Features, rows: Array | slice) -> Features:
    """Return some rows of a request."""
    return {name: values[rows] for name, values in request.items()}


def check_filters(recommender: Recommender, filters: Filters) -> None:
    """Refuse filters that people cannot have meant, since a product would be shown that they want hidden.

    Raises:
        InputError: There is no such category or product, or the policy names no column that a filter compares.
    """
    risk, category = (recommender.manifest["policy"][column] for column in ("risk_column", "category_column"))
    products = recommender.products
    unset = "set data.policy.{} in the config and train again"
    problems: list[tuple[str, str]] = []
    if filters.max_risk is not None and risk is None:
        problems.append(("the products have no risk that a limit compares", unset.format("risk_column")))
    if filters.categories and category is None:
        problems.append(("the products have no category to choose", unset.format("category_column")))
    elif filters.categories:
        known = sorted(set(products.columns[category]) - {""})
        unknown = [quote_value(name) for name in filters.categories if name not in known]
        problems += [(f"there is no category {name}", f"choose from {', '.join(known)}") for name in unknown]
    alike = f"the {len(products.ids)} products have ids like {', '.join(products.ids[:2])}"
    unknown = [quote_value(name) for name in filters.exclude if name not in products.ids]
    problems += [(f"there is no product {name} to exclude", alike) for name in unknown]
    if problems:
        raise InputError([Problem(str(recommender.folder), None, None, what, remedy) for what, remedy in problems])


def requests_for_ids(recommender: Recommender, ids: Array) -> Features:
    """Return the raw requests of customers whom the export's snapshot knows.

    Args:
        recommender: The loaded export.
        ids: Customer ids, [num_customers]; whole numbers are their digits.

    Raises:
        InputError: It does not know one of them.
    """
    customers, ids = recommender.customers(), as_ids("customers", ids)
    rows = customers.positions(ids)
    if (rows < 0).any():
        unknown = [str(found) for found in ids[rows < 0]]
        what = f"the export knows no customer {', '.join(unknown[:5])}"
        remedy = f"its {len(customers.ids)} customers have ids like {', '.join(customers.ids[:2])}; or give a file"
        raise InputError([Problem(str(recommender.folder), None, None, what, remedy)])
    return take(customers.columns, rows)


def requests_from_file(recommender: Recommender, path: Path) -> tuple[Array, Features]:
    """Read customers to be scored: columns from the file, holdings from the snapshot where it knows the id.

    Args:
        recommender: The loaded export.
        path: A .csv, .csv.gz or .parquet file with the customers' columns.

    Returns:
        The ids, object str, [num_customers], and the raw requests, [num_customers, ...].

    Raises:
        InputError: With all problems of the file.
    """
    ids, features = read_customers(EntityConfig.model_validate(recommender.manifest["customers"]), path)
    columns = {name: features[name] for name in recommender.customer_columns}
    return ids, columns | _histories(recommender.customers(), ids)


def _histories(customers: Table, ids: Array) -> Features:
    """Return what the snapshot's customers hold and did lately; for the others empty lists."""
    rows = customers.positions(ids)
    histories = {}
    for name in HISTORY_INPUTS:
        lists, dtype = customers.columns[name], SERVED_INPUTS[name].dtype
        empty = missing_values(dtype, (len(ids), lists.shape[1] if len(lists) else 0))
        histories[name] = np.where((rows >= 0)[:, None], lists[rows], empty) if len(lists) else empty
    return histories
