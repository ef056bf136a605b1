"""Exports of released versions, each with what it answered then. A release adds its own, in the checkout:

    python -m tests.serving.older_exports

It trains the small bank and writes tests/serving/exports/VERSION.tar.xz, which holds the composite as it was pushed
and a table of a few customers, and VERSION.json. Neither changes afterwards: they stand for what banks serve.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

import nextbest

EXPORTS = Path(__file__).resolve().parent / "exports"
_CUSTOMERS = ("C000001", "C000002", "C000003")


def versions() -> list[str]:
    """Return the versions that left an export."""
    return sorted(path.name.removesuffix(".tar.xz") for path in EXPORTS.glob("*.tar.xz"))


def unpack(version: str, folder: Path) -> Path:
    """Unpack what a version exported into a folder: `models` and `customers.csv`. Return `models`."""
    with tarfile.open(EXPORTS / f"{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "models"


def answers(models: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what models recommend to a few customers, without and with filters."""
    bank = nextbest.load(models)
    asked = {"no filters": None, "cautious": nextbest.Filters(max_risk=2)}
    return {
        name: nextbest.recommend(bank, _CUSTOMERS, top=5, filters=filters).to_pylist()
        for name, filters in asked.items()
    }


def recorded(version: str) -> dict[str, list[dict[str, Any]]]:
    """Return what `answers` said when the version was released."""
    said: dict[str, list[dict[str, Any]]] = json.loads((EXPORTS / f"{version}.json").read_text(encoding="utf-8"))
    return said


def main() -> None:
    """Export the small bank's models and write down what they answer."""
    from tests.trained import make_small_bank, train_small_bank

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = train_small_bank(make_small_bank(folder / "bank"), folder / "trained").models
        EXPORTS.mkdir(exist_ok=True)
        with tarfile.open(EXPORTS / f"{nextbest.__version__}.tar.xz", "w:xz") as archive:
            archive.add(models / "recommender", "models/recommender")
            archive.add(_asked_customers(folder), "customers.csv")
        said = json.dumps(answers(models), indent=1)
        (EXPORTS / f"{nextbest.__version__}.json").write_text(f"{said}\n", encoding="utf-8")


def _asked_customers(folder: Path) -> Path:
    table = csv.read_csv(folder / "bank" / "customers.csv")
    path = folder / "customers.csv"
    csv.write_csv(table.filter(pc.is_in(table["customer_id"], pa.array(_CUSTOMERS))), path)
    return path


if __name__ == "__main__":
    main()
