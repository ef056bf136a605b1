"""A table as it was read: Arrow columns, nothing checked yet, and the place of each row for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem

__all__ = ["Places", "RawTable", "repeated_columns"]

Places = tuple[str, Array]
"""What rows are counted in ('line', 'row' or 'record') and each row's number, int64, [num_rows]."""


@dataclass(frozen=True)
class RawTable:
    """The columns of one table, unchecked."""

    file: str
    """The file, or the database's URL without its password."""
    header: tuple[str, ...]
    """The names of all columns, also of those that were not read."""
    columns: pa.Table
    """The columns read, [num_rows]; those of a CSV file are all text."""
    locate: Callable[[], Places]
    """Finds the rows' places; called only when there is something to report, because it may read the file again."""

    @classmethod
    def with_rows(cls, file: str, header: Sequence[str], columns: pa.Table, unit: str) -> RawTable:
        """Return a table whose rows are counted from 1; raise InputError when it has none."""
        if not columns.num_rows:
            raise InputError([Problem(file, None, None, "the table has no rows", "give it at least one row")])
        return cls(file, tuple(header), columns, lambda: (unit, np.arange(1, columns.num_rows + 1)))

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def __contains__(self, column: str) -> bool:
        return column in self.columns.column_names

    @cached_property
    def places(self) -> Places:
        """The rows' places in the file."""
        return self.locate()


def repeated_columns(file: str, header: Sequence[str], wanted: Sequence[str] | None) -> list[Problem]:
    """Return a problem for each column (of the `wanted` ones) that the header names more than once."""
    return [
        Problem(file, name, None, f"the header names this column {count} times", "rename or remove all but one")
        for name, count in Counter(header).items()
        if count > 1 and (wanted is None or name in wanted)
    ]
