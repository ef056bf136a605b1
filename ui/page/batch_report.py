"""What the tab of the batch tells of a file: what was understood, how far it is, what came out.

`read_batch` reads the files as `nextbest score` does; all others make HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from markupsafe import Markup

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.serving.formatting import format_decimals, format_probability, format_value, sentence_case
from nextbest.serving.input_report import (
    FORMULA_SIGNS,
    ColumnReport,
    InputLimits,
    InputReport,
    RecognisedColumns,
    check_input,
    describe_input,
    recognise_columns,
)
from nextbest.serving.language import say
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


@dataclass(frozen=True)
class Batch:
    """Customers that can be scored."""

    ids: Array
    requests: Features
    columns: RecognisedColumns
    report: InputReport
    holdings: str
    """Where it is known from what they hold: 'file' (of holdings), 'lists' (of the customers' file) or 'export'."""
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
    remedy = f"or tick {say('label-batch-all-the-same')}"  # problems are told in English, as on the terminal
    check_input(report, limits, customers, remedy, remedy)
    columns = recognise_columns(recommender, customers)
    in_file = "lists" if "held_products" in columns.recognised else "export"
    source = in_file if holdings is None else "file"
    return Batch(ids, requests, columns, report, source, left_out or ())


def understood(batch: Batch) -> Markup:
    """Return how many customers there are, which columns are recognised, and what is unknown."""
    columns, report = batch.columns, batch.report
    unseen = sum(column.unseen for column in report.columns)
    facts = [
        (say("column-customers"), say("number", count=report.customers)),
        (say("batch-unknown-ids"), _with_example(report.unknown_ids, report.unknown_id)),
        (say("batch-recognised"), say("number", count=len(columns.recognised))),
        (say("batch-absent"), _names(columns.absent)),
        (say("batch-unknown-columns"), _names(columns.unknown)),
        (say("batch-unseen"), say("number", count=unseen) if unseen else say("none")),
        (say("batch-products-held"), say("batch-held", count=report.holdings.holdings, source=batch.holdings)),
    ]
    title = say("batch-can-be-scored", count=report.customers)
    box = Markup('<section class="card" aria-label="{}">{}</section>')
    return alert("good", title) + box.format(say("batch-understood"), definitions(facts)) + notes(batch)


def _with_example(count: int, example: str | None) -> str:
    return say("batch-for-example", count=count, example=quote_value(example)) if count else say("none")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return say("list-and-more", names=shown, count=more) if more > 0 else shown or say("none")


def notes(batch: Batch) -> Markup:
    """Return what is strange about customers, but for the columns' values; '' for nothing."""
    return join(alert("warning", say("batch-check"), line) for line in _about_customers(batch.report))


def _about_customers(report: InputReport) -> Iterator[str]:
    """Yield what `InputReport.about_customers` does, in the reader's language."""
    holdings = report.holdings
    if report.unknown_ids:
        yield say(
            "batch-check-ids",
            unknown=report.unknown_ids,
            count=report.customers,
            known="no" if report.known_id is None else quote_value(report.known_id),
            example=quote_value(report.unknown_id),
        )
    if report.without_probability:
        yield say("batch-check-holdings", count=report.without_probability)
    if holdings.unknown_products:
        example = quote_value(holdings.unknown_product)
        yield say("batch-check-products", unknown=holdings.unknown_products, count=holdings.holdings, example=example)
    if report.formulas:
        signs = " ".join(FORMULA_SIGNS)
        yield say("batch-check-formulas", count=report.formulas, signs=signs, example=quote_value(report.formula))


def _remarks(column: ColumnReport) -> Iterator[str]:
    """Yield what `ColumnReport.remarks` does, in the reader's language."""
    if column.unseen:
        known, example = str(column.known), quote_value(column.example)
        yield say("remark-unseen", count=column.unseen, example=example, known=known)
    if column.out_of_range:
        low, high = f"{column.least:g}", f"{column.greatest:g}"
        yield say("remark-out-of-range", count=column.out_of_range, low=low, high=high, example=str(column.example))
    if column.missing:
        yield say("remark-missing", count=column.missing)


def left_out(batch: Batch) -> Markup:
    """Return which rows are left out, by cause; '' for none."""
    if not batch.left_out:
        return Markup("")
    count = count_problems(batch.left_out)
    return alert("warning", say("batch-left-out", count=count)) + problem_table(batch.left_out)


def first_customers(data: VersionData, batch: Batch) -> Markup:
    """Return the first customers as they were read, a row per column, with what is strange about it."""
    described = data.recommender.manifest["customers"]["columns"]
    remarks = {column.column: "; ".join(_remarks(column)) for column in batch.report.columns}
    shown = [str(customer) for customer in batch.ids[:_SHOWN_CUSTOMERS]]
    columns = [Column(say("problems-column")), *(Column(customer) for customer in shown), Column(say("batch-remarks"))]
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
    found = table(say("batch-first-customers", count=len(shown)), columns, rows, hide_caption=False)
    return Markup('<div class="first-customers">{}</div>').format(found)


def progress(done: int, total: int, seconds: float) -> Markup:
    """Return how many customers are scored, how many a second, and how long the others will take.

    Args:
        done: Scored customers.
        total: All of them.
        seconds: Since the first one was begun.
    """
    share = done / max(total, 1)
    told = say("batch-progress", done=done, total=total)
    if done and seconds > 0:
        rate = done / seconds
        told += " " + say("batch-left", rate=_rate(rate), duration=_duration((total - done) / rate))
    markup = (
        '<div class="card"><p>{}</p><div class="progress" role="progressbar" aria-label="{}" '
        'aria-valuemin="0" aria-valuemax="{}" aria-valuenow="{}"><i style="width:{}%"></i></div></div>'
    )
    return Markup(markup).format(told, say("batch-customers-scored"), total, done, f"{100 * share:.1f}")


def _rate(rate: float) -> str:
    return say("number", count=round(rate)) if rate >= 10 else format_decimals(rate, 1)


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return say("duration", unit="second", count=1)
    unit, count = ("seconds", seconds) if seconds < 90 else ("minutes", seconds / 60)
    return say("duration", unit=unit, count=round(count))


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
    told = say("batch-recommendations", count=result.recommendations, duration=_duration(result.seconds))
    by = say("batch-filters", filters=filtered) if filtered else say("batch-no-filter-was")
    return alert("good", say("batch-scored", count=result.customers), f"{told} {by}") + notes(batch)


def first_recommendations(data: VersionData, found: pa.Table) -> Markup:
    """Return the first rows of what was written."""
    columns = [
        Column(say("column-customer")),
        Column(say("column-rank"), "number"),
        Column(say("column-product")),
        Column(say("column-probability"), "number"),
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
    return table(say("batch-first-recommendations", count=len(cells)), columns, cells, hide_caption=False)
