"""The report of a served version: how good it was measured to be, why it is served, and its model card.

`read_report` reads it from the version's manifest and assets; the page's tab Models shows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from nextbest.serving.recommender import Recommender

__all__ = ["CARD", "METRICS", "Report", "read_report"]

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
    approved: bool
    """Whether it was good enough."""
    reasons: tuple[str, ...]
    """Why, or why not."""
    forced: bool
    """Whether it was pushed though it was not."""
    loads: bool
    """Whether it answered in a fresh process as it did when it was exported."""
    load_problems: tuple[str, ...]
    """Why not."""
    index: str
    """The index that is used: 'exact' or 'scann'."""
    index_reason: str
    """Why one was chosen."""
    metrics: Mapping[str, Any]
    """The evaluation; `evaluation.results.Evaluation.model_validate` reads it."""
    card: str
    """The model card, Markdown."""


def read_report(recommender: Recommender) -> Report | None:
    """Read a version's report.

    Args:
        recommender: The version. Its folder may be gone by now.

    Returns:
        The report; None for what was exported before there was one, or was never pushed.
    """
    metrics, card = recommender.asset(METRICS), recommender.asset(CARD)
    if metrics is None or card is None:
        return None
    manifest = recommender.manifest
    approval, load_check, index = manifest["blessing"], manifest["infra_blessing"], manifest["index"]
    return Report(
        version=manifest["model_version"],
        pushed_at=datetime.fromisoformat(manifest["pushed_at"]),
        rollback_of=manifest.get("rollback_of"),
        as_of=np.datetime64(manifest["as_of_day"], "D").item(),
        horizon_days=manifest["horizon_days"],
        approved=approval["blessed"],
        reasons=tuple(approval["reasons"]),
        forced=manifest["forced"],
        loads=load_check["blessed"],
        load_problems=tuple(load_check["reasons"]),
        index=recommender.index,
        index_reason=index["reason"],
        metrics=json.load(metrics),
        card=card.read().decode("utf-8"),
    )
