"""Words for explanations: what a feature is called, what it is for this customer and product, and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.feature_names import NamedFeature
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.formatting import MISSING, shown_name, shown_number, shown_value
from nextbest.serving.recommender import Recommender, product_names

__all__ = ["Told", "Words", "feature_name", "sentence"]

_NAMES = {
    "popularity": "popularity and its trend",
    "product_id": "the product itself",
    "retrieval_score": "similarity",
    "co_holding": "held together with (co-holding)",
    "next_after": "taken next by such holders",
    "ease": "EASE votes of the holdings",
    "cosine": "item-kNN votes of the holdings",
    "conditional": "share of the holdings' holders",
    "seen": "recent interest in the product",
    "held_count": "number of products held",
    "same_group": "holdings of the same {0}",
    "segment_popularity": "popularity in the segment",
    "gap": "gap between {0} and {1}",
    "category_crosses": "what such customers choose",
    "held": "holdings",
    "recent": "recent products",
}
"""Technical name (see `NamedFeature.name`) -> what people read; {n} is its n-th column."""
_RATIOS = {
    "popularity": "{} times an average product",
    "co_holding": "up to {} times as often as usual",
    "next_after": "up to {} times as often as usual",
    "segment_popularity": "{} times as often as among all",
}
"""Features that the vector has the logarithm of -> what the ratio means."""
_PLURALS = {"ease", "cosine", "same_group"}
"""Technical names of which people's names are plurals."""
_LEVELS = {True: ("high", "higher"), False: ("low", "lower")}
"""Whether a value is above the background's mean -> what it is far from it, and near it."""
_TIMES = {True: ("late", "later than usual"), False: ("early", "earlier than usual")}
"""The same of a date."""
_LISTED = 3
"""So many products of a list are named."""


def feature_name(feature: NamedFeature) -> str:
    """Return what people call a feature."""
    columns = [shown_name(column) for column in feature.columns]
    return " and ".join(columns) if feature.name == "column" else _NAMES[feature.name].format(*columns)


@dataclass(frozen=True)
class Told:
    """A feature of one customer and product, in words."""

    value: str
    """As people read it, with its unit."""
    phrase: str
    """As part of a sentence."""
    plural: bool = False
    """Whether the phrase takes a verb in the plural."""


@dataclass(frozen=True)
class _Case:
    """What is told of."""

    feature: NamedFeature
    customer: Mapping[str, Any]
    """The raw request's values."""
    product: int
    """The product's position."""
    amount: float
    """See `Words.tell`."""
    deviations: float
    """See `Words.tell`."""


class Words:
    """Tells features of a customer and a product."""

    def __init__(self, recommender: Recommender, config: ExplanationConfig) -> None:
        """Read what the export says of the columns."""
        self._config = config
        self._products = recommender.products
        self._category = recommender.manifest["policy"]["category_column"]
        self._names = product_names(recommender)
        self._columns: dict[str, dict[str, Any]] = {
            kind: recommender.manifest[f"{kind}s"]["columns"] for kind in ("customer", "product")
        }
        self._tell: dict[str, Callable[[_Case], Told]] = {
            "column": self._column,
            "held_count": self._held_count,
            "held": lambda case: self._listed(case, "held_products"),
            "recent": lambda case: self._listed(case, "recent_products"),
            "same_group": self._same_group,
            "gap": self._gap,
            "product_id": lambda case: Told(str(self._names[case.product]), str(self._names[case.product])),
            "category_crosses": lambda case: Told(self._shared(case), feature_name(case.feature)),
        }

    def tell(
        self, feature: NamedFeature, request: Mapping[str, Array], product: int, amount: float, deviations: float
    ) -> Told:
        """Tell one feature.

        Args:
            feature: Which.
            request: One row of a raw request.
            product: The product's position.
            amount: Its first place's value in the vector.
            deviations: How many standard deviations that is above the background's mean.
        """
        case = _Case(feature, {name: values[0] for name, values in request.items()}, product, amount, deviations)
        return self._tell.get(feature.name, self._number)(case)

    def _number(self, case: _Case) -> Told:
        """Tell a statistic by its size."""
        plural = case.feature.name in _PLURALS
        level = self._level(case, _LEVELS) or ("typical" if plural else "a typical")
        return Told(_shown_amount(case.feature.name, case.amount), f"{level} {feature_name(case.feature)}", plural)

    def _compared(self, case: _Case) -> str:
        return f"{self._level(case, _LEVELS) or 'a typical'} {feature_name(case.feature)}"

    def _dated(self, case: _Case) -> str:
        return f"{feature_name(case.feature)} {self._level(case, _TIMES) or 'at a typical time'}"

    def _level(self, case: _Case, levels: Mapping[bool, tuple[str, str]]) -> str:
        """Return how far a value is from the background's mean; '' if it is typical."""
        if not abs(case.deviations) > self._config.typical_within:
            return ""
        far, near = levels[case.deviations > 0]
        return far if abs(case.deviations) >= self._config.high_from else near

    def _column(self, case: _Case) -> Told:
        kind, (column, *others) = case.feature.kind, case.feature.columns
        name = feature_name(case.feature)
        described = self._columns[kind][column]
        values = [shown_value(self._raw(case, kind, one), self._columns[kind][one]) for one in (column, *others)]
        value = " / ".join(values)
        if value == MISSING:
            return Told(value, f"unknown {name}")
        match described["role"]:
            case "number":
                return Told(value, self._compared(case))
            case "date":
                return Told(value, self._dated(case))
            case "boolean":
                return Told(value, name if value == "yes" else f"not {name}")
            case "text":
                return Told(value, f"the {name}")
        return Told(shown_name(value), f"{name} {shown_name(value)}")

    def _raw(self, case: _Case, kind: str, column: str) -> Any:
        return case.customer[column] if kind == "customer" else self._products.columns[column][case.product]

    def _held_count(self, case: _Case) -> Told:
        count = int((case.customer["held_products"] != "").sum())
        return Told(str(count), self._compared(case) if count else "no products yet", plural=not count)

    def _listed(self, case: _Case, name: str) -> Told:
        """Tell the newest products of a list, and how many there are."""
        rows = self._products.positions(case.customer[name])
        names = self._names[rows[rows >= 0]].tolist()
        if not names:
            return Told("none", f"no {feature_name(case.feature)} yet", plural=True)
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return Told(", ".join(names[:_LISTED]) + more, f"the {feature_name(case.feature)}", plural=True)

    def _same_group(self, case: _Case) -> Told:
        (column,) = case.feature.columns
        groups = self._products.columns[column]
        rows = self._products.positions(case.customer["held_products"])
        count = int((groups[rows[rows >= 0]] == groups[case.product]).sum())
        group = shown_name(str(groups[case.product])) or "unknown"
        if column != self._category:
            group = f"with {shown_name(column)} {group}"
        return Told(str(count) if count else "none", f"{count} {group} held" if count else f"no {group} yet")

    def _gap(self, case: _Case) -> Told:
        left, right = case.feature.columns
        values = [
            shown_value(self._raw(case, kind, column), self._columns[kind][column])
            for kind, column in (("customer", left), ("product", right))
        ]
        return Told(" against ".join(values), self._compared(case))

    def _shared(self, case: _Case) -> str:
        """Return the product's side of the crossed categories."""
        columns = [column for column in case.feature.columns if column in self._columns["product"]]
        return ", ".join(shown_name(str(self._products.columns[column][case.product])) or MISSING for column in columns)


def _shown_amount(name: str, amount: float) -> str:
    if name in _RATIOS:
        return _RATIOS[name].format(shown_number(float(np.exp(amount))))
    return shown_number(amount)


def sentence(contributions: Sequence[float], told: Sequence[Told], config: ExplanationConfig) -> str:
    """Say what raises and what lowers a score most.

    Args:
        contributions: By feature.
        told: The features in words.
        config: How many are named, and which are too small to be.
    """
    least = config.least_share * float(np.abs(contributions).sum())
    largest = sorted(zip(contributions, told, strict=True), key=lambda found: -abs(found[0]))
    kept = [(contribution, one) for contribution, one in largest if abs(contribution) > least]
    raising = [one for contribution, one in kept if contribution > 0][: config.raising]
    lowering = [one for contribution, one in kept if contribution < 0][: config.lowering]
    parts = [_clause(raising, "raise"), _clause(lowering, "lower")]
    text = "; ".join(part for part in parts if part) or "nothing stands out"
    return f"{text[0].upper()}{text[1:]}."


def _clause(told: Sequence[Told], verb: str) -> str:
    """Return 'a, b and c raise this', '' for nothing."""
    if not told:
        return ""
    *others, last = [one.phrase for one in told]
    joined = f"{', '.join(others)} and {last}" if others else last
    return f"{joined} {verb}{'' if others or told[0].plural else 's'} this"
