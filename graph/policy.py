"""The suitability policy as a graph: which products may be shown to which customer, and why the others may not.

One implementation serves training (the candidates), evaluation (the mask) and the exported model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from nextbest.data.config import PolicyConfig, Rule
from nextbest.data.dataset import Array, Features

__all__ = ["SuitabilityPolicy"]

_COMPARE: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    "==": tf.equal,
    "!=": tf.not_equal,
}


class SuitabilityPolicy(tf.Module):
    """The rules of a `PolicyConfig`, bound to a catalogue.

    A missing value on the customer's side excludes the product (or not, by the rule's `missing`); a missing value on
    the product's side sets no requirement. NaN, an infinity and '' are missing.
    """

    def __init__(self, config: PolicyConfig, products: Features, num_products: int) -> None:
        """Bind the rules.

        Args:
            config: The policy.
            products: Raw product columns, [num_products].
            num_products: The catalogue's size, since a catalogue may have no columns.
        """
        super().__init__(name="suitability_policy")
        self.config = config
        self.num_products = num_products
        used = [*(rule.product for rule in config.rules), config.risk_column, config.category_column]
        self._products = {name: _constant(products[name]) for name in used if name is not None}

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer columns that the rules read."""
        return tuple(sorted({rule.customer for rule in self.config.rules if rule.customer}))

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for people, in the order of the rules."""
        return tuple(rule.reason for rule in self.config.rules)

    def satisfied(self, customers: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """Return for each rule whether it holds: bool tensors that broadcast to [batch, num_products]."""
        return [self._holds(rule, customers) for rule in self.config.rules]

    def suitable(self, customers: Mapping[str, tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
        """Return whether every rule holds, bool [batch, num_products].

        Args:
            customers: Raw customer columns, [batch].
            batch: The batch size, a scalar.
        """
        mask = tf.ones([batch, self.num_products], tf.bool)
        for holds in self.satisfied(customers):
            mask = tf.logical_and(mask, holds)
        return mask

    def suitable_array(self, customers: Features, rows: Array) -> Array:
        """Return `suitable` for the given rows of raw customer columns as an array, bool [len(rows), num_products]."""
        columns = {name: tf.constant(customers[name][rows]) for name in self.customer_columns}
        return np.asarray(self.suitable(columns, len(rows)))

    def at_most_risk(self, max_risk: tf.Tensor) -> tf.Tensor:
        """Return whether a product's risk is at most the customer's limit, bool [batch, num_products].

        Args:
            max_risk: The highest risk wanted, float32 [batch]; NaN sets no limit. A product without a known risk
                passes only then.
        """
        if self.config.risk_column is None:
            return tf.ones([tf.shape(max_risk)[0], self.num_products], tf.bool)
        risk = self._products[self.config.risk_column][None, :]
        return tf.logical_or(risk <= max_risk[:, None], tf.math.is_nan(max_risk)[:, None])

    def in_categories(self, categories: tf.Tensor) -> tf.Tensor:
        """Return whether a product is in one of the wanted categories, bool [batch, num_products].

        Args:
            categories: Wanted categories, string [batch, any], '' is padding; none at all means every category.
        """
        if self.config.category_column is None:
            return tf.ones([tf.shape(categories)[0], self.num_products], tf.bool)
        category = self._products[self.config.category_column]
        wanted = tf.reduce_any(categories[:, :, None] == category, axis=1)
        no_wish = tf.reduce_all(categories == "", axis=1, keepdims=True)
        return tf.logical_or(tf.logical_and(wanted, category != ""), no_wish)  # padding wishes for no category

    def _holds(self, rule: Rule, customers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        customer = customers[rule.customer][:, None] if rule.customer else None
        product = self._products[rule.product][None, :] if rule.product else None
        left = customer if customer is not None else product
        right = _fixed(rule.value) if rule.value is not None else product
        holds = _COMPARE[rule.op](left, right)
        if product is not None:
            holds = tf.logical_or(holds, _missing(product))
        if customer is not None:
            unknown = _missing(customer)
            allowed = rule.missing == "allow"
            holds = tf.logical_or(holds, unknown) if allowed else tf.logical_and(holds, ~unknown)
        return holds


def _missing(values: tf.Tensor) -> tf.Tensor:
    return values == "" if values.dtype == tf.string else ~tf.math.is_finite(values)


def _constant(values: Array) -> tf.Tensor:
    return tf.constant(values, tf.float32) if values.dtype.kind == "f" else tf.constant(values.tolist(), tf.string)


def _fixed(value: float | bool | str) -> tf.Tensor:
    return tf.constant(value) if isinstance(value, str) else tf.constant(float(value), tf.float32)
