"""The suitability rules outside of any graph: which of them a product breaks for a customer, one pair at a time.

It is written to be read beside the TOML, and shares no code with `graph.policy`: what both say of the same pair is
compared by tests, and an auditor can ask it about a single recommendation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.rules import HELD_REASON, TODAY, Condition, PolicyConfig, Rule, Value, unknown_reason

__all__ = ["Pair", "broken_rules", "is_repeatable", "repeatable_products"]

Row = Mapping[str, Any]
_ORDERED = {"<=": le, "<": lt, ">=": ge, ">": gt, "==": eq, "!=": ne}
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Pair:
    """A customer who may be offered a product on a day.

    Rows are column -> value: numbers, booleans (1/0) and dates (days since 1970-01-01) with NaN for missing, words
    with '' for missing. A product's row has its id too.
    """

    customer: Row
    product: Row
    held: Sequence[Row]
    """The products that the customer holds, each once."""
    day: int
    """Days since 1970-01-01."""


def broken_rules(policy: PolicyConfig, pair: Pair, product_id: str = "product_id") -> list[str]:
    """Return the reasons why a product must not be offered, none where it may be.

    What is held stands before the rules in their order; behind them stand the values that are unknown.

    Args:
        policy: The suitability policy.
        pair: The customer and the product.
        product_id: The products' id column.
    """
    holds_it = any(row[product_id] == pair.product[product_id] for row in pair.held)
    reasons = [HELD_REASON] if holds_it and not is_repeatable(policy, pair.product) else []
    unknown: set[str] = set()
    asked: dict[str, str] = {}
    for rule in policy.rules:
        if rule.missing == "exclude":
            asked |= {name: unknown_reason(name) for name in rule.customer_columns}
        if _breaks(rule, pair, blank=False):
            reasons.append(rule.reason)
        elif rule.missing == "exclude" and _breaks(rule, pair, blank=True):
            unknown |= {name for name in rule.customer_columns if _is_missing(pair.customer[name])}
    return reasons + [reason for name, reason in asked.items() if name in unknown]


def is_repeatable(policy: PolicyConfig, product: Row) -> bool:
    """Return whether a product may be held twice."""
    if policy.repeatable is None:
        return False
    return _is(policy.repeatable, Pair({}, product, (), 0), truth=True, blank=False)


def repeatable_products(policy: PolicyConfig, products: Features, num_products: int) -> Array:
    """Return which products may be held twice, bool, [num_products].

    Args:
        policy: The suitability policy.
        products: Raw product columns, [num_products].
        num_products: The catalogue's size, since a catalogue may have no columns.
    """
    if policy.repeatable is None:
        return np.zeros(num_products, bool)
    read = {leaf.product for leaf in policy.repeatable.leaves() if leaf.product is not None}
    rows = zip(*(products[name] for name in read), strict=True)
    return np.array([is_repeatable(policy, dict(zip(read, row, strict=True))) for row in rows], bool)


def _breaks(rule: Rule, pair: Pair, blank: bool) -> bool:
    """Return whether a rule is broken.

    Args:
        rule: The rule.
        pair: The customer and the product.
        blank: Whether the values that the customer lacks are the worst for the rule that they can be, or the best.
    """
    asks = rule.when is None or _is(rule.when, pair, truth=True, blank=blank)
    return asks and _is(rule, pair, truth=False, blank=blank)


def _is(condition: Condition, pair: Pair, *, truth: bool, blank: bool) -> bool:
    """Return whether a condition is known to be true, or to be false.

    What hangs on a value that the product lacks is neither.

    Args:
        condition: The condition.
        pair: The customer and the product.
        truth: What is asked for.
        blank: The answer where it hangs on a value that the customer lacks.
    """
    if condition.negated is not None:
        return _is(condition.negated, pair, truth=not truth, blank=blank)
    if condition.any or condition.all:
        answers = [_is(part, pair, truth=truth, blank=blank) for part in condition.any or condition.all]
        return any(answers) if truth == bool(condition.any) else all(answers)
    if condition.holds is not None:
        return _is_held(condition, pair) is truth
    return _is_compared(condition, pair, truth, blank)


def _is_held(condition: Condition, pair: Pair) -> bool | None:
    """Return whether enough is held and not too much; None where the product does not say of what."""
    wanted = condition.values if condition.product is None else (pair.product[condition.product],)
    if wanted == ("",):
        return None
    count = sum(row[str(condition.holds)] in wanted for row in pair.held)
    return count <= condition.at_most if condition.at_most is not None else count >= (condition.at_least or 1)


def _is_compared(condition: Condition, pair: Pair, truth: bool, blank: bool) -> bool:
    customer = None if condition.customer is None else pair.customer[condition.customer]
    product = None if condition.product is None else pair.product[condition.product]
    if condition.product is not None and _is_missing(product):
        return False
    if condition.customer is not None and _is_missing(customer):
        asks_nothing = condition.comparison == ">=" and condition.product is not None and product == 0
        return truth if asks_nothing else blank
    left: Any = product if condition.customer is None else customer
    right: list[Any] = list(condition.values) if condition.value is not None else [product]
    if not isinstance(left, str):
        left, right = np.float32(left), [_number(value, pair.day) for value in right]
    return _holds(condition, left, right) is truth


def _holds(condition: Condition, left: Any, right: Sequence[Any]) -> bool:
    op = condition.comparison
    if op in ("in", "not in"):
        listed = right if condition.product is None or condition.customer is None else _words(right[0], condition)
        return (left in listed) is (op == "in")
    if op in ("contains", "not contains"):
        return (right[0] in _words(left, condition)) is (op == "contains")
    return bool(_ORDERED[op](left, right[0]))


def _words(text: str, condition: Condition) -> list[str]:
    return [word.strip() for word in text.split(condition.separator)]


def _number(value: Value, day: int) -> np.float32:
    """Return a fixed value as columns hold it: dates as days."""
    if value == TODAY:
        return np.float32(day)
    if isinstance(value, str):
        value = date.fromisoformat(value)
    return np.float32((value - _EPOCH).days if isinstance(value, date) else value)


def _is_missing(value: Any) -> bool:
    return value == "" if isinstance(value, str) else not np.isfinite(value)
