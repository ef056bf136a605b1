"""Which products may be shown to whom, as a graph: the policy, what is held, and the filters of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from nextbest.data.config import PolicyConfig
from nextbest.data.dataset import Array, Features
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.graph.catalogue import is_listed, mask_of_products
from nextbest.graph.policy import Pairs, SuitabilityPolicy
from nextbest.graph.served_inputs import FILTER_REASONS, HELD_REASON

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
        self._policy = SuitabilityPolicy(policy, products, self._num_products)
        self._positions = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(product_ids, tf.range(self._num_products, dtype=tf.int32)),
            default_value=NO_PRODUCT,
        )

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer columns that the rules read."""
        return self._policy.customer_columns

    def positions(self, product_ids: tf.Tensor) -> tf.Tensor:
        """Return the positions of product ids, NO_PRODUCT for an unknown one, int32, of the same shape."""
        return self._positions.lookup(product_ids)

    def read(self, request: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return what `allowed` reads of a request, [batch, ...] each: a row of it is a customer."""
        kept_out = tf.concat([request["held_products"], request["exclude"]], axis=1)
        read = {name: request[name] for name in (*self.customer_columns, "max_risk", "categories")}
        return read | {"exclude": self.positions(kept_out)}

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

    def reasons(self, request: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return why each product must not be shown to each customer, '' where it may, string [batch, num_products]."""
        batch, policy = tf.shape(request["as_of_day"])[0], self._policy
        held, excluded = (
            mask_of_products(self.positions(request[name]), self._num_products) for name in ("held_products", "exclude")
        )
        # Pairs, since several rules may have one text. The last reason that applies is stated.
        reasons: list[tuple[str, Any]] = [
            (FILTER_REASONS["exclude"], excluded),
            (FILTER_REASONS["categories"], tf.logical_not(policy.in_categories(request["categories"]))),
            (FILTER_REASONS["max_risk"], tf.logical_not(policy.at_most_risk(request["max_risk"]))),
            *zip(policy.reasons, map(tf.logical_not, policy.satisfied(request)), strict=True),
            (HELD_REASON, held),
        ]
        reason = tf.fill([batch, self._num_products], "")
        for text, applies in reasons:
            reason = tf.where(applies, text, reason)
        return reason
