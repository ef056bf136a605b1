"""Which products may be shown to whom, as a graph: the policy, what is held, and the filters of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.data.rules import FILTER_REASONS, HELD_REASON, PolicyConfig
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.suitability import repeatable_products
from nextbest.graph.catalogue import MASKED_SCORE, is_listed, mask_of_products
from nextbest.graph.conditions import HELD, Pairs
from nextbest.graph.policy import SuitabilityPolicy

__all__ = ["Eligibility"]


class Eligibility(tf.Module):
    """The policy and the filters over a catalogue. A request is a raw request with the filters, see `graph.query`."""

    def __init__(self, policy: PolicyConfig, products: Features, product_ids: Array) -> None:
        """Bind the rules.

        Args:
            policy: The suitability policy.
            products: Raw product columns, [num_products].
            product_ids: Their ids, bytes, [num_products].
        """
        super().__init__(name="eligibility")
        self._num_products = len(product_ids)
        self._policy = SuitabilityPolicy(policy, products, product_ids)
        repeatable = repeatable_products(policy, products, self._num_products)
        # One more, for what is no product of the catalogue.
        self._repeatable = tf.constant([*repeatable, False]) if repeatable.any() else None
        self._caps = [(cap.most, tf.constant(_codes(products[cap.column]))) for cap in policy.caps]
        self._positions = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(product_ids, tf.range(self._num_products, dtype=tf.int32)),
            default_value=NO_PRODUCT,
        )

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer columns that the rules read."""
        return self._policy.config.customer_columns

    def positions(self, product_ids: tf.Tensor) -> tf.Tensor:
        """Return the positions of product ids, NO_PRODUCT for an unknown one, int32, of the same shape."""
        return self._positions.lookup(product_ids)

    def read(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return what `allowed` reads of a request, [batch, ...] each: a row of it is a customer."""
        held = self.positions(request["held_products"])
        kept_out = tf.concat([self._held_once(held), self.positions(request["exclude"])], axis=1)
        of_request = dict(request) | {HELD: held}
        read = {name: of_request[name] for name in (*self._policy.inputs, "max_risk", "categories")}
        return read | {"exclude": kept_out}

    def _held_once(self, held: tf.Tensor) -> tf.Tensor:
        """Leave of held products those that may not be held twice, int32 [batch, any]."""
        if self._repeatable is None:
            return held
        place = tf.where(held == NO_PRODUCT, self._num_products, held)
        return tf.where(tf.gather(self._repeatable, place), NO_PRODUCT, held)

    def allowed(self, read: Mapping[str, tf.Tensor], products: Pairs = None) -> tf.Tensor:
        """Return which products may be shown: suitable, not held, within the filters; bool [batch, num].

        Args:
            read: What `read` returned.
            products: Positions of the products that each customer is asked about, 0 or more; see `Pairs`.
        """
        exclude, policy = read["exclude"], self._policy
        kept_out = mask_of_products(exclude, self._num_products) if products is None else is_listed(products, exclude)
        allowed = tf.logical_and(~kept_out, policy.suitable(read, tf.shape(exclude)[0], products))
        allowed = tf.logical_and(allowed, policy.at_most_risk(read["max_risk"], products))
        return tf.logical_and(allowed, policy.in_categories(read["categories"], products))

    def within_caps(self, candidates: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Return logits in which what a cap leaves no place for has MASKED_SCORE, float32 [batch, num].

        Of each kind the highest logits stay, of equal ones the first. Several caps are applied one after the other.

        Args:
            candidates: Product positions, int32 [batch, num]; NO_PRODUCT has MASKED_SCORE.
            logits: Their logits, float32 [batch, num].
        """
        for most, codes in self._caps:
            kinds = tf.gather(codes, tf.maximum(candidates, 0))
            over = tf.logical_and(_place_in_kind(kinds, logits) >= most, kinds > 0)
            logits = tf.where(over, MASKED_SCORE, logits)
        return logits

    def reasons(self, request: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return why each product must not be shown to each customer, string [batch, num_products].

        All reasons, each on a line; '' where it may be shown. What is held stands before the rules, then come values
        that are unknown, and then the filters.
        """
        batch, policy = tf.shape(request["as_of_day"])[0], self._policy
        held = self.positions(request["held_products"])
        kept = mask_of_products(self._held_once(held), self._num_products)
        excluded = mask_of_products(self.positions(request["exclude"]), self._num_products)
        broken = policy.broken(dict(request) | {HELD: held})
        reasons: list[tuple[str, Any]] = [
            (HELD_REASON, kept),
            *zip(policy.reasons, broken, strict=True),
            (FILTER_REASONS["max_risk"], ~policy.at_most_risk(request["max_risk"])),
            (FILTER_REASONS["categories"], ~policy.in_categories(request["categories"])),
            (FILTER_REASONS["exclude"], excluded),
        ]
        told = tf.fill([batch, self._num_products], "")
        for text, applies in reasons:
            told = tf.where(applies, tf.where(told == "", text, told + f"\n{text}"), told)
        return told


def _codes(column: Array) -> Array:
    """Return whole numbers for words, 0 for '', int32 [num_products]."""
    return np.searchsorted(sorted({"", *column}), column).astype(np.int32)


def _place_in_kind(kinds: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return how many of the same kind in a row have a higher logit, or an equal one and stand before, [batch, num]."""
    best = tf.argsort(logits, direction="DESCENDING", stable=True)
    by_kind = tf.argsort(tf.gather(kinds, best, batch_dims=1), stable=True)
    order = tf.gather(best, by_kind, batch_dims=1)  # by kind, and the best of each first
    ordered = tf.gather(kinds, order, batch_dims=1)
    place = tf.range(tf.shape(kinds)[1]) - tf.searchsorted(ordered, ordered)
    return tf.gather(place, tf.argsort(order), batch_dims=1)
