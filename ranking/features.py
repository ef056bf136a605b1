"""Cross features: what says something of a customer and a candidate together, computed in the graph.

`CrossFeatures` computes numbers, `CategoryCrosses` embeds pairs of categories. The numbers are declared once, in
`_declare`, in the order of the vector; everything else finds one by its key. To add one, declare it there, compute it
under its key in `CrossFeatures.call`, and give it a name (`data.feature_names`) and words
(`serving.insights.sentences`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nextbest.data.config import DataConfig, HistoryList
from nextbest.data.feature_names import FeatureKind, FeatureName, NamedFeature
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.statistics import PairStatistic, StatisticsConfig
from nextbest.graph.catalogue import MASKED_SCORE, look_up
from nextbest.graph.encoders import EncoderState, NumberState
from nextbest.ranking.config import RankingConfig

__all__ = ["CategoryCrosses", "CrossFeatures", "gap_columns"]


_OWN: Mapping[HistoryList, FeatureName] = {"closed": "own_closure", "refused": "own_refusal"}
"""List -> the feature that says whether the candidate is in it; that it was looked at, `seen` says."""


@dataclass(frozen=True)
class _Declared:
    """A feature that is explained as one, and the numbers that it is made of."""

    name: FeatureName
    keys: tuple[str, ...]
    """Of its numbers, in the order of the vector."""
    leading: str
    """The key of the number that says how much there is of it."""
    columns: tuple[str, ...] = ()
    """See `NamedFeature`."""
    kind: FeatureKind = "cross"
    """See `NamedFeature`."""


def _declare(
    pairs: Sequence[PairStatistic], groups: Sequence[str], gaps: Sequence[tuple[str, str]], lists: Iterable[HistoryList]
) -> list[_Declared]:
    """Declare all cross features in the order of the vector.

    Args:
        pairs: The pair statistics that there are.
        groups: The products' category columns.
        gaps: The compared columns, see `gap_columns`.
        lists: The lists that a query has.
    """
    declared = [_single("retrieval_score")]
    for pair in pairs:
        total = f"{pair}_sum"
        votes = (total, f"{pair}_max", f"{pair}_recent_sum", f"{pair}_seen_sum")
        declared.append(_Declared(pair, votes, leading=total))
    declared.append(_single("seen"))
    for name, feature in _OWN.items():
        if name in lists:
            declared.append(_Declared(feature, (name, f"newly_{name}"), leading=name))
    declared.append(_single("held_count", kind="customer"))
    for group in groups:
        held = f"held_in_{group}"
        keys = (held, f"newly_held_in_{group}", f"seen_in_{group}")
        declared.append(_Declared("same_group", keys, leading=held, columns=(group,)))
    declared.append(_single("segment_popularity"))
    for left, right in gaps:
        key = _gap_key(left, right)
        declared.append(_Declared("gap", (key,), leading=key, columns=(left, right)))
    return declared


def _single(name: FeatureName, kind: FeatureKind = "cross") -> _Declared:
    return _Declared(name, (name,), leading=name, kind=kind)


def _gap_key(left: str, right: str) -> str:
    return f"{left} - {right}"


class CrossFeatures(tf.keras.layers.Layer):
    """Numbers that describe a customer and a candidate together, [batch, num_candidates, num_features].

    The retrieval score; for each pair statistic its sum over the holdings, its largest value, its recency-weighted sum
    and its sum over the recent products; the candidate's own recent interactions, and where they are recorded its
    closure and its refusal; the holdings and recent products of the candidate's group, per category column; the
    candidate's popularity in the customer's segment; the gaps between compared columns. A customer without holdings has
    0 for what is over holdings.
    `keys` says which stands where.
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
        self._pairs = statistics.pairs
        self._recency_days = config.recency_days
        self._segment = list(customers.categories).index(data.segment) if data.segment else None
        self._groups = tuple(products.categories)
        self._own = tuple(name for name in _OWN if name in data.list_lengths)
        compared = gap_columns(data, customers, products)
        self._gaps = tuple(_Gap.between(left, right, customers, products) for left, right in compared)
        self._declared = tuple(_declare(self._pairs, self._groups, compared, data.list_lengths))
        self.keys = tuple(key for feature in self._declared for key in feature.keys)

    def select(self, features: tf.Tensor, key: str) -> tf.Tensor:
        """Return one of the numbers that `call` computes, [batch, num_candidates].

        Args:
            features: What `call` returns.
            key: One of `keys`.
        """
        return features[:, :, self.keys.index(key)]

    def named_features(self, first: int) -> list[NamedFeature]:
        """Return what people call the features, which stand in a vector from place `first` on."""
        named = []
        for feature in self._declared:
            places = {key: first + place for place, key in enumerate(feature.keys)}
            first += len(places)
            ordered = (places.pop(feature.leading), *places.values())
            named.append(NamedFeature(kind=feature.kind, name=feature.name, columns=feature.columns, places=ordered))
        return named

    def call(
        self,
        query: Mapping[str, tf.Tensor],
        candidates: tf.Tensor,
        scores: tf.Tensor,
        catalogue: Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        """Compute the features.

        Args:
            query: Encoded queries, [batch, ...].
            candidates: Product positions, 0 or more, int32 [batch, num_candidates].
            scores: Retrieval's cosines, [batch, num_candidates].
            catalogue: The arrays of a `CatalogueStatistics`.
        """
        lists, floats = self._read_lists(query), tf.gather(catalogue["floats"], candidates)
        count = tf.math.log1p(tf.reduce_sum(lists.weights[:, 0], axis=1))
        single = [
            scores,
            tf.broadcast_to(count[:, None], tf.shape(scores)),
            self._segment_popularity(query["categories"], candidates, catalogue),
        ]
        parts = [
            _Part(("retrieval_score", "held_count", "segment_popularity"), tf.stack(single, axis=2)),
            self._pair_features(lists, candidates, catalogue),
            self._matches(lists, candidates, catalogue["categories"]),
        ]
        if self._gaps:
            gaps = tuple(gap.key for gap in self._gaps)
            parts.append(_Part(gaps, _differences(self._gaps, query["floats"], floats)))
        parts += [self._own_events(query, name, candidates) for name in self._own]
        computed = [key for part in parts for key in part.keys]
        features = tf.concat([part.values for part in parts], axis=2)
        return tf.gather(features, [computed.index(key) for key in self.keys], axis=2)

    def _read_lists(self, query: Mapping[str, tf.Tensor]) -> _Lists:
        def weights(name: str) -> tuple[tf.Tensor, tf.Tensor]:
            present = tf.cast(query[name] != NO_PRODUCT, tf.float32)
            return present, present * tf.exp(-query[f"{name}_age"] / self._recency_days)

        (held, newly), (recent, seen) = weights("held"), weights("recent")
        none_held, none_recent = tf.zeros_like(held), tf.zeros_like(recent)
        rows = [(held, none_recent), (newly, none_recent), (none_held, seen)]
        return _Lists(
            products=tf.maximum(tf.concat([query["held"], query["recent"]], axis=1), 0),
            weights=tf.stack([tf.concat(row, axis=1) for row in rows], axis=1),
        )

    def _own_events(self, query: Mapping[str, tf.Tensor], name: HistoryList, candidates: tf.Tensor) -> _Part:
        """Say whether the customer closed, or refused, the candidate, and how lately."""
        same = tf.cast(query[name][:, :, None] == candidates[:, None, :], tf.float32)
        newly = tf.exp(-query[f"{name}_age"] / self._recency_days)
        weights = tf.stack([tf.ones_like(newly), newly], axis=1)
        return _Part((name, f"newly_{name}"), tf.matmul(same, weights, transpose_a=True, transpose_b=True))

    def _pair_features(self, lists: _Lists, candidates: tf.Tensor, catalogue: Mapping[str, tf.Tensor]) -> _Part:
        keys = tuple(f"{pair}_{what}" for pair in self._pairs for what in ("sum", "recent_sum", "seen_sum", "max"))
        if not self._pairs:
            return _Part(keys, tf.zeros(tf.concat([tf.shape(candidates), [0]], axis=0)))
        values = _pair_statistics(catalogue, lists.products, candidates)
        sums = tf.matmul(lists.weights, values)  # [num_pairs, batch, 3, num_candidates]
        largest = _largest(values, lists.weights[:, 0])
        features = tf.transpose(tf.concat([sums, largest[:, :, None]], axis=2), [1, 3, 0, 2])
        return _Part(keys, tf.reshape(features, [-1, tf.shape(candidates)[1], len(keys)]))

    def _matches(self, lists: _Lists, candidates: tf.Tensor, categories: tf.Tensor) -> _Part:
        """Count, on a log scale, what the lists hold of the candidate's categories; and the candidate's own visits."""
        own, wanted = tf.gather(categories, lists.products), tf.gather(categories, candidates)
        # A product is one more category, of which there is only itself.
        own = tf.concat([own, lists.products[:, :, None]], axis=2)
        wanted = tf.concat([wanted, candidates[:, :, None]], axis=2)
        match = tf.cast(own[:, :, None, :] == wanted[:, None, :, :], tf.float32)
        counts = tf.einsum("bwl,blcg->bcgw", lists.weights, match)
        num_groups = len(self._groups)
        shape = tf.concat([tf.shape(candidates), [num_groups * 3]], axis=0)  # -1 would be anything without groups
        logs = tf.math.log1p(tf.reshape(counts[:, :, :num_groups], shape))
        keys = tuple(f"{what}_in_{group}" for group in self._groups for what in ("held", "newly_held", "seen"))
        return _Part((*keys, "seen"), tf.concat([logs, counts[:, :, num_groups, 2:]], axis=2))

    def _segment_popularity(
        self, categories: tf.Tensor, candidates: tf.Tensor, catalogue: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Look the candidates up in the customer's segment; no array has a column per product."""
        if self._segment is None:
            return tf.zeros(tf.shape(candidates))
        segment = tf.broadcast_to(categories[:, self._segment][:, None], tf.shape(candidates))
        if "segments" not in catalogue:
            return look_up(catalogue, "segments", segment, candidates)[:, :, 0]
        return tf.gather_nd(catalogue["segments"], tf.stack([segment, candidates], axis=2))


def _pair_statistics(catalogue: Mapping[str, tf.Tensor], rows: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Return the pair statistics of candidates, [num_pair_statistics, batch, length, num_candidates].

    Args:
        catalogue: The arrays of a `CatalogueStatistics`.
        rows: Products that speak for them, 0 or more, [batch, length].
        candidates: [batch, num_candidates].
    """
    rows, columns = rows[:, :, None], candidates[:, None, :]
    if "pairs" not in catalogue:
        return tf.transpose(look_up(catalogue, "pairs", rows, columns), [3, 0, 1, 2])
    num_pairs, num_products = catalogue["pairs"].shape[:2]
    index = rows * num_products + columns
    return tf.gather(tf.reshape(catalogue["pairs"], [num_pairs, -1]), index, axis=1)


@dataclass(frozen=True)
class _Part:
    """Some of the numbers."""

    keys: tuple[str, ...]
    values: tf.Tensor
    """In the order of the keys, [batch, num_candidates, len(keys)]."""


@dataclass(frozen=True)
class _Lists:
    """What customers hold, and then what they did lately."""

    products: tf.Tensor
    """Product positions, 0 for padding, int32 [batch, length]."""
    weights: tf.Tensor
    """How much of each counts: as held, as newly held, as seen lately; 0 for padding, [batch, 3, length]."""


def _largest(values: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Return the largest values over a list, 0 for an empty one, [num, batch, num_candidates].

    Args:
        values: [num, batch, length, num_candidates].
        present: 1, or 0 for padding, [batch, length].
    """
    largest = tf.reduce_max(tf.where(present[:, :, None] > 0, values, MASKED_SCORE), axis=2)
    return tf.where(tf.reduce_any(present > 0, axis=1, keepdims=True), largest, 0.0)


@dataclass(frozen=True)
class _Gap:
    """The difference of a customer's and a product's column, on a log scale where one of them is encoded on it."""

    key: str
    customer: NumberState
    customer_place: int
    """Where the column stands among the customer's encoded numbers."""
    product: NumberState
    product_place: int
    """Where the column stands among the product's encoded numbers."""

    @classmethod
    def between(cls, left: str, right: str, customers: EncoderState, products: EncoderState) -> _Gap:
        """Compare two columns by their names."""
        places = list(customers.numbers).index(left), list(products.numbers).index(right)
        return cls(_gap_key(left, right), customers.numbers[left], places[0], products.numbers[right], places[1])

    @property
    def log(self) -> bool:
        """Whether it is on a log scale."""
        return _logged(self.customer) or _logged(self.product)


def _differences(gaps: Sequence[_Gap], customer: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """Return the gaps, [batch, num_candidates, num_gaps], from encoded numbers of customers and of candidates."""
    log = [gap.log for gap in gaps]
    of_customer = tf.gather(customer, [gap.customer_place for gap in gaps], axis=1)
    of_product = tf.gather(product, [gap.product_place for gap in gaps], axis=2)
    return _restore(of_customer, [gap.customer for gap in gaps], log)[:, None, :] - _restore(
        of_product, [gap.product for gap in gaps], log
    )


def _logged(number: NumberState) -> bool:
    return number.transform == "log1p"


def _restore(standard: tf.Tensor, numbers: Sequence[NumberState], log: Sequence[bool]) -> tf.Tensor:
    """Undo the standardisation of columns, [..., len(numbers)]; those are on a log scale whose `log` says so."""
    scale, mean = (np.array([getattr(number, part) for number in numbers], np.float32) for part in ("scale", "mean"))
    values = standard * scale + mean
    unlogged = np.array(log) & ~np.array([_logged(number) for number in numbers])
    return tf.where(unlogged, tf.math.log1p(tf.maximum(values, 0.0)), values) if unlogged.any() else values


def gap_columns(data: DataConfig, customers: EncoderState, products: EncoderState) -> list[tuple[str, str]]:
    """Return the (customer, product) number columns that a suitability rule compares: the risk gap, affordability."""
    return [
        (left, right)
        for left, right in data.policy.compared_columns
        if _subtracts(customers.numbers.get(left)) and _subtracts(products.numbers.get(right))
    ]


def _subtracts(number: NumberState | None) -> bool:
    """Whether a column is a number on a scale on which differences mean something."""
    return number is not None and number.kind == "number" and number.transform != "quantile"


CATEGORY_DIM = 6
"""Dimension of the ranker's embedding of a category, of a word and of a categorical cross."""


class CategoryCrosses(tf.keras.layers.Layer):
    """Embeddings of hashed pairs of a customer's and a candidate's category, [batch, num_candidates, output_dim]."""

    def __init__(self, customers: EncoderState, products: EncoderState, data: DataConfig, buckets: int = 4096) -> None:
        """Choose the pairs of columns.

        They are each of the customer's category columns with `policy.category_column`, or with each of the product's
        where there is none.

        Args:
            customers: The customers' encoder.
            products: The products' encoder.
            data: The tables and the policy.
            buckets: A pair of columns with more pairs of categories than this is hashed into so many.
        """
        super().__init__(name="category_crosses")
        left, right = list(customers.categories), list(products.categories)
        main = [column for column in right if column == data.policy.category_column]
        self.pairs = [(customer, product) for customer in left for product in main or right]
        self._columns = [(left.index(customer), right.index(product)) for customer, product in self.pairs]
        sizes = [customers.category_sizes[a] * products.category_sizes[b] for a, b in self._columns]
        self._buckets = [min(size, buckets) for size in sizes]
        self._strides = np.array([products.category_sizes[b] for _, b in self._columns], np.int32)
        self._offsets = np.cumsum([0, *self._buckets])[:-1].astype(np.int32)
        self.output_dim = len(self._columns) * CATEGORY_DIM
        if self._columns:
            self._embedding = tf.keras.layers.Embedding(sum(self._buckets), CATEGORY_DIM)

    def named_features(self, first: int) -> list[NamedFeature]:
        """Return what people call the embeddings, from place `first` of a vector on: one feature, or none."""
        if not self.pairs:
            return []
        columns = tuple(dict.fromkeys(column for side in zip(*self.pairs, strict=True) for column in side))
        places = tuple(range(first, first + self.output_dim))
        return [NamedFeature(kind="cross", name="category_crosses", columns=columns, places=places)]

    def call(self, customer: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
        """Embed the crosses.

        Args:
            customer: Encoded categories, int32 [batch, num_categories].
            product: The candidates' encoded categories, int32 [batch, num_candidates, num_categories].
        """
        if not self._columns:
            return tf.zeros([*tf.unstack(tf.shape(product)[:2]), 0])
        left = tf.gather(customer, [a for a, _ in self._columns], axis=1) * self._strides
        right = tf.gather(product, [b for _, b in self._columns], axis=2)
        index = (left[:, None, :] + right) % self._buckets + self._offsets
        return tf.concat(tf.unstack(self._embedding(index), axis=2), axis=2)
