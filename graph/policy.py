"""The suitability policy as a graph: which products may be shown to which customer, and why the others may not.

One implementation serves training (the candidates), evaluation (the mask) and the exported model. `graph.conditions`
compiles the single conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.data.padding import lists_by_row
from nextbest.data.rules import TODAY, PolicyConfig, unknown_reason
from nextbest.data.snapshot import NO_PRODUCT, Snapshot
from nextbest.graph.conditions import DAY, HELD, Conditions, Pairs, is_missing

__all__ = ["SuitabilityPolicy"]


class SuitabilityPolicy(tf.Module):
    """The rules of a `PolicyConfig`, bound to a catalogue. NaN, an infinity and '' are missing.

    A request is raw customer columns, [batch] each; where rules read them the day as `DAY`, int64 [batch], and
    the positions of the products held as `HELD`, int32 [batch, any].
    """

    def __init__(self, config: PolicyConfig, products: Features, product_ids: Array) -> None:
        """Bind the rules.

        Args:
            config: The policy.
            products: Raw product columns, [num_products].
            product_ids: Their ids, str or bytes, [num_products], sorted.
        """
        super().__init__(name="suitability_policy")
        self.config = config
        self.num_products = len(product_ids)
        self._conditions = Conditions(config.rules, products, product_ids)
        if config.risk_column is not None:
            self._risks = tf.constant(products[config.risk_column], tf.float32)
        if config.category_column is not None:
            found = products[config.category_column]
            self._names = sorted(set(found) - {""})
            # Of a product without a category it is past the last.
            codes = {name: code for code, name in enumerate(self._names)}
            self._categories = tf.constant([codes.get(name, len(codes)) for name in found], tf.int32)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the rules read of a request: customer columns, the day, what is held."""
        leaves = [leaf for rule in self.config.rules for leaf in rule.leaves()]
        day = [DAY] if any(TODAY in leaf.values for leaf in leaves) else []
        return *self.config.customer_columns, *day, *([HELD] if any(leaf.holds for leaf in leaves) else [])

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for people: of the rules in their order, then of the values that may be unknown."""
        asked = [name for rule in self.config.rules if rule.missing == "exclude" for name in rule.customer_columns]
        return *(rule.reason for rule in self.config.rules), *map(unknown_reason, dict.fromkeys(asked))

    def broken(self, customers: Mapping[str, tf.Tensor], products: Pairs = None) -> list[tf.Tensor]:
        """Return for each of `reasons` whether it applies: bool tensors that broadcast to [batch, num].

        Args:
            customers: The request.
            products: Which products are meant; see `Pairs`.
        """
        broken: list[tf.Tensor] = []
        unknown: dict[str, tf.Tensor] = {}
        for rule in self.config.rules:
            breaks = self._conditions.breaks(rule, customers, products, blank=False)
            broken.append(breaks)
            if rule.missing == "exclude" and rule.customer_columns:
                hangs = tf.logical_and(self._conditions.breaks(rule, customers, products, blank=True), ~breaks)
                for name in rule.customer_columns:
                    applies = tf.logical_and(hangs, is_missing(customers[name])[:, None])
                    unknown[name] = tf.logical_or(unknown[name], applies) if name in unknown else applies
        return [*broken, *unknown.values()]

    def suitable(self, customers: Mapping[str, tf.Tensor], batch: tf.Tensor, products: Pairs = None) -> tf.Tensor:
        """Return whether every rule holds, bool [batch, num].

        Args:
            customers: The request.
            batch: The batch size, a scalar.
            products: Which products are meant; see `Pairs`.
        """
        mask = self._everything(batch, products)
        for breaks in self._conditions.broken(customers, products):
            mask = tf.logical_and(mask, ~breaks)
        return mask

    def suitable_array(self, snapshot: Snapshot, rows: Array) -> Array:
        """Return `suitable` for the given customers of a snapshot as an array, bool [len(rows), num_products]."""
        request: dict[str, Any] = {
            name: tf.constant(snapshot.customers[name][rows]) for name in self.config.customer_columns
        }
        if DAY in self.inputs:
            request[DAY] = tf.fill([len(rows)], np.int64(snapshot.day))
        if HELD in self.inputs:
            held = snapshot.holdings[rows].tocoo()
            request[HELD] = tf.constant(lists_by_row(held.col, held.row, len(rows), NO_PRODUCT), tf.int32)
        return np.asarray(self.suitable(request, len(rows)))

    def at_most_risk(self, max_risk: tf.Tensor, products: Pairs = None) -> tf.Tensor:
        """Return whether a product's risk is at most the customer's limit, bool [batch, num].

        Args:
            max_risk: The highest risk wanted, float32 [batch]; NaN sets no limit. A product without a known risk
                passes only then.
            products: Which products are meant; see `Pairs`.
        """
        if self.config.risk_column is None:
            return self._everything(tf.shape(max_risk)[0], products)
        risk = self._risks[None, :] if products is None else tf.gather(self._risks, products)
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
