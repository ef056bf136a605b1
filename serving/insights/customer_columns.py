"""The columns of customers: how their values are distributed, and what a form for them offers.

`NumberColumn` and `CategoryColumn` hold the known values of a snapshot's column, overall and by segment; percentiles
and shares come from them. A `FormField` says what a form offers for a column: a range or choices, and a typical value.
It is made from the snapshot, or from the schema of an export that holds no customers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.config import ProfilesConfig
from nextbest.serving.formatting import format_name

__all__ = [
    "CategoryColumn",
    "FormField",
    "NumberColumn",
    "Segments",
    "form_fields_from_schema",
    "form_fields_from_snapshot",
    "percentile_rank",
    "readable_range",
]


class Segments:
    """Which segment each customer is in."""

    def __init__(self, labels: Array) -> None:
        """Give each segment a number.

        Args:
            labels: Each customer's segment, '' for unknown, object str, [num_customers].
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
        self.sorted_values = np.sort(values)
        """All known values."""

    def values_in_segment(self, code: int) -> Array:
        """Return a segment's known values."""
        return self._by_segment[self._starts[code] : self._starts[code + 1]]


class Share(NamedTuple):
    """How many of the customers with a known value have the same one."""

    same: int
    known: int


class CategoryColumn:
    """How many customers have each value of a column, overall and by segment."""

    def __init__(self, values: Array, segments: Segments) -> None:
        """Count a column's values.

        Args:
            values: Strings with '' for missing or numbers with NaN, [num_customers].
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


def percentile_rank(value: np.float32, sorted_values: Array) -> float:
    """Return the percentage of the values that are below `value`, plus half of those equal to it; from 0 to 100.

    This is the mid-rank: two equal customers are both at 50, and few distinct values (dependants) favour neither side.

    Args:
        value: The value.
        sorted_values: Known values, ascending, float32, [n] with n > 0.
    """
    below, at_most = (np.searchsorted(sorted_values, value, side=side) for side in ("left", "right"))
    return float(50 * (below + at_most) / len(sorted_values))


@dataclass(frozen=True)
class FormField:
    """One attribute of a customer in a form. Left empty, it is missing."""

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
    least: float | None = None
    """The least known value of a number or a date; None where nothing is known."""
    most: float | None = None
    """The greatest."""
    whole: bool = False
    """Whether all known values are whole numbers."""
    choices: tuple[str, ...] = ()
    """A category's known values, ascending; a new one counts as unknown."""
    typical: float | str | None = None
    """The median of a number or a date, the commonest category or boolean; None without a snapshot."""


def form_fields_from_snapshot(
    described: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, NumberColumn | CategoryColumn],
    config: ProfilesConfig,
) -> Iterator[FormField]:
    """Yield the form's fields, by the values that the snapshot's customers have.

    Args:
        described: Column -> what the manifest says of it, in the order of the form.
        columns: Its values, for columns of numbers, dates, booleans and categories.
        config: Tails, steps and the number of choices.
    """
    for name, column in described.items():
        values = columns.get(name)
        settings: dict[str, Any] = {}
        if isinstance(values, NumberColumn) and len(values.sorted_values):
            settings = _number_settings(column["role"], values.sorted_values, config)
        elif isinstance(values, CategoryColumn) and len(values.values):
            settings = _category_settings(column["role"], values, config)
        yield _form_field(name, column, **settings)


def form_fields_from_schema(
    described: Mapping[str, Mapping[str, Any]], schema: IO[bytes] | None, config: ProfilesConfig
) -> Iterator[FormField]:
    """Yield the form's fields by the domains of a schema.pbtxt: least to largest value as the range, no typical one.

    Args:
        described: As for `form_fields_from_snapshot`.
        schema: The file; without it there are no ranges and choices.
        config: Steps.
    """
    features, string_domains = _read_domains(schema)
    for name, column in described.items():
        settings: dict[str, Any] = {}
        if name in features and features[name].HasField("float_domain") and column["role"] != "boolean":
            domain = features[name].float_domain
            settings = _range_settings(column["role"], domain.min, domain.max, False, config)
            settings |= {"least": float(domain.min), "most": float(domain.max)}
        elif name in string_domains:
            settings = {"choices": tuple(sorted(string_domains[name].value))}
        yield _form_field(name, column, **settings)


def _form_field(name: str, column: Mapping[str, Any], **settings: Any) -> FormField:
    return FormField(name, format_name(name), column["role"], column["unit"], **settings)


def _number_settings(role: str, sorted_values: Array, config: ProfilesConfig) -> dict[str, Any]:
    whole = bool((sorted_values == np.round(sorted_values)).all())
    shares = [config.tail, 0.5, 1 - config.tail]
    # By way of a string, since the float32 nearest to 0.3 is 0.30000001192.
    low, typical, high = (float(str(value)) for value in np.quantile(sorted_values, shares, method="nearest"))
    extremes = {"least": float(sorted_values[0]), "most": float(sorted_values[-1])}
    return {"whole": whole, "typical": typical} | extremes | _range_settings(role, low, high, whole, config)


def _category_settings(role: str, column: CategoryColumn, config: ProfilesConfig) -> dict[str, Any]:
    typical = column.values[column.counts.argmax()].item()
    if role == "boolean":
        return {"typical": typical}
    commonest = np.sort(np.argsort(-column.counts, kind="stable")[: config.max_choices])
    return {"typical": typical, "choices": tuple(column.values[commonest].tolist())}


def _range_settings(role: str, low: float, high: float, whole: bool, config: ProfilesConfig) -> dict[str, float]:
    if not low < high:
        return {}
    if role == "number":
        low, high = readable_range(low, high, config.steps, whole)
    return {"low": low, "high": high}


def _read_domains(schema: IO[bytes] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a schema's features and its string domains, both by name."""
    if schema is None:
        return {}, {}
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    parsed = text_format.Parse(schema.read().decode("utf-8"), schema_pb2.Schema())
    features = {feature.name: feature for feature in parsed.feature}
    return features, {domain.name: domain for domain in parsed.string_domain}


_READABLE = (0.5, 1.0, 2.0, 5.0, 10.0)
"""The steps that people read easily on an axis, times a power of ten."""


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
    """Return `count` steps; a small step is divided by its inverse, since 3 * 0.1 is not 0.3."""
    return count / round(1 / step) if step < 1 else count * step
