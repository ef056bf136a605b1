"""The suitability policy as a graph: which products may be shown to which customer, and why the others may not.

One implementation serves training (the candidates), evaluation (the mask) and the exported model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from nextbest.data.config import PolicyConfig, Rule
from nextbest.data.dataset import Array, Features

__all__ = ["Pairs", "SuitabilityPolicy"]

_COMPARE: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    "==": tf.equal,
    "!=": tf.not_equal,
}

Pairs: TypeAlias = tf.Tensor | None
"""Positions of the products that each customer is compared with, int32 [batch, num]: a few of a large catalogue. None
stands for all of them, and num is num_products then."""


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
        used = [*(rule.product for rule in config.rules), config.risk_column]
        self._products = {name: _constant(products[name]) for name in used if name is not None}
        alike: dict[tuple[object, ...], list[Rule]] = {}
        for rule in config.rules:
            words = isinstance(rule.value, str) or (rule.product and self._products[rule.product].dtype == tf.string)
            sides = rule.customer is None, rule.product is None, bool(words)
            alike.setdefault((rule.op, rule.missing, *sides), []).append(rule)
        self._alike = tuple(map(tuple, alike.values()))
        if config.category_column is not None:
            found = products[config.category_column]
            self._names = sorted(set(found) - {""})
            # Of a product without a category it is past the last.
            codes = {name: code for code, name in enumerate(self._names)}
            self._categories = tf.constant([codes.get(name, len(codes)) for name in found], tf.int32)

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer columns that the rules read."""
        return tuple(sorted({rule.customer for rule in self.config.rules if rule.customer}))

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for people, in the order of the rules."""
        return tuple(rule.reason for rule in self.config.rules)

    def satisfied(self, customers: Mapping[str, tf.Tensor], products: Pairs = None) -> list[tf.Tensor]:
        """Return for each rule whether it holds: bool tensors that broadcast to [batch, num].

        Args:
            customers: Raw customer columns, [batch].
            products: Which products are meant; see `Pairs`.
        """
        return [self._hold((rule,), customers, products)[0] for rule in self.config.rules]

    def suitable(self, customers: Mapping[str, tf.Tensor], batch: tf.Tensor, products: Pairs = None) -> tf.Tensor:
        """Return whether every rule holds, bool [batch, num].

        Args:
            customers: Raw customer columns, [batch].
            batch: The batch size, a scalar.
            products: Which products are meant; see `Pairs`.
        """
        mask = self._everything(batch, products)
        for rules in self._alike:
            mask = tf.logical_and(mask, tf.reduce_all(self._hold(rules, customers, products), axis=0))
        return mask

    def suitable_array(self, customers: Features, rows: Array) -> Array:
        """Return `suitable` for the given rows of raw customer columns as an array, bool [len(rows), num_products]."""
        columns = {name: tf.constant(customers[name][rows]) for name in self.customer_columns}
        return np.asarray(self.suitable(columns, len(rows)))

    def at_most_risk(self, max_risk: tf.Tensor, products: Pairs = None) -> tf.Tensor:
        """Return whether a product's risk is at most the customer's limit, bool [batch, num].

        Args:
            max_risk: The highest risk wanted, float32 [batch]; NaN sets no limit. A product without a known risk
                passes only then.
            products: Which products are meant; see `Pairs`.
        """
        if self.config.risk_column is None:
            return self._everything(tf.shape(max_risk)[0], products)
        risk = _of(self._products[self.config.risk_column], products)
        return tf.logical_or(risk <= max_risk[:, None], tf.math.is_nan(max_risk)[:, None])

    def in_categories(self, categories: tf.Tensor, products: Pairs = None) -> tf.Tensor:
        """Return whether a product is in one of the wanted categories, bool [batch, num].

        Args:
            categories: Wanted categories, string [batch, any], '' is padding; none at all means every category.
            products: Which products are meant; see `Pairs`.
        """
        if self.config.category_column is None:
            return self._everything(tf.shape(categories)[0], products)
        wanted = tf.reduce_any(categories[:, :, None] == tf.constant(self._names, tf.string), axis=1)
        wanted = tf.pad(wanted, [[0, 0], [0, 1]])
        if products is None:
            wanted = tf.gather(wanted, self._categories, axis=1)
        else:
            wanted = tf.gather(wanted, tf.gather(self._categories, products), batch_dims=1)
        no_wish = tf.reduce_all(categories == "", axis=1, keepdims=True)
        return tf.logical_or(wanted, no_wish)  # padding wishes for no category

    def _everything(self, batch: tf.Tensor, products: Pairs) -> tf.Tensor:
        return tf.ones([batch, self.num_products] if products is None else tf.shape(products), tf.bool)

    def _hold(self, rules: Sequence[Rule], customers: Mapping[str, tf.Tensor], products: Pairs) -> tf.Tensor:
        """Return whether rules hold that compare alike, bool [len(rules), batch, num]; batch or num may be 1."""
        rule = rules[0]
        customer = product = None
        if rule.customer is not None:
            customer = tf.stack([customers[str(rule.customer)] for rule in rules])[:, :, None]
        if rule.product is not None:
            product = tf.stack([_of(self._products[str(rule.product)], products) for rule in rules])
        left = customer if customer is not None else product
        if rule.value is None:
            right = product
        else:
            right = tf.stack([_fixed(rule.value) for rule in rules if rule.value is not None])[:, None, None]
        holds = _COMPARE[rule.op](left, right)
        if product is not None:
            holds = tf.logical_or(holds, _missing(product))
        if customer is not None:
            known = ~_missing(customer)
            holds = tf.logical_or(holds, ~known) if rule.missing == "allow" else tf.logical_and(holds, known)
        return holds


def _of(column: tf.Tensor, products: Pairs) -> tf.Tensor:
    """Return a product column for the products that are meant, [1, num_products] or [batch, num]."""
    return column[None, :] if products is None else tf.gather(column, products)


def _missing(values: tf.Tensor) -> tf.Tensor:
    return values == "" if values.dtype == tf.string else ~tf.math.is_finite(values)


def _constant(values: Array) -> tf.Tensor:
    return tf.constant(values, tf.float32) if values.dtype.kind == "f" else tf.constant(values.tolist(), tf.string)


def _fixed(value: float | bool | str) -> tf.Tensor:
    return tf.constant(value) if isinstance(value, str) else tf.constant(float(value), tf.float32)
