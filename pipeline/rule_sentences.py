"""Suitability rules as English sentences, for the model card."""

from __future__ import annotations

from collections.abc import Mapping

from nextbest.data.rules import Comparison, Condition, Rule
from nextbest.serving.formatting import format_name

__all__ = ["describe_condition", "describe_rule"]

_HOLDS: Mapping[Comparison, str] = {
    "<=": "is at most",
    "<": "is below",
    ">=": "is at least",
    ">": "is above",
    "==": "is",
    "!=": "is not",
    "in": "is one of",
    "not in": "is none of",
    "contains": "lists",
    "not contains": "does not list",
}
_OPPOSITE: Mapping[Comparison, Comparison] = {
    **{"<=": ">", ">": "<=", "<": ">=", ">=": "<", "==": "!=", "!=": "=="},
    **{"in": "not in", "not in": "in", "contains": "not contains", "not contains": "contains"},
}


def describe_rule(rule: Rule) -> str:
    """Return where a rule excludes a product: 'where the customer's income is below the product's min income'."""
    plain = rule.when is None and not (rule.any or rule.all or rule.negated or rule.holds)
    if plain:
        where = _compared(rule, _OPPOSITE[rule.comparison])
    else:
        asked = "" if rule.when is None else f"where {describe_condition(rule.when)}, "
        where = f"{asked}unless {describe_condition(rule)}"
    unknown = rule.missing == "exclude" and rule.customer_columns
    return f"{'where ' if plain else ''}{where}{', or that is unknown' if unknown else ''}"


def describe_condition(condition: Condition) -> str:
    """Return what is so where a condition is true."""
    if condition.negated is not None:
        return f"it is not so that {describe_condition(condition.negated)}"
    if condition.any or condition.all:
        word = "or" if condition.any else "and"
        return f" {word} ".join(f"({describe_condition(part)})" for part in condition.any or condition.all)
    if condition.holds is not None:
        return _held(condition)
    return _compared(condition, condition.comparison)


def _held(condition: Condition) -> str:
    kind = f"the product's {format_name(condition.product)}" if condition.product else _values(condition)
    limit = f"at most {condition.at_most}" if condition.at_most is not None else f"at least {condition.at_least or 1}"
    if condition.at_most == 0:
        limit = "none"
    return f"the customer holds {limit} of the products whose {format_name(str(condition.holds))} is {kind}"


def _compared(condition: Condition, comparison: Comparison) -> str:
    sides = [f"the customer's {format_name(condition.customer)}"] if condition.customer else []
    sides += [f"the product's {format_name(condition.product)}"] if condition.product else []
    sides += [_values(condition)] if condition.values else []
    return f"{sides[0]} {_HOLDS[comparison]} {sides[1]}"


def _values(condition: Condition) -> str:
    return " or ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in condition.values)
