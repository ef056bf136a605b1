"""Settings of the catalogue's statistics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from nextbest.data.config import StrictModel

__all__ = ["PairStatistic", "StatisticsConfig"]

PairStatistic = Literal["co_holding", "next_after", "ease", "cosine", "conditional"]
"""A matrix that says how much holding one product speaks for another."""


class StatisticsConfig(StrictModel):
    """How the statistics are smoothed."""

    popularity_days: tuple[int, ...] = (30, 91, 182, 365)
    """Windows before the cutoff in which acquisitions are counted, days, increasing."""
    popularity_prior: float = Field(1.0, gt=0)
    """Acquisitions that every product is credited with in every window."""
    segment_prior: float = Field(50.0, gt=0)
    """Strength of the overall shares in a segment's shares, in acquisitions."""
    segment_days: int = Field(365, ge=1)
    """Days before the cutoff in which a segment's acquisitions are counted."""
    pair_prior: float = Field(20.0, gt=0)
    """Strength of a product's overall share in its share among another product's holders, in holders."""
    next_days: int = Field(365, ge=1)
    """Days before the cutoff in which acquisitions count towards what is taken next."""
    pairs: tuple[PairStatistic, ...] = ("co_holding", "next_after", "ease", "cosine")
    """Which item-item statistics the ranker knows: how much likelier a product's holders hold another, or take it next,
    and the votes of EASE, of item-kNN (cosine) and of what the holders of the same products hold (conditional)."""
    ease_l2: float = Field(300.0, gt=0)
    """Regularisation of EASE (Steck 2019)."""
    cosine_shrinkage: float = Field(50.0, gt=0)
    """Added to the denominator of item-kNN's cosines, in holders, so that few common holders count for little."""
    max_products: int = Field(5000, ge=1)
    """Catalogues above this size get no pair statistics: they are dense [num_products, num_products] matrices."""

    @property
    def num_popularity(self) -> int:
        """How many popularity features a product has."""
        return 2 * len(self.popularity_days)

    @field_validator("pairs")
    @classmethod
    def _pairs_differ(cls, pairs: tuple[PairStatistic, ...]) -> tuple[PairStatistic, ...]:
        if len(set(pairs)) < len(pairs):
            raise ValueError(f"pairs = {list(pairs)}: name each once")
        return pairs

    @field_validator("popularity_days")
    @classmethod
    def _days_increase(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or min(days) < 1 or list(days) != sorted(set(days)):
            raise ValueError(f"popularity_days = {list(days)}: give one or more different numbers from 1 on, ascending")
        return days
