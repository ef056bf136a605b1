"""Watch a served model: all checks of a file of customers, and of what came since, as one report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array, Features, Interactions
from nextbest.data.errors import FailedError
from nextbest.data.tables.load import read_outcomes
from nextbest.serving.monitoring.checks import Check, Limits, alarms, needed_evidence
from nextbest.serving.monitoring.customers import held_pairs, input_checks, known_customers, recommend_all, score_checks
from nextbest.serving.monitoring.outcomes import Outcomes, activity_checks, performance_checks
from nextbest.serving.monitoring.training_statistics import read_statistics
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import draw_rows, take

__all__ = ["MonitoringReport", "check_gate", "load_outcomes", "watch"]

_LIST_LENGTH = 20
"""How many of each customer's recommendations are compared with what was acquired."""
_SEED = 0
"""Draws the customers whose recommendations are compared."""


@dataclass(frozen=True)
class MonitoringReport:
    """What was compared, and what is out of its limits."""

    version: int | None
    """The served version; None of a run that was not pushed."""
    cutoff: date
    """The last day that it knows."""
    day: date
    """As of which day the customers are."""
    until: date | None
    """The last day of the outcomes; None without any."""
    customers: int
    checks: tuple[Check, ...]
    """The worst first: alarms, then by how far each is towards its limit."""
    remarks: tuple[str, ...] = ()
    """What could not be compared."""

    @cached_property
    def alarms(self) -> list[Check]:
        """The checks out of their limits."""
        return alarms(self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        raised = {id(check) for check in self.alarms}
        checks = [
            {name: value for name, value in asdict(check).items() if name != "picture"} | {"alarm": id(check) in raised}
            for check in self.checks
        ]
        head = {
            "version": self.version,
            "cutoff": str(self.cutoff),
            "day": str(self.day),
            "until": None if self.until is None else str(self.until),
            "customers": self.customers,
            "alarms": len(raised),
            "needed_evidence": needed_evidence(self.checks),
        }
        return head | {"remarks": list(self.remarks), "checks": checks}


def watch(
    recommender: Recommender,
    ids: Array,
    requests: Features,
    events: Interactions | None = None,
    day: int | None = None,
    scored: int = 20_000,
    limits: Limits | None = None,
) -> MonitoringReport:
    """Compare customers, what they are recommended, and what came since, with the training's statistics.

    Args:
        recommender: The loaded export.
        ids: Customer ids, object str, [num_customers].
        requests: Their raw requests, [num_customers, ...].
        events: What `load_outcomes` returned.
        day: As of which day the customers are, days since 1970-01-01; by default the export's cutoff.
        scored: Of more customers so many are drawn, whose recommendations are compared.
        limits: What matters.

    Raises:
        InputError: The export has no statistics.
    """
    statistics, limits = read_statistics(recommender), limits or Limits()
    day = statistics.day if day is None else day
    requests = requests | {"as_of_day": np.full(len(ids), day, np.int64)}
    checks = list(input_checks(recommender, statistics, limits, ids, requests, day))
    rows, remarks, until = draw_rows(len(ids), scored, _SEED), [], None
    if len(rows):
        sample = take(requests, rows)
        found = recommend_all(recommender, sample, _LIST_LENGTH)
        checks += score_checks(recommender, statistics, limits, found)
    if events is not None:
        outcomes = Outcomes(events, day, known_customers(recommender, ids))
        if not len(rows) or not len(events) or outcomes.until <= day:
            remarks.append(f"no interaction of these customers after {_date(day)}: nothing to compare outcomes by")
        else:
            until = _date(outcomes.until)
            checks += activity_checks(recommender, statistics, limits, outcomes)
            held = held_pairs(recommender, sample)
            checks += performance_checks(recommender, limits, outcomes, rows, found, held)
    raised = {id(check) for check in alarms(checks)}
    ordered = sorted(checks, key=lambda one: (id(one) not in raised, -one.value / max(one.limit, 1e-9)))
    manifest = recommender.manifest
    return MonitoringReport(
        version=manifest.get("model_version"),
        cutoff=_date(manifest["as_of_day"]),
        day=_date(day),
        until=until,
        customers=len(ids),
        checks=tuple(ordered),
        remarks=tuple(remarks),
    )


def load_outcomes(recommender: Recommender, ids: Array, path: Path | str) -> Interactions:
    """Read a table of interactions, written as the run's config describes them.

    Args:
        recommender: The loaded export.
        ids: The customers whose interactions count, object str, [num_customers].
        path: The table, as for `requests_from_file`.

    Returns:
        The interactions of these customers with products of the export, in positions of both, sorted by day.

    Raises:
        InputError: With all problems of the table, or the export does not say how interactions are written.
    """
    read_statistics(recommender)  # an older export has neither
    manifest, order = recommender.manifest, np.argsort(ids, kind="stable")
    tables = {name: dict(manifest[name]) for name in ("customers", "products", "interactions")}
    tables["interactions"] |= {"path": str(path), "query": None, "unknown": "drop"}
    found = read_outcomes(DataConfig.model_validate(tables), ids[order], recommender.products.ids)
    return replace(found, customer=order[found.customer].astype(np.int32))


def check_gate(recommender: Recommender, ids: Array, requests: Features) -> None:
    """Refuse customers who are, or whose scores would be, too unlike the training's. Arguments as for `watch`.

    Raises:
        FailedError: With a line for each alarm.
        InputError: The export has no statistics.
    """
    report = watch(recommender, ids, requests)
    if report.alarms:
        head = f"nothing was scored: {len(report.alarms)} of {len(report.checks)} checks against the training failed"
        remedy = "fix the file, train again, or leave out --gate"
        raise FailedError("\n".join([head, *map(str, report.alarms), remedy]))


def _date(day: int) -> date:
    found: date = np.datetime64(day, "D").item()
    return found
