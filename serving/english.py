"""What English needs of a bank's own words: plurals and articles.

The files of words/ call these functions as NOUNS($category, $count), ITEMS($label, $count) and ARTICLE($label); a
language whose messages do without them needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FUNCTIONS", "is_plural", "plural", "product_noun"]

_NOUNS = {
    *("account", "bond", "card", "certificate", "contract", "credit", "deposit", "etf", "fund", "guarantee", "lease"),
    *("line", "loan", "mortgage", "overdraft", "pension", "plan", "policy", "portfolio", "product", "scheme"),
    *("service", "share", "stock", "warrant"),
}
"""Nouns that people count; a category that ends in another word is counted by its products."""


def plural(noun: str) -> str:
    """Return a noun in the plural."""
    if re.search("[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search("(s|x|z|ch|sh)$", noun) else f"{noun}s"


def is_plural(label: str) -> bool:
    """Return whether a column's name is in the plural: savings, dependants; not status."""
    return re.search("[^suio]s$", label) is not None


def product_noun(category: str, count: int) -> str:
    """Return what products of a category are called: 1 'home insurance policy', 2 'funds'."""
    first, last = category.rpartition(" ")[0], category.rpartition(" ")[2]
    noun = f"{category} product".strip()
    if last.lower() == "insurance":
        noun = f"{category} policy"
    for known in _NOUNS:
        if last.lower() in (known, plural(known)):
            noun = f"{first} {last if last.lower() == known else known}".strip()
    return noun if count == 1 else plural(noun)


def _items(label: str, count: int) -> str:
    """Return the name of a column in the plural for so many: 1 'dependant'."""
    if count > 1:
        return label
    return f"{label[:-3]}y" if label.endswith("ies") else label[:-1]


def _with_article(label: str) -> str:
    """Return a column's name with 'a' or 'an' by how it begins; 'a utilisation', since that is spoken as no vowel."""
    if is_plural(label):
        return label
    return f"an {label}" if re.match("(?!eu|u[bcfhjkqrstn][aeiou])[aeiou]", label.lower()) else f"a {label}"


def _ordinal(place: int) -> str:
    """Return a place in a list: 1st, 12th."""
    ending = "th" if 10 < place % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "ARTICLE": _with_article,
    "ITEMS": _items,
    "NOUNS": product_noun,
    "ORDINAL": _ordinal,
}
"""Name in a file of words -> function."""
