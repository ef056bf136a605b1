"""Read one table, whatever it is kept in, into Arrow columns that remember where each row stands."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from glob import has_magic
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nextbest.data.config import NotationConfig, TableConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.remote import Copied, copy_here, is_remote
from nextbest.data.tables.csv_file import read_csv
from nextbest.data.tables.raw_table import RawTable, repeated_columns

__all__ = ["digest_file", "digest_table", "is_database", "read_file", "read_sql", "read_table", "without_password"]

CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".txt")
PARQUET_ENDING = ".parquet"
ENDINGS = (*CSV_ENDINGS, PARQUET_ENDING)
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def read_table(source: TableConfig, folder: Path, wanted: Sequence[str] | None = None) -> RawTable:
    """Read the `wanted` columns (those that are there; all by default) of a configured table.

    Args:
        source: where the table is; a relative path starts at `folder`.
        folder: the folder of the TOML.
        wanted: the columns to read.

    Raises:
        InputError: the table cannot be read at all. Columns that are missing are the caller's to judge.
    """
    if is_database(source.path):
        return read_sql(source.path, source.query, wanted, source)
    path = source.path if is_remote(source.path) else folder / source.path
    if source.query is not None:
        remedy = "remove the query, or give an SQLAlchemy URL such as sqlite:///bank.db as the path"
        raise InputError([Problem(str(path), None, None, "a file cannot be queried", remedy)])
    return read_file(path, wanted, source)


def read_file(
    path: Path | str,
    wanted: Sequence[str] | None = None,
    notation: NotationConfig | None = None,
    misshapen: list[Problem] | None = None,
) -> RawTable:
    """Read the `wanted` columns of a CSV or Parquet file, of all such files in a folder, or of those that match.

    In folders like `month=2024-05`, as Spark and Hive name them, `month` is a column. Files and folders that begin with
    _ or . are no data.

    Args:
        path: the file, the folder, or a pattern with * or ?; or such an address, see `is_remote`.
        wanted: the columns to read.
        notation: how values are written.
        misshapen: see `read_csv`.

    Raises:
        InputError: as for `read_table`.
    """
    notation = notation or NotationConfig()
    if isinstance(path, str) and is_remote(path):
        return _read_copied(copy_here(path, _is_data), wanted, notation, misshapen)
    path = Path(path)
    if (files := _parts(path)) is None:
        return _read_one(path, wanted, notation, misshapen)
    return _read_parts(path, files, wanted, notation, misshapen)


def _read_copied(
    copied: Copied, wanted: Sequence[str] | None, notation: NotationConfig, misshapen: list[Problem] | None
) -> RawTable:
    """Read what was copied from an address. What is said of it names the address."""

    def blamed(problems: Sequence[Problem]) -> list[Problem]:
        return [replace(problem, file=copied.address_of(problem.file)) for problem in problems]

    def named(table: RawTable) -> RawTable:
        return replace(table, file=copied.address_of(table.file), parts=tuple(map(named, table.parts)))

    left_out: list[Problem] = []
    try:
        table = read_file(copied.local, wanted, notation, None if misshapen is None else left_out)
    except InputError as error:
        raise InputError(blamed(error.problems)) from None
    if misshapen is not None:
        misshapen += blamed(left_out)
    return named(table)


def digest_table(source: TableConfig, folder: Path) -> str:
    """Return the SHA-256 of what a table holds: of a file's bytes, of all parts' names and bytes, or of a query's rows.

    Raises:
        InputError: The table cannot be read.
    """
    if is_database(source.path):
        columns = read_sql(source.path, source.query, None).columns
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, columns.schema) as stream:
            stream.write_table(columns.combine_chunks())
        return hashlib.sha256(sink.getvalue()).hexdigest()
    path = copy_here(source.path, _is_data).local if is_remote(source.path) else folder / source.path
    if (files := _parts(path)) is None:
        return digest_file(path)
    digests = (f"{file.relative_to(path.parent)} {digest_file(file)}\n" for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise InputError([Problem(str(path), None, None, what, "fix the path or its permissions")]) from error


def _parts(path: Path) -> list[Path] | None:
    """Return the files of a folder or of a pattern, sorted; None where the path is neither."""
    if path.is_dir():
        return sorted(_data_files(path))
    if not has_magic(path.name) or path.exists():
        return None
    found = [match for match in path.parent.glob(path.name) if not match.name.startswith(("_", "."))]
    return sorted(file for match in found for file in (_data_files(match) if match.is_dir() else [match]))


def _data_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and _is_data(file.relative_to(folder))]


def _is_data(file: PurePath) -> bool:
    """Whether a path below a folder is one of a table's files."""
    return file.name.lower().endswith(ENDINGS) and not any(part[0] in "_." for part in file.parts)


def _read_parts(
    path: Path,
    files: Sequence[Path],
    wanted: Sequence[str] | None,
    notation: NotationConfig,
    misshapen: list[Problem] | None,
) -> RawTable:
    """Read files as one table; those without rows are passed over."""
    if not files:
        what = f"{'the folder has' if path.is_dir() else 'there is'} no file whose name ends in {', '.join(ENDINGS)}"
        raise InputError([Problem(str(path), None, None, what, "fix the path, or put the files there")])
    base = path if path.is_dir() else path.parent
    parts: list[RawTable] = []
    problems: list[Problem] = []
    for file in files:
        try:
            part = _read_one(file, wanted, notation, misshapen)
            parts.append(_with_partitions(part, file.relative_to(base), wanted))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    try:
        columns = pa.concat_tables([part.columns for part in parts], promote_options="permissive")
    except pa.ArrowException as error:
        what = f"its files have columns of one name and different types ({_first_line(error)})"
        raise InputError([Problem(str(path), None, None, what, "write them alike")]) from error
    header = tuple(dict.fromkeys(name for part in parts for name in part.header))
    return RawTable(str(path), header, columns, parts[0].locate, parts[0].notation, tuple(parts))


def _with_partitions(part: RawTable, file: Path, wanted: Sequence[str] | None) -> RawTable:
    """Add what the names of a part's folders say."""
    columns, header = part.columns, part.header
    for name, given, value in (folder.partition("=") for folder in file.parts[:-1]):
        if given and name not in header:
            header = (*header, name)
            if wanted is None or name in wanted:
                text = None if value == _HIVE_NULL else unquote(value)
                columns = columns.append_column(name, pa.array([text] * len(part), pa.large_string()))
    return RawTable(part.file, header, columns, part.locate, part.notation)


def _read_one(
    path: Path, wanted: Sequence[str] | None, notation: NotationConfig, misshapen: list[Problem] | None
) -> RawTable:
    def refuse(what: str, remedy: str) -> InputError:
        return InputError([Problem(str(path), None, None, what, remedy)])

    if not path.exists():
        raise refuse("there is no such file", "fix the path, or put the file there")
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        raise refuse(f"its name ends in none of {', '.join(ENDINGS)}", "save it as CSV or Parquet and name it so")
    try:
        if path.stat().st_size == 0:
            raise refuse("the file is empty", "write a header and at least one row")
        if name.endswith(PARQUET_ENDING):
            return _read_parquet(path, wanted, notation)
        return read_csv(path, wanted, notation, misshapen)
    except OSError as error:  # also Arrow's errors of decompression
        remedy = "check the file's permissions, or write it again"
        raise refuse(f"it cannot be read ({_first_line(error)})", remedy) from error


def _read_parquet(path: Path, wanted: Sequence[str] | None, notation: NotationConfig) -> RawTable:
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
    plain = pa.table({name: _plain(columns[name]) for name in columns.column_names})
    return RawTable.with_rows(str(path), header, plain, "row", notation)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return binary text, as Spark and Impala write it, and UUIDs as strings, and whole decimals as whole numbers."""
    kind = column.type
    if isinstance(kind, pa.UuidType):
        encoded = pc.dictionary_encode(column.cast(kind.storage_type)).unify_dictionaries().combine_chunks()
        texts = pa.array([str(uuid.UUID(bytes=value)) for value in encoded.dictionary.to_pylist()], pa.large_string())
        return pa.chunked_array([texts.take(encoded.indices)])
    if pa.types.is_decimal(kind):
        with suppress(pa.ArrowInvalid):  # it has fractions
            return pc.cast(column, pa.int64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        with suppress(pa.ArrowInvalid):  # it is not UTF-8
            return pc.cast(column, pa.large_string())
    return column


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def is_database(path: str) -> bool:
    """Whether a table's path is an SQLAlchemy URL."""
    return "://" in path and not is_remote(path)


def without_password(path: str) -> str:
    """Return a table's path, of an SQLAlchemy URL without user and password."""
    return re.sub(r"://[^/]*@", "://***@", path)


def read_sql(
    path: str, query: str | None, wanted: Sequence[str] | None, notation: NotationConfig | None = None
) -> RawTable:
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
    return RawTable.with_rows(file, header, pa.table(columns), "row", notation or NotationConfig())


def _arrow(values: list[Any]) -> pa.Array:
    """Return one column; values of mixed types, which some databases allow, become text and are checked as such."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.large_string())
