"""Cross features of a customer and a candidate, computed in the graph from the query and the catalogue's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.config import DataConfig
from nextbest.data.feature_names import FeatureKind, NamedFeature
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import PairStatistic, StatisticsConfig
from nextbest.graph.catalogue import MASKED_SCORE
from nextbest.graph.encoders import EncoderState, NumberState
from nextbest.ranking.config import RankingConfig

__all__ = ["CategoryCrosses", "CrossFeatures", "gap_columns"]

_LIFTS: tuple[PairStatistic, ...] = ("co_holding", "next_after")
"""Of these logarithms people understand the largest, of the other pair statistics the sum."""


def gap_columns(data: DataConfig, customers: EncoderState, products: EncoderState) -> list[tuple[str, str]]:
    """Return the (customer, product) number columns that a suitability rule compares: the risk gap, affordability."""
    return [
        (str(rule.customer), str(rule.product))
        for rule in data.policy.rules
        if _subtracts(customers.numbers.get(rule.customer or ""))
        and _subtracts(products.numbers.get(rule.product or ""))
    ]


def _subtracts(number: NumberState | None) -> bool:
    """Whether a column is a number on a scale on which differences mean something."""
    return number is not None and number.kind == "number" and number.transform != "quantile"


def _logged(number: NumberState) -> bool:
    return number.transform == "log1p"


class CrossFeatures(tf.keras.layers.Layer):
    """Numbers that describe a customer and a candidate together, [batch, num_candidates, num_features].

    In order (`names` says which): the retrieval score; for each pair statistic its sum over the holdings, its largest
    value, its recency-weighted sum and its sum over the recent products; the candidate's own recent interactions;
    the holdings and recent products of the candidate's group, per category column; the candidate's popularity in the
    customer's segment; the gaps between compared columns. A customer without holdings has 0 for what is over holdings.
    """

    def __init__(
        self,
        customers: EncoderState,
        products: EncoderState,
        data: DataConfig,
        statistics: StatisticsConfig,
        config: RankingConfig,
    ) -> None:
        super().__init__(name="numeric_crosses")
        self._pair_names = statistics.pairs
        self._recency_days = config.recency_days
        self._segment = list(customers.categories).index(data.segment) if data.segment else None
        self._groups = list(products.categories)
        self._gaps = []
        self._compared = gap_columns(data, customers, products)
        for left, right in self._compared:
            of_customer = list(customers.numbers).index(left), customers.numbers[left]
            of_product = list(products.numbers).index(right), products.numbers[right]
            self._gaps.append((*of_customer, *of_product))
        self.names = ["retrieval_score"]
        for pair in self._pair_names:
            self.names += [f"{pair}_sum", f"{pair}_max", f"{pair}_recent_sum", f"{pair}_seen_sum"]
        self.names += ["seen", "held_count"]
        for group in self._groups:
            self.names += [f"held_in_{group}", f"newly_held_in_{group}", f"seen_in_{group}"]
        self.names += ["segment_popularity"]
        self.names += [f"{left}_minus_{right}" for left, right in self._compared]

    def named_features(self, first: int) -> list[NamedFeature]:
        """Return what people call the features, which stand in a vector from place `first` on."""

        def named(name: str, *members: str, columns: tuple[str, ...] = (), kind: FeatureKind = "cross") -> NamedFeature:
            places = tuple(first + self.names.index(member) for member in members or (name,))
            return NamedFeature(kind=kind, name=name, columns=columns, places=places)

        found = [named("retrieval_score")]
        for pair in self._pair_names:
            leading = ("max", "sum") if pair in _LIFTS else ("sum", "max")
            found.append(named(pair, *(f"{pair}_{part}" for part in (*leading, "recent_sum", "seen_sum"))))
        found += [named("seen"), named("held_count", kind="customer")]
        for group in self._groups:
            members = (f"held_in_{group}", f"newly_held_in_{group}", f"seen_in_{group}")
            found.append(named("same_group", *members, columns=(group,)))
        found.append(named("segment_popularity"))
        return found + [named("gap", f"{left}_minus_{right}", columns=(left, right)) for left, right in self._compared]

    def call(self, query: Mapping[str, Any], candidates: Any, scores: Any, state: Mapping[str, Any]) -> Any:
        """Compute the features.

        Args:
            query: Encoded queries, [batch, ...].
            candidates: Product positions, 0 or more, int32 [batch, num_candidates].
            scores: Retrieval's cosines, [batch, num_candidates].
            state: The arrays of a `CatalogueStatistics`.
        """
        held, recent = query["held"], query["recent"]
        is_held = tf.cast(held != NO_PRODUCT, tf.float32)
        newly = is_held * tf.exp(-query["held_age"] / self._recency_days)
        seen = tf.cast(recent != NO_PRODUCT, tf.float32) * tf.exp(-query["recent_age"] / self._recency_days)
        features = [scores]
        features += self._pairs(held, recent, is_held, newly, seen, candidates, state["pairs"])
        same = tf.cast(recent[:, :, None] == candidates[:, None, :], tf.float32)
        features.append(tf.einsum("bl,blc->bc", seen, same))
        count = tf.math.log1p(tf.reduce_sum(is_held, axis=1, keepdims=True))
        features.append(tf.broadcast_to(count, tf.shape(scores)))
        for column in range(len(self._groups)):
            groups = state["categories"][:, column]
            wanted = tf.gather(groups, candidates)
            for products, weights in ((held, is_held), (held, newly), (recent, seen)):
                own = tf.gather(groups, tf.maximum(products, 0))
                match = tf.cast(own[:, :, None] == wanted[:, None, :], tf.float32)
                features.append(tf.math.log1p(tf.einsum("bl,blc->bc", weights, match)))
        features.append(self._segment_popularity(query["categories"], candidates, state["segments"]))
        features += self._gap_features(query["floats"], tf.gather(state["floats"], candidates))
        return tf.stack(features, axis=2)

    @staticmethod
    def _pairs(held: Any, recent: Any, is_held: Any, newly: Any, seen: Any, candidates: Any, pairs: Any) -> list[Any]:
        if pairs.shape[1] == 0:  # a catalogue too large for pair statistics
            nothing = tf.zeros(tf.shape(candidates))
            return [nothing] * (4 * pairs.shape[0])
        num_products = pairs.shape[1]
        rows = tf.maximum(tf.concat([held, recent], axis=1), 0)
        index = rows[:, :, None] * num_products + candidates[:, None, :]
        num_held = tf.shape(held)[1]
        features = []
        for number in range(pairs.shape[0]):
            values = tf.gather(tf.reshape(pairs[number], [-1]), index)
            of_held, of_recent = values[:, :num_held], values[:, num_held:]
            features += [
                tf.einsum("bl,blc->bc", is_held, of_held),
                _largest(of_held, is_held),
                tf.einsum("bl,blc->bc", newly, of_held),
                tf.einsum("bl,blc->bc", seen, of_recent),
            ]
        return features

    def _segment_popularity(self, categories: Any, candidates: Any, segments: Any) -> Any:
        if self._segment is None:
            return tf.zeros(tf.shape(candidates))
        return tf.gather(tf.gather(segments, categories[:, self._segment]), candidates, batch_dims=1)

    def _gap_features(self, customer: Any, product: Any) -> list[Any]:
        """Differences of the compared columns, on a log scale where one of them is encoded on it."""
        gaps = []
        for left, left_number, right, right_number in self._gaps:
            log = _logged(left_number) or _logged(right_number)
            of_customer = _restore(customer[:, left], left_number, log)
            of_product = _restore(product[:, :, right], right_number, log)
            gaps.append(of_customer[:, None] - of_product)
        return gaps


def _largest(values: Any, present: Any) -> Any:
    """Return the largest value over a list, 0 for an empty one, [batch, num_candidates].

    Args:
        values: [batch, length, num_candidates].
        present: 1, or 0 for padding, [batch, length].
    """
    largest = tf.reduce_max(tf.where(present[:, :, None] > 0, values, MASKED_SCORE), axis=1)
    return tf.where(tf.reduce_any(present > 0, axis=1, keepdims=True), largest, 0.0)


def _restore(standard: Any, number: NumberState, log: bool) -> Any:
    """Undo the standardisation; the result is on a log scale if `log`."""
    value = standard * number.scale + number.mean
    return tf.math.log1p(tf.maximum(value, 0.0)) if log and not _logged(number) else value


class CategoryCrosses(tf.keras.layers.Layer):
    """Embeddings of hashed pairs of a customer's and a candidate's category, [batch, num_candidates, output_dim]."""

    def __init__(
        self, customers: EncoderState, products: EncoderState, data: DataConfig, config: RankingConfig
    ) -> None:
        super().__init__(name="category_crosses")
        left, right = list(customers.categories), list(products.categories)
        pairs = config.category_crosses
        if pairs is None:
            main = [column for column in right if column == data.policy.category_column]
            pairs = tuple((customer, product) for customer in left for product in main or right)
        unknown = [pair for pair in pairs if pair[0] not in left or pair[1] not in right]
        if unknown:
            raise ValueError(
                f"ranking.category_crosses has {unknown}, but the category columns are {left} of customers and {right} "
                "of products; fix the pairs"
            )
        self.pairs = list(pairs)
        self._columns = [(left.index(customer), right.index(product)) for customer, product in pairs]
        sizes = [customers.category_sizes[a] * products.category_sizes[b] for a, b in self._columns]
        self._buckets = [min(size, config.cross_buckets) for size in sizes]
        self._strides = [products.category_sizes[b] for _, b in self._columns]
        self._offsets = np.cumsum([0, *self._buckets])[:-1].astype(np.int32)
        self.output_dim = len(self._columns) * config.category_dim
        if self._columns:
            self._embedding = tf.keras.layers.Embedding(sum(self._buckets), config.category_dim)

    def named_features(self, first: int) -> list[NamedFeature]:
        """Return what people call the embeddings, from place `first` of a vector on: one feature, or none."""
        if not self.pairs:
            return []
        columns = tuple(dict.fromkeys(column for side in zip(*self.pairs, strict=True) for column in side))
        places = tuple(range(first, first + self.output_dim))
        return [NamedFeature(kind="cross", name="category_crosses", columns=columns, places=places)]

    def call(self, customer: Any, product: Any) -> Any:
        """Embed the crosses.

        Args:
            customer: Encoded categories, int32 [batch, num_categories].
            product: The candidates' encoded categories, int32 [batch, num_candidates, num_categories].
        """
        shape = tf.shape(product)
        if not self._columns:
            return tf.zeros([shape[0], shape[1], 0])
        index = tf.stack(
            [
                (customer[:, None, a] * stride + product[:, :, b]) % buckets + offset
                for (a, b), stride, buckets, offset in zip(
                    self._columns, self._strides, self._buckets, self._offsets, strict=True
                )
            ],
            axis=2,
        )
        return tf.reshape(self._embedding(index), [shape[0], shape[1], self.output_dim])
