"""What the tab of the batch tells of a file: what was understood, how far it is, what came out.

`read_batch` reads the files as `nextbest score` does; all others make HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from markupsafe import Markup

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.serving.formatting import format_probability, format_value, sentence_case
from nextbest.serving.input_report import (
    InputLimits,
    InputReport,
    RecognisedColumns,
    check_input,
    describe_input,
    recognise_columns,
)
from nextbest.serving.requests import requests_from_file
from nextbest.ui.page.html import Column, alert, count_problems, definitions, join, problem_table, table
from nextbest.ui.page.version_data import VersionData

__all__ = [
    "Batch",
    "Scoring",
    "first_customers",
    "first_recommendations",
    "left_out",
    "progress",
    "read_batch",
    "scored",
    "understood",
]

_NAMED_ROWS = 10_000
"""So many rows with the same problem are named in the file of problems; the others are counted."""
_SHOWN_CUSTOMERS = 3
_SHOWN_NAMES = 12
_SCORE_ALL_THE_SAME = "or tick Score all the same"


@dataclass(frozen=True)
class Batch:
    """Customers that can be scored."""

    ids: Array
    requests: Features
    columns: RecognisedColumns
    report: InputReport
    holdings: str
    """Where it is known from what they hold."""
    left_out: Sequence[Problem]
    """Rows that cannot be read."""


def read_batch(data: VersionData, customers: Path, holdings: Path | None = None, all_the_same: bool = False) -> Batch:
    """Read customers to be scored, and compare them with the export's.

    Args:
        data: The version that recommends.
        customers: Their file.
        holdings: A file of what they hold, in place of what the export knows.
        all_the_same: Leave out rows that cannot be read, and take ids and words for new that the export does not know.

    Raises:
        InputError: With all problems of the files, or since too much in them is unknown.
    """
    recommender = data.recommender
    left_out: list[Problem] | None = [] if all_the_same else None
    ids, requests = requests_from_file(recommender, customers, holdings, left_out, _NAMED_ROWS)
    if not len(ids):
        raise InputError(left_out or ())
    report = describe_input(recommender, ids, requests)
    limits = InputLimits(1, 1) if all_the_same else InputLimits()
    check_input(report, limits, customers, _SCORE_ALL_THE_SAME, _SCORE_ALL_THE_SAME)
    columns = recognise_columns(recommender, customers)
    if holdings is not None:
        source = "from the file of holdings"
    else:
        source = "from the file's lists" if "held_products" in columns.recognised else "as the export knows them"
    return Batch(ids, requests, columns, report, source, left_out or ())


def understood(batch: Batch) -> Markup:
    """Return how many customers there are, which columns are recognised, and what is unknown."""
    columns, report = batch.columns, batch.report
    unseen = sum(column.unseen for column in report.columns)
    facts = [
        ("Customers", f"{report.customers:,}"),
        ("Unknown to the export", _with_example(report.unknown_ids, report.unknown_id)),
        ("Columns recognised", f"{len(columns.recognised):,}"),
        ("Columns missing", _names(columns.absent)),
        ("Columns not known", _names(columns.unknown)),
        ("Values never seen before", f"{unseen:,}" if unseen else "none"),
        ("Products held", f"{report.holdings.holdings:,} {batch.holdings}"),
    ]
    title = f"{report.customers:,} customers can be scored. Nothing is scored yet."
    box = Markup('<section class="card" aria-label="What was understood">{}</section>').format(definitions(facts))
    return alert("good", title) + box + notes(batch)


def _with_example(count: int, example: str | None) -> str:
    return f"{count:,}, for example {quote_value(example)}" if count else "none"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown} and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else shown or "none"


def notes(batch: Batch) -> Markup:
    """Return what is strange about customers, but for the columns' values; '' for nothing."""
    return join(alert("warning", "Please check:", f"{line}.") for line in batch.report.about_customers())


def left_out(batch: Batch) -> Markup:
    """Return which rows are left out, by cause; '' for none."""
    if not batch.left_out:
        return Markup("")
    count = count_problems(batch.left_out)
    title = (
        f"{count:,} rows cannot be read and are left out." if count != 1 else "1 row cannot be read and is left out."
    )
    return alert("warning", title) + problem_table(batch.left_out)


def first_customers(data: VersionData, batch: Batch) -> Markup:
    """Return the first customers as they were read, a row per column, with what is strange about it."""
    described = data.recommender.manifest["customers"]["columns"]
    remarks = {column.column: "; ".join(column.remarks()) for column in batch.report.columns}
    shown = [str(customer) for customer in batch.ids[:_SHOWN_CUSTOMERS]]
    columns = [Column("Column"), *(Column(customer) for customer in shown), Column("Remarks")]
    # What is strange comes first.
    names = sorted(data.recommender.customer_columns, key=lambda name: not remarks.get(name))
    rows = [
        (
            sentence_case(name),
            *(format_value(value, described[name]) for value in batch.requests[name][: len(shown)]),
            remarks.get(name, ""),
        )
        for name in names
    ]
    title = "The first customers as they were read" if len(shown) > 1 else "The customer as it was read"
    found = table(title, columns, rows, hide_caption=False)
    return Markup('<div class="first-customers">{}</div>').format(found)


def progress(done: int, total: int, seconds: float) -> Markup:
    """Return how many customers are scored, how many a second, and how long the others will take.

    Args:
        done: Scored customers.
        total: All of them.
        seconds: Since the first one was begun.
    """
    share = done / max(total, 1)
    told = f"{done:,} of {total:,} customers are scored."
    if done and seconds > 0:
        rate = done / seconds
        told += f" {_rate(rate)} About {_duration((total - done) / rate)} left."
    markup = (
        '<div class="card"><p>{}</p><div class="progress" role="progressbar" aria-label="Customers scored" '
        'aria-valuemin="0" aria-valuemax="{}" aria-valuenow="{}"><i style="width:{}%"></i></div></div>'
    )
    return Markup(markup).format(told, total, done, f"{100 * share:.1f}")


def _rate(rate: float) -> str:
    return f"{rate:,.0f} customers per second." if rate >= 10 else f"{rate:.1f} customers per second."


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:,.0f} minutes"


@dataclass(frozen=True)
class Scoring:
    """How far a batch is."""

    customers: int
    """Those who are scored."""
    recommendations: int
    first: pa.Table
    """The first rows of the file."""
    seconds: float
    """Since it was begun."""
    file: Path | None = None
    """There when all are scored."""


def scored(batch: Batch, result: Scoring, filtered: str) -> Markup:
    """Return how much was scored, under which filters.

    Args:
        batch: The customers.
        result: What came out.
        filtered: The filters in words; '' for none.
    """
    told = f"{result.recommendations:,} recommendations in {_duration(result.seconds)}."
    by = f"Filters: {filtered}." if filtered else "No filter was set."
    return alert("good", f"{result.customers:,} customers scored:", f"{told} {by}") + notes(batch)


def first_recommendations(data: VersionData, found: pa.Table) -> Markup:
    """Return the first rows of what was written."""
    columns = [
        Column("Customer"),
        Column("Rank", "number"),
        Column("Product"),
        Column("Probability", "number"),
    ]
    cells = [
        (
            row["customer_id"],
            str(row["rank"]),
            str(data.product_names[data.product_rows[row["product_id"]]]),
            format_probability(row["probability"]),
        )
        for row in found.to_pylist()
    ]
    return table(f"The first {len(cells)} recommendations of the file", columns, cells, hide_caption=False)
