"""Settings of what the page tells of a customer and of the surroundings, beside the recommendations."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.config import StrictModel

__all__ = ["NeighbourhoodConfig", "ProfilesConfig"]


class ProfilesConfig(StrictModel):
    """How customers are described and compared."""

    tail: float = Field(0.01, ge=0, lt=0.5)
    """The share of customers beyond either end of the range that a form offers for a number."""
    steps: int = Field(10, ge=2)
    """A range's ends are rounded outwards to a readable number (1, 2 or 5 times a power of ten) of which it has at
    least so many."""
    max_choices: int = Field(100, ge=1)
    """The most categories that a form offers, the commonest."""
    min_segment: int = Field(20, ge=2)
    """How many customers with a known value a segment needs for a comparison; with fewer it would tell of persons."""


class NeighbourhoodConfig(StrictModel):
    """What is near a customer."""

    neighbours: int = Field(50, ge=1)
    """How many of the nearest customers are asked what they hold."""
    min_neighbours: int = Field(10, ge=2)
    """With fewer customers than this nothing is told of them: it would tell of persons."""
    told: int = Field(5, ge=1)
    """How many products are told that they hold."""
    sample: int = Field(20_000, ge=1)
    """The most customers of the snapshot among whom the nearest are sought; they are drawn once per version."""
    seed: int = Field(7, ge=0)
    """Draws that sample, and the products of the map."""
    max_products: int = Field(2_000, ge=1)
    """The most products on the map beside the top ones; more are drawn at random."""
    batch: int = Field(2_048, ge=1)
    """How many customers or products are embedded by one call."""
