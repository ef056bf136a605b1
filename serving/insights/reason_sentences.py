"""Reasons as sentences: which parts of the groups are named, and how they are joined, by templates.

Of a group that raises a probability, the part is named that raises it itself: the column without which the probability
would be lower, or the categories of products without which it would. A probability that is below the average
customer's is given no reason in its favour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.formatting import format_name, format_probability
from nextbest.serving.insights.profiles import Attribute, Profiles
from nextbest.serving.insights.reason_groups import GroupKind, ReasonGroup
from nextbest.serving.insights.reason_phrases import Phrase, column_phrase, count_nouns, join_words
from nextbest.serving.insights.shapley import CoalitionModel
from nextbest.serving.language import say
from nextbest.serving.recommender import Recommender, product_categories, product_names

__all__ = ["Part", "Parts", "ReasonWriter"]

_MOST_REASONS = 3
_LEAST_SHARE = 0.1
"""A reason adds at least this share of all that the raising groups add."""
_NEARLY_EQUAL = 0.05
"""A probability that differs by less than this share from the average customer's is about as high."""
_MOST_CATEGORIES, _LEAST_OF_BEST = 2, 0.3
"""How many categories of products a reason names, and which share of the first one's effect the others have."""
_MOST_VALUES = 3
"""How many of a group's values are shown."""
_LISTS: Mapping[str, tuple[str, str]] = {
    "held_products": ("said-held", "said-held-none"),
    "recent_products": ("said-recent", "said-recent-none"),
    "closed_products": ("said-closed", ""),
    "refused_products": ("", "said-refused-none"),
}
"""List -> the message of a part of it, '' for none, and that of an empty one, if the list is its group's first."""


@dataclass(frozen=True)
class Part:
    """A part of a group that can be named."""

    kind: GroupKind
    phrase: Phrase | None
    """Of a column what is said, None for nothing; of a list of products what they are called."""
    inputs: tuple[str, ...] = ()
    """The inputs that it is."""
    members: Array | None = None
    """Of a list: which of its places are the part, bool [length]."""


@dataclass(frozen=True)
class Parts:
    """All parts of one customer."""

    of_customer: Mapping[str, Array]
    """The raw request."""
    attributes: Mapping[str, Attribute]
    """The customer's columns, compared with others."""
    parts: tuple[Part, ...]

    def effects(self, model: CoalitionModel) -> Array:
        """Return by how much each product's probability is higher with a part than without, [num_parts, num_products].

        Without a column's value the customer has the background's; without products the others are left.
        """
        if not self.parts:
            return np.zeros((0, 1))
        requests = [model.customer, *(self._without(part, model) for part in self.parts)]
        joined = {name: np.concatenate([one[name] for one in requests]) for name in model.customer}
        ends = np.cumsum([len(one["as_of_day"]) for one in requests])
        whole, *others = np.split(model.ask(joined), ends[:-1])
        left = [found[0] if len(found) == 1 else model.mean(found) for found in others]
        return whole[0] - np.stack(left).astype(np.float64)

    def _without(self, part: Part, model: CoalitionModel) -> Mapping[str, Array]:
        if part.members is None:
            return model.without(part.inputs)
        (name,) = part.inputs
        left = model.customer[name].copy()
        left[:, part.members] = ""
        return {**model.customer, name: left}


class ReasonWriter:
    """Puts the reasons of one version's customers into words."""

    def __init__(self, recommender: Recommender, profiles: Profiles) -> None:
        """Read what the export says of columns and products."""
        self._columns = recommender.manifest["customers"]["columns"]
        self._segment = recommender.manifest.get("segment")
        self._profiles, self._products = profiles, recommender.products
        self._names, self._categories = product_names(recommender), product_categories(recommender)

    def parts(self, customer: Mapping[str, Array], groups: Sequence[ReasonGroup]) -> Parts:
        """Return what can be named of a customer.

        Args:
            customer: A raw request, one row.
            groups: The groups.
        """
        profile = self._profiles.profile(customer)
        attributes = {attribute.name: attribute for attribute in profile.attributes}
        day = int(customer["as_of_day"][0])
        found: list[Part] = []
        for group in groups:
            if lists := _lists_of(group):
                found += [part for name in lists for part in self._list_parts(group.kind, name, customer)]
                continue
            for name in group.inputs:
                about = attributes[name], customer[name][0], self._columns[name], day, name == self._segment
                found.append(Part(group.kind, column_phrase(*about), (name,)))
        return Parts(customer, attributes, tuple(found))

    def describe(self, group: ReasonGroup, parts: Parts) -> tuple[str, float]:
        """Return a group's value as people read it, and how much there is of it where one number says so, else NaN."""
        if group.kind == "protected":
            return say("not-shown"), np.nan
        if lists := _lists_of(group):
            texts = [part.phrase.text for part in parts.parts if part.kind == group.kind and part.phrase]
            listed = sum(int((parts.of_customer[name] != "").sum()) for name in lists)
            return _some(texts) if texts else say("none"), float(listed)
        shown = [parts.attributes[name] for name in group.inputs]
        first = parts.of_customer[group.inputs[0]][0]
        amount = float(first) if shown[0].role in ("number", "date") else np.nan
        if len(shown) == 1:
            return format_name(shown[0].value), amount
        titles = [one.label.removesuffix(f" {self._columns[one.name].get('unit') or '?'}") for one in shown]
        return _some([f"{title} {format_name(one.value)}" for title, one in zip(titles, shown, strict=True)]), amount

    def choose(self, parts: Parts, points: Array, effects: Array, product_id: str, called: str = "") -> list[Phrase]:
        """Return what is said in favour of a product, the strongest reason first.

        Args:
            parts: What can be named.
            points: What the groups add, in the order of `parts`, [num_groups].
            effects: What the parts add, [num_parts].
            product_id: The product.
            called: What it is called; '' for 'this very product'.
        """
        kinds = list(dict.fromkeys(part.kind for part in parts.parts))
        least = _LEAST_SHARE * float(points[points > 0].sum())
        by_kind = dict(zip(kinds, points, strict=True))
        phrases: list[Phrase] = []
        for kind in sorted(kinds, key=lambda one: -by_kind[one]):
            if not by_kind[kind] > least or len(phrases) == _MOST_REASONS:
                break
            own = [
                (part, float(effect)) for part, effect in zip(parts.parts, effects, strict=True) if part.kind == kind
            ]
            if (
                phrase := self._phrase(kind, own, parts.of_customer, product_id, called or say("this-product"))
            ) is not None:
                phrases.append(phrase)
        return phrases

    def write(
        self, chosen: Sequence[Phrase], probability: float, base: float, is_popular: bool
    ) -> tuple[tuple[str, ...], str]:
        """Return the reasons as sentences, and all as one; what can be said instead where there are none.

        Args:
            chosen: What `choose` returned.
            probability: The customer's.
            base: The average customer's.
            is_popular: Whether that is high among products.
        """
        how = "more"
        if probability <= (1 + _NEARLY_EQUAL) * base:
            how = "less" if probability < (1 - _NEARLY_EQUAL) * base else "alike"
        if how == "more" and chosen:
            reasons = join_words([phrase.brief for phrase in chosen])
            ratio = probability / base
            together = say("reasons-sum", reasons=reasons, often=_how_often(ratio), count=round(min(ratio, 11)))
            return tuple(_sentence(phrase.full) for phrase in chosen), _sentence(together)
        instead = _sentence(say("reasons-instead", how=how, popular="yes" if is_popular else "no"))
        return (instead,), instead

    def write_comparison(
        self, chosen: Sequence[Phrase], names: Sequence[str], probabilities: Array, bases: Array
    ) -> str:
        """Say why the first of two products comes before the second.

        Args:
            chosen: What speaks more for the first than for the second.
            names: The products' names.
            probabilities: Those of the customer, the higher one first.
            bases: Those of the average customer.
        """
        first, second = names
        figures = [format_probability(float(value)) for value in (*probabilities, *bases)]
        if figures[0] == figures[1]:
            return say("compare-alike", first=first, second=second, figure=figures[0])
        why = say("compare-none")
        if chosen and probabilities[0] - probabilities[1] > bases[0] - bases[1]:
            why = say("compare-reasons", reasons=join_words([phrase.brief for phrase in chosen]))
        elif bases[0] > bases[1]:
            why = say("compare-popular", figure=figures[2], other=figures[3])
        return say("compare", first=first, second=second, figure=figures[0], other=figures[1], why=why)

    def _list_parts(self, kind: GroupKind, name: str, customer: Mapping[str, Array]) -> Iterator[Part]:
        """Yield the categories of a list's products, where they have any, else the products; the newest first.

        An empty list, and one of unknown products, is one part.
        """
        ids = customer[name][0]
        rows = self._products.positions(ids)
        labels = np.array([(self._categories[row] or self._names[row]) if row >= 0 else "" for row in rows], object)
        known = [label for label in dict.fromkeys(labels.tolist()) if label]
        if not known:
            yield Part(kind, None, (name,), ids == "")
        for label in known:
            members = labels == label
            rows_of = rows[members]
            has_category = self._categories[rows_of[0]] != ""
            count = len(set(ids[members].tolist()))
            text = count_nouns(label, count) if has_category else label
            yield Part(kind, Phrase(text, short=count_nouns(label) if has_category else label), (name,), members)

    def _phrase(
        self,
        kind: GroupKind,
        own: Sequence[tuple[Part, float]],
        customer: Mapping[str, Array],
        product_id: str,
        called: str,
    ) -> Phrase | None:
        """Return what is said of a group that raises a probability; None for nothing.

        Args:
            kind: The group's.
            own: Its parts, with their effects.
            customer: The raw request.
            product_id: The product.
            called: What it is called.
        """
        raising = sorted((pair for pair in own if pair[1] > 0), key=lambda pair: -pair[1])
        lists = list(dict.fromkeys(name for part, _ in own for name in part.inputs))
        if lists[0] not in _LISTS:
            if len(own) == 1:
                return own[0][0].phrase
            return next((part.phrase for part, _ in raising if part.phrase is not None), None)
        if not any((customer[name][0] != "").any() for name in lists):
            return Phrase(say(_LISTS[lists[0]][1]))
        strongest = next((part for part, _ in raising if part.phrase is not None), own[0][0])
        (name,) = strongest.inputs
        message, ids = _LISTS[name][0], customer[name][0]
        if not message:
            return None
        named = [
            part.phrase
            for part, effect in raising[:_MOST_CATEGORIES]
            if part.phrase is not None and part.inputs == (name,) and effect >= _LEAST_OF_BEST * raising[0][1]
        ]
        if kind == "recent":
            if raising and product_id in ids[strongest.members]:
                return Phrase(say(message, products=called))
            return Phrase(say(message, products=join_words([phrase.brief for phrase in named]))) if named else None
        everything = say("products-count", count=len(set(ids[ids != ""].tolist())))
        return Phrase(say(message, products=join_words([phrase.text for phrase in named]) if named else everything))


def _lists_of(group: ReasonGroup) -> list[str]:
    """Return the lists of products among a group's inputs; of one of columns there is none."""
    return [name for name in group.inputs if name in _LISTS]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _some(texts: Sequence[str]) -> str:
    """Return some values, and how many more there are."""
    more, shown = len(texts) - _MOST_VALUES, ", ".join(texts[:_MOST_VALUES])
    return say("some-more", values=shown, count=more) if more > 0 else shown


def _how_often(ratio: float) -> str:
    """Return how often something happens, for what happens more often; see the message `reasons-sum`."""
    if ratio < 1.75:
        return "little" if ratio < 1.2 else "more"
    if ratio < 2.5:
        return "twice"
    return "times" if ratio < 10.5 else "many"
