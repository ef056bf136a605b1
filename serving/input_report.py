"""What is strange about customers to be scored, beside those whom the export knows: ids, categories, numbers, gaps.

`describe_input` compares what was read, `recognise_columns` what stands in the file's header.

A file of another spelling or unit is answered without an error, and wrongly: what the models never saw counts as
unknown. So what is strange is counted, and stops the scoring where it is most of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem, quote_value
from nextbest.data.tables.read import read_file
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import of_unknown_holdings, served_columns

__all__ = [
    "FORMULA_SIGNS",
    "ColumnReport",
    "HoldingsReport",
    "InputLimits",
    "InputReport",
    "RecognisedColumns",
    "check_input",
    "describe_input",
    "recognise_columns",
]

FORMULA_SIGNS = ("=", "+", "-", "@")
"""What a cell begins with that spreadsheets take for a formula."""


@dataclass(frozen=True)
class InputLimits:
    """How much may be strange before nothing is scored, as shares of the customers from 0 to 1."""

    unknown_ids: float = 0.5
    """Customers whom the export does not know."""
    unseen: float = 0.5
    """Values of one column, of those that are not missing, that no customer of the export has."""


@dataclass(frozen=True)
class ColumnReport:
    """What is strange about a column's values."""

    column: str
    missing: int
    unseen: int
    """Words that no customer of the export has."""
    out_of_range: int
    """Numbers and dates below the least or above the greatest of the export's customers."""
    example: str | None
    """One of those that are unseen or out of range."""
    known: str | None = None
    """Some words that the export has."""
    least: float | None = None
    greatest: float | None = None
    """The range of the export's numbers or days."""

    def remarks(self) -> Iterator[str]:
        """Yield what is strange, for people."""
        if self.unseen:
            yield (
                f"{self.unseen:,} values that the models never saw (for example {quote_value(self.example)}; they know "
                f"{self.known})"
            )
        if self.out_of_range:
            within = f"{self.least:g} to {self.greatest:g}"
            yield f"{self.out_of_range:,} values outside of {within} (for example {self.example})"
        if self.missing:
            yield f"{self.missing:,} missing"


@dataclass(frozen=True)
class HoldingsReport:
    """What the customers hold, as far as the scorer knows."""

    customers: int
    """Those who hold something."""
    holdings: int
    unknown_products: int
    """Holdings of products that the export does not know; no model counts them."""
    unknown_product: str | None
    """One of these products."""


@dataclass(frozen=True)
class RecognisedColumns:
    """What a file's header says beside the columns that the models read; in the file's order, or the export's."""

    recognised: tuple[str, ...]
    absent: tuple[str, ...]
    """Columns that the models read and the file lacks: all their values are missing."""
    unknown: tuple[str, ...]
    """Columns of the file that nothing reads."""


@dataclass(frozen=True)
class InputReport:
    """What is strange about customers to be scored."""

    customers: int
    unknown_ids: int
    unknown_id: str | None
    """One of them."""
    known_id: str | None
    """How the export spells ids."""
    without_probability: int
    """Those of the unknown who bring no holdings either; see `requests.of_unknown_holdings`."""
    columns: tuple[ColumnReport, ...]
    holdings: HoldingsReport
    formulas: int
    """Ids that a spreadsheet takes for formulas where it reads a CSV file."""
    formula: str | None
    """One of them."""
    index: str = "exact"
    """What finds their candidates: 'exact' or 'scann'."""

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield what is strange, for people, a line each."""
        yield from self.about_customers()
        for column in self.columns:
            for remark in column.remarks():
                yield f"{column.column}: {remark}"

    def about_customers(self) -> Iterator[str]:
        """Yield what is strange about ids and holdings."""
        if self.unknown_ids:
            like = f", which has ids like {quote_value(self.known_id)}" if self.known_id is not None else ""
            yield (
                f"{self.unknown_ids:,} of {self.customers:,} customers are unknown to the export{like} (for example "
                f"{quote_value(self.unknown_id)})"
            )
        if self.without_probability:
            yield (
                f"{self.without_probability:,} of them bring no holdings that the export knows: they get an order and "
                "no probability; say what they hold with --holdings, or in the list held_products of a Parquet file"
            )
        if self.holdings.unknown_products:
            yield (
                f"{self.holdings.unknown_products:,} of {self.holdings.holdings:,} holdings are of products that the "
                f"export does not know (for example {quote_value(self.holdings.unknown_product)})"
            )
        if self.formulas:
            signs, example = " ".join(FORMULA_SIGNS), quote_value(self.formula)
            yield (
                f"{self.formulas:,} ids begin with {signs} (for example {example}): a "
                "spreadsheet takes them for formulas where it opens a CSV file, and for text in an Excel file"
            )


def describe_input(recommender: Recommender, ids: Array, requests: Features) -> InputReport:
    """Compare customers with those of the export's snapshot.

    Args:
        recommender: The loaded export.
        ids: Customer ids, object str, [num_customers].
        requests: Their raw requests, [num_customers, ...].
    """
    snapshot = recommender.customers()
    unknown = ids[snapshot.positions(ids) < 0]
    formulas = [str(one) for one in ids if one.startswith(FORMULA_SIGNS)]
    roles = {name: column["role"] for name, column in recommender.manifest["customers"]["columns"].items()}
    columns = []
    for name in recommender.customer_columns:
        if name not in snapshot.columns:
            continue
        describe = _describe_words if roles[name] == "category" else _describe_numbers
        if roles[name] != "text":
            columns.append(describe(name, requests[name], snapshot.columns[name]))
    return InputReport(
        customers=len(ids),
        unknown_ids=len(unknown),
        unknown_id=str(unknown[0]) if len(unknown) else None,
        known_id=str(snapshot.ids[0]) if len(snapshot.ids) else None,
        without_probability=int(of_unknown_holdings(recommender, ids, requests).sum()),
        columns=tuple(columns),
        holdings=_describe_holdings(recommender, requests["held_products"]),
        formulas=len(formulas),
        formula=next(iter(formulas), None),
        index=recommender.index,
    )


def _describe_holdings(recommender: Recommender, lists: Array) -> HoldingsReport:
    is_held = lists != ""
    held = lists[is_held]
    unknown = held[recommender.products.positions(held) < 0]
    example = str(unknown[0]) if len(unknown) else None
    return HoldingsReport(int(is_held.any(axis=1).sum()), len(held), len(unknown), example)


def recognise_columns(recommender: Recommender, path: Path | str) -> RecognisedColumns:
    """Compare the header of a file of customers with the columns that the models read.

    Args:
        recommender: The loaded export.
        path: As for `requests_from_file`.

    Raises:
        InputError: The file is no table.
    """
    config = served_columns(recommender)
    header = read_file(path, [config.id], config.model_copy(update={"delimiter": None}), []).header
    lists = ("held_products", "held_days") if str(path).lower().endswith(".parquet") else ()
    known = [config.id, *([config.as_of] if config.as_of else []), *config.columns, *lists]
    return RecognisedColumns(
        recognised=tuple(name for name in header if name in known),
        absent=tuple(name for name in recommender.customer_columns if name not in header),
        unknown=tuple(name for name in header if name not in known),
    )


_SHOWN_WORDS = 3


def _describe_words(column: str, words: Array, known: Array) -> ColumnReport:
    vocabulary = np.unique(known[known != ""].astype(object))
    strange = words[(words != "") & ~np.isin(words, vocabulary)] if len(vocabulary) else words[:0]
    shown = ", ".join(map(quote_value, vocabulary[:_SHOWN_WORDS])) + (", …" if len(vocabulary) > _SHOWN_WORDS else "")
    example = str(strange[0]) if len(strange) else None
    return ColumnReport(column, int(np.sum(words == "")), len(strange), 0, example, shown or None)


def _describe_numbers(column: str, numbers: Array, known: Array) -> ColumnReport:
    missing = int(np.sum(np.isnan(numbers)))
    if np.isnan(known).all():
        return ColumnReport(column, missing, 0, 0, None)
    least, greatest = float(np.nanmin(known)), float(np.nanmax(known))
    strange = numbers[(numbers < least) | (numbers > greatest)]
    example = f"{strange[0]:g}" if len(strange) else None
    return ColumnReport(column, missing, 0, len(strange), example, least=least, greatest=greatest)


def check_input(
    report: InputReport,
    limits: InputLimits,
    file: Path | str,
    if_new: str = "`nextbest score --max-unknown-ids 1` takes all for new customers",
    if_unseen: str = "`nextbest score --max-unseen 1` takes them for missing",
) -> None:
    """Refuse customers of whom more is strange than may be.

    Args:
        report: What is strange.
        limits: How much of it may be.
        file: The customers' file.
        if_new: What to do where the ids are right.
        if_unseen: What to do where the words are right.

    Raises:
        InputError: All that is too strange.
    """
    problems = []
    if report.unknown_ids > limits.unknown_ids * report.customers and report.known_id is not None:
        what = next(report.lines())
        problems.append(Problem(str(file), None, None, what, f"spell the ids as the export does; {if_new}"))
    for column in report.columns:
        present = report.customers - column.missing
        if column.unseen > limits.unseen * present:
            what = (
                f"{column.unseen:,} of {present:,} values are words that the models never saw, for example "
                f"{quote_value(column.example)}; they know {column.known}"
            )
            problems.append(Problem(str(file), column.column, None, what, f"spell them as in training; {if_unseen}"))
    if problems:
        raise InputError(problems)
