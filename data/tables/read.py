"""Read one table, whatever it is kept in, into Arrow columns that remember where each row stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nextbest.data.config import TableConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.csv_file import read_csv
from nextbest.data.tables.raw_table import RawTable, repeated_columns

__all__ = ["is_url", "read_file", "read_sql", "read_table"]

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
        raise refuse("there is no such file", "fix the path, or put the file there")
    name = path.name.lower()
    if not name.endswith((*CSV_ENDINGS, PARQUET_ENDING)):
        remedy = "save it as CSV or Parquet and name it so"
        raise refuse(f"its name ends in none of {', '.join((*CSV_ENDINGS, PARQUET_ENDING))}", remedy)
    try:
        if path.stat().st_size == 0:
            raise refuse("the file is empty", "write a header and at least one row")
        return _read_parquet(path, wanted) if name.endswith(PARQUET_ENDING) else read_csv(path, wanted)
    except OSError as error:  # also Arrow's errors of decompression
        remedy = "check the file's permissions, or write it again"
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
            str(path), None, None, f"it is not a readable Parquet file ({_first_line(error)})", "write the file again"
        )
        raise InputError([problem]) from error
    return RawTable.with_rows(str(path), header, columns, "row")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def is_url(path: str) -> bool:
    """Whether a table's path is an SQLAlchemy URL."""
    return "://" in path


def read_sql(path: str, query: str | None, wanted: Sequence[str] | None) -> RawTable:
    """Read the `wanted` columns (those that are there; all by default) of a query's result.

    Raises:
        InputError: the URL, the connection or the query does not work. The password is never repeated.
    """
    import sqlalchemy  # here, because few projects read from a database

    try:
        url = sqlalchemy.make_url(path)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        # The URL cannot be taken apart, so its password cannot be separated from the rest: nothing of it is repeated.
        remedy = "write dialect://user:password@host/database, for example sqlite:///bank.db"
        raise InputError([Problem("database", None, None, "the path is not an SQLAlchemy URL", remedy)]) from error
    file = url.render_as_string(hide_password=True)
    if not query:
        remedy = "give the table's `query`, for example SELECT * FROM customers"
        raise InputError([Problem(file, None, None, "a database needs a query", remedy)])
    try:
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                result = connection.execute(sqlalchemy.text(query))
                header = tuple(map(str, result.keys()))
                if repeated := repeated_columns(file, header, wanted):
                    raise InputError(repeated)
                rows = result.fetchall()
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
        if url.password:
            cause = cause.replace(str(url.password), "***")
        remedy = "check the URL, the driver, the database and the query"
        # Not chained: the driver's own traceback may show the password.
        raise InputError([Problem(file, None, None, f"the query failed ({cause})", remedy)]) from None
    names = [name for name in header if wanted is None or name in wanted]
    columns = {name: _arrow([row[header.index(name)] for row in rows]) for name in names}
    return RawTable.with_rows(file, header, pa.table(columns), "row")


def _arrow(values: list[Any]) -> pa.Array:
    """Return one column; values of mixed types, which some databases allow, become text and are checked as such."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.large_string())
