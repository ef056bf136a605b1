"""Tables of which the few cells are stored that differ from all others of their row.

What goes with what in a catalogue of 100,000 products fits into no dense [num_products, num_products] matrix, but few
products have anything to do with each other. `graph.catalogue.look_up` looks cells up in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array

__all__ = [
    "NO_CELL",
    "SparseTable",
    "cell_keys",
    "common_holders",
    "greatest_per_row",
    "split_keys",
    "stack_arrays",
]

NO_CELL = np.iinfo(np.int64).max
"""The last key of a table, and what tables of fewer cells are filled up with."""

_COUNTED_AT_ONCE = 2_000_000
"""How many numbers a block of `common_holders` adds up. It has no more cells, each of which takes some dozens of bytes
while a block is worked on."""


@dataclass(frozen=True)
class SparseTable:
    """Some numbers, say one of each statistic, for every pair of a row and a column."""

    keys: Array
    """`cell_keys` of the stored cells, ascending, then NO_CELL, int64 [num_cells + 1]."""
    values: Array
    """The numbers of each stored cell, and 0 for NO_CELL, float32 [num_cells + 1, num_numbers]."""
    background: Array
    """The numbers of all other cells of a row, float32 [num_rows, num_numbers]."""

    @classmethod
    def from_cells(cls, keys: Array, values: Array, background: Array) -> SparseTable:
        """Store cells.

        Args:
            keys: `cell_keys`, each once, ascending, [num_cells].
            values: [num_cells, num_numbers].
            background: [num_rows, num_numbers].
        """
        return cls(
            keys=np.append(keys.astype(np.int64), NO_CELL),
            values=np.concatenate([values, np.zeros((1, values.shape[1]))]).astype(np.float32),
            background=background.astype(np.float32),
        )

    def arrays(self, name: str) -> dict[str, Array]:
        """Return its arrays, named after the table's name."""
        return {f"{name}_{part}": values for part, values in vars(self).items()}


def cell_keys(row: Array, column: Array) -> Array:
    """Return a number per cell that orders cells by row, then by column, int64 [num_cells]."""
    return row.astype(np.int64) << 32 | column


def split_keys(keys: Array) -> tuple[Array, Array]:
    """Return the rows and the columns of `cell_keys`, int64 [num_cells] each."""
    return keys >> 32, keys & 0xFFFFFFFF


def stack_arrays(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Stack arrays of the same names; those of tables of fewer cells are filled up with their last, NO_CELL.

    Args:
        parts: At least one, name -> [length, ...].

    Returns:
        Name -> [num_parts, greatest length, ...].
    """
    stacked = {}
    for name in parts[0]:
        arrays = [part[name] for part in parts]
        longest = max(map(len, arrays))
        stacked[name] = np.stack([_filled_up(values, longest) for values in arrays])
    return stacked


def _filled_up(values: Array, length: int) -> Array:
    missing = length - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values


def common_holders(holdings: sp.csr_matrix) -> Iterator[tuple[Array, sp.csr_matrix]]:
    """Yield holdings.T @ holdings for a block of rows at a time.

    A block is a range of rows; all but its first add fewer than _COUNTED_AT_ONCE numbers up, and have no more cells.

    Args:
        holdings: 1 where held, [num_customers, num_products].

    Yields:
        The rows, and how many hold the row's product and the column's, with sorted columns, [num_rows, num_products].
    """
    work = holdings.T @ np.diff(holdings.indptr)
    first_of_block = np.flatnonzero(np.diff(np.cumsum(work) // _COUNTED_AT_ONCE)) + 1
    by_product = holdings.T.tocsr()
    for rows in np.split(np.arange(len(work)), first_of_block):
        common = by_product[rows[0] : rows[-1] + 1] @ holdings
        common.sort_indices()
        yield rows, common


def greatest_per_row(row: Array, column: Array, value: Array, limit: int) -> Array:
    """Return the entries that are among their row's `limit` greatest values; ties go to the lower column."""
    order = np.lexsort((column, -value, row))
    place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
    return order[place < limit]
