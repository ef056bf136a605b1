"""What a form for customers needs of each column: made of the snapshot, or of the schema where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.insights_config import ProfilesConfig
from nextbest.serving.standing import NumberColumn, WordColumn
from nextbest.serving.words import shown_name

__all__ = ["Field", "fields_of_schema", "fields_of_snapshot", "readable_range"]

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
