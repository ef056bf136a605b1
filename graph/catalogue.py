"""The catalogue at a cutoff: the encoders that were fitted there, its encoded products, and masks over its products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.config import DataConfig, EncoderConfig, HistoryList
from nextbest.data.dataset import Array, Dataset
from nextbest.data.snapshot import NO_PRODUCT, Snapshot
from nextbest.graph.encoders import EncoderState, FeatureEncoder, fit_encoder
from nextbest.graph.query import QueryEncoder

__all__ = [
    "MASKED_SCORE",
    "Encoders",
    "encode_products",
    "fit_encoders",
    "is_listed",
    "look_up",
    "mask_of_products",
    "multi_hot",
    "segment_indices",
]

MASKED_SCORE: float = tf.float32.min
"""The score of what must not be chosen: below every other, and a softmax gives it no share. It is finite, since an
infinite one makes NaN of a loss that multiplies it by 0."""


@dataclass(frozen=True)
class Encoders:
    """What was learned of the columns at a cutoff, and which products exist."""

    customers: EncoderState
    products: EncoderState
    product_ids: Array
    """Product ids by position, [num_products]."""
    list_lengths: Mapping[HistoryList, int]
    """The lists that a query has, and how many products of each are read."""

    def for_products(self, product_ids: Array) -> Encoders:
        """Return these encoders over other products, [num_products] sorted ids."""
        return replace(self, product_ids=product_ids)

    def same_places(self, other: Encoders) -> bool:
        """Whether others' encoded columns stand in the same places as these, though their categories may differ."""

        def places(encoders: Encoders) -> list[Any]:
            states = (encoders.customers, encoders.products)
            flags = [{name: number.flag_missing for name, number in state.numbers.items()} for state in states]
            return [flags, [list(state.categories) for state in states], [state.texts for state in states]]

        return places(self) == places(other)

    def query_encoder(self) -> QueryEncoder:
        """Return the graph from raw requests to encoded queries."""
        return QueryEncoder(self.customers, self.product_ids, self.list_lengths)

    def encoded_spec(self) -> dict[str, tf.TensorSpec]:
        """Return the tensor specifications of an encoded query, see `QueryEncoder`."""
        state = self.customers
        num_tokens = state.config.text_tokens * len(state.texts)
        specs = {
            "floats": tf.TensorSpec([None, state.num_floats], tf.float32, name="floats"),
            "categories": tf.TensorSpec([None, len(state.categories)], tf.int32, name="categories"),
            "tokens": tf.TensorSpec([None, num_tokens], tf.int32, name="tokens"),
        }
        for name in self.list_lengths:
            specs[name] = tf.TensorSpec([None, None], tf.int32, name=name)
            specs[f"{name}_age"] = tf.TensorSpec([None, None], tf.float32, name=f"{name}_age")
        return specs


def fit_encoders(dataset: Dataset, day: int, config: DataConfig, encoder: EncoderConfig | None = None) -> Encoders:
    """Fit both tables' encoders on what is known at the end of `day`.

    All that models read of the columns goes through them, so that what is protected ends here.
    """
    encoder = encoder or EncoderConfig()
    customers, products = (table.until(day)[0].at(day) for table in (dataset.customers, dataset.products))
    return Encoders(
        customers=fit_encoder(customers, config.customers.model_columns, encoder, day),
        products=fit_encoder(products, config.products.columns, encoder, day),
        product_ids=dataset.products.ids,
        list_lengths=config.list_lengths,
    )


def encode_products(snapshot: Snapshot, state: EncoderState, popularity: Array) -> dict[str, Array]:
    """Encode the products of a snapshot, with their popularity beside the numbers.

    Args:
        snapshot: The snapshot.
        state: The products' encoder.
        popularity: Further numbers per product, float32 [num_products, num_extra].

    Returns:
        floats, categories and tokens, [num_products, width] each.
    """
    features = {name: tf.constant(snapshot.products[name]) for name in state.columns}
    as_of_day = tf.fill([len(popularity)], np.int64(snapshot.day))
    encoded = {name: tensor.numpy() for name, tensor in FeatureEncoder(state)(features, as_of_day=as_of_day).items()}
    encoded["floats"] = np.concatenate([encoded["floats"], popularity], axis=1)
    return encoded


def segment_indices(categories: Array, state: EncoderState, segment: str | None) -> Array:
    """Return each customer's segment index (0: unknown, or no segment column), int32 [num_customers].

    Args:
        categories: The customers' encoded categories, [num_customers, num_categories].
        state: The customers' encoder.
        segment: The segment column.
    """
    if segment is None:
        return np.zeros(len(categories), np.int32)
    return categories[:, list(state.categories).index(segment)]


def mask_of_products(lists: tf.Tensor, num_products: int) -> tf.Tensor:
    """Return which products are in each row's list, for example of held products; bool [batch, num_products].

    Args:
        lists: Product positions, NO_PRODUCT is padding, int32 [batch, any].
        num_products: The catalogue's size.
    """
    past_the_last = tf.where(lists == NO_PRODUCT, num_products, lists)  # is not counted
    counted = tf.raw_ops.DenseBincount(
        input=past_the_last, size=num_products, weights=tf.zeros([0], tf.int32), binary_output=True
    )
    return counted > 0


def multi_hot(lists: tf.Tensor, weights: tf.Tensor, num_products: int) -> tf.Tensor:
    """Return weights at the places that lists name, and 0 elsewhere, [batch, num_products].

    Args:
        lists: Product positions, NO_PRODUCT is padding, int32 [batch, length].
        weights: The weight of each, [batch, length].
        num_products: The catalogue's size.
    """
    rows = tf.range(tf.shape(lists, tf.int64)[0])
    places = tf.where(
        lists == NO_PRODUCT, tf.cast(-1, tf.int64), rows[:, None] * num_products + tf.cast(lists, tf.int64)
    )
    size = tf.size(rows, tf.int64) * num_products
    # It skips what lies below 0.
    flat = tf.math.unsorted_segment_sum(tf.reshape(weights, [-1]), tf.reshape(places, [-1]), size)
    return tf.reshape(flat, [-1, num_products])


def is_listed(products: tf.Tensor, lists: tf.Tensor) -> tf.Tensor:
    """Return whether each product is in its row's list, bool [batch, num]; for a few products of a large catalogue.

    Args:
        products: Product positions, int32 [batch, num] or [1, num].
        lists: Product positions, int32 [batch, any].
    """
    return tf.reduce_any(products[:, :, None] == lists[:, None, :], axis=2)


def look_up(arrays: Mapping[str, tf.Tensor], name: str, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Return the numbers of cells.

    Args:
        arrays: Among them a table's, see `SparseTable.arrays`.
        name: The table's name.
        row: Rows, int32 [...].
        column: Columns, of a shape that broadcasts with the rows', int32.

    Returns:
        float32 [..., num_numbers].
    """
    stored, values, background = (arrays[f"{name}_{part}"] for part in ("keys", "values", "background"))
    keys = tf.cast(row, tf.int64) * 2**32 + tf.cast(column, tf.int64)  # as `cell_keys`
    # Every key is below the last stored one, NO_CELL, so that the place is one of the table's.
    place = tf.reshape(tf.searchsorted(stored, tf.reshape(keys, [-1])), tf.shape(keys))
    is_stored = tf.gather(stored, place) == keys
    return tf.where(is_stored[..., None], tf.gather(values, place), tf.gather(background, row))
