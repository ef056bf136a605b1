"""What customers did in the last two years, by kind: for people, beside the composite; no model reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from nextbest.data.dataset import ACQUIRE, REFUSE, RELEASE, SIGNAL, Array, Interactions

__all__ = ["EVENTS", "EVENT_DAYS", "CustomerEvents", "Event"]

EVENTS = "events.npz"
EVENT_DAYS = 730
"""How long before the cutoff the kept events begin, days."""
_WORDS = {ACQUIRE: "opened", RELEASE: "closed", SIGNAL: "looked at", REFUSE: "refused"}
"""Kind -> what people call it. That something was first seen to be held is no event."""


class Event(NamedTuple):
    """What a customer did."""

    day: date
    what: str
    """opened, closed, looked at or refused."""
    product: int
    """The product's position in the export."""


@dataclass(frozen=True)
class CustomerEvents:
    """All customers' events, those of one customer in a row, the oldest first."""

    first: Array
    """Where each customer's events begin, and behind them where the last one's end, int64, [num_customers + 1]."""
    product: Array
    """int32, [num_events]."""
    day: Array
    """Days since 1970-01-01, int32, [num_events]."""
    kind: Array
    """See `data.dataset`, int8, [num_events]."""

    @classmethod
    def from_interactions(cls, interactions: Interactions, num_customers: int, day: int) -> CustomerEvents:
        """Keep the events of the two years up to a day."""
        kept = interactions.between(day - EVENT_DAYS, day)
        kept = kept[np.isin(kept.kind, list(_WORDS))]
        order = np.argsort(kept.customer, kind="stable")  # they are sorted by day
        first = np.searchsorted(kept.customer[order], np.arange(num_customers + 1))
        return cls(first, kept.product[order], kept.day[order], kept.kind[order])

    def of(self, customer: int) -> Iterator[Event]:
        """Yield the events of the customer at a position, the oldest first."""
        rows = slice(*self.first[customer : customer + 2])
        for product, day, kind in zip(self.product[rows], self.day[rows], self.kind[rows], strict=True):
            yield Event(np.datetime64(int(day), "D").item(), _WORDS[int(kind)], int(product))

    def save(self, path: Path) -> None:
        """Write the file."""
        np.savez_compressed(path, first=self.first, product=self.product, day=self.day, kind=self.kind)

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> CustomerEvents:
        """Read a file that `save` wrote."""
        with np.load(file) as arrays:
            return cls(arrays["first"], arrays["product"], arrays["day"], arrays["kind"])
