"""What is strange about customers to be scored, beside those whom the export knows: ids, categories, numbers, gaps.

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
from nextbest.serving.recommender import Recommender

__all__ = ["ColumnReport", "InputLimits", "InputReport", "check_input", "describe_input"]


@dataclass(frozen=True)
class InputLimits:
    """How much may be strange before nothing is scored, as shares of the customers from 0 to 1."""

    unknown_ids: float = 0.5
    """Customers whom the export does not know: they hold nothing, as far as it knows."""
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
    known: str | None
    """What the export has: some words, or the range."""


@dataclass(frozen=True)
class InputReport:
    """What is strange about customers to be scored."""

    customers: int
    unknown_ids: int
    unknown_id: str | None
    """One of them."""
    known_id: str | None
    """How the export spells ids."""
    columns: tuple[ColumnReport, ...]
    index: str = "exact"
    """What finds their candidates: 'exact' or 'scann'."""

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield what is strange, for people, a line each."""
        if self.unknown_ids:
            like = f", which has ids like {quote_value(self.known_id)}" if self.known_id is not None else ""
            yield (
                f"{self.unknown_ids:,} of {self.customers:,} customers are unknown to the export{like} (for example "
                f"{quote_value(self.unknown_id)}); as far as it knows they hold nothing"
            )
        for column in self.columns:
            if column.unseen:
                yield (
                    f"{column.column}: {column.unseen:,} values that the models never saw (for example "
                    f"{quote_value(column.example)}; they know {column.known})"
                )
            if column.out_of_range:
                yield (
                    f"{column.column}: {column.out_of_range:,} values outside of {column.known} (for example "
                    f"{column.example})"
                )
            if column.missing:
                yield f"{column.column}: {column.missing:,} missing"


def describe_input(recommender: Recommender, ids: Array, requests: Features) -> InputReport:
    """Compare customers with those of the export's snapshot.

    Args:
        recommender: The loaded export.
        ids: Customer ids, object str, [num_customers].
        requests: Their raw requests, [num_customers, ...].
    """
    snapshot = recommender.customers()
    unknown = ids[snapshot.positions(ids) < 0]
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
        columns=tuple(columns),
        index=recommender.index,
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
        return ColumnReport(column, missing, 0, 0, None, None)
    least, greatest = np.nanmin(known), np.nanmax(known)
    strange = numbers[(numbers < least) | (numbers > greatest)]
    example = f"{strange[0]:g}" if len(strange) else None
    return ColumnReport(column, missing, 0, len(strange), example, f"{least:g} to {greatest:g}")


def check_input(report: InputReport, limits: InputLimits, file: Path | str) -> None:
    """Refuse customers of whom more is strange than may be.

    Raises:
        InputError: All that is too strange.
    """
    problems = []
    if report.unknown_ids > limits.unknown_ids * report.customers and report.known_id is not None:
        what = next(report.lines())
        remedy = "spell the ids as the export does; `nextbest score --max-unknown-ids 1` takes all for new customers"
        problems.append(Problem(str(file), None, None, what, remedy))
    for column in report.columns:
        present = report.customers - column.missing
        if column.unseen > limits.unseen * present:
            what = (
                f"{column.unseen:,} of {present:,} values are words that the models never saw, for example "
                f"{quote_value(column.example)}; they know {column.known}"
            )
            remedy = "spell them as in training; `nextbest score --max-unseen 1` takes them for missing"
            problems.append(Problem(str(file), column.column, None, what, remedy))
    if problems:
        raise InputError(problems)
