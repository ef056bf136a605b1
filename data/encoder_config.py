"""Settings of the feature encoders."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.config import StrictModel

__all__ = ["EncoderConfig"]


class EncoderConfig(StrictModel):
    """How raw features become tensors."""

    max_categories: int = Field(1000, ge=1)
    """A category column keeps its so many commonest values; the rest are encoded as unknown."""
    clip: float = Field(6.0, gt=0)
    """Standardised numbers are clipped to this many standard deviations."""
    quantiles: int = Field(64, ge=2)
    """How many quantiles describe a number with transform = "quantile"."""
    text_buckets: int = Field(2048, ge=2)
    """Words are hashed into so many buckets."""
    text_tokens: int = Field(16, ge=1)
    """How many words of a text are read."""
