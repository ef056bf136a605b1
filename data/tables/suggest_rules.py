"""Suitability rules that the columns' names suggest, for a person to confirm: minimum income, age, risk."""

from __future__ import annotations

from typing import Literal

from nextbest.data.config import DataConfig, EntityConfig, Rule
from nextbest.data.tables.words import is_named, plain

__all__ = ["suggest_rules"]

_BOUNDS: dict[str, tuple[Literal[">=", "<="], str]] = {
    **dict.fromkeys(("minimum", "minimalni", "minimo", "mindest", "min"), (">=", "below")),
    **dict.fromkeys(("maximum", "maximalni", "maximo", "hochst", "max"), ("<=", "above")),
}
"""Beginning or end of a product column's name, as `plain` writes it -> how the customer's column of the rest of the
name compares with it. Longer words first: `minimum` is not the `min` of an `imum`."""


def suggest_rules(config: DataConfig) -> list[Rule]:
    """Return the policy rules that the names of number columns suggest, such as income >= min_income."""
    ours = _numbers(config.customers)
    rules = []
    for name, product in _numbers(config.products).items():
        for bound, (op, side) in _BOUNDS.items():
            rests = (name.removeprefix(bound), name.removesuffix(bound))
            customer = next((ours[rest] for rest in rests if rest != name and rest in ours), None)
            if customer is not None:
                reason = f"the customer's {customer} is {side} the product's {product}"
                rules.append(Rule(customer=customer, op=op, product=product, reason=reason))
                break
    risk = config.policy.risk_column
    willing = next((name for name in ours.values() if is_named(name, "risk")), None)
    if risk and willing:
        reason = f"the product's {risk} is above the customer's {willing}"
        rules.append(Rule(customer=willing, op=">=", product=risk, reason=reason))
    return rules


def _numbers(entity: EntityConfig) -> dict[str, str]:
    return {plain(name): name for name, column in entity.columns.items() if column.role == "number"}
