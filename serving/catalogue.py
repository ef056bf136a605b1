"""The products as people know them, by what the config says of their columns."""

from __future__ import annotations

import numpy as np

from data.dataset import Array
from serving.recommender import Recommender

__all__ = ["product_categories", "product_names"]

_NAME = "name"


def product_names(recommender: Recommender) -> Array:
    """Return the products' names, object str, [num_products]; the id where there is none.

    The name is the column called so, else the first with the role id, which is kept for people and read by no model.
    """
    products, described = recommender.products, recommender.manifest["products"]["columns"]
    words = [column for column, values in products.columns.items() if values.dtype == object]
    kept = [column for column in words if described[column]["role"] == "id"]
    column = _NAME if _NAME in words else next(iter(kept), None)
    if column is None:
        return products.ids
    names = products.columns[column]
    return np.where(names == "", products.ids, names)


def product_categories(recommender: Recommender) -> Array:
    """Return the products' categories by the policy's category column, '' for unknown, object str, [num_products]."""
    column = recommender.manifest["policy"]["category_column"]
    if column is None:
        return np.full(len(recommender.products.ids), "", object)
    return recommender.products.columns[column]
