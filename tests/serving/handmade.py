"""A composite without a model: tables written by hand, and embeddings that are columns of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.serving.artifacts.assets import (
    ASSETS,
    CUSTOMERS,
    EVENTS,
    EXPORT_FORMAT,
    MANIFEST,
    PRODUCTS,
    CustomerEvents,
    Table,
)
from nextbest.serving.backends import InputSpec
from nextbest.serving.recommender import Recommender

WORD, NUMBER, DAY = np.dtype(object), np.dtype(np.float32), np.dtype(np.int64)


def strings(*values: str) -> Array:
    return np.array(values, object)


def numbers(*values: float) -> Array:
    return np.array(values, np.float32)


def described(role: str, unit: str = "") -> dict[str, Any]:
    return {"role": role, "unit": unit, "optional": False, "transform": "none"}


@dataclass
class World:
    """What an export holds."""

    columns: Mapping[str, Mapping[str, Any]]
    """The customers' columns, described."""
    products: Features
    """The products' columns, [num_products]."""
    product_columns: Mapping[str, Mapping[str, Any]]
    embeddings: Mapping[str, Sequence[float]]
    """Product -> its embedding; the products are its keys. A customer's are its numbers, normalised."""
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def load(
        self, folder: Path, ids: Sequence[str] = (), events: CustomerEvents | None = None, **customers: Array
    ) -> Recommender:
        """Write the assets, with the customers and what they did if there are any, and load them."""
        assets = folder / ASSETS
        assets.mkdir(parents=True)
        manifest = {
            "format": EXPORT_FORMAT,
            "as_of_day": 20_000,
            "horizon_days": 91,
            "customers": {"columns": self.columns},
            "products": {"columns": self.product_columns},
            "policy": {"risk_column": None, "category_column": "category" if "category" in self.products else None},
        }
        (assets / MANIFEST).write_text(json.dumps(manifest | {**self.manifest}))
        Table(strings(*self.embeddings), self.products).save(assets / PRODUCTS)
        backend = Backend(self)
        if ids:
            blank = Recommender(folder, backend).complete({}, len(ids))
            Table(strings(*ids), blank | customers).save(assets / CUSTOMERS)
        if events is not None:
            events.save(assets / EVENTS)
        return Recommender(folder, backend)


class Backend:
    """Answers `embed_customer` and `embed_product`, and counts the calls."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[tuple[str, int]] = []

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        if signature == "embed_product":
            return {"product_id": InputSpec(WORD, 1)}
        columns = {
            name: InputSpec(WORD if column["role"] in ("category", "text", "id") else NUMBER, 1)
            for name, column in self._world.columns.items()
        }
        held = {"held_products": InputSpec(WORD, 2), "held_days": InputSpec(DAY, 2), "as_of_day": InputSpec(DAY, 1)}
        return columns | held

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        assert set(inputs) == set(self.inputs(signature))
        self.asked.append((signature, len(next(iter(inputs.values())))))
        if signature == "embed_product":
            rows = [self._world.embeddings[product] for product in inputs["product_id"]]
        else:
            rows = list(zip(*(inputs[n] for n, c in self._world.columns.items() if c["role"] == "number"), strict=True))
        embedding = np.array(rows, np.float32)
        return {"embedding": embedding / np.linalg.norm(embedding, axis=1, keepdims=True)}

    def close(self) -> None:
        """Hold nothing."""
