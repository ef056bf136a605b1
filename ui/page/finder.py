"""Finding a customer: by a part of the id, a name or what the columns say, or among six that the data picks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.tables.words import is_named
from nextbest.serving.artifacts.assets import Table
from nextbest.serving.formatting import format_name
from nextbest.serving.language import say
from nextbest.serving.recommender import Recommender

__all__ = ["CustomerFinder", "SampleCustomer"]

_NUMBER_OF = re.compile(r"([^\W\d]\w*)\s+(\d+(?:\.\d+)?)")
"""A word and a number, such as AGE 43."""
_NUM_SAMPLES = 6
_NUM_SEGMENTS = 3
"""Of how many segments, the largest first, a typical customer is among the samples."""


class SampleCustomer(NamedTuple):
    """A customer to begin with."""

    id: str
    kind: str
    """Why this one; see the message `sample`."""
    segment: str = ""
    """Of a typical one."""
    held: int = 0
    """How many products the one with the most holds."""

    @property
    def about(self) -> str:
        """The same in words: 'The youngest who holds something'."""
        return say("sample", kind=self.kind, segment=self.segment, count=self.held)


class CustomerFinder:
    """Finds customers of a version's snapshot."""

    def __init__(self, recommender: Recommender, customers: Table) -> None:
        """Keep the snapshot.

        Args:
            recommender: The version.
            customers: Its customers.
        """
        self._described: dict[str, dict[str, Any]] = recommender.manifest["customers"]["columns"]
        self._segment: str | None = recommender.manifest.get("segment")
        self._customers = customers

    @cached_property
    def _ids(self) -> Array:
        return np.strings.upper(self._customers.ids.astype(str))

    @cached_property
    def _texts(self) -> dict[str, tuple[Array, Array]]:
        """Column of words -> its different values as people type them, and which of them each customer has."""
        return {
            name: (np.strings.upper(np.array([format_name(value) for value in values], str)), codes)
            for name, column in self._of_role("category", "text", "id")
            for values, codes in [np.unique(column.astype(str), return_inverse=True)]
        }

    def _of_role(self, *roles: str) -> Iterator[tuple[str, Array]]:
        for name, values in self._customers.columns.items():
            if self._described.get(name, {}).get("role") in roles:
                yield name, values

    def find(self, text: str, most: int) -> list[str]:
        """Return at most so many ids: those that contain the text, else those whom all of its words are true of.

        A word is true of a customer if a column contains it (a segment, a region, a name); a column's name with a
        number ('age 43') if that is its value.
        """
        wanted = text.strip().upper()
        places = np.strings.find(self._ids, wanted)
        found = np.flatnonzero(places >= 0)
        if len(found):
            return self._customers.ids[found[np.argsort(places[found], kind="stable")[:most]]].tolist()
        true = np.ones(len(self._ids), bool)
        for word in _NUMBER_OF.sub(" ", wanted).split():
            true &= self._says(word)
        for column, number in _NUMBER_OF.findall(wanted):
            true &= self._has(column, float(number))
        return self._customers.ids[np.flatnonzero(true)[:most]].tolist()

    def _says(self, word: str) -> Array:
        """Return of whom a word is true, bool [num_customers]."""
        true = np.strings.find(self._ids, word) >= 0
        for values, codes in self._texts.values():
            true |= (np.strings.find(values, word) >= 0)[codes]
        return true

    def _has(self, column: str, number: float) -> Array:
        """Return who has a number in a column, as whole as it was typed, bool [num_customers]."""
        for name, values in self._of_role("number"):
            if format_name(name).upper().startswith(column):
                return np.asarray(np.floor(values) == number)
        return np.zeros(len(self._ids), bool)

    @cached_property
    def samples(self) -> tuple[SampleCustomer, ...]:
        """Six customers to begin with, all different; fewer of a small snapshot."""
        picked: dict[str, SampleCustomer] = {}
        for one in self._candidates():
            picked.setdefault(one.id, one)
        return tuple(picked.values())[:_NUM_SAMPLES]

    def _candidates(self) -> Iterator[SampleCustomer]:
        """Yield customers with why they are picked, the most telling first."""
        columns = self._customers.columns
        if not len(self._ids):
            return
        held = (columns["held_products"] != "").sum(axis=1)
        newest = np.where(held > 0, columns["held_days"].max(axis=1, initial=0), 0)
        yield from self._typical(columns)
        age = next((values for name, values in self._of_role("number") if is_named(name, "age")), None)
        if age is not None and ((held > 0) & np.isfinite(age)).any():
            yield self._sample(np.nanargmin(np.where(held > 0, age, np.nan)), "youngest")
        yield self._sample(held.argmax(), "most", held=int(held.max()))
        yield self._sample(newest.argmax(), "newest")
        if (held == 0).any():
            yield self._sample(np.flatnonzero(held == 0)[0], "nothing")
        for row in np.argsort(-newest, kind="stable")[:_NUM_SAMPLES]:
            yield self._sample(row, "lately")

    def _sample(self, row: np.intp, kind: str, segment: str = "", held: int = 0) -> SampleCustomer:
        return SampleCustomer(str(self._customers.ids[row]), kind, segment, held)

    def _typical(self, columns: Features) -> Iterator[SampleCustomer]:
        """Yield of each large segment the customer nearest to the middle of its numbers."""
        if self._segment is None:
            return
        names, codes, sizes = np.unique(columns[self._segment].astype(str), return_inverse=True, return_counts=True)
        numbers = [values for _, values in self._of_role("number")]
        largest = [code for code in np.argsort(-sizes, kind="stable") if names[code]][:_NUM_SEGMENTS]
        for code in largest:
            rows = np.flatnonzero(codes == code)
            row = rows[_nearest_to_the_middle([values[rows] for values in numbers])]
            yield self._sample(row, "typical", format_name(str(names[code])))


def _nearest_to_the_middle(numbers: list[Array]) -> int:
    """Return which row's numbers are nearest to the medians, in places of the order."""
    if not numbers:
        return 0
    ranks = [np.argsort(np.argsort(np.nan_to_num(values, nan=np.inf), kind="stable")) for values in numbers]
    return int(np.abs(np.stack(ranks) - (len(ranks[0]) - 1) / 2).sum(axis=0).argmin())
