"""What lies beside the composite in `assets.extra`: the manifest, the schema, the products and the customers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nextbest.data.dataset import Array, Features, positions_of

__all__ = [
    "ASSETS",
    "COMPOSITE",
    "COMPOSITE_SCANN",
    "CUSTOMERS",
    "EXPLANATIONS",
    "EXPORT_FORMAT",
    "FEATURES",
    "MANIFEST",
    "PRODUCTS",
    "SCHEMA",
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
EXPLANATIONS = "explanations.npz"
FEATURES = "features.json"
"""What people call the places of a stage's feature vectors, beside that stage's SavedModel."""


EXPORT_FORMAT = 1
"""The manifest's `format` of what is exported now. It rises when an older program could not read an export any more;
exports of 0.2 have none."""


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


def _fixed_width(values: Array) -> Array:
    """Give strings a fixed width, which NumPy saves without pickling."""
    return values.astype(str) if values.dtype == object else values
