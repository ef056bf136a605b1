"""Read a table from a database by an SQL query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from nextbest.data.problems import InputError, Problem
from nextbest.data.tables.raw_table import RawTable, repeated_columns

__all__ = ["is_url", "read_sql"]


def is_url(path: str) -> bool:
    """Whether a table's path is an SQLAlchemy URL."""
    return "://" in path


def read_sql(path: str, query: str | None, wanted: Sequence[str] | None) -> RawTable:
    """Read the `wanted` columns (those that are there; all by default) of a query's result.

    Raises:
        InputError: the URL, the connection or the query is no good. The password is never repeated.
    """
    import sqlalchemy  # here, because few projects read from a database

    try:
        url = sqlalchemy.make_url(path)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        # The URL cannot be taken apart, so its password cannot be told from the rest: nothing of it is repeated.
        remedy = "write dialect://user:password@host/database, for example sqlite:///bank.db"
        raise InputError([Problem("database", None, None, "the path is no SQLAlchemy URL", remedy)]) from error
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
