"""Settings of explanations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nextbest.data.config import StrictModel

__all__ = ["ExplainerName", "ExplanationConfig"]

ExplainerName = Literal["sampling", "permutation", "partition"]


class ExplanationConfig(StrictModel):
    """How recommendations are explained. The export holds these settings, and what they need."""

    explainer: ExplainerName = "sampling"
    """How Shapley values are estimated, see `serving.explainers`; `benchmarks.explanations` measures them."""
    background: int = Field(50, ge=1)
    """How many (customer, product) pairs of the export an explained one is compared with: their mean score is the base.
    Without a customer snapshot it is one made-up pair, the mean of the drawn ones."""
    orders: int = Field(100, ge=1)
    """How many random orders features are replaced in, each forwards and backwards, by 'sampling' (at least one for
    each background pair) and 'permutation' (each for the whole background). More of them are slower and vary less."""
    evaluations: int = Field(500, ge=1)
    """How many sets of features 'partition' scores at most, each on the whole background."""
    seed: int = Field(0, ge=0)
    """Draws the background and the orders."""
    importance_customers: int = Field(120, ge=1)
    """How many customers' explanations make the global importance, each for one of the customer's candidates."""
    typical_within: float = Field(0.25, ge=0)
    """A value counts as typical up to so many standard deviations from the background's mean; then as higher or
    lower."""
    high_from: float = Field(1.0, ge=0)
    """And from so many on as high or low."""
    raising: int = Field(3, ge=1)
    """How many features a sentence names that raise the score."""
    lowering: int = Field(2, ge=1)
    """How many that lower it."""
    least_share: float = Field(0.05, ge=0, lt=1)
    """A sentence leaves out features with less than this share of the sum of the absolute contributions."""
