"""The conditions of suitability rules as graphs: comparisons, lists and holdings, and what is made of them.

A condition is true, false, or neither where it hangs on a value that the product lacks. Where it hangs on one that the
customer lacks, the caller says what it shall count as. `data.suitability` says the same outside of a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.data.rules import LISTS, TODAY, Comparison, Condition, Rule, Value
from nextbest.data.snapshot import NO_PRODUCT

__all__ = ["DAY", "HELD", "Conditions", "Pairs", "is_missing"]

DAY, HELD = "as_of_day", "held"
"""What conditions may read of a request beside the customer's columns: its day, int64 [batch], and the positions of the
products held, int32 [batch, any], NO_PRODUCT is padding."""

Pairs: TypeAlias = tf.Tensor | None
"""Positions of the products that each customer is compared with, int32 [batch, num]: a few of a large catalogue. None
stands for all of them, and num is num_products then."""

Request: TypeAlias = Mapping[str, tf.Tensor]

_COMPARE: Mapping[Comparison, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    "==": tf.equal,
    "!=": tf.not_equal,
}
_EPOCH = date(1970, 1, 1)


class Conditions(tf.Module):
    """Conditions, bound to a catalogue."""

    def __init__(self, rules: Sequence[Rule], products: Features, product_ids: Array) -> None:
        """Bind what the rules are made of.

        Args:
            rules: The rules; no other conditions can be asked for later.
            products: Raw product columns, [num_products].
            product_ids: Their ids, str or bytes, [num_products].
        """
        super().__init__(name="conditions")
        # Apart, since a SavedModel keeps no dict whose keys are not strings.
        self._conditions = tuple(dict.fromkeys(leaf for rule in rules for leaf in rule.leaves()))
        self._leaves = [_bind(leaf, products, product_ids) for leaf in self._conditions]
        alike: dict[tuple[str, str, str], list[Rule]] = {}
        others: list[Rule] = []
        for rule in rules:
            if rule.compares_columns and rule.comparison not in LISTS:
                key = rule.comparison, rule.missing, products[str(rule.product)].dtype.kind
                alike.setdefault(key, []).append(rule)
            else:
                others.append(rule)
        self._others = tuple(others)
        self._alike = [
            (missing == "exclude", _WithProduct(some, [products[str(rule.product)] for rule in some]))
            for (_, missing, _), some in alike.items()
        ]

    def broken(self, request: Request, products: Pairs) -> list[tf.Tensor]:
        """Return which products break rules, whatever the reason: bool tensors that broadcast to [batch, num].

        Rules that compare alike are asked at once. Arguments as for `breaks`; a missing value is what each rule says.
        """
        alike = [leaf.answer(request, products, truth=False, blank=excludes) for excludes, leaf in self._alike]
        return alike + [self.breaks(rule, request, products, blank=rule.missing == "exclude") for rule in self._others]

    def breaks(self, rule: Rule, request: Request, products: Pairs, *, blank: bool) -> tf.Tensor:
        """Return whether a rule is broken, bool that broadcasts to [batch, num].

        Args:
            rule: The rule.
            request: Raw customer columns, [batch], and what else the rule reads: `DAY`, `HELD`.
            products: Which products are meant.
            blank: Whether the values that the customer lacks are the worst for the rule that they can be, or the best.
        """
        broken = self._is(rule, request, products, truth=False, blank=blank)
        if rule.when is None:
            return broken
        return tf.logical_and(self._is(rule.when, request, products, truth=True, blank=blank), broken)

    def _is(self, condition: Condition, request: Request, products: Pairs, *, truth: bool, blank: bool) -> tf.Tensor:
        """Return whether a condition is known to be true, or to be false; `blank` where the customer lacks a value."""
        if condition.negated is not None:
            return self._is(condition.negated, request, products, truth=not truth, blank=blank)
        if parts := condition.any or condition.all:
            answers = [self._is(part, request, products, truth=truth, blank=blank) for part in parts]
            return reduce(tf.logical_or if truth == bool(condition.any) else tf.logical_and, answers)
        leaf = self._leaves[self._conditions.index(condition)]
        return leaf.answer(request, products, truth=truth, blank=blank)


class _Leaf(tf.Module):
    """A condition that is not made of others."""

    def __init__(self, known: Array | None = None) -> None:
        """Keep whether each product has the value that is asked of it, bool, [..., num_products]."""
        super().__init__(name="condition")
        self._known = None if known is None or known.all() else tf.constant(known)

    def answer(self, request: Request, products: Pairs, *, truth: bool, blank: bool) -> tf.Tensor:
        """See `Conditions._is`."""
        true = self._true(request, products)
        wanted = true if truth else ~true
        lacks = self._lacks(request)
        if lacks is not None:
            wanted = tf.where(lacks[..., None], self._where_lacking(products, truth, blank), wanted)
        return wanted if self._known is None else tf.logical_and(wanted, _of(self._known, products))

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        """Return whether it is true where all values are there, bool that broadcasts to [..., batch, num]."""
        raise NotImplementedError

    def _lacks(self, request: Request) -> tf.Tensor | None:
        """Return whether the customer lacks the value, bool [..., batch]; None where it asks for none."""
        return None

    def _where_lacking(self, products: Pairs, truth: bool, blank: bool) -> tf.Tensor:
        """Return the answer there, bool that broadcasts to [..., batch, num]."""
        return tf.constant(blank)


class _OfProduct(_Leaf):
    """Compares a product's column with fixed values, once for all requests."""

    def __init__(self, condition: Condition, column: Array) -> None:
        super().__init__(~_lacking(column))
        self._holds = tf.constant(_compare_with_values(condition, column))

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        return _of(self._holds, products)


class _SinceToday(_Leaf):
    """Compares a product's date with the day of the request."""

    def __init__(self, condition: Condition, column: Array) -> None:
        super().__init__(~_lacking(column))
        self._compare, self._column = _COMPARE[condition.comparison], _constant(column)

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        return self._compare(_of(self._column, products), tf.cast(request[DAY], tf.float32)[:, None])


class _WithProduct(_Leaf):
    """Compares customers' columns with products', several in one way: are all of them true, or is one false?"""

    def __init__(self, conditions: Sequence[Condition], columns: Sequence[Array]) -> None:
        """Bind comparisons.

        Args:
            conditions: Of the same comparison.
            columns: The products' column of each, of one kind, [num_products].
        """
        together = np.stack(columns)
        super().__init__(~_lacking(together))
        self._customers = [str(condition.customer) for condition in conditions]
        op = conditions[0].comparison
        self._compare, self._column = _COMPARE[op], _constant(together)
        # Whatever the value that a customer lacks, it is at least 0.
        free = together == 0 if op == ">=" else np.zeros(together.shape, bool)
        self._free = tf.constant(free) if free.any() else None

    def answer(self, request: Request, products: Pairs, *, truth: bool, blank: bool) -> tf.Tensor:
        """See `Conditions._is`."""
        each = super().answer(request, products, truth=truth, blank=blank)
        return (tf.reduce_all if truth else tf.reduce_any)(each, axis=0)

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        return self._compare(self._own(request)[..., None], _of(self._column, products))

    def _lacks(self, request: Request) -> tf.Tensor:
        return is_missing(self._own(request))

    def _where_lacking(self, products: Pairs, truth: bool, blank: bool) -> tf.Tensor:
        if self._free is None or truth == blank:
            return super()._where_lacking(products, truth, blank)
        free = _of(self._free, products)
        return free if truth else ~free

    def _own(self, request: Request) -> tf.Tensor:
        return tf.stack([request[name] for name in self._customers])


class _WithValues(_Leaf):
    """Compares a customer's column with fixed values."""

    def __init__(self, condition: Condition) -> None:
        super().__init__()
        self._condition, self._customer = condition, str(condition.customer)

    def _lacks(self, request: Request) -> tf.Tensor:
        return is_missing(request[self._customer])

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        condition, column = self._condition, request[self._customer]
        op, fixed = condition.comparison, list(condition.values)
        if column.dtype == tf.string:
            values = tf.constant(fixed, tf.string)[None, :]
        elif TODAY in fixed:
            values = tf.cast(request[DAY], tf.float32)[:, None]
        else:
            values = tf.constant([_number(value) for value in fixed], tf.float32)[None, :]
        if op not in LISTS:
            return _COMPARE[op](column[:, None], values)
        words = column[:, None] if op.endswith("in") else _split(column, condition.separator)
        listed = tf.reduce_any(words[:, :, None] == values[:, None, :], axis=2)
        listed = tf.reduce_any(listed, axis=1, keepdims=True)
        return ~listed if op.startswith("not") else listed


class _Listed(_Leaf):
    """Asks whether a customer's word is among those that a product lists, or a product's among the customer's."""

    def __init__(self, condition: Condition, column: Array) -> None:
        super().__init__(~_lacking(column))
        self._customer, self._splits = str(condition.customer), condition.comparison.endswith("contains")
        self._separator, self._negated = condition.separator, condition.comparison.startswith("not")
        lists = [[text] if self._splits else _words(text, condition.separator) for text in column]
        words = sorted({word for one in lists for word in one if word})
        code = {word: place for place, word in enumerate(words)}
        codes = np.full((len(column), max(1, *map(len, lists))), len(words), np.int32)
        for row, one in enumerate(lists):
            codes[row, : len(one)] = [code.get(word, len(words)) for word in one]
        self._words, self._codes = tf.constant(words, tf.string), tf.constant(codes)

    def _lacks(self, request: Request) -> tf.Tensor:
        return is_missing(request[self._customer])

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        column = request[self._customer]
        own = _split(column, self._separator) if self._splits else column[:, None]
        has = tf.reduce_any(own[:, :, None] == self._words, axis=1)  # [batch, num_words]
        listed = tf.reduce_any(_gather_codes(tf.pad(has, [[0, 0], [0, 1]]), self._codes, products), axis=2)
        return ~listed if self._negated else listed


class _Holding(_Leaf):
    """Counts the held products of a kind. A product that is listed twice counts once."""

    def __init__(self, condition: Condition, held: Array, column: Array | None) -> None:
        """Bind it.

        Args:
            condition: The condition.
            held: The column that held products are counted by, [num_products].
            column: The one that says of an offered product which of them count; None where it is fixed values.
        """
        super().__init__(None if column is None else ~_lacking(column))
        wanted = condition.values if column is None else column
        words = sorted({str(word) for word in wanted} - {""})
        code = {word: place for place, word in enumerate(words)}
        self._num_words, self._is_fixed = len(words), column is None
        self._held = tf.constant([code.get(word, len(words)) for word in held] + [len(words)], tf.int32)
        if column is not None:
            self._codes = tf.constant([[code.get(word, len(words))] for word in column], tf.int32)
        self._at_least, self._at_most = condition.at_least or 1, condition.at_most

    def _true(self, request: Request, products: Pairs) -> tf.Tensor:
        held = request[HELD]
        earlier = tf.linalg.band_part(tf.ones(2 * [tf.shape(held)[1]]), -1, 0) - tf.eye(tf.shape(held)[1])
        again = tf.reduce_any(tf.logical_and(held[:, :, None] == held[:, None, :], earlier > 0), axis=2)
        counted = tf.where(tf.logical_or(again, held == NO_PRODUCT), tf.size(self._held) - 1, held)
        kinds = tf.one_hot(tf.gather(self._held, counted), self._num_words)  # none of what no one asks for
        counts = tf.reduce_sum(kinds, axis=1)  # [batch, num_words]
        if self._is_fixed:
            count = tf.reduce_sum(counts, axis=1, keepdims=True)
        else:
            count = _gather_codes(tf.pad(counts, [[0, 0], [0, 1]]), self._codes, products)[:, :, 0]
        return count >= self._at_least if self._at_most is None else count <= self._at_most


def _bind(leaf: Condition, products: Features, product_ids: Array) -> _Leaf:
    def column(name: str) -> Array:
        # The products' id column is none of their features.
        return products[name] if name in products else _texts(product_ids)

    if leaf.holds is not None:
        return _Holding(leaf, column(leaf.holds), None if leaf.product is None else column(leaf.product))
    if leaf.product is None:
        return _WithValues(leaf)
    asked = products[leaf.product]
    if leaf.customer is not None:
        return _Listed(leaf, asked) if leaf.comparison in LISTS else _WithProduct([leaf], [asked])
    is_today = TODAY in leaf.values and asked.dtype.kind == "f"
    return (_SinceToday if is_today else _OfProduct)(leaf, asked)


def is_missing(values: tf.Tensor) -> tf.Tensor:
    """Return whether values of a customer's column say nothing, bool of the same shape."""
    return values == "" if values.dtype == tf.string else ~tf.math.is_finite(values)


def _compare_with_values(condition: Condition, column: Array) -> Array:
    """Return whether a product's column compares so with the fixed values, bool, [num_products]."""
    op = condition.comparison
    if op not in LISTS:
        (value,) = condition.values
        if column.dtype.kind == "O":
            return np.asarray((column == value) ^ (op == "!="), bool)
        return np.asarray(_COMPARE[op](tf.constant(column), tf.constant(_number(value), column.dtype)))
    if op.endswith("contains"):
        listed = [bool({*_words(text, condition.separator)} & {*condition.values}) for text in column]
    else:
        values = (
            condition.values if column.dtype.kind == "O" else [np.float32(_number(one)) for one in condition.values]
        )
        listed = [any(one == value for value in values) for one in column]
    return np.array(listed, bool) ^ op.startswith("not")


def _number(value: Value) -> float:
    """Return a fixed value beside numbers: dates as days since 1970-01-01."""
    if isinstance(value, str):
        value = date.fromisoformat(value)
    return float((value - _EPOCH).days if isinstance(value, date) else value)


def _words(text: str, separator: str) -> list[str]:
    return [word for word in map(str.strip, text.split(separator)) if word]


def _split(texts: tf.Tensor, separator: str) -> tf.Tensor:
    """Return the words that texts list, string [batch, most]; '' is padding."""
    return tf.strings.strip(tf.strings.split(texts, separator).to_tensor(""))


def _lacking(column: Array) -> Array:
    return ~np.isfinite(column) if column.dtype.kind == "f" else column == ""


def _constant(column: Array) -> tf.Tensor:
    return tf.constant(column, tf.float32) if column.dtype.kind == "f" else tf.constant(column.tolist(), tf.string)


def _texts(ids: Array) -> Array:
    return np.array([one.decode() if isinstance(one, bytes) else one for one in ids], object)


def _of(column: tf.Tensor, products: Pairs) -> tf.Tensor:
    """Return product columns for the products that are meant, [..., 1, num_products] or [..., batch, num]."""
    return column[..., None, :] if products is None else tf.gather(column, products, axis=-1)


def _gather_codes(values: tf.Tensor, codes: tf.Tensor, products: Pairs) -> tf.Tensor:
    """Return the values, [batch, num_words], at the products' codes, [num_products, length]: [batch, num, length]."""
    if products is None:
        return tf.gather(values, codes, axis=1)
    return tf.gather(values, tf.gather(codes, products), batch_dims=1)
