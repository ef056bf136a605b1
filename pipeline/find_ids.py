"""Search files for customers' ids: in their bytes, and in what is compressed within them.

An id is found as a whole word: that of C0000012 is not C000001's. A short or whole-number id, such as 1234, would be
found among all figures; it counts where it is quoted, and where a table names it.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nextbest.data.dataset import Array

__all__ = ["IdSearch"]

_SHORTEST = 5
"""An id of fewer characters turns up by chance in a file of weights."""
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass
class IdSearch:
    """Looks for some ids, and counts what it has read."""

    ids: Collection[str]
    """Ids as text."""
    files: int = 0
    size: int = 0
    """Bytes of the files, as they lie on the disk."""
    _word: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._word = re.compile(b"|".join(_as_word(one) for one in self.ids) or rb"(?!)")

    def below(self, root: Path) -> Iterator[Path]:
        """Yield the files below a folder that hold one of the ids, in their name or their content, sorted."""
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            if self.in_file(path):
                yield path

    def in_file(self, path: Path) -> bool:
        """Return whether a file's name or content holds one of the ids."""
        content = path.read_bytes()
        self.files += 1
        self.size += len(content)
        return self.in_text(path.name) or self.in_bytes(content)

    def in_text(self, text: str) -> bool:
        """Return whether a text holds one of the ids as a word."""
        return self._word.search(text.encode("utf-8")) is not None

    def in_json(self, value: object) -> bool:
        """Return whether a key or a value of JSON is a text with one of the ids."""
        return isinstance(value, str) and (value in self.ids or self.in_text(value))

    def in_bytes(self, content: bytes) -> bool:
        """Return whether bytes hold one of the ids, or what is compressed in them does."""
        if self._word.search(content):
            return True
        if content.startswith(_GZIP):
            return any(self.in_bytes(inner) for inner in _gunzipped(content))
        if content[:4] == content[-4:] == _PARQUET:
            return any(self.rows_of(column).any() for column in _columns(content))
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return any(self._in_member(name, archive.read(name)) for name in archive.namelist())
        return False

    def rows_of(self, column: pa.ChunkedArray) -> Array:
        """Return which rows of a table's column are one of the ids, bool [num_rows]."""
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_integer(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        if not pa.types.is_string(column.type):
            return np.zeros(len(column), bool)
        return np.asarray(pc.fill_null(pc.is_in(column, pa.array(sorted(self.ids), pa.string())), False), bool)

    def _in_member(self, name: str, content: bytes) -> bool:
        if not name.endswith(".npy"):
            return self.in_bytes(content)
        if b"'O'" in content[:128]:  # pickled objects are not read, their bytes are
            return self.in_bytes(content)
        values = np.load(io.BytesIO(content))
        if values.dtype.kind != "U":
            return self.in_bytes(content)  # numbers, or text of one byte a character
        texts = np.unique(values)
        if np.isin(texts, sorted(self.ids)).any() and "product" not in name:
            return True
        return self.in_text("\n".join(texts.tolist()))


def _as_word(one: str) -> bytes:
    """Return the pattern of an id as a word in UTF-8: of letters, digits and the other signs that it has itself."""
    text = re.escape(one.encode("utf-8"))
    if len(one) < _SHORTEST or one.isdecimal():
        return rb"(?<=[\"'])" + text + rb"(?=[\"'])"
    letter = rb"[0-9A-Za-z]" if one.isascii() else rb"[0-9A-Za-z\x80-\xff]"
    joining = "".join(sorted({sign for sign in one if sign.isascii() and not sign.isalnum()}))
    pattern = rb"(?<!" + letter + rb")" + text + rb"(?!" + letter + rb")"
    if not joining:
        return pattern
    joint = rb"[" + re.escape(joining.encode("ascii")) + rb"]"  # a stop after an id with stops may end a sentence
    return rb"(?<!" + letter + joint + rb")" + pattern + rb"(?!" + joint + letter + rb")"


def _gunzipped(content: bytes) -> Iterator[bytes]:
    try:
        yield gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return  # it only begins like one


def _columns(content: bytes) -> Iterator[pa.ChunkedArray]:
    yield from pq.read_table(io.BytesIO(content)).columns
