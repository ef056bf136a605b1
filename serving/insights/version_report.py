"""What a served version tells of itself: how good it was measured to be, why it is served, and its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from nextbest.serving.recommender import Recommender

__all__ = ["CARD", "METRICS", "Report", "report"]

METRICS, CARD = "metrics.json", "model_card.md"
"""Where the evaluation and the model card lie in `assets.extra`; `pipeline.export` puts them there."""


@dataclass(frozen=True)
class Report:
    """What is known of one version."""

    version: int
    """The number under which it is served."""
    pushed_at: datetime
    """UTC."""
    rollback_of: int | None
    """The version that it is a copy of, if it is one."""
    as_of: date
    """The last day that it knows."""
    horizon_days: int
    """How many days a probability looks ahead."""
    blessed: bool
    """Whether it was good enough."""
    reasons: tuple[str, ...]
    """Why, or why not."""
    forced: bool
    """Whether it was pushed though it was not."""
    infra_blessed: bool
    """Whether it answered in a fresh process as it did when it was exported."""
    infra_reasons: tuple[str, ...]
    """Why not."""
    index: str
    """The index that was chosen: 'exact' or 'scann'."""
    index_reason: str
    """Why."""
    metrics: Mapping[str, Any]
    """The evaluation; `evaluation.results.Evaluation.model_validate` reads it."""
    card: str
    """The model card, Markdown."""


def report(recommender: Recommender) -> Report | None:
    """Read what a version tells of itself.

    Args:
        recommender: The version. Its folder may be gone by now.

    Returns:
        The report; None for what was exported before there was one, or was never pushed.
    """
    metrics, card = recommender.asset(METRICS), recommender.asset(CARD)
    if metrics is None or card is None:
        return None
    manifest = recommender.manifest
    blessing, infra, index = manifest["blessing"], manifest["infra_blessing"], manifest["index"]
    return Report(
        version=manifest["model_version"],
        pushed_at=datetime.fromisoformat(manifest["pushed_at"]),
        rollback_of=manifest.get("rollback_of"),
        as_of=np.datetime64(manifest["as_of_day"], "D").item(),
        horizon_days=manifest["horizon_days"],
        blessed=blessing["blessed"],
        reasons=tuple(blessing["reasons"]),
        forced=manifest["forced"],
        infra_blessed=infra["blessed"],
        infra_reasons=tuple(infra["reasons"]),
        index=index["kind"],
        index_reason=index["reason"],
        metrics=json.loads(metrics.read_text(encoding="utf-8")),
        card=card.read_text(encoding="utf-8"),
    )
