"""Read a CSV file quickly; look closer, and say where it is wrong, only when that fails.

Arrow reads in blocks on all cores. Its errors name no line, so when it refuses a file the standard library's reader,
which agrees with it on quotes and blank lines, goes through the file once more to find the lines to blame.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from nextbest.data.errors import EXAMPLES, InputError, Problem, more_like_these
from nextbest.data.tables.raw_table import Places, RawTable, repeated_columns

__all__ = ["read_csv"]

HEAD_BYTES = 1 << 20
"""A file without a line break in its first bytes is not a table, and is refused before more of it is read."""
BLOCK_BYTES = 1 << 24
"""Bytes that Arrow reads at a time: the longest record, and the bound on what a bad file costs in memory."""
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read_csv(path: Path, wanted: Sequence[str] | None) -> RawTable:
    """Read the `wanted` columns of a comma-separated UTF-8 file as text.

    Raises:
        InputError: the file is not such a table. All its misshapen lines are named; its cells are not looked at.
        OSError: the file cannot be read or decompressed.
    """
    header = _read_header(path)
    if repeated := repeated_columns(str(path), header, wanted):
        raise InputError(repeated)
    columns = _parse(path, header, wanted)
    if not columns.num_rows:
        raise _no_rows(path)
    return RawTable(str(path), header, columns, lambda: _places(path, columns.num_rows))


def _open(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.name.lower().endswith(".gz") else None)


def _refuse(path: Path, what: str, remedy: str, line: int | None = None) -> InputError:
    return InputError([Problem(str(path), None, line, what, remedy)])


def _no_rows(path: Path) -> InputError:
    return _refuse(path, "the file has a header but no rows", "write at least one row below the header")


def _read_header(path: Path) -> tuple[str, ...]:
    """Return the column names, having looked only at the head of the file."""
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
            raise _refuse(path, what, "give a comma-separated file with one row on each line")
        raise _no_rows(path)
    if b"\0" in head:
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise _refuse(path, "there is a NUL byte, so this is not text", "give a comma-separated UTF-8 text file", line)
    # An incremental decoder, because the head may end within a character.
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:
        raise _find_bad_encoding(path) from error
    header = next(csv.reader(io.StringIO(text, newline="")), [])
    if not header:
        raise _refuse(path, "the first line is blank", "write the column names on the first line", 1)
    return tuple(name.strip() for name in header)


def _parse(path: Path, header: Sequence[str], wanted: Sequence[str] | None) -> pa.Table:
    # Columns go by position, so that names repeated among those that no one wants do no harm.
    positions = [str(position) for position in range(len(header))]
    kept = {str(at): name for at, name in enumerate(header) if wanted is None or name in wanted}
    last = positions[-1]
    try:
        with _open(path) as stream:
            table = arrow_csv.read_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=positions, skip_rows_after_names=1, block_size=BLOCK_BYTES
                ),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(positions, pa.large_string()),
                    strings_can_be_null=False,
                    include_columns=sorted({*kept, last}, key=int),
                ),
            )
    except pa.ArrowInvalid as error:
        raise _find_misshapen(path, len(header), error) from error
    # A quote that is never closed swallows the rest of the file into a last cell, and Arrow lets it pass.
    if table.num_rows and "\n" in table[last][-1].as_py() and (line := _open_quote(path)):
        raise _refuse(path, "a quote is opened here and never closed", 'close it, or write a quote as ""', line)
    return table.select(list(kept)).rename_columns(list(kept.values()))


def _find_misshapen(path: Path, width: int, error: pa.ArrowInvalid) -> InputError:
    """Find what Arrow stumbled over."""
    if "invalid UTF8" in str(error):
        return _find_bad_encoding(path)
    if "straddling" in str(error):
        what = f"a row is longer than {BLOCK_BYTES:,} bytes"
        return _refuse(path, what, "check for a quote that is not closed, and for missing line breaks")
    ragged = [(line, found) for line, found in _records(path) if found != width]
    problems = [
        Problem(
            str(path),
            None,
            line,
            f"{found} values where the header names {width} columns",
            "give each column one value, and put values that contain a comma in quotes",
        )
        for line, found in ragged[:EXAMPLES]
    ]
    problems += more_like_these(str(path), None, len(ragged))
    return InputError(problems) if problems else _refuse(path, str(error), "fix the file")


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines with their ends. Bytes that are not UTF-8 do not matter here."""
    with _open(path) as stream:
        yield from io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")


def _records(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first line and the number of values of each record but the header; blank lines are not records."""
    reader = csv.reader(_lines(path))
    header_is_past, line = False, 1
    for record in reader:
        if record and header_is_past:
            yield line, len(record)
        header_is_past = header_is_past or bool(record)
        line = reader.line_num + 1


def _places(path: Path, num_rows: int) -> Places:
    """Return the line on which each row starts; where the two readers see different rows, the rows' numbers."""
    try:
        lines = np.fromiter((line for line, _ in islice(_records(path), num_rows + 1)), np.int64)
    except csv.Error:  # a cell is longer than the standard library's reader allows
        lines = np.zeros(0, np.int64)
    return ("line", lines) if len(lines) == num_rows else ("record", np.arange(1, num_rows + 1))


def _open_quote(path: Path) -> int | None:
    """Return the line of the last record when the file ends within its quotes."""
    line = 1
    reader = csv.reader(_lines(path), strict=True)
    try:
        for _ in reader:
            line = reader.line_num + 1
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
