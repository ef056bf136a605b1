"""What a validator asks beyond how good a model is: who answers for it, on what data, against what, and what then.

The questions are those of a reader of SR 11-7 (Federal Reserve, 2011, "Supervisory Guidance on Model Risk
Management"); `docs/trust_card.md` says which part answers which. No claim is made that they satisfy any rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from nextbest.data.config import ColumnConfig
from nextbest.data.dataset import ACQUIRE, HELD, REFUSE, RELEASE, SIGNAL, Array, EntityTable
from nextbest.evaluation.group_tables import format_interval
from nextbest.evaluation.groupings import KNOWN_OR_NEW
from nextbest.evaluation.groups import SERVED
from nextbest.evaluation.results import Difference, Evaluation, GroupCalibration
from nextbest.pipeline.config import RunConfig
from nextbest.pipeline.governance import GOVERNANCE, Governance
from nextbest.pipeline.markdown import bullets, escaped, table
from nextbest.pipeline.run import Run
from nextbest.pipeline.tune_result import WRITTEN_BY
from nextbest.serving.formatting import format_name
from nextbest.serving.monitoring.checks import Limits

__all__ = [
    "calibration_by_product",
    "challenger",
    "cold_start",
    "data_quality",
    "monitoring_plan",
    "responsibilities",
    "sensitivity",
    "settings_and_search",
]

_NOT_NAMED = f"not named ({GOVERNANCE} beside the run's TOML names it)"
_FIRST_STAGE = "retrieval"
"""Which is no alternative to what is served, but a part of it."""
_MOST_ROWS = 20
"""Of a table of products, the furthest off first; metrics.json has all."""


def responsibilities(named: Governance) -> Iterator[str]:
    """Say who answers for the models."""
    people = {
        "Owner": named.owner,
        "Built and trained by": named.developers,
        "Validated independently by": named.validator,
        "Approver": named.approver,
        "Validated again by": named.next_review,
    }
    yield from bullets(f"{role}: {_NOT_NAMED if who is None else escaped(who)}" for role, who in people.items())
    yield from bullets(f"Condition of use: {escaped(condition)}" for condition in named.conditions)
    yield from bullets(f"The table {escaped(name)}: {escaped(whose)}" for name, whose in named.data_owners.items())


_KINDS = {
    ACQUIRE: "opened or bought",
    HELD: "first seen to be held",
    RELEASE: "closed",
    SIGNAL: "looked at",
    REFUSE: "refused",
}


def data_quality(run: Run) -> Iterator[str]:
    """Say how complete the tables are, on the last day that the models know."""
    history, data, day = run.history, run.config.data, run.windows.test.cutoff
    events = history.interactions
    acting = len(np.unique(events.customer)) / len(history.customers)
    taken = len(np.unique(events.product[(events.kind == ACQUIRE) | (events.kind == HELD)]))
    yield (
        f"{acting:.1%} of the customers have an interaction; {taken:,} of {len(history.products):,} products were ever "
        "acquired or held. Identifiers that one table has and another lacks, dates and numbers that cannot be read, "
        "and columns that hold what they should not are refused before training.\n"
    )
    found = [(name, int((events.kind == kind).sum())) for kind, name in _KINDS.items()]
    yield from table(("interaction", "rows"), ((name, f"{rows:,}") for name, rows in found if rows))
    yield ""
    rows = [
        *_columns("customers", history.customers, day, data.customers.columns),
        *_columns("products", history.products, day, data.products.columns),
    ]
    yield from table(("table", "column", "read as", "missing", "different values"), rows)


def _columns(
    name: str, entities: EntityTable, day: int, columns: Mapping[str, ColumnConfig]
) -> Iterator[tuple[str, str, str, str, str]]:
    for column, values in entities.at(day).items():
        missing = _is_missing(values)
        different = len(np.unique(values[~missing].astype(str)))
        yield name, format_name(column), columns[column].role, f"{missing.mean():.1%}", f"{different:,}"


def _is_missing(values: Array) -> Array:
    return np.isnan(values) if values.dtype.kind == "f" else np.asarray(values == "")


def challenger(evaluation: Evaluation) -> Iterator[str]:
    """Say which of the alternatives comes closest, and by how much the served model is ahead of it."""
    metric = evaluation.main_metric
    others = {
        other: found[metric]
        for name, found in evaluation.paired.items()
        if (other := name.removeprefix(f"{SERVED}-")) != name and other != _FIRST_STAGE
    }
    if not others:
        yield "No alternative was measured."
        return
    strongest = min(others, key=lambda name: others[name].difference)
    found = others[strongest]
    yield from bullets(
        (
            f"Measured beside it on the same customers: {escaped(', '.join(others))} (the table above). Each was "
            "fitted on what the models knew, and obeys the same rules.",
            f"The strongest challenger is {escaped(strongest)}: the served order's {metric} less that of it is "
            f"{found.difference:+.4f} {escaped(f'[{found.low:+.4f}, {found.high:+.4f}]')}.",
            "A new version is compared with the last approved one on the same customers before it may take its place "
            "(see the verdict).",
        )
    )


def settings_and_search(run: Run) -> Iterator[str]:
    """Say with what settings the models were trained, and how those were chosen."""
    searched = run.folder.path("config.toml").read_text(encoding="utf-8").startswith(f"# {WRITTEN_BY}")
    epochs = run.folder.read_json("ranking", "selection.json")["epochs"]
    yield from bullets(
        (
            "The settings were found by `nextbest tune`, on validation windows that end before the test window begins."
            if searched
            else "No search was made for this run: the settings are the bank's own and the defaults.",
            f"The ranking was trained for {epochs} epochs. {_epochs_of(run.config)} The test window chose nothing.",
        )
    )
    yield ""
    changed = list(_changed(run.config))
    if changed:
        yield from table(("setting", "value", "default"), changed)
    else:
        yield "Every setting has its default."


def _epochs_of(config: RunConfig) -> str:
    """Say how many epochs each stage is trained for, and why so many."""
    chosen = [stage for stage in ("retrieval", "ranking") if getattr(config, stage).patience]
    if not chosen:
        return "The numbers of epochs are settings."
    return f"How long training pays was chosen for {' and '.join(chosen)} on windows before the test window."


def _changed(config: RunConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the settings of the models that are not at their defaults."""
    for section in ("statistics", "retrieval", "ranking"):
        settings: BaseModel = getattr(config, section)
        for name, field in type(settings).model_fields.items():
            value, default = getattr(settings, name), field.get_default(call_default_factory=True)
            if value != default:
                yield f"{section}.{name}", str(value), str(default)


def sensitivity(found: Mapping[str, Difference], metric: str) -> Iterator[str]:
    """Say what the order owes to each thing that it reads of a customer."""
    if not found:
        yield "Not measured: nothing is known of what came later, and the run that was measured kept nothing of it."
        return
    yield (
        f"{metric} with a column's values dealt out anew among the test customers, less {metric} as it is: what the "
        "order, with the rules in it, owes to the column. Columns that say the same stand in for each other. The "
        "customers that this makes up do not exist.\n"
    )
    rows = (
        (format_name(name), f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]") for name, one in found.items()
    )
    yield from table(("dealt out anew", f"change in {metric}"), rows)


def calibration_by_product(found: Mapping[str, GroupCalibration], level: float) -> Iterator[str]:
    """Say of which products the probabilities say too much or too little."""
    if not found:
        yield "Not measured by product: no product was a candidate of enough customers, or nothing was calibrated."
        return
    off = {name: one for name, one in found.items() if one.finding != "none shown"}
    outside = sum(not _holds_one(one) for one in found.values())
    yield (
        f"Of {len(found):,} products with enough candidates the {level:.0%} interval of happened / said leaves out 1 "
        f"for {outside:,}; after the correction for their number {len(off):,} are shown to be off. The furthest off "
        "first:\n"
    )
    first = sorted(found, key=lambda name: (found[name].p, name))[:_MOST_ROWS]
    rows = ((name, *_cells(found[name])) for name in first)
    yield from table(("product", "pairs", "said", "happened", "happened / said", "finding"), rows)


def _holds_one(one: GroupCalibration) -> bool:
    low, high = one.ratio.low, one.ratio.high
    return (low is None or low <= 1) and (high is None or high >= 1)


def _cells(one: GroupCalibration) -> tuple[Any, ...]:
    ratio = format_interval(one.ratio)
    return f"{one.pairs:,}", f"{one.said:.2%}", f"{one.happened:.2%}", ratio, one.finding


def cold_start(evaluation: Evaluation) -> Iterator[str]:
    """Say how good the order is for those of whom little is known."""
    groups = evaluation.groups.get(KNOWN_OR_NEW, {})
    metric = evaluation.main_metric
    rows = [(label, f"{one.customers:,}", format_interval(one.metrics.get(metric))) for label, one in groups.items()]
    if rows:
        yield from table(("customers", "evaluated", metric), rows)
        yield ""
    yield (
        "A customer whom the export does not know, and who brings no holdings, gets an order by the attributes alone "
        "and no probability. A product that nobody has acquired yet is found by its columns; its own embedding says "
        "nothing."
    )


def monitoring_plan(max_age_days: int | None, horizon_days: int) -> Iterator[str]:
    """Say what is watched, from where on it is acted, and how."""
    limits = Limits()
    age = "no limit is set" if max_age_days is None else f"more than {max_age_days} days"
    yield (
        "`nextbest monitor` compares each file of customers, and what came since, with the training; `nextbest score "
        "--gate` refuses a file that fails. A trigger must pass its limit, and chance must not explain it.\n"
    )
    again, look = "retrain, measure, approve", "look for the fault in the feed; do not score"
    rows = (
        ("a column, holdings or first places have shifted", f"PSI above {limits.max_psi:g}", look),
        ("missing values, unknown customers or products", f"{limits.max_share:.0%} more than in training", look),
        ("words that the training never saw", f"above {limits.max_unseen:.0%}", look),
        ("events of a kind, or a product's, come in or cease", f"by a factor of {limits.max_factor:g}", look),
        ("what happened against the probabilities", f"off by a factor of {limits.max_factor:g}", again),
        ("the quality of the order on what came since", f"lower by {limits.max_drop:.0%}", again),
        ("the age of the data", age, "nextbest refresh"),
    )
    yield from table(("watched", "trigger", "then"), rows)
    yield (
        f"\nProbabilities speak of {horizon_days} days: their outcomes are complete only then. `nextbest export "
        "--rollback` puts an earlier version in a bad one's place."
    )
