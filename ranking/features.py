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
from nextbest.graph.catalogue import MASKED_SCORE
from nextbest.graph.encoders import EncoderState, NumberState
from nextbest.graph.sparse_table import look_up
from nextbest.ranking.config import RankingConfig

__all__ = ["CategoryCrosses", "CrossFeatures", "gap_columns"]

_LIFTS: tuple[PairStatistic, ...] = ("co_holding", "next_after")
"""Of these logarithms people understand the largest, of the other pair statistics the sum."""


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
        total, largest = f"{pair}_sum", f"{pair}_max"
        votes = (total, largest, f"{pair}_recent_sum", f"{pair}_seen_sum")
        declared.append(_Declared(pair, votes, leading=largest if pair in _LIFTS else total))
    declared.append(_single("seen"))
    if "refused" in lists:
        declared.append(_Declared("own_refusal", ("refused", "newly_refused"), leading="refused"))
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
    and its sum over the recent products; the candidate's own recent interactions, and refusals where they are recorded;
    the holdings and recent products of the candidate's group, per category column; the candidate's popularity in the
    customer's segment; the gaps between compared columns. A customer without holdings has 0 for what is over holdings.
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
        self._has_refusals = "refused" in data.list_lengths
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
        is_held = tf.cast(query["held"] != NO_PRODUCT, tf.float32)
        newly = is_held * tf.exp(-query["held_age"] / self._recency_days)
        is_recent = tf.cast(query["recent"] != NO_PRODUCT, tf.float32)
        seen = is_recent * tf.exp(-query["recent_age"] / self._recency_days)
        lists = _Lists(query["held"], query["recent"], is_held, newly, seen)
        same = tf.cast(lists.recent[:, :, None] == candidates[:, None, :], tf.float32)
        floats = tf.gather(catalogue["floats"], candidates)
        count = tf.math.log1p(tf.reduce_sum(is_held, axis=1, keepdims=True))
        features = {
            "retrieval_score": scores,
            **self._pair_features(lists, candidates, catalogue),
            "seen": tf.einsum("bl,blc->bc", seen, same),
            "held_count": tf.broadcast_to(count, tf.shape(scores)),
            **self._group_features(lists, candidates, catalogue["categories"]),
            "segment_popularity": self._segment_popularity(query["categories"], candidates, catalogue),
            **{gap.key: gap.compute(query["floats"], floats) for gap in self._gaps},
        }
        if self._has_refusals:
            features |= self._refusals(query, candidates)
        return tf.stack([features[key] for key in self.keys], axis=2)

    def _refusals(self, query: Mapping[str, tf.Tensor], candidates: tf.Tensor) -> dict[str, tf.Tensor]:
        """Say whether the customer refused the candidate, and how lately."""
        same = tf.cast(query["refused"][:, :, None] == candidates[:, None, :], tf.float32)
        newly = tf.exp(-query["refused_age"] / self._recency_days)
        return {"refused": tf.reduce_sum(same, axis=1), "newly_refused": tf.einsum("bl,blc->bc", newly, same)}

    def _pair_features(
        self, lists: _Lists, candidates: tf.Tensor, catalogue: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        rows = tf.maximum(tf.concat([lists.held, lists.recent], axis=1), 0)
        num_held = tf.shape(lists.held)[1]
        features = {}
        for pair, values in zip(self._pairs, _pair_statistics(catalogue, rows, candidates), strict=True):
            of_held, of_recent = values[:, :num_held], values[:, num_held:]
            features[f"{pair}_sum"] = tf.einsum("bl,blc->bc", lists.is_held, of_held)
            features[f"{pair}_max"] = _largest(of_held, lists.is_held)
            features[f"{pair}_recent_sum"] = tf.einsum("bl,blc->bc", lists.newly, of_held)
            features[f"{pair}_seen_sum"] = tf.einsum("bl,blc->bc", lists.seen, of_recent)
        return features

    def _group_features(self, lists: _Lists, candidates: tf.Tensor, categories: tf.Tensor) -> dict[str, tf.Tensor]:
        """Count, on a log scale, what the lists hold of the candidate's category."""
        features = {}
        for column, group in enumerate(self._groups):
            groups = categories[:, column]
            wanted = tf.gather(groups, candidates)
            for key, products, weights in (
                (f"held_in_{group}", lists.held, lists.is_held),
                (f"newly_held_in_{group}", lists.held, lists.newly),
                (f"seen_in_{group}", lists.recent, lists.seen),
            ):
                own = tf.gather(groups, tf.maximum(products, 0))
                match = tf.cast(own[:, :, None] == wanted[:, None, :], tf.float32)
                features[key] = tf.math.log1p(tf.einsum("bl,blc->bc", weights, match))
        return features

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


def _pair_statistics(catalogue: Mapping[str, tf.Tensor], rows: tf.Tensor, candidates: tf.Tensor) -> Sequence[tf.Tensor]:
    """Return each pair statistic of candidates, [batch, length, num_candidates].

    Args:
        catalogue: The arrays of a `CatalogueStatistics`.
        rows: Products that speak for them, 0 or more, [batch, length].
        candidates: [batch, num_candidates].
    """
    rows, columns = rows[:, :, None], candidates[:, None, :]
    if "pairs" not in catalogue:
        return tf.unstack(look_up(catalogue, "pairs", rows, columns), axis=3)
    pairs = catalogue["pairs"]
    index = rows * pairs.shape[1] + columns
    return [tf.gather(tf.reshape(pairs[number], [-1]), index) for number in range(pairs.shape[0])]


@dataclass(frozen=True)
class _Lists:
    """What customers hold and did lately, with weights that are 0 for padding, [batch, length] each."""

    held: tf.Tensor
    """Product positions, int32."""
    recent: tf.Tensor
    """Product positions, int32."""
    is_held: tf.Tensor
    """Of `held`: 1."""
    newly: tf.Tensor
    """Of `held`: falls with the age."""
    seen: tf.Tensor
    """Of `recent`: falls with the age."""


def _largest(values: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Return the largest value over a list, 0 for an empty one, [batch, num_candidates].

    Args:
        values: [batch, length, num_candidates].
        present: 1, or 0 for padding, [batch, length].
    """
    largest = tf.reduce_max(tf.where(present[:, :, None] > 0, values, MASKED_SCORE), axis=1)
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

    def compute(self, customer: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
        """Return the differences, [batch, num_candidates], from encoded numbers of customers and of candidates."""
        log = _logged(self.customer) or _logged(self.product)
        of_customer = _restore(customer[:, self.customer_place], self.customer, log)
        of_product = _restore(product[:, :, self.product_place], self.product, log)
        return of_customer[:, None] - of_product


def _logged(number: NumberState) -> bool:
    return number.transform == "log1p"


def _restore(standard: tf.Tensor, number: NumberState, log: bool) -> tf.Tensor:
    """Undo the standardisation; the result is on a log scale if `log`."""
    value = standard * number.scale + number.mean
    return tf.math.log1p(tf.maximum(value, 0.0)) if log and not _logged(number) else value


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
        self._strides = [products.category_sizes[b] for _, b in self._columns]
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
