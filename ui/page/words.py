"""Names as the page writes them."""

from __future__ import annotations

from nextbest.serving.words import shown_name

__all__ = ["column_title", "sentence_case", "shown_change", "shown_probability", "shown_similarity"]


def shown_probability(value: float) -> str:
    """Return a probability with one decimal, so that those of a column stand below each other: 6.0%."""
    return f"{value:.1%}"


def shown_similarity(value: float) -> str:
    """Return a cosine with two decimals, for the same reason: 0.30."""
    return f"{value:.2f}"


def shown_change(value: float, decimals: int) -> str:
    """Return a difference with its sign, and a minus as wide as the plus: +0.42."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def sentence_case(name: str) -> str:
    """Return a column's, a category's or a model's name as a title: 'current_account' is 'Current account'."""
    words = shown_name(name)
    return words[:1].upper() + words[1:]


def column_title(name: str, unit: str) -> str:
    """Return a column's name as the title of values that carry the unit: duration_months in months is 'Duration'."""
    words = shown_name(name)
    return sentence_case(words.removesuffix(f" {unit}") if unit else words)
