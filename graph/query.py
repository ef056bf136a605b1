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
from nextbest.graph.encoders import EncoderState, FeatureEncoder, pack_columns, raw_columns_spec
from nextbest.graph.signatures import input_specs, require

__all__ = ["QueryEncoder", "concat_queries", "encode_customers", "raw_request"]


class QueryEncoder(tf.Module):
    """Raw request to encoded query.

    The encoded query is the `FeatureEncoder`'s three tensors and

        held        int32   [batch, any]  product positions, NO_PRODUCT is padding
        held_age    float32 [batch, any]  days since the acquisition
        recent      int32   [batch, any]
        recent_age  float32 [batch, any]

    and, of a bank that records closures, closed and closed_age; of one that records refusals, refused and refused_age.
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

    def packed_spec(self) -> dict[str, tf.TensorSpec]:
        """Return the tensor specifications of what `encode` takes."""
        state = self.features.state
        spec = {
            "numbers": tf.TensorSpec([None, len(state.numbers)], tf.float32, name="numbers"),
            "words": tf.TensorSpec([None, len(state.words)], tf.string, name="words"),
        }
        for name in self.list_lengths:
            spec[name] = tf.TensorSpec([None, None], tf.int32, name=name)
        return spec | input_specs(*(f"{name}_days" for name in self.list_lengths), "as_of_day")

    def __call__(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Encode a raw request."""
        as_of_day = request["as_of_day"]
        numbers, words = pack_columns(request, self.features.state, tf.shape(as_of_day)[0])
        packed = {"as_of_day": as_of_day, "numbers": numbers, "words": words}
        for name in self.list_lengths:
            packed[name] = self.positions.lookup(request[f"{name}_products"])
            packed[f"{name}_days"] = request[f"{name}_days"]
        return self.encode(packed)

    def encode(self, packed: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Encode a request whose columns are packed as `FeatureEncoder.encode` takes them.

        Its lists hold product positions, NO_PRODUCT for an unknown product and for padding.
        """
        as_of_day = packed["as_of_day"]
        encoded: dict[str, tf.Tensor] = self.features.encode(packed["numbers"], packed["words"], as_of_day)
        widths = {name: (tf.shape(packed[name])[1], tf.shape(packed[f"{name}_days"])[1]) for name in self.list_lengths}
        with tf.control_dependencies([_require_days(widths)]):
            ages = {
                name: tf.cast(tf.maximum(as_of_day[:, None] - packed[f"{name}_days"], 0), tf.float32)
                for name in self.list_lengths
            }
        for name, limit in self.list_lengths.items():
            width, given = widths[name]
            age = tf.pad(ages[name], [[0, 0], [0, width - given]])  # days that are left out are the day of the request
            encoded[name], encoded[f"{name}_age"] = _first_places(packed[name], age, limit)
        return encoded


def _require_days(widths: Mapping[HistoryList, tuple[tf.Tensor, tf.Tensor]]) -> tf.Operation:
    """Return an operation that raises an InvalidArgument if a list has days, but not as many as products.

    Args:
        widths: The lists' numbers of products and of days.
    """
    products, days = (tf.stack(numbers) for numbers in zip(*widths.values(), strict=True))
    good = tf.logical_or(days == 0, days == products)

    def message() -> tf.Tensor:
        wrong = tf.argmin(tf.cast(good, tf.int32))
        name, held, dated = tf.constant(list(widths))[wrong], products[wrong], days[wrong]
        numbers = tf.strings.as_string(held), tf.strings.as_string(dated)
        said = [name, "_products has ", numbers[0], " and ", name, "_days has ", numbers[1]]
        return tf.strings.join([*said, "; name one day for each, or none"])

    return require(tf.reduce_all(good), message)


_UNWANTED = -(2**30)
"""Sorts behind all places of a list, which are negated."""


def _first_places(positions: tf.Tensor, age: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a list's first so many different products and their ages, in their order, then NO_PRODUCT and 0.

    Args:
        positions: Product positions, [batch, length].
        age: Of each, [batch, length].
        limit: How many are kept.
    """
    length = tf.shape(positions)[1]
    products, places = tf.math.top_k(positions, k=length)  # of a product's places the first comes first
    before = tf.pad(products, [[0, 0], [1, 0]], constant_values=_UNWANTED)[:, :-1]
    unwanted = tf.logical_or(products == before, products == NO_PRODUCT)
    order, kept = tf.math.top_k(tf.where(unwanted, _UNWANTED, -places), k=tf.minimum(limit, length))
    padding = order == _UNWANTED
    kept_places = tf.gather(places, kept, batch_dims=1)
    found = tf.where(padding, NO_PRODUCT, tf.gather(products, kept, batch_dims=1))
    return found, tf.where(padding, 0.0, tf.gather(age, kept_places, batch_dims=1))


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
