"""What the benchmarks read of the served models; nothing of it needs TensorFlow."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.errors import InputError, Problem
from nextbest.serving.artifacts.assets import ASSETS, CUSTOMERS, PRODUCTS, Table, read_manifest
from nextbest.serving.store.versions import COMPOSITE, latest_version

__all__ = ["HELD", "Served", "first_customer", "served", "write_customers"]

HELD = "held_products"


@dataclass(frozen=True)
class Served:
    """The newest version's customers and products."""

    folder: Path
    manifest: Mapping[str, Any]
    customers: Table
    products: Table


def served(models: Path) -> Served:
    """Read the newest version below a MODELS folder.

    Raises:
        FileNotFoundError: There is none.
        InputError: It holds no customers.
    """
    folder = latest_version(models / COMPOSITE)
    assets = folder / ASSETS
    if not (assets / CUSTOMERS).is_file():
        remedy = "export with export.customer_snapshot = true"
        raise InputError([Problem(str(folder), None, None, "it holds no customers to ask for", remedy)])
    return Served(folder, read_manifest(folder), Table.load(assets / CUSTOMERS), Table.load(assets / PRODUCTS))


def first_customer(served: Served, least_held: int, least_allowed: int, allowed: Callable[[str], int]) -> str:
    """Return the first customer of the export with much to show.

    Args:
        served: The export.
        least_held: So many holdings at least.
        least_allowed: So many products at least that may be recommended.
        allowed: How many may be, at most `least_allowed`, by customer; asked for as few customers as possible.

    Raises:
        InputError: There is no such customer.
    """
    held = (served.customers.columns[HELD] != "").sum(axis=1)
    for customer in served.customers.ids[held >= least_held]:
        if allowed(str(customer)) >= least_allowed:
            return str(customer)
    what = f"no customer holds {least_held} products and may be recommended {least_allowed}"
    raise InputError([Problem(str(served.folder), None, None, what, "name one with --customer")])


def write_customers(served: Served, ids: Iterable[str], path: Path) -> None:
    """Write customers of the export as the CSV that the page and `nextbest score` read."""
    described = served.manifest["customers"]
    columns = {name: column for name, column in described["columns"].items() if name in served.customers.columns}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([described["id"], *columns])
        for customer in ids:
            (row,) = served.customers.positions(np.array([customer], object))
            cells = (_written(served.customers.columns[name][row], column["role"]) for name, column in columns.items())
            rows.writerow([customer, *cells])


def _written(value: Any, role: str) -> str:
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return ""
    if role == "date":
        return str(np.datetime64(int(value), "D"))
    if role == "boolean":
        return "true" if value else "false"
    return str(value)
