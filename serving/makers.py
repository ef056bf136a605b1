"""By what recommendations were made: which weights, rules and data, when, and what was asked.

Parquet, Excel and JSON answers hold it themselves, and beside every scored file stands a JSON, FILE.makers.json.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from nextbest.serving.artifacts.assets import COMPOSITE, COMPOSITE_SCANN, with_scann
from nextbest.serving.store.record import digest_served

if TYPE_CHECKING:
    from nextbest.serving.recommender import Filters, Recommender

__all__ = ["MAKERS", "digest_policy", "makers_of", "makers_path", "makers_text"]

MAKERS = "nextbest"
"""The key of Parquet's metadata."""


_DIGESTS: WeakKeyDictionary[Recommender, str] = WeakKeyDictionary()
"""The digests of loaded recommenders' files, read when they are first asked for: a page is asked often."""


def makers_path(out: Path) -> Path:
    """Return where the makers of a scored file stand: beside it."""
    return out.with_name(f"{out.name}.makers.json")


def makers_text(makers: Mapping[str, Any]) -> str:
    """Return the makers as a line of JSON, as Parquet and Excel hold them."""
    return json.dumps(makers, ensure_ascii=False, sort_keys=True)


def makers_of(recommender: Recommender, k: int, filters: Filters | None) -> dict[str, Any]:
    """Return by what recommendations are made that are begun now; who writes them counts up `rows`, which are 0.

    What is not known is None, and `unknown` says why.

    Args:
        recommender: What recommends.
        k: How many products per customer at most.
        filters: What narrows the result.
    """
    manifest, folder = recommender.manifest, recommender.folder
    scann = recommender.index == "scann"
    unknown = []
    try:
        weights = _DIGESTS.get(recommender) or digest_served(with_scann(folder) if scann else folder)
        _DIGESTS[recommender] = weights
    except OSError:
        weights = None
        unknown.append(f"weights: {folder} cannot be read; the version was removed after it had been loaded")
    if recommender.server is not None:
        unknown.append(f"weights are those of {folder}; the files of {recommender.server} itself were not read")
    if "model_version" not in manifest:
        unknown.append("model_version: these models were never pushed")
    return {
        "model_version": manifest.get("model_version"),
        "model": COMPOSITE_SCANN if scann else COMPOSITE,
        "weights": weights,
        "cutoff": str(recommender.age.as_of),
        "policy": digest_policy(manifest),
        "made_at": _now().isoformat(timespec="seconds"),
        "nextbest": importlib.metadata.version("nextbest"),
        "server": recommender.server,
        "k": k,
        "filters": None if filters is None else asdict(filters),
        "rows": 0,
        "unknown": unknown,
    }


def digest_policy(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the policy that an export enforces: its rules, caps and what may be held twice."""
    return hashlib.sha256(json.dumps(manifest["policy"], sort_keys=True).encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)
