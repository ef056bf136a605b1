"""The inputs of exported models beside the customer's columns: one table of their names, types, defaults and meanings.

The graphs take their tensor specifications from it (`graph.signatures.input_specs`), the schema its types and comments,
the warmup records their values, and clients what a request leaves out. No TensorFlow, for the clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nextbest.data.dataset import Array

__all__ = [
    "CANDIDATE_INPUTS",
    "FILTER_INPUTS",
    "SERVED_INPUTS",
    "ServedInput",
    "missing_values",
]

_STRING, _INT, _FLOAT = np.dtype(object), np.dtype(np.int64), np.dtype(np.float32)

WarmupValues = Callable[[int, int, Array], Array]
"""From the number of customers, k and the product ids, [num_products], to an input's values, [batch, ...]."""


class ServedInput(NamedTuple):
    """An input. Every input has a row per customer."""

    dtype: np.dtype[Any]
    """object for strings, else float32 or int64."""
    is_list: bool
    """Whether a customer has a list of any length, else one value."""
    comment: str
    """For the schema; {} is the export's default of a whole number. Lists that are left out are empty, strings '' and
    numbers NaN (see `missing_values`)."""
    warmup: WarmupValues | None = None
    """Makes the values of a warmup record; without it they are missing."""


def _k_for_each(batch: int, k: int, product_ids: Array) -> Array:
    return np.full(batch, k)


def _one_product(batch: int, k: int, product_ids: Array) -> Array:
    return _products_in_turn(batch, 1, product_ids)[:, 0]


def _list_of_one_product(batch: int, k: int, product_ids: Array) -> Array:
    return _products_in_turn(batch, 1, product_ids)


def _k_products(batch: int, k: int, product_ids: Array) -> Array:
    return _products_in_turn(batch, min(k, len(product_ids)), product_ids)


def _k_similarities(batch: int, k: int, product_ids: Array) -> Array:
    return np.tile(np.linspace(1, 0, min(k, len(product_ids)), endpoint=False), (batch, 1))


def _products_in_turn(batch: int, width: int, product_ids: Array) -> Array:
    """Return products of the catalogue, others for each customer, object str or bytes, [batch, width]."""
    return product_ids[np.add.outer(np.arange(batch), np.arange(width)) % len(product_ids)]


_HELD = "Ids of the products held, the newest first. Left out: none."
_RECENT = "Ids of the products of the latest interactions. Left out: none."
_CLOSED = "Ids of the products closed lately, the newest first. Left out: none."
_REFUSED = "Ids of the products refused lately, the newest first. Left out: none."

SERVED_INPUTS: Mapping[str, ServedInput] = {
    "held_products": ServedInput(_STRING, True, _HELD, _list_of_one_product),
    "held_days": ServedInput(_INT, True, "Day of each acquisition, since 1970-01-01. Left out: as_of_day."),
    "recent_products": ServedInput(_STRING, True, _RECENT, _list_of_one_product),
    "recent_days": ServedInput(_INT, True, "Day of each interaction, since 1970-01-01. Left out: as_of_day."),
    "closed_products": ServedInput(_STRING, True, _CLOSED, _list_of_one_product),
    "closed_days": ServedInput(_INT, True, "Day of each closure, since 1970-01-01. Left out: as_of_day."),
    "refused_products": ServedInput(_STRING, True, _REFUSED, _list_of_one_product),
    "refused_days": ServedInput(_INT, True, "Day of each refusal, since 1970-01-01. Left out: as_of_day."),
    "as_of_day": ServedInput(_INT, False, "Day of the request, since 1970-01-01. Left out: the export's cutoff, {}."),
    "k": ServedInput(_INT, False, "How many products are wanted, at least 1. Left out: {}.", _k_for_each),
    "max_risk": ServedInput(_FLOAT, False, "The highest product risk wanted. Left out: any."),
    "categories": ServedInput(_STRING, True, "The product categories wanted. Left out: all."),
    "exclude": ServedInput(_STRING, True, "Ids of products that must not come back. Left out: none."),
    "candidates": ServedInput(_STRING, True, "Ids of the products to rank. Left out: none.", _k_products),
    "similarity": ServedInput(
        _FLOAT,
        True,
        "Retrieval's similarity of each candidate, as many as there are candidates.",
        _k_similarities,
    ),
    "product_id": ServedInput(_STRING, False, "Id of one product of the catalogue.", _one_product),
}
"""Name -> input. A raw request has the customer's columns, the history and as_of_day (see `graph.query`)."""

FILTER_INPUTS = ("max_risk", "categories", "exclude")
"""What narrows a recommendation."""
CANDIDATE_INPUTS = ("candidates", "similarity")
"""What the ranker takes beside the query; as long as each other."""


def missing_values(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return values that say nothing: '' for strings, NaN for floats, 0 for whole numbers."""
    return np.full(shape, {"O": "", "f": np.nan}.get(dtype.kind, 0), dtype)
