"""What lies beside the composite in `assets.extra`: manifest, schema, products, customers and what these did lately."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from nextbest.data.dataset import ACQUIRE, REFUSE, RELEASE, SIGNAL, Array, Features, Interactions, positions_of

__all__ = [
    "ASSETS",
    "COMPOSITE",
    "COMPOSITE_SCANN",
    "CUSTOMERS",
    "EVENTS",
    "EVENT_DAYS",
    "EXPLANATIONS",
    "EXPORT_FORMAT",
    "FEATURES",
    "MANIFEST",
    "MEASURED",
    "MONITORING",
    "PRODUCTS",
    "SCHEMA",
    "CustomerEvents",
    "Event",
    "Table",
    "read_manifest",
    "with_scann",
]

COMPOSITE = "recommender"
"""The model that holds the others: who sees its version finds theirs."""
COMPOSITE_SCANN = "recommender_scann"
"""The same with ScaNN in its graph. What lies in `assets.extra` for both is the composite's."""
ASSETS = "assets.extra"
MANIFEST, SCHEMA, PRODUCTS, CUSTOMERS = "manifest.json", "schema.pbtxt", "products.npz", "customers.npz"
EXPLANATIONS, EVENTS = "explanations.npz", "events.npz"
MONITORING = "monitoring.json"
"""The training's statistics, with which `nextbest monitor` compares; exports of 0.3.0 have none."""
MEASURED = "measured"
"""The composite that was measured, where a refreshed one is served, without anybody's data: a later run is compared
with it on days that the refreshed one has seen."""
FEATURES = "features.json"
"""What people call the places of a stage's feature vectors, beside that stage's SavedModel."""


EXPORT_FORMAT = 2
"""The manifest's `format` of what is exported now; all from 1 on are read. It rises when an older program could not
read an export any more: 2 has lists of closures. Exports of 0.2 have none."""


def with_scann(folder: Path) -> Path:
    """Return where the composite with ScaNN in its graph lies, beside a version of the composite or RUN/recommender."""
    if folder.name == COMPOSITE:
        return folder.with_name(COMPOSITE_SCANN)
    return folder.parent.with_name(COMPOSITE_SCANN) / folder.name


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of an exported model."""
    manifest: dict[str, Any] = json.loads((folder / ASSETS / MANIFEST).read_text(encoding="utf-8"))
    return manifest


@dataclass(frozen=True)
class Table:
    """Ids with columns, as a compressed file that NumPy alone reads."""

    ids: Array
    """Sorted, object str, [num_rows]."""
    columns: Features
    """Column -> values, [num_rows, ...]."""

    def save(self, path: Path) -> None:
        """Write the file."""
        columns: Mapping[str, Any] = {f"column/{name}": _fixed_width(values) for name, values in self.columns.items()}
        np.savez_compressed(path, ids=self.ids.astype(str), **columns)

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> Table:
        """Read a file that `save` wrote."""
        with np.load(file) as arrays:
            columns = {
                name.removeprefix("column/"): values.astype(object) if values.dtype.kind == "U" else values
                for name, values in arrays.items()
                if name != "ids"
            }
            return cls(arrays["ids"].astype(object), columns)

    def positions(self, ids: Array) -> Array:
        """Return the rows of ids, -1 for an unknown one, int64, same shape as `ids`."""
        return positions_of(ids, self.ids)

    def take(self, rows: Array) -> Table:
        """Return the rows of a mask or of ascending positions."""
        return Table(self.ids[rows], {name: values[rows] for name, values in self.columns.items()})


def _fixed_width(values: Array) -> Array:
    """Give strings a fixed width, which NumPy saves without pickling."""
    return values.astype(str) if values.dtype == object else values


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
    """What customers did in the last two years, one's events in a row, the oldest first; no model reads them."""

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

    def take(self, rows: Array) -> CustomerEvents:
        """Return the events of some customers, bool [num_customers]."""
        lengths = np.diff(self.first)
        kept = np.repeat(rows, lengths)
        first = np.concatenate(([0], np.cumsum(lengths[rows]))).astype(self.first.dtype)
        return CustomerEvents(first, self.product[kept], self.day[kept], self.kind[kept])

    def save(self, path: Path) -> None:
        """Write the file."""
        np.savez_compressed(path, first=self.first, product=self.product, day=self.day, kind=self.kind)

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> CustomerEvents:
        """Read a file that `save` wrote."""
        with np.load(file) as arrays:
            return cls(arrays["first"], arrays["product"], arrays["day"], arrays["kind"])
