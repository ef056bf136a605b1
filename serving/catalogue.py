"""The products as people know them, by what the config says of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.assets import Table

__all__ = ["Catalogue", "categories", "product_categories", "product_names", "risks"]

_NAME = "name"


class Catalogue(Protocol):
    """Who knows an export's products, as a `Recommender` does."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the export says of itself."""

    @property
    def products(self) -> Table:
        """Its products."""


def product_names(catalogue: Catalogue) -> Array:
    """Return the products' names, object str, [num_products]; the id where there is none.

    The name is the column called so, else the first with the role id, which is kept for people and read by no model.
    """
    products, described = catalogue.products, catalogue.manifest["products"]["columns"]
    words = [column for column, values in products.columns.items() if values.dtype == object]
    kept = [column for column in words if described[column]["role"] == "id"]
    column = _NAME if _NAME in words else next(iter(kept), None)
    if column is None:
        return products.ids
    names = products.columns[column]
    return np.where(names == "", products.ids, names)


def product_categories(catalogue: Catalogue) -> Array:
    """Return the products' categories by the policy's category column, '' for unknown, object str, [num_products]."""
    column = catalogue.manifest["policy"]["category_column"]
    if column is None:
        return np.full(len(catalogue.products.ids), "", object)
    return catalogue.products.columns[column]


def categories(catalogue: Catalogue) -> list[str]:
    """Return the categories that there are, sorted; none where the policy names no column of them."""
    return sorted(set(product_categories(catalogue)) - {""})


def risks(catalogue: Catalogue) -> Array:
    """Return the risks that there are, ascending; none where the policy names no column of them."""
    column = catalogue.manifest["policy"]["risk_column"]
    values = np.zeros(0) if column is None else catalogue.products.columns[column]
    return np.unique(values[np.isfinite(values)])
