"""What a form for customers needs of each column: made of the snapshot, or of the schema where there is none."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.config import ProfilesConfig
from nextbest.serving.formatting import shown_name

__all__ = [
    "Field",
    "NumberColumn",
    "Segments",
    "WordColumn",
    "fields_of_schema",
    "fields_of_snapshot",
    "percentile_rank",
    "readable_range",
]

_READABLE = (0.5, 1.0, 2.0, 5.0, 10.0)
"""What times a power of ten people read easily (the steps of an axis)."""


@dataclass(frozen=True)
class Field:
    """One attribute of a customer, as a form asks for it. All attributes may be left empty: they are missing then."""

    name: str
    """The column, which is the request's input."""
    label: str
    """Its name as people read it."""
    role: str
    """See `data.config.ColumnConfig`."""
    unit: str
    """See `data.config.ColumnConfig`."""
    low: float | None = None
    """Where a sensible range begins, for numbers and dates (days since 1970-01-01); a customer may lie outside. None
    where nothing is known, or where all customers have one value."""
    high: float | None = None
    """Where it ends."""
    whole: bool = False
    """Whether all known values are whole numbers."""
    choices: tuple[str, ...] = ()
    """A category's known values, ascending; a new one counts as unknown."""
    typical: float | str | None = None
    """The median of a number or a date, the commonest category or boolean; None where no snapshot tells it."""


def readable_range(low: float, high: float, steps: int, whole: bool = False) -> tuple[float, float]:
    """Round a range outwards to multiples of 1, 2 or 5 times a power of ten, of which it then has at least `steps`.

    Args:
        low: Where it begins.
        high: Where it ends, above `low`.
        steps: How many multiples it has at least.
        whole: Round to whole numbers, even if there are fewer.
    """
    rough = (high - low) / steps
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(factor * power for factor in _READABLE if factor * power <= rough)
    step = max(step, 1.0) if whole else step
    return _multiple(math.floor(low / step), step), _multiple(math.ceil(high / step), step)


def _multiple(count: int, step: float) -> float:
    """Return so many steps; of small ones by a division, since 3 * 0.1 is not 0.3."""
    return count / round(1 / step) if step < 1 else count * step


def fields_of_snapshot(
    described: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, NumberColumn | WordColumn],
    config: ProfilesConfig,
) -> Iterator[Field]:
    """Yield the fields by what the snapshot's customers are like.

    Args:
        described: Column -> what the manifest says of it, in the order of the form.
        columns: Its values, for columns of numbers, dates, booleans and categories.
        config: Tails, steps and the number of choices.
    """
    for name, column in described.items():
        values = columns.get(name)
        found: dict[str, Any] = {}
        if isinstance(values, NumberColumn) and len(values.ordered):
            found = _of_numbers(column["role"], values.ordered, config)
        elif isinstance(values, WordColumn) and len(values.values):
            found = _of_words(column["role"], values, config)
        yield _field(name, column, **found)


def _field(name: str, column: Mapping[str, Any], **found: Any) -> Field:
    return Field(name, shown_name(name), column["role"], column["unit"], **found)


def _of_numbers(role: str, ordered: Array, config: ProfilesConfig) -> dict[str, Any]:
    whole = bool((ordered == np.round(ordered)).all())
    shares = [config.tail, 0.5, 1 - config.tail]
    # By way of words, since the float32 nearest to 0.3 is 0.30000001192.
    low, typical, high = (float(str(value)) for value in np.quantile(ordered, shares, method="nearest"))
    return {"whole": whole, "typical": typical} | _range(role, low, high, whole, config)


def _of_words(role: str, column: WordColumn, config: ProfilesConfig) -> dict[str, Any]:
    typical = column.values[column.counts.argmax()].item()
    if role == "boolean":
        return {"typical": typical}
    commonest = np.sort(np.argsort(-column.counts, kind="stable")[: config.max_choices])
    return {"typical": typical, "choices": tuple(column.values[commonest].tolist())}


def _range(role: str, low: float, high: float, whole: bool, config: ProfilesConfig) -> dict[str, float]:
    if not low < high:
        return {}
    if role == "number":
        low, high = readable_range(low, high, config.steps, whole)
    return {"low": low, "high": high}


def fields_of_schema(
    described: Mapping[str, Mapping[str, Any]], schema: Path | None, config: ProfilesConfig
) -> Iterator[Field]:
    """Yield the fields by the domains of a schema.pbtxt: ranges from the least to the largest value, no typical one.

    Args:
        described: As for `fields_of_snapshot`.
        schema: The file; without it there are no ranges and choices.
        config: Steps.
    """
    features, domains = _domains(schema)
    for name, column in described.items():
        found: dict[str, Any] = {}
        if name in features and features[name].HasField("float_domain") and column["role"] != "boolean":
            domain = features[name].float_domain
            found = _range(column["role"], domain.min, domain.max, False, config)
        elif name in domains:
            found = {"choices": tuple(sorted(domains[name].value))}
        yield _field(name, column, **found)


def _domains(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema's features and string domains by name."""
    if path is None:
        return {}, {}
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    return {feature.name: feature for feature in schema.feature}, {
        domain.name: domain for domain in schema.string_domain
    }


def percentile_rank(value: np.float32, ordered: Array) -> float:
    """Return the percentage of values below one, and half of those equal to it; from 0 to 100.

    The mid-rank: of two equal customers both stand at 50, and few distinct values (dependants) lean to neither side.

    Args:
        value: The value.
        ordered: Known values, ascending, float32, [n] with n > 0.
    """
    below, at_most = (np.searchsorted(ordered, value, side=side) for side in ("left", "right"))
    return float(50 * (below + at_most) / len(ordered))


class Segments:
    """Which segment each customer is in."""

    def __init__(self, labels: Array) -> None:
        """Number the segments.

        Args:
            labels: Each customer's, '' for unknown, object str, [num_customers].
        """
        self.labels, codes = np.unique(labels.astype(str), return_inverse=True)
        self.codes = codes.astype(np.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def code(self, label: str) -> int | None:
        """Return a segment's number; None for an unknown one."""
        found = int(np.searchsorted(self.labels, label))
        return found if label and found < len(self) and self.labels[found] == label else None


class NumberColumn:
    """The known values of a column, overall and by segment, ascending."""

    def __init__(self, values: Array, segments: Segments) -> None:
        """Sort a column.

        Args:
            values: NaN for missing, float32, [num_customers].
            segments: The customers' segments.
        """
        known = np.isfinite(values)
        values, codes = values[known], segments.codes[known]
        order = np.lexsort((values, codes))
        self._by_segment = values[order]
        self._starts = np.searchsorted(codes[order], np.arange(len(segments) + 1))
        self.ordered = np.sort(values)
        """All known values."""

    def of_segment(self, code: int) -> Array:
        """Return a segment's known values."""
        return self._by_segment[self._starts[code] : self._starts[code + 1]]


class Share(NamedTuple):
    """How many of the customers with a known value have the same one."""

    same: int
    known: int


class WordColumn:
    """How many customers have each value of a column, overall and by segment."""

    def __init__(self, values: Array, segments: Segments) -> None:
        """Count a column's values.

        Args:
            values: Words with '' for missing or numbers with NaN, [num_customers].
            segments: The customers' segments.
        """
        is_float = values.dtype.kind == "f"
        known = np.isfinite(values) if is_float else values != ""
        self.values, positions = np.unique(
            values[known] if is_float else values[known].astype(str), return_inverse=True
        )
        """The distinct known values, ascending."""
        cells = segments.codes[known].astype(np.int64) * len(self.values) + positions
        counts = np.bincount(cells, minlength=len(segments) * len(self.values))
        self._counts = counts.reshape(len(segments), len(self.values))
        self.counts = self._counts.sum(axis=0)
        """How many customers have each of them."""

    def share(self, value: Hashable, code: int | None = None) -> Share:
        """Count the customers with a value, of one segment or of all."""
        counts = self.counts if code is None else self._counts[code]
        return Share(int(counts[self.values == value].sum()), int(counts.sum()))
