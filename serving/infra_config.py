"""Settings of the infra blessing."""

from __future__ import annotations

from pydantic import Field

from nextbest.data.config import StrictModel

__all__ = ["InfraConfig"]


class InfraConfig(StrictModel):
    """How exported models are proven to work where none of this project's code is."""

    timeout_seconds: float = Field(600, gt=0)
    """How long a model may take to be loaded and to answer all of its warmup records, the start of its process
    included. One that takes longer hangs."""
    tolerance: float = Field(1e-5, ge=0)
    """The largest difference between a number in an answer and the recorded one, relative where that is beyond 1. Words
    and whole numbers must be equal."""
    processes: int = Field(2, ge=1)
    """How many models are checked at a time, each in a process of its own with TensorFlow's own 0.5 GB of memory."""
