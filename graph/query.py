"""The query: one customer's raw request, and its encoded form that both stages read.

A raw request holds the customer's columns and, for personal results, what the customer holds and did lately, and the
day of the request, from which ages and recency count: `graph.served_inputs` describes them. In the lists of products ''
is padding, an unknown id is ignored, and of one that is named twice, as of two accounts, the first place counts: what
is held is a set. A list of days is as long as its products, or left out, which means the day of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

import numpy as np
import tensorflow as tf

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Array
from nextbest.data.padding import concat_padded
from nextbest.data.snapshot import NO_PRODUCT, History, Snapshot
from nextbest.graph.encoders import EncoderState, FeatureEncoder, raw_columns_spec
from nextbest.graph.signatures import input_specs, require

__all__ = ["QueryEncoder", "concat_queries", "encode_customers", "raw_request"]


class QueryEncoder(tf.Module):
    """Raw request to encoded query.

    The encoded query is the `FeatureEncoder`'s three tensors and

        held        int32   [batch, any]  product positions, NO_PRODUCT is padding
        held_age    float32 [batch, any]  days since the acquisition
        recent      int32   [batch, any]
        recent_age  float32 [batch, any]

    and, of a bank that records refusals, refused and refused_age.
    """

    def __init__(self, state: EncoderState, product_ids: Array, list_lengths: Mapping[HistoryList, int]) -> None:
        """Build the encoder.

        Args:
            state: The customers' encoder.
            product_ids: Product ids by position, [num_products].
            list_lengths: The lists that a query has, and how many products of each are read.
        """
        super().__init__(name="query_encoder")
        self.features = FeatureEncoder(state)
        self.list_lengths = dict(list_lengths)
        keys = tf.constant(product_ids.tolist(), tf.string)
        positions = tf.range(len(product_ids), dtype=tf.int32)
        self.positions = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, positions), default_value=NO_PRODUCT
        )

    def request_spec(self) -> dict[str, tf.TensorSpec]:
        """Return the tensor specifications of a raw request."""
        history = [f"{name}_{part}" for name in self.list_lengths for part in ("products", "days")]
        return raw_columns_spec(self.features.state) | input_specs(*history, "as_of_day")

    def __call__(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Encode a raw request."""
        as_of_day = request["as_of_day"]
        encoded: dict[str, tf.Tensor] = dict(self.features(request, as_of_day=as_of_day))
        for name, limit in self.list_lengths.items():
            positions = self.positions.lookup(request[f"{name}_products"])
            days = _days_of(request, name)
            encoded[name], days = _first_places(positions, days, limit)
            age = tf.cast(tf.maximum(as_of_day[:, None] - days, 0), tf.float32)
            encoded[f"{name}_age"] = tf.where(encoded[name] == NO_PRODUCT, 0.0, age)
        return encoded


def _days_of(request: Mapping[str, tf.Tensor], name: str) -> tf.Tensor:
    """Return a list's days, or the day of the request where they are left out, int64 [batch, any].

    Raises:
        tf.errors.InvalidArgumentError: There are some, but not as many as products.
    """
    products, days = request[f"{name}_products"], request[f"{name}_days"]
    width, given = tf.shape(products)[1], tf.shape(days)[1]

    def message() -> tf.Tensor:
        held, dated = tf.strings.as_string(width), tf.strings.as_string(given)
        return tf.strings.join(
            [f"{name}_products has ", held, f" and {name}_days has ", dated, "; name one day for each, or none"]
        )

    with tf.control_dependencies([require(tf.logical_or(given == 0, given == width), message)]):
        filled = tf.repeat(request["as_of_day"][:, None], width - given, axis=1)
        return tf.concat([days, filled], axis=1)


def _first_places(positions: tf.Tensor, days: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a list's first so many different products and their days, in their order, then NO_PRODUCT and any day.

    Args:
        positions: Product positions, [batch, length].
        days: Their days, [batch, length].
        limit: How many are kept.
    """
    by_product = tf.argsort(positions, axis=1, stable=True)
    sorted_positions = tf.gather(positions, by_product, batch_dims=1)
    again = tf.pad(sorted_positions[:, 1:] == sorted_positions[:, :-1], [[0, 0], [1, 0]])[:, : tf.shape(positions)[1]]
    again = tf.gather(again, tf.argsort(by_product, axis=1), batch_dims=1)
    unwanted = tf.logical_or(again, positions == NO_PRODUCT)
    kept = tf.argsort(tf.cast(unwanted, tf.int32), axis=1, stable=True)[:, :limit]
    found = tf.where(tf.gather(unwanted, kept, batch_dims=1), NO_PRODUCT, tf.gather(positions, kept, batch_dims=1))
    return found, tf.gather(days, kept, batch_dims=1)


def encode_customers(snapshot: Snapshot, encoder: QueryEncoder, rows: Array) -> dict[str, Array]:
    """Encode customers of a snapshot without going through their ids; equals encoding their raw requests.

    Args:
        snapshot: The snapshot.
        encoder: The query encoder.
        rows: Customer positions, [num_rows].

    Returns:
        The encoded query as arrays, [num_rows, ...].
    """
    features = {name: tf.constant(snapshot.customers[name][rows]) for name in encoder.features.state.columns}
    as_of_day = tf.fill([len(rows)], np.int64(snapshot.day))
    encoded = {name: tensor.numpy() for name, tensor in encoder.features(features, as_of_day=as_of_day).items()}
    for name, limit in encoder.list_lengths.items():
        history: History = getattr(snapshot, name)
        products = history.products[rows, :limit]
        age = snapshot.day - history.days[rows, :limit]
        encoded[name] = products
        encoded[f"{name}_age"] = np.where(products == NO_PRODUCT, 0, age).astype(np.float32)
    return encoded


def concat_queries(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the encoded queries of several snapshots one after the other; shorter lists are padded.

    Args:
        parts: Encoded queries, [num_queries, ...] each.
    """
    padding = dict.fromkeys(get_args(HistoryList), NO_PRODUCT)
    return {name: concat_padded([part[name] for part in parts], padding.get(name, 0)) for name in parts[0]}


def raw_request(
    snapshot: Snapshot, product_ids: Array, columns: Iterable[str], lists: Iterable[HistoryList], rows: Array
) -> dict[str, Array]:
    """Return customers of a snapshot as a raw request.

    Args:
        snapshot: The snapshot.
        product_ids: Product ids by position, [num_products].
        columns: The customer columns that the models read.
        lists: The lists that the models read.
        rows: Customer positions, [num_rows].
    """
    request = {name: snapshot.customers[name][rows] for name in columns}
    for name in lists:
        history: History = getattr(snapshot, name).take(rows)
        request[f"{name}_products"] = np.where(history.products == NO_PRODUCT, "", product_ids[history.products])
        request[f"{name}_days"] = history.days.astype(np.int64)
    return request | {"as_of_day": np.full(len(rows), snapshot.day, np.int64)}
