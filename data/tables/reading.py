"""Read one table, whatever it is kept in, into Arrow columns that remember where each row stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nextbest.data.config import TableConfig
from nextbest.data.problems import InputError, Problem
from nextbest.data.tables.csv_file import read_csv
from nextbest.data.tables.raw_table import RawTable, repeated_columns
from nextbest.data.tables.sql import is_url, read_sql

__all__ = ["read_file", "read_table"]

CSV_ENDINGS = (".csv", ".csv.gz")
PARQUET_ENDING = ".parquet"


def read_table(source: TableConfig, folder: Path, wanted: Sequence[str] | None = None) -> RawTable:
    """Read the `wanted` columns (those that are there; all by default) of a configured table.

    Args:
        source: where the table is; a relative path starts at `folder`.
        folder: the folder of the TOML.
        wanted: the columns to read.

    Raises:
        InputError: the table cannot be read at all. Columns that are missing are the caller's to judge.
    """
    if is_url(source.path):
        return read_sql(source.path, source.query, wanted)
    path = folder / source.path
    if source.query is not None:
        remedy = "remove the query, or give an SQLAlchemy URL such as sqlite:///bank.db as the path"
        raise InputError([Problem(str(path), None, None, "a file cannot be queried", remedy)])
    return read_file(path, wanted)


def read_file(path: Path, wanted: Sequence[str] | None = None) -> RawTable:
    """Read the `wanted` columns of a .csv, .csv.gz or .parquet file; see `read_table`."""

    def refuse(what: str, remedy: str) -> InputError:
        return InputError([Problem(str(path), None, None, what, remedy)])

    if path.is_dir():
        raise refuse("it is a folder", "give the path of a .csv, .csv.gz or .parquet file")
    if not path.exists():
        raise refuse("there is no such file", "mend the path, or put the file there")
    name = path.name.lower()
    if not name.endswith((*CSV_ENDINGS, PARQUET_ENDING)):
        remedy = "save it as CSV or Parquet and name it so"
        raise refuse(f"its name ends in none of {', '.join((*CSV_ENDINGS, PARQUET_ENDING))}", remedy)
    try:
        if path.stat().st_size == 0:
            raise refuse("the file is empty", "write a header and at least one row")
        return _read_parquet(path, wanted) if name.endswith(PARQUET_ENDING) else read_csv(path, wanted)
    except OSError as error:  # also Arrow's errors of decompression
        remedy = "check the file's permissions, or write it anew"
        raise refuse(f"it cannot be read ({_first_line(error)})", remedy) from error


def _read_parquet(path: Path, wanted: Sequence[str] | None) -> RawTable:
    try:
        with pq.ParquetFile(path) as file:
            header = tuple(file.schema_arrow.names)
            if repeated := repeated_columns(str(path), header, wanted):
                raise InputError(repeated)
            columns = file.read(columns=[name for name in header if wanted is None or name in wanted])
            columns.validate(full=True)  # Arrow trusts what it reads, and damaged text would only fail much later
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = Problem(
            str(path), None, None, f"it is no readable Parquet file ({_first_line(error)})", "write the file anew"
        )
        raise InputError([problem]) from error
    return RawTable.with_rows(str(path), header, columns, "row")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
