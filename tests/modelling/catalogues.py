"""Banks whose catalogue has changed since a model was trained."""

from __future__ import annotations

import numpy as np

from nextbest.data.dataset import Dataset, EntityTable, Interactions

__all__ = ["with_new_products", "without_first_product"]


def with_new_products(dataset: Dataset, *ids: str) -> Dataset:
    """Add products that sort before all others, with the attributes of the first of these; no one took them yet."""
    count, old = len(ids), dataset.products
    products = EntityTable(
        np.concatenate([np.array(ids, object), old.ids]),
        np.concatenate([np.arange(count, dtype=np.int32), old.row_entity + np.int32(count)]),
        np.concatenate([old.row_day[[0] * count], old.row_day]),
        {name: np.concatenate([values[[0] * count], values]) for name, values in old.columns.items()},
    )
    return Dataset(dataset.customers, products, _moved(dataset.interactions, count))


def without_first_product(dataset: Dataset) -> Dataset:
    """Drop the first product with all that happened to it."""
    old = dataset.products
    columns = {name: values[1:] for name, values in old.columns.items()}
    products = EntityTable(old.ids[1:], old.row_entity[1:] - np.int32(1), old.row_day[1:], columns)
    return Dataset(dataset.customers, products, _moved(dataset.interactions[dataset.interactions.product > 0], -1))


def _moved(events: Interactions, places: int) -> Interactions:
    return Interactions(events.customer, events.product + np.int32(places), events.day, events.kind, events.weight)
