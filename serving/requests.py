"""Requests from files and ids: customers to be scored, with what the export's snapshot knows of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nextbest.data.config import EntityConfig
from nextbest.data.dataset import Array, Features, positions_of
from nextbest.data.errors import EXAMPLES, InputError, Problem, quote_value
from nextbest.data.padding import lists_by_row
from nextbest.data.tables.dates import parse_dates
from nextbest.data.tables.load import read_customers
from nextbest.data.tables.parse import parse_ids
from nextbest.data.tables.raw_table import RawTable
from nextbest.data.tables.read import read_file
from nextbest.graph.served_inputs import SERVED_INPUTS, missing_values
from nextbest.serving.arguments import as_ids
from nextbest.serving.recommender import Filters, Recommender

__all__ = [
    "check_filters",
    "draw_rows",
    "of_unknown_holdings",
    "read_holdings",
    "requests_for_ids",
    "requests_from_file",
    "served_columns",
    "take",
]


def take(request: Features, rows: Array | slice) -> Features:
    """Return some rows of a request."""
    return {name: values[rows] for name, values in request.items()}


def served_columns(recommender: Recommender) -> EntityConfig:
    """Return what a file of customers holds: all columns but the protected ones that no rule reads, never needed."""
    config = EntityConfig.model_validate(recommender.manifest["customers"])
    read = recommender.customer_columns
    columns = {name: column for name, column in config.columns.items() if name in read or not column.protected}
    return config.model_copy(update={"columns": columns})


def draw_rows(population: int, most: int, seed: int) -> Array:
    """Return the rows of all of a population, or of `most` of it drawn without replacement; ascending, int64."""
    if population <= most:
        return np.arange(population)
    return np.sort(np.random.default_rng(seed).choice(population, most, replace=False))


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


def check_products(recommender: Recommender, product_ids: Array) -> None:
    """Refuse products that the export does not know.

    Args:
        recommender: The loaded export.
        product_ids: Object str, [num].

    Raises:
        InputError: With all of them.
    """
    products = recommender.products
    folder, remedy = str(recommender.folder), f"its products have ids like {', '.join(products.ids[:2])}"
    if unknown := sorted(set(product_ids[products.positions(product_ids) < 0])):
        raise InputError(
            Problem(folder, None, None, f"there is no product {quote_value(one)}", remedy) for one in unknown
        )


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


def of_unknown_holdings(recommender: Recommender, ids: Array, requests: Features) -> Array:
    """Return of whom nobody knows what they hold: the export knows neither them nor any holding that they bring.

    The models take them for people who hold nothing. They get an order, and no probability.

    Args:
        recommender: The loaded export.
        ids: Customer ids, object str, [num_customers].
        requests: Their raw requests, [num_customers, ...].

    Returns:
        bool, [num_customers].
    """
    unknown = ~recommender.knows(ids)
    if unknown.any():
        held = requests["held_products"][unknown]
        unknown[unknown] = ~(recommender.products.positions(held) >= 0).any(axis=1)
    return unknown


def requests_from_file(
    recommender: Recommender,
    path: Path | str,
    holdings: Path | str | None = None,
    rejected: list[Problem] | None = None,
    examples: int = EXAMPLES,
) -> tuple[Array, Features]:
    """Read customers to be scored: columns from the file, holdings from the snapshot where it knows the id.

    Args:
        recommender: The loaded export.
        path: A CSV or Parquet file with the customers' columns. The lists `held_products` and `held_days` of a Parquet
            file are what they hold, in place of what the snapshot knows.
        holdings: The same, in a file of its own; see `read_holdings`.
        rejected: See `read_customers`.
        examples: How many rows with the same problem are named one by one.

    Returns:
        The ids, object str, [num_customers], and the raw requests, [num_customers, ...].

    Raises:
        InputError: With all problems of the files.
    """
    config = served_columns(recommender)
    ids, features = read_customers(config, path, rejected, examples)
    columns = {name: features[name] for name in recommender.customer_columns}
    histories = _histories(recommender, ids)
    if holdings is not None:
        histories |= read_holdings(recommender, holdings, ids, examples)
    elif (held := _lists_of_holdings(config, path)) is not None:
        histories |= _holdings(recommender, held, config, ids)
    return ids, columns | histories


def read_holdings(recommender: Recommender, path: Path | str, ids: Array, examples: int = EXAMPLES) -> Features:
    """Read what customers hold: a row per holding, with the customer's id, `product_id` and perhaps the day, `since`.

    Args:
        recommender: The loaded export.
        path: A CSV or Parquet file; the customer's column is called as in training.
        ids: The customers; those of whom the file says nothing hold nothing, and rows of others are left out.
        examples: How many rows with the same problem are named one by one.

    Returns:
        `held_products` and `held_days`, [num_customers, any], the newest first.

    Raises:
        InputError: With all problems of the file.
    """
    config = EntityConfig.model_validate(recommender.manifest["customers"])
    needed = [config.id, "product_id"]
    table = read_file(path, [*needed, "since"], config.model_copy(update={"delimiter": None}))
    table = replace(table, examples=examples)
    missing = [
        Problem(table.file, name, None, "the column is missing", f"the file has {', '.join(map(repr, table.header))}")
        for name in needed
        if name not in table
    ]
    if missing:
        raise InputError(missing)
    return _holdings(recommender, table, config, ids)


def _lists_of_holdings(config: EntityConfig, path: Path | str) -> RawTable | None:
    """Return what a Parquet file's lists say that its customers hold, as a row per holding; None without such lists.

    Raises:
        InputError: A customer has another number of days than of products.
    """
    if not str(path).lower().endswith(".parquet"):
        return None
    table = read_file(path, [config.id, "held_products", "held_days"])
    if not {config.id, "held_products"} <= set(table.columns.column_names):
        return None
    lists = table.columns.combine_chunks()
    products = lists["held_products"].combine_chunks()
    if not (pa.types.is_list(products.type) or pa.types.is_large_list(products.type)):
        return None
    columns = {
        config.id: lists[config.id].combine_chunks().take(pc.list_parent_indices(products)),
        "product_id": pc.list_flatten(products),
    }
    if "held_days" in table:
        days = lists["held_days"].combine_chunks()
        if not pc.list_value_length(days).equals(pc.list_value_length(products)):
            what = "a customer has another number of days than of products in held_products"
            raise InputError([Problem(table.file, "held_days", None, what, "give a day for each product")])
        since = pc.list_flatten(days)
        # Whole numbers are days since 1970, as in a request.
        columns["since"] = since.cast(pa.int32()).cast(pa.date32()) if pa.types.is_integer(since.type) else since
    exploded = pa.table(columns)
    return replace(table, columns=exploded, locate=lambda: ("holding", np.arange(1, len(exploded) + 1)), parts=())


def _holdings(recommender: Recommender, table: RawTable, config: EntityConfig, ids: Array) -> Features:
    """Return the lists of `read_holdings` from a row per holding."""
    problems: list[Problem] = []
    order_of_ids = np.argsort(ids)
    customer = positions_of(parse_ids(table, config.id, problems), ids[order_of_ids])
    product = parse_ids(table, "product_id", problems)
    today = recommender.manifest["as_of_day"]
    day = parse_dates(table, "since", problems) if "since" in table else np.full(len(table), np.nan)
    if problems:
        raise InputError(problems)
    day = np.where(np.isnan(day), today, day).astype(np.int64)
    kept = np.flatnonzero(customer >= 0)
    whose = order_of_ids[customer[kept]]
    order = np.lexsort((product[kept], -day[kept], whose))
    rows, whose = kept[order], whose[order]
    return {
        "held_products": lists_by_row(product[rows], whose, len(ids), ""),
        "held_days": lists_by_row(day[rows], whose, len(ids), 0),
    }


def _histories(recommender: Recommender, ids: Array) -> Features:
    """Return what the snapshot's customers hold and did lately; for the others empty lists."""
    customers = recommender.customers()
    rows = customers.positions(ids)
    histories = {}
    for name in (f"{name}_{part}" for name in recommender.history_lists for part in ("products", "days")):
        lists, dtype = customers.columns[name], SERVED_INPUTS[name].dtype
        empty = missing_values(dtype, (len(ids), lists.shape[1] if len(lists) else 0))
        histories[name] = np.where((rows >= 0)[:, None], lists[rows], empty) if len(lists) else empty
    return histories
