"""Batch scoring: customers in chunks to a CSV or Parquet file, which appears whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import new_file, write_text
from nextbest.serving.input_report import InputReport
from nextbest.serving.insights.reasons import ReasonExplainer, why_sentences
from nextbest.serving.recommender import Filters, Recommendations, Recommender
from nextbest.serving.requests import take

__all__ = [
    "EXPLAINED_CHUNK",
    "RECOMMENDATION_COLUMNS",
    "SCORING_CHUNK",
    "WHY",
    "check_output",
    "recommendation_table",
    "score",
    "summary_path",
    "write_rejects",
    "write_summary",
]

RECOMMENDATION_COLUMNS = ("customer_id", "rank", "product_id", "probability", "similarity", "retrieval_rank")
WHY = "why"
"""The column of the sentences, which follows these where there is an explainer."""

SCORING_CHUNK = 4096
"""Customers per graph call."""
EXPLAINED_CHUNK = 4
"""The same where every recommendation is explained, which takes thousands of times as long: progress should show."""


_STRING, _WHOLE, _REAL = pa.string(), pa.int32(), pa.float32()
_TYPES = (_STRING, _WHOLE, _STRING, _REAL, _REAL, _WHOLE)
"""Of RECOMMENDATION_COLUMNS. Stated, since a chunk without any recommendation does not tell that its ids are text."""


def recommendation_table(ids: Array, found: Recommendations, why: Array | None = None) -> pa.Table:
    """Return one row per recommendation with RECOMMENDATION_COLUMNS, best first.

    Args:
        ids: Customer ids, [num_customers].
        found: What they are recommended.
        why: Sentences, object str, [num_customers, k], which become the column WHY.
    """
    real = np.arange(found.product_id.shape[1]) < found.count[:, None]
    customer, place = np.nonzero(real)
    columns = [
        ids[customer],
        place + 1,
        found.product_id[real],
        found.probability[real],
        found.similarity[real],
        found.retrieval_rank[real],
    ]
    return pa.table(columns if why is None else [*columns, why[real]], schema=_schema(why is not None))


def _schema(explained: bool) -> pa.Schema:
    schema = pa.schema(list(zip(RECOMMENDATION_COLUMNS, _TYPES, strict=True)))
    return schema.append(pa.field(WHY, _STRING)) if explained else schema


@contextmanager
def _csv_writer(path: Path, explained: bool) -> Iterator[Callable[[pa.Table], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_schema(explained).names)
        # As NumPy's values, since those of float32 have the fewest digits that tell them apart.
        yield lambda table: writer.writerows(zip(*(column.to_numpy() for column in table.columns), strict=True))


@contextmanager
def _parquet_writer(path: Path, explained: bool) -> Iterator[Callable[[pa.Table], None]]:
    with pq.ParquetWriter(path, _schema(explained)) as writer:
        yield writer.write_table


_WRITERS = {".csv": _csv_writer, ".parquet": _parquet_writer}


def check_output(path: Path) -> None:
    """Refuse an output file that cannot be written.

    Raises:
        InputError: It ends in neither .csv nor .parquet, it is a folder, or its own folder does not exist.
    """
    problems = []
    if path.suffix not in _WRITERS:
        what = f"files that end in {path.suffix!r} cannot be written"
        problems.append(Problem(str(path), None, None, what, "name a file that ends in .csv or .parquet"))
    if path.is_dir():
        problems.append(Problem(str(path), None, None, "it is a folder", "name a file"))
    if not path.parent.is_dir():
        problems.append(Problem(str(path.parent), None, None, "there is no such folder", "make it first"))
    if problems:
        raise InputError(problems)


def summary_path(out: Path) -> Path:
    """Return where the summary of a scored file lies: beside it."""
    return out.with_name(f"{out.name}.summary.json")


def write_rejects(path: Path, rejected: Sequence[Problem]) -> None:
    """Write the rows that were left out: file, what it is counted in, number, reason."""
    with new_file(path) as staging, staging.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "unit", "number", "reason"))
        writer.writerows((problem.file, problem.unit, problem.row, problem.what) for problem in rejected)


def write_summary(out: Path, report: InputReport, written: int, rejected: Sequence[Problem] = ()) -> None:
    """Write what was scored, and what was strange about it, beside the scores."""
    summary = {**report.as_json(), "rejected": len(rejected), "recommendations": written}
    write_text(summary_path(out), json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def score(
    recommender: Recommender,
    ids: Array,
    requests: Features,
    out: Path,
    top: int,
    filters: Filters | None = None,
    advance: Callable[[int], None] = lambda customers: None,
    explainer: ReasonExplainer | None = None,
) -> int:
    """Recommend to many customers, and write a row per recommendation.

    Args:
        recommender: The loaded export.
        ids: Customer ids, [num_customers].
        requests: Their raw requests, [num_customers, ...].
        out: The file to write, .csv or .parquet.
        top: How many products per customer at most.
        filters: Narrow the result.
        advance: Called with the number of customers of each chunk when it is written.
        explainer: Says why, in the column WHY.

    Returns:
        How many recommendations were written.

    Raises:
        InputError: The output cannot be written in that format or place.
    """
    check_output(out)
    chunk = SCORING_CHUNK if explainer is None else EXPLAINED_CHUNK
    written = 0
    with new_file(out) as staging, _WRITERS[out.suffix](staging, explainer is not None) as write:
        for first in range(0, max(len(ids), 1), chunk):
            rows = slice(first, first + chunk)
            chunk_requests = take(requests, rows)
            found = recommender.recommend(chunk_requests, top, filters)
            why = None if explainer is None else why_sentences(explainer, chunk_requests, found.product_id)
            table = recommendation_table(ids[rows], found, why)
            write(table)
            written += table.num_rows
            advance(len(ids[rows]))
    return written
