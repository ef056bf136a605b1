"""Read a CSV file quickly; look closer, and say where it is wrong, only when that fails.

Arrow reads in blocks on all cores. Its errors name no line, so when it refuses a file the standard library's reader,
which agrees with it on quotes and blank lines, goes through the file once more to find the lines to blame. What
spreadsheets add is left out: a first line like sep=; and rows, and columns without a name, in which nothing stands.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from nextbest.data.config import NotationConfig
from nextbest.data.errors import EXAMPLES, InputError, Problem, more_like_these
from nextbest.data.tables.raw_table import Places, RawTable, repeated_columns, to_bool

__all__ = ["read_csv"]

HEAD_BYTES = 1 << 20
"""A file without a line break in its first bytes is not a table, and is refused before more of it is read."""
BLOCK_BYTES = 1 << 24
"""Bytes that Arrow reads at a time: the longest record, and the bound on what a bad file costs in memory."""
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


DELIMITERS = ",;\t|"
"""What a delimiter is looked for among, the likeliest first."""
_SNIFFED_RECORDS = 20


@dataclass(frozen=True)
class _Layout:
    """How a file is laid out."""

    path: Path
    delimiter: str
    skipped: int
    """Lines before the header: 1 where the first says what the separator is."""
    header: tuple[str, ...]


def read_csv(
    path: Path, wanted: Sequence[str] | None, notation: NotationConfig, misshapen: list[Problem] | None = None
) -> RawTable:
    """Read the `wanted` columns of a UTF-8 file as text.

    Args:
        path: The file.
        wanted: The columns; all by default.
        notation: How values are written.
        misshapen: Lines with more or fewer values than columns are left out and added here; without it they are
            refused.

    Raises:
        InputError: the file is not such a table. All its misshapen lines are named; its cells are not looked at.
        OSError: the file cannot be read or decompressed.
    """
    layout = _read_layout(path, wanted, notation.delimiter)
    header = layout.header
    if repeated := repeated_columns(str(path), [name for name in header if name], wanted):
        raise InputError(repeated)
    columns, layout = _parse(layout, wanted, misshapen is not None)
    if misshapen is not None:
        misshapen += _misshapen(layout)
    filled = _filled_rows(columns)
    rows = columns if filled.all() else columns.filter(pa.array(filled))
    if not rows.num_rows:
        raise _no_rows(path)
    if wanted is None:
        _check_nameless(layout, columns)
        rows = rows.select([place for place, name in enumerate(rows.column_names) if name])

    def places() -> Places:
        unit, numbers = _places(layout, columns.num_rows)
        return unit, numbers[filled]

    found = notation.model_copy(update={"delimiter": layout.delimiter})
    return RawTable(str(path), tuple(name for name in header if name), rows, places, found)


def _check_nameless(layout: _Layout, columns: pa.Table) -> None:
    """Refuse a value in a column without a name, of which spreadsheets add empty ones."""
    for place in (place for place, name in enumerate(columns.column_names) if not name):
        filled = np.flatnonzero(to_bool(pc.not_equal(columns.column(place), "")))
        if len(filled):
            _, lines = _places(layout, columns.num_rows)
            what = f"{columns.column(place)[filled[0]].as_py()!r} stands in a column without a name"
            raise _refuse(layout.path, what, "name the column in the header", int(lines[filled[0]]))


def _filled_rows(columns: pa.Table) -> np.ndarray:
    """Return whether anything stands in a row, bool, [num_rows]."""
    filled = np.zeros(columns.num_rows, bool)
    for column in columns.columns:
        if filled.all():
            break
        filled |= to_bool(pc.not_equal(column, ""))
    return filled if columns.num_columns else ~filled


def _open(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.name.lower().endswith(".gz") else None)


def _refuse(path: Path, what: str, remedy: str, line: int | None = None) -> InputError:
    return InputError([Problem(str(path), None, line, what, remedy)])


def _no_rows(path: Path) -> InputError:
    return _refuse(path, "the file has a header but no rows", "write at least one row below the header")


def _read_layout(path: Path, wanted: Sequence[str] | None, delimiter: str | None) -> _Layout:
    """Find the delimiter, unless it is given, and the column names, having looked only at the head of the file."""
    with _open(path) as stream:
        head = stream.read(HEAD_BYTES)
        more = bool(stream.read(1))
    if not head:
        raise _refuse(path, "the file is empty", "write a header and at least one row")
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            raise _refuse(path, f"the file is encoded in {encoding}, not in UTF-8", "save it as UTF-8")
    if not any(mark in head for mark in (b"\n", b"\r")):
        if more:
            what = f"there is no line break in the first {HEAD_BYTES:,} bytes, so this is not a table"
            raise _refuse(path, what, "give a CSV file with one row on each line")
        raise _no_rows(path)
    if b"\0" in head:
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise _refuse(path, "there is a NUL byte, so this is not text", "give a CSV file in UTF-8", line)
    # An incremental decoder, because the head may end within a character.
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:
        raise _find_bad_encoding(path) from error
    stated, rest = _separator_line(text)
    delimiter = delimiter or stated or _find_delimiter(rest, wanted)
    header = next(csv.reader(io.StringIO(rest, newline=""), delimiter=delimiter), [])
    if not header:
        raise _refuse(path, "the first line is blank", "write the column names on the first line", 1)
    return _Layout(path, delimiter, int(stated is not None), tuple(name.strip() for name in header))


def _separator_line(text: str) -> tuple[str | None, str]:
    """Return what a spreadsheet's first line says of the separator, and the text after it."""
    first, _, rest = text.partition("\n")
    first = first.strip("\r\"' ")
    return (first[4], rest) if len(first) == 5 and first.lower().startswith("sep=") else (None, text)


def _find_delimiter(text: str, wanted: Sequence[str] | None) -> str:
    """Return the delimiter by which the header has most wanted columns; then that of records of one width."""

    def fitness(delimiter: str) -> tuple[int, bool, int]:
        records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            widths = [len(record) for record in islice(records, _SNIFFED_RECORDS) if record]
        except csv.Error:
            return 0, False, 0
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        found = len({name.strip() for name in header} & set(wanted or ()))
        return found, len(set(widths)) == 1 and widths[0] > 1, len(header)

    return max(DELIMITERS, key=fitness)


def _parse(layout: _Layout, wanted: Sequence[str] | None, skip_misshapen: bool) -> tuple[pa.Table, _Layout]:
    """Return the columns, and the layout by which they could be read."""
    # Columns go by position, so that names repeated among those that no one wants do no harm.
    path, header = layout.path, layout.header
    positions = [str(position) for position in range(len(header))]
    kept = {str(at): name for at, name in enumerate(header) if wanted is None or name in wanted}
    last = positions[-1]
    try:
        with _open(path) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=positions,
                    skip_rows=layout.skipped,
                    skip_rows_after_names=1,
                    block_size=BLOCK_BYTES,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=layout.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=(lambda row: "skip") if skip_misshapen else None,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(positions, pa.large_string()),
                    strings_can_be_null=False,
                    include_columns=sorted({*kept, last}, key=int),
                ),
            )
    except pa.ArrowInvalid as error:
        if _rows_end_in_a_delimiter(layout):
            return _parse(replace(layout, header=(*header, "")), wanted, skip_misshapen)
        raise _find_misshapen(layout, error) from error
    # A quote that is never closed swallows the rest of the file into a last cell, and Arrow lets it pass.
    if table.num_rows and "\n" in table[last][-1].as_py() and (line := _open_quote(layout)):
        raise _refuse(path, "a quote is opened here and never closed", 'close it, or write a quote as ""', line)
    return table.select(list(kept)).rename_columns(list(kept.values())), layout


def _rows_end_in_a_delimiter(layout: _Layout) -> bool:
    """Return whether all rows, but not the header, have an empty value more at their end."""
    width = len(layout.header)
    return bool(layout.header[-1]) and all(len(found) == width + 1 and not found[-1] for _, found in _records(layout))


def _find_misshapen(layout: _Layout, error: pa.ArrowInvalid) -> InputError:
    """Find what Arrow stumbled over."""
    path = layout.path
    if "invalid UTF8" in str(error):
        return _find_bad_encoding(path)
    if "straddling" in str(error):
        what = f"a row is longer than {BLOCK_BYTES:,} bytes"
        return _refuse(path, what, "check for a quote that is not closed, and for missing line breaks")
    ragged = list(_misshapen(layout))
    problems = [*ragged[:EXAMPLES], *more_like_these(str(path), None, len(ragged))]
    return InputError(problems) if problems else _refuse(path, str(error), "fix the file")


def _misshapen(layout: _Layout) -> Iterator[Problem]:
    """Yield a problem for each record that has not one value for each column."""
    width = len(layout.header)
    remedy = f"give each column one value, and put values that contain {layout.delimiter!r} in quotes"
    for line, record in _records(layout):
        if len(record) != width:
            what = f"{len(record)} values where the header names {width} columns"
            yield Problem(str(layout.path), None, line, what, remedy)


def _lines(layout: _Layout) -> Iterator[str]:
    """Yield the lines with their ends, from the header on. Bytes that are not UTF-8 do not matter here."""
    with _open(layout.path) as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        yield from islice(lines, layout.skipped, None)


def _records(layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield each record but the header with its first line; blank lines are not records."""
    reader = csv.reader(_lines(layout), delimiter=layout.delimiter)
    header_is_past, line = False, 1 + layout.skipped
    for record in reader:
        if record and header_is_past:
            yield line, record
        header_is_past = header_is_past or bool(record)
        line = reader.line_num + 1 + layout.skipped


def _places(layout: _Layout, num_rows: int) -> Places:
    """Return the line on which each row starts; where the two readers see different rows, the rows' numbers."""
    try:
        width = len(layout.header)
        kept = (line for line, record in _records(layout) if len(record) == width)
        lines = np.fromiter(islice(kept, num_rows + 1), np.int64)
    except csv.Error:  # a cell is longer than the standard library's reader allows
        lines = np.zeros(0, np.int64)
    return ("line", lines) if len(lines) == num_rows else ("record", np.arange(1, num_rows + 1))


def _open_quote(layout: _Layout) -> int | None:
    """Return the line of the last record when the file ends within its quotes."""
    line = 1 + layout.skipped
    reader = csv.reader(_lines(layout), delimiter=layout.delimiter, strict=True)
    try:
        for _ in reader:
            line = reader.line_num + 1 + layout.skipped
    except csv.Error:
        return line
    return None


def _find_bad_encoding(path: Path) -> InputError:
    """Find the first byte that is not UTF-8."""
    remedy = "save the file as UTF-8 (if it is Latin-1: iconv -f LATIN1 -t UTF-8)"
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line, block = 0, 1, b""
    with _open(path) as stream:
        while block or not offset:
            block = stream.read(HEAD_BYTES)
            held_back = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = error.start - held_back
                line += block[: max(at, 0)].count(b"\n")
                what = f"byte {error.object[error.start]:#04x} at offset {offset + at:,} is not UTF-8"
                return _refuse(path, what, remedy, line)
            offset += len(block)
            line += block.count(b"\n")
    return _refuse(path, "the file is not UTF-8", remedy)
