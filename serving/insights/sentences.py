"""Explanations as text: what a feature is called, what its value is, and the sentence that sums up.

`feature_name` names a feature. `SentenceWriter` describes its value for a customer and a product as a `FeatureText`,
and `write_sentence` joins those that matter most: "High income and a new card raise this; low age lowers this."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.feature_names import FeatureName, NamedFeature
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.formatting import MISSING, format_name, format_number, format_value
from nextbest.serving.insights.reason_phrases import join_words
from nextbest.serving.language import say
from nextbest.serving.recommender import Recommender, product_names

__all__ = ["FeatureText", "SentenceWriter", "feature_name", "write_sentence"]

_RATIOS: set[FeatureName] = {"popularity", "co_holding", "next_after", "segment_popularity"}
"""Features that the vector has the logarithm of."""
_PLURALS: set[FeatureName] = {"ease", "cosine", "same_group"}
"""Technical names whose reading is a plural."""
_LEVELS = {True: ("high", "higher"), False: ("low", "lower")}
"""Whether a value is above the background's mean -> the level far from it, and near it; see `feature-level`."""
_TIMES = {True: ("late", "later"), False: ("early", "earlier")}
"""The same for a date."""
_NUM_NAMED = 3
"""How many products of a list are named."""


def feature_name(feature: NamedFeature) -> str:
    """Return what people call a feature."""
    columns = [format_name(column) for column in feature.columns]
    if feature.name == "column":
        return join_words(columns)
    first, second = (*columns, "", "")[:2]
    return say("feature", name=feature.name, first=first, second=second)


@dataclass(frozen=True)
class FeatureText:
    """A feature of one customer and product as text."""

    value: str
    """As people read it, with its unit."""
    phrase: str
    """As part of a sentence."""
    plural: bool = False
    """Whether the phrase takes a verb in the plural."""


@dataclass(frozen=True)
class FeatureValue:
    """A feature of one customer and product, to be described."""

    feature: NamedFeature
    customer: Mapping[str, Any]
    """The raw request's values."""
    product: int
    """The product's position."""
    amount: float
    """See `SentenceWriter.describe`."""
    deviations: float
    """See `SentenceWriter.describe`."""


class SentenceWriter:
    """Describes the features of a customer and a product."""

    def __init__(self, recommender: Recommender, config: ExplanationConfig) -> None:
        """Read what the export says of the columns."""
        self._config = config
        self._products = recommender.products
        self._category = recommender.manifest["policy"]["category_column"]
        self._names = product_names(recommender)
        self._columns: dict[str, dict[str, Any]] = {
            kind: recommender.manifest[f"{kind}s"]["columns"] for kind in ("customer", "product")
        }
        self._describe: dict[FeatureName, Callable[[FeatureValue], FeatureText]] = {
            "column": self._column,
            "held_count": self._held_count,
            "held": lambda value: self._product_list(value, "held_products"),
            "recent": lambda value: self._product_list(value, "recent_products"),
            "closed": lambda value: self._product_list(value, "closed_products"),
            "refused": lambda value: self._product_list(value, "refused_products"),
            "own_closure": self._own_event,
            "own_refusal": self._own_event,
            "same_group": self._same_group,
            "gap": self._gap,
            "product_id": self._product,
            "category_crosses": self._crossed_categories,
        }
        """Technical name -> what describes it; `_number` describes the others."""

    def describe(
        self, feature: NamedFeature, request: Mapping[str, Array], product: int, amount: float, deviations: float
    ) -> FeatureText:
        """Describe one feature.

        Args:
            feature: Which.
            request: One row of a raw request.
            product: The product's position.
            amount: Its first place's value in the vector.
            deviations: How many standard deviations that is above the background's mean.
        """
        customer = {name: values[0] for name, values in request.items()}
        value = FeatureValue(feature, customer, product, amount, deviations)
        return self._describe.get(feature.name, self._number)(value)

    def _number(self, value: FeatureValue) -> FeatureText:
        """Describe a statistic by its size."""
        plural = value.feature.name in _PLURALS
        level = self._level(value, _LEVELS) or ("several-typical" if plural else "typical")
        text = _shown_amount(value.feature.name, value.amount)
        return FeatureText(text, say("feature-level", level=level, feature=feature_name(value.feature)), plural)

    def _column(self, value: FeatureValue) -> FeatureText:
        kind, (column, *others) = value.feature.kind, value.feature.columns
        name = feature_name(value.feature)
        columns = self._columns[kind]
        text = " / ".join(format_value(self._raw(value, kind, one), columns[one]) for one in (column, *others))
        if text == MISSING:
            return FeatureText(text, say("feature-unknown", feature=name))
        match columns[column]["role"]:
            case "number":
                return FeatureText(text, self._compared(value))
            case "date":
                level = self._level(value, _TIMES) or "usual-time"
                return FeatureText(text, say("feature-level", level=level, feature=name))
            case "boolean":
                answer = "yes" if self._raw(value, kind, column) else "no"
                return FeatureText(text, say("feature-is", answer=answer, feature=name))
            case "text":
                return FeatureText(text, say("feature-the", feature=name))
        return FeatureText(format_name(text), say("feature-value", feature=name, value=format_name(text)))

    def _held_count(self, value: FeatureValue) -> FeatureText:
        count = int((value.customer["held_products"] != "").sum())
        return FeatureText(str(count), self._compared(value) if count else say("no-products-yet"), plural=not count)

    def _product_list(self, value: FeatureValue, column: str) -> FeatureText:
        """Name the newest products of a list, and say how many more there are."""
        rows = self._products.positions(value.customer[column])
        names = self._names[rows[rows >= 0]].tolist()
        if not names:
            return FeatureText(say("none"), say("feature-none-yet", feature=feature_name(value.feature)), plural=True)
        shown, more = ", ".join(names[:_NUM_NAMED]), len(names) - _NUM_NAMED
        text = say("list-and-more", names=shown, count=more) if more > 0 else shown
        return FeatureText(text, say("feature-the", feature=feature_name(value.feature)), plural=True)

    def _own_event(self, value: FeatureValue) -> FeatureText:
        answer = "yes" if value.amount else "no"
        phrase = say("feature-happened", answer=answer, feature=feature_name(value.feature))
        return FeatureText(say("yes-or-no", answer=answer), phrase)

    def _same_group(self, value: FeatureValue) -> FeatureText:
        (column,) = value.feature.columns
        groups = self._products.columns[column]
        rows = self._products.positions(value.customer["held_products"])
        count = int((groups[rows[rows >= 0]] == groups[value.product]).sum())
        group = format_name(str(groups[value.product])) or say("unknown")
        if column != self._category:
            group = say("with-value", column=format_name(column), value=group)
        return FeatureText(str(count) if count else say("none"), say("group-held", count=count, group=group))

    def _gap(self, value: FeatureValue) -> FeatureText:
        left, right = value.feature.columns
        texts = [
            format_value(self._raw(value, kind, column), self._columns[kind][column])
            for kind, column in (("customer", left), ("product", right))
        ]
        return FeatureText(say("against", value=texts[0], other=texts[1]), self._compared(value))

    def _product(self, value: FeatureValue) -> FeatureText:
        name = str(self._names[value.product])
        return FeatureText(name, name)

    def _crossed_categories(self, value: FeatureValue) -> FeatureText:
        """Describe the product's side of the crossed categories."""
        columns = [column for column in value.feature.columns if column in self._columns["product"]]
        categories = (str(self._products.columns[column][value.product]) for column in columns)
        text = ", ".join(format_name(category) or MISSING for category in categories)
        return FeatureText(text, feature_name(value.feature))

    def _raw(self, value: FeatureValue, kind: str, column: str) -> Any:
        return value.customer[column] if kind == "customer" else self._products.columns[column][value.product]

    def _compared(self, value: FeatureValue) -> str:
        level = self._level(value, _LEVELS) or "typical"
        return say("feature-level", level=level, feature=feature_name(value.feature))

    def _level(self, value: FeatureValue, levels: Mapping[bool, tuple[str, str]]) -> str:
        """Return the level of how far a value is from the background's mean; '' if it is typical."""
        if not abs(value.deviations) > self._config.typical_within:
            return ""
        far, near = levels[value.deviations > 0]
        return far if abs(value.deviations) >= self._config.high_from else near


def _shown_amount(name: str, amount: float) -> str:
    if name in _RATIOS:
        return say("feature-ratio", name=name, times=format_number(float(np.exp(amount))))
    return format_number(amount)


def write_sentence(contributions: Sequence[float], texts: Sequence[FeatureText], config: ExplanationConfig) -> str:
    """Say what raises and what lowers a score most.

    Args:
        contributions: By feature.
        texts: The features as text.
        config: How many are named, and which are too small to be.
    """
    least = config.least_share * float(np.abs(contributions).sum())
    largest_first = sorted(zip(contributions, texts, strict=True), key=lambda pair: -abs(pair[0]))
    named = [(contribution, text) for contribution, text in largest_first if abs(contribution) > least]
    raising = [text for contribution, text in named if contribution > 0][: config.raising]
    lowering = [text for contribution, text in named if contribution < 0][: config.lowering]
    clauses = [_clause(raising, "raises"), _clause(lowering, "lowers")]
    sentence = "; ".join(clause for clause in clauses if clause) or say("nothing-stands-out")
    return f"{sentence[0].upper()}{sentence[1:]}."


def _clause(texts: Sequence[FeatureText], message: str) -> str:
    """Return 'a, b and c raise this', '' for nothing."""
    if not texts:
        return ""
    several = len(texts) > 1 or texts[0].plural
    return say(message, features=join_words([text.phrase for text in texts]), several="yes" if several else "no")
