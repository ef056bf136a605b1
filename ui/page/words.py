"""Names as the page writes them."""

from __future__ import annotations

from serving.words import shown_name

__all__ = ["column_title", "sentence_case"]


def sentence_case(name: str) -> str:
    """Return a column's, a category's or a model's name as a title: 'current_account' is 'Current account'."""
    words = shown_name(name)
    return words[:1].upper() + words[1:]


def column_title(name: str, unit: str) -> str:
    """Return a column's name as the title of values that carry the unit: duration_months in months is 'Duration'."""
    words = shown_name(name)
    return sentence_case(words.removesuffix(f" {unit}") if unit else words)
