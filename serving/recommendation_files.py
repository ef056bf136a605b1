"""The files of recommendations: a row each, as CSV, Parquet or Excel, and what is left out or told beside them.

`open_writer` writes tables of `recommendation_table`; `check_output` refuses before anything is computed what cannot be
written.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import new_file, write_text
from nextbest.serving.data_age import DataAge
from nextbest.serving.input_report import InputReport
from nextbest.serving.makers import MAKERS, makers_path, makers_text
from nextbest.serving.recommender import Recommendations

__all__ = [
    "EXCEL_ROWS",
    "RECOMMENDATION_COLUMNS",
    "WHY",
    "check_output",
    "open_writer",
    "recommendation_schema",
    "recommendation_table",
    "summary_path",
    "write_rejects",
    "write_summary",
]

RECOMMENDATION_COLUMNS = ("customer_id", "rank", "product_id", "probability", "similarity", "retrieval_rank")
WHY = "why"
"""The column of the sentences, which follows these where there is an explainer."""
EXCEL_ROWS = 1_048_576
"""The rows of an Excel sheet, its header's among them."""

_STRING, _WHOLE, _REAL = pa.string(), pa.int32(), pa.float32()
_TYPES = (_STRING, _WHOLE, _STRING, _REAL, _REAL, _WHOLE)
"""Of RECOMMENDATION_COLUMNS. Stated, since a chunk without any recommendation does not tell that its ids are text."""
_WIDTHS = {"customer_id": 16, "product_id": 16, WHY: 80}
"""Of Excel's columns, in characters; of the others `_WIDTH`."""
_WIDTH = 14

Write = Callable[[pa.Table], None]


def recommendation_table(ids: Array, found: Recommendations, why: Array | None = None) -> pa.Table:
    """Return one row per recommendation with RECOMMENDATION_COLUMNS, best first; a probability may be null.

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
        pa.array(found.probability[real], _REAL, from_pandas=True),  # NaN is none
        found.similarity[real],
        found.retrieval_rank[real],
    ]
    return pa.table(columns if why is None else [*columns, why[real]], schema=recommendation_schema(why is not None))


def recommendation_schema(explained: bool = False) -> pa.Schema:
    """Return the columns of a file of recommendations."""
    schema = pa.schema(list(zip(RECOMMENDATION_COLUMNS, _TYPES, strict=True)))
    return schema.append(pa.field(WHY, _STRING)) if explained else schema


def _rows(table: pa.Table) -> Iterator[tuple[object, ...]]:
    """Yield the rows as NumPy's values, since those of float32 have the fewest digits that tell them apart.

    What is null is None.
    """
    columns = (
        np.where(column.is_null(), None, column.to_numpy()) if column.null_count else column.to_numpy()
        for column in table.columns
    )
    return zip(*columns, strict=True)


@contextmanager
def _csv_writer(path: Path, schema: pa.Schema, makers: Mapping[str, Any]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(schema.names)
        yield lambda table: writer.writerows(_rows(table))


@contextmanager
def _parquet_writer(path: Path, schema: pa.Schema, makers: Mapping[str, Any]) -> Iterator[Write]:
    # Without Arrow's own copy of the schema, which is written before the rows are counted: readers would take the
    # metadata from it.
    with pq.ParquetWriter(path, schema, store_schema=False) as writer:
        yield writer.write_table
        writer.add_key_value_metadata({MAKERS: makers_text(makers)})


@contextmanager
def _excel_writer(path: Path, schema: pa.Schema, makers: Mapping[str, Any]) -> Iterator[Write]:
    import xlsxwriter  # few need it

    # A row goes to the disk when the next one begins, so that the memory does not grow with the rows.
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as parts:
        book = xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": parts})
        sheet = book.add_worksheet("recommendations")
        try:
            yield _excel_rows(book, sheet, schema)
        except BaseException:
            sheet.row_data_fh.close()  # closing the book would put together first what nobody wants any more
            raise
        book.set_properties({"comments": makers_text(makers)})
        book.close()


def _excel_rows(book: Any, sheet: Any, schema: pa.Schema) -> Write:
    """Write the header, and return what writes rows below it."""
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for place, name in enumerate(schema.names):
        sheet.set_column(place, place, _WIDTHS.get(name, _WIDTH))
        sheet.write_string(0, place, name, bold)
    # A text that begins with = + - or @ stays one, also when somebody edits its cell.
    text = book.add_format({"quote_prefix": True})
    kinds = [pa.types.is_string(kind) for kind in schema.types]
    numbers = count(1)

    def write(table: pa.Table) -> None:
        for values, number in zip(_rows(table), numbers, strict=False):
            for place, (value, is_text) in enumerate(zip(values, kinds, strict=True)):
                if is_text:
                    sheet.write_string(number, place, str(value), text)
                elif value is not None:
                    sheet.write_number(number, place, float(str(value)))

    return write


_WRITERS = {".csv": _csv_writer, ".parquet": _parquet_writer, ".xlsx": _excel_writer}
"""The endings of files -> what opens one and yields what writes tables to it."""


def open_writer(
    path: Path, ending: str, explained: bool = False, makers: Mapping[str, Any] | None = None
) -> AbstractContextManager[Write]:
    """Return a block that yields what writes each `recommendation_table` to a file.

    Args:
        path: The file; a block that fails may leave a part of it.
        ending: '.csv', '.parquet' or '.xlsx'.
        explained: Whether the tables have the column WHY.
        makers: By what it is made, as known when the block ends (see `makers_of`); CSV has no place for it.

    Raises:
        MissingPackageError: Excel is wanted, and the package that writes it is not installed.
    """
    return _WRITERS[ending](path, recommendation_schema(explained), {} if makers is None else makers)


def check_output(path: Path, most_rows: int = 0, inputs: Sequence[object] = ()) -> None:
    """Refuse an output file that cannot be written.

    Args:
        path: The file.
        most_rows: How many recommendations it may get.
        inputs: What is read; only paths can be the file.

    Raises:
        InputError: It ends in none of .csv, .parquet and .xlsx, it is a folder, its own folder does not exist, it or
            what is written beside it is an input, or an Excel sheet has too few rows.
    """
    problems = []
    if path.suffix not in _WRITERS:
        what = f"files that end in {path.suffix!r} cannot be written"
        problems.append(Problem(str(path), None, None, what, f"name a file that ends in {', '.join(_WRITERS)}"))
    if path.is_dir():
        problems.append(Problem(str(path), None, None, "it is a folder", "name a file"))
    if not path.parent.is_dir():
        problems.append(Problem(str(path.parent), None, None, "there is no such folder", "make it first"))
    written = {file.resolve() for file in (path, makers_path(path), summary_path(path))}
    for file in inputs:
        if isinstance(file, str | Path) and Path(file).resolve() in written:
            problems.append(Problem(str(file), None, None, "it is read, and would be overwritten", "name another file"))
    if path.suffix == ".xlsx" and most_rows >= EXCEL_ROWS:
        what = (
            f"an Excel sheet has {EXCEL_ROWS:,} rows, one of them the header, and up to {most_rows:,} recommendations "
            "would have to stand on it"
        )
        remedy = "choose Parquet or CSV, or fewer products, or score the customers in several files"
        problems.append(Problem(str(path), None, None, what, remedy))
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
        writer.writerows((problem.file, problem.unit, problem.row, _reason(problem)) for problem in rejected)


def _reason(problem: Problem) -> str:
    return problem.what if problem.column is None else f"column {problem.column!r}: {problem.what}"


def write_summary(
    out: Path, report: InputReport, age: DataAge, written: int, rejected: Sequence[Problem] = ()
) -> dict[str, Any]:
    """Write what was scored, as of which day, and what was strange about it beside the scores; return it too."""
    summary = {**report.as_json(), **age.as_json(), "rejected": len(rejected), "recommendations": written}
    write_text(summary_path(out), json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary
