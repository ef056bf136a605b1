"""How old is what a version knows: it says of which day it is, and refuses to answer when that is too long ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np

from nextbest.data.errors import InputError, Problem

__all__ = ["DataAge", "today"]

ANY_AGE = "--any-age"


def today() -> date:
    """Return the day of this machine's clock."""
    return date.today()


@dataclass(frozen=True)
class DataAge:
    """Of which day a version's data are, and how long they may be used."""

    as_of: date
    """The last day that the version knows."""
    days: int
    """How many days ago that was, 0 for a day to come."""
    horizon_days: int
    """How many days after it the probabilities speak of."""
    max_days: int | None
    """After how many days the version is not to be used any more; None for never."""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Read it from an export's manifest, as of `today`."""
        as_of: date = np.datetime64(int(manifest["as_of_day"]), "D").item()
        days = max((today() - as_of).days, 0)
        return cls(as_of, days, int(manifest["horizon_days"]), manifest.get("max_age_days"))

    @property
    def is_past_horizon(self) -> bool:
        """Whether all days that the probabilities speak of are over."""
        return self.days > self.horizon_days

    @property
    def is_too_old(self) -> bool:
        """Whether the version is not to be used any more."""
        return self.max_days is not None and self.days > self.max_days

    def __str__(self) -> str:
        text = f"the data are of {self.as_of}, {self.days:,} days old"
        if not self.is_past_horizon:
            return text
        return (
            f"{text}: the {self.horizon_days} days after it, of which the probabilities speak, are over; bring them up "
            "to date with `nextbest refresh`"
        )

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {"as_of": str(self.as_of), "age_days": self.days, "max_age_days": self.max_days}

    def check(self, file: object, override: str = ANY_AGE) -> None:
        """Refuse data that are too old.

        Args:
            file: What a problem names as their place.
            override: How they are used all the same.

        Raises:
            InputError: They are.
        """
        if self.is_too_old:
            what = f"the data are of {self.as_of}, {self.days:,} days old, and at most {self.max_days:,} are allowed"
            remedy = f"bring them up to date with `nextbest refresh`, or use them all the same with {override}"
            raise InputError([Problem(str(file), "export.max_age_days", None, what, remedy)])
