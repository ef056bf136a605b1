"""Guess from three files what their columns mean, as a config that a person then corrects.

Keys are recognised by their names and by whose values occur in whose; a column's role is the narrowest that holds
nearly all its values, so that a single slip is named when the data is loaded and does not turn a number into text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nextbest.data.config import (
    ColumnConfig,
    DataConfig,
    EntityConfig,
    InteractionsConfig,
    PolicyConfig,
    Role,
    Rule,
    input_name_problem,
)
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.dates import parse_dates
from nextbest.data.tables.parse import distinct_strings, parse_booleans, parse_numbers
from nextbest.data.tables.raw_table import MISSING, RawTable
from nextbest.data.tables.read import read_file

__all__ = ["infer_config", "suggest_rules"]

SKEWED = 2.0
"""A non-negative number more skewed than this (an exponential distribution's skewness), and less after log1p, is
given log1p."""
FEW_VALUES = 10
"""So few distinct strings are categories even in a small table; so few distinct numbers are levels, never skewed."""
MAX_CATEGORIES = 1000
"""A column with more distinct strings is not a category."""
NEARLY_ALL = 0.99
"""The share of a column's values that a role must hold, and of the entities that ids must distinguish."""
MAX_EVENTS = 50
"""A column with more distinct strings is not a kind of event."""

Kind = Literal["customers", "products"]
_KEY_NAMES: dict[Kind, re.Pattern[str]] = {
    "customers": re.compile(r"(customer|client|cust|user|person)(id|no|number|key|code)?"),
    "products": re.compile(r"(product|item|asset|fund|offer)(id|no|number|key|code)?|isin|sku"),
}
_SURE_AS_OF_NAMES = ("asof", "asofdate", "asofday", "validfrom", "snapshot", "snapshotdate")
_TIME_NAMES = ("timestamp", "datetime", "date", "time", "day", "eventtime", "eventdate", "transactiondate")
_EVENT_NAMES = ("event", "eventtype", "action", "kind", "type", "transactiontype")
_WEIGHT_NAMES = ("weight", "rating", "strength")
_ACQUIRE_EVENTS = frozenset(("open", "opened", "acquire", "acquired", "buy", "bought", "purchase", "purchased"))
_RELEASE_EVENTS = frozenset(("close", "closed", "release", "released", "sell", "sold", "cancel", "cancelled"))
_CODE_NAME = re.compile(r".*(id|code|zip|postcode|iban|phone)")
_LEADING_ZERO = re.compile(r"0\d+")
_BOUNDS: dict[str, tuple[Literal[">=", "<="], str]] = {
    "min": (">=", "below"), "minimum": (">=", "below"), "max": ("<=", "above"), "maximum": ("<=", "above")
}  # fmt: skip


@dataclass(frozen=True)
class _Column:
    """The strings of one column."""

    table: RawTable
    name: str
    codes: Array
    """Position in `strings`, [num_rows]."""
    strings: Array
    """Distinct strings, object str, [num_distinct]."""

    @cached_property
    def is_known(self) -> Array:
        """Whether a string does not stand for a missing value, bool, [num_distinct]."""
        return np.fromiter((string.strip().lower() not in MISSING for string in self.strings), bool, len(self.strings))

    @cached_property
    def known(self) -> set[str]:
        """The strings that do not stand for a missing value."""
        return set(self.strings[self.is_known])

    @property
    def complete(self) -> bool:
        """Whether no row lacks a string."""
        return bool(self.is_known.all())

    def values(self, parse: Callable[[RawTable, str, list[Problem]], Array]) -> Array | None:
        """Return the values, NaN where missing or bad, [num_rows], or None where too many of them are bad."""
        values = parse(self.table, self.name, [])
        good, known = np.count_nonzero(~np.isnan(values)), np.count_nonzero(self.is_known[self.codes])
        return values if known and good >= NEARLY_ALL * known else None


def infer_config(customers: Path, products: Path, interactions: Path, folder: Path) -> DataConfig:
    """Guess the config of three CSV or Parquet files.

    Args:
        customers: the customers' file.
        products: the products' file.
        interactions: the interactions' file.
        folder: where the TOML will stand; the config's paths are relative to it.

    Returns:
        The config, without policy rules (`suggest_rules` has some) and with the default windows.

    Raises:
        InputError: a file cannot be read, or no column can be its key or its time.
    """
    problems: list[Problem] = []
    ours, theirs, events = (_columns(path, problems) for path in (customers, products, interactions))
    if problems:
        raise InputError(problems)
    customer, customer_reference = _find_key("customers", ours, events, problems)
    product, product_reference = _find_key("products", theirs, events, problems)
    rest = [column for column in events if column not in (customer_reference, product_reference)]
    timestamp = _find_timestamp(rest)
    if timestamp is None:
        remedy = "add a column 'timestamp' with a date in every row"
        problems.append(Problem(str(interactions), None, None, "no column has a date in every row", remedy))
    if problems or not (customer and customer_reference and product and product_reference and timestamp):
        raise InputError(problems)
    customer_entity = _entity(customer, ours, os.path.relpath(customers, folder))
    faults = {column: input_name_problem(column) for column in customer_entity.columns}
    problems += [
        Problem(str(customers), column, None, f"it is a feature, {fault}", "")
        for column, fault in faults.items()
        if fault
    ]
    if problems:
        raise InputError(problems)
    product_entity = _entity(product, theirs, os.path.relpath(products, folder))
    return DataConfig(
        customers=customer_entity,
        products=product_entity,
        interactions=InteractionsConfig(
            path=os.path.relpath(interactions, folder),
            customer_id=customer_reference.name,
            product_id=product_reference.name,
            timestamp=timestamp.name,
            **_event_and_weight([column for column in rest if column is not timestamp]),
        ),
        policy=PolicyConfig(
            risk_column=_first_named(product_entity, "number", "risk"),
            category_column=_first_named(product_entity, "category", "category"),
        ),
        segment=_first_named(customer_entity, "category", "segment"),
    )


def suggest_rules(config: DataConfig) -> list[Rule]:
    """Return the policy rules that the names of number columns suggest, such as income >= min_income."""
    ours = _plain_numbers(config.customers)
    rules = []
    for plain, product in _plain_numbers(config.products).items():
        for bound, (op, side) in _BOUNDS.items():
            if customer := ours.get(plain.removeprefix(bound)) if plain.startswith(bound) else None:
                reason = f"the customer's {customer} is {side} the product's {product}"
                rules.append(Rule(customer=customer, op=op, product=product, reason=reason))
    risk = config.policy.risk_column
    willing = next((name for plain, name in ours.items() if "risk" in plain), None)
    if risk and willing:
        reason = f"the product's {risk} is above the customer's {willing}"
        rules.append(Rule(customer=willing, op=">=", product=risk, reason=reason))
    return rules


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _plain_numbers(entity: EntityConfig) -> dict[str, str]:
    return {_plain(name): name for name, column in entity.columns.items() if column.role == "number"}


def _first_named(entity: EntityConfig, role: Role, word: str) -> str | None:
    names = [name for name, column in entity.columns.items() if column.role == role and word in _plain(name)]
    return names[0] if names else None


def _columns(path: Path, problems: list[Problem]) -> list[_Column]:
    """Read a file's columns, except nested and binary ones, which no model reads."""
    try:
        table = read_file(path)
    except InputError as error:
        problems.extend(error.problems)
        return []
    # Trying roles makes problems that no one reads; their lines need not be looked up.
    table = replace(table, locate=lambda: ("row", np.arange(1, len(table) + 1)))
    columns = []
    for name in table.columns.column_names:
        unreadable: list[Problem] = []
        codes, strings = distinct_strings(table, name, unreadable)
        if not unreadable:
            columns.append(_Column(table, name, codes, strings))
    return columns


def _find_key(
    kind: Kind, columns: Sequence[_Column], events: Sequence[_Column], problems: list[Problem]
) -> tuple[_Column | None, _Column | None]:
    """Return the entities' id column and the interactions' column that refers to it."""
    looks_like_key = _KEY_NAMES[kind].fullmatch

    def score(entity: _Column, event: _Column) -> tuple[int, bool, int]:
        ours, theirs = _plain(entity.name), _plain(event.name)
        by_name = bool(looks_like_key(theirs)) + bool(looks_like_key(ours) or ours == "id") + (ours == theirs)
        return by_name, event.known <= entity.known, len(entity.known)

    pairs = [(entity, event) for entity in columns for event in events if entity.complete and event.complete]
    best = max(pairs, key=lambda pair: score(*pair), default=None)
    by_name, by_values, _ = score(*best) if best else (0, False, 0)
    if best is None or not (by_values or by_name > 1):  # one name alone may mean anything
        singular = kind.removesuffix("s")
        what = f"no column identifies the {singular} in both the {kind} and the interactions"
        remedy = f"name it '{singular}_id' in both files"
        problems.append(Problem(columns[0].table.file, None, None, what, remedy))
        return None, None
    return best


def _find_timestamp(columns: Iterable[_Column]) -> _Column | None:
    candidates = [column for column in columns if column.complete and column.values(parse_dates) is not None]
    return min(candidates, key=lambda column: _rank(column, _TIME_NAMES), default=None)


def _rank(column: _Column, names: Sequence[str]) -> int:
    plain = _plain(column.name)
    return names.index(plain) if plain in names else len(names)


def _event_and_weight(columns: Iterable[_Column]) -> dict[str, Any]:
    """Return the settings of the event and weight columns, as far as there are any."""
    found: dict[str, Any] = {}
    for column in columns:
        acquire = sorted(word for word in column.known if word.strip().lower() in _ACQUIRE_EVENTS)
        release = sorted(word for word in column.known if word.strip().lower() in _RELEASE_EVENTS)
        named = _plain(column.name) in _EVENT_NAMES
        if "event" not in found and column.complete and len(column.known) <= MAX_EVENTS and (acquire or named):
            # Where no event is known to be an acquisition, all are: a person strikes out those that are none.
            acquire = acquire or sorted(column.known - set(release))
            found |= {"event": column.name, "acquire": tuple(acquire), "release": tuple(release)}
        elif "weight" not in found and _plain(column.name) in _WEIGHT_NAMES:
            weights = column.values(parse_numbers)
            if weights is not None and not (weights < 0).any():
                found["weight"] = column.name
    return found


def _entity(key: _Column, columns: Sequence[_Column], path: str) -> EntityConfig:
    features = [column for column in columns if column is not key]
    as_of = _find_as_of(key, features)
    roles = {column.name: _role(column, len(key.known)) for column in features if column is not as_of}
    return EntityConfig(path=path, id=key.name, as_of=as_of.name if as_of else None, columns=roles)


def _find_as_of(key: _Column, columns: Iterable[_Column]) -> _Column | None:
    """Return the date column that tells an entity's rows apart, or that is named like one."""
    repeats = len(key.codes) > len(key.strings)
    candidates = []
    for column in columns:
        named = _plain(column.name) in _SURE_AS_OF_NAMES
        days = column.values(parse_dates) if column.complete and (named or repeats) else None
        if days is not None and (named or _tells_apart(key.codes, days)):
            candidates.append(column)
    return min(candidates, key=lambda column: _rank(column, (*_SURE_AS_OF_NAMES, *_TIME_NAMES)), default=None)


def _tells_apart(entity: Array, day: Array) -> bool:
    """Whether most rows that repeat an entity differ in their day; both [num_rows]."""
    entities, pairs = len(np.unique(entity)), len(np.unique(np.stack([entity, day], axis=1), axis=0))
    return 2 * (pairs - entities) > len(entity) - entities


def _role(column: _Column, num_entities: int) -> ColumnConfig:
    """Return the narrowest role that holds nearly all values of a column."""
    if not column.known:
        return ColumnConfig(role="category")
    if column.values(parse_booleans) is not None and column.known not in ({"0"}, {"1"}):
        return ColumnConfig(role="boolean")
    if column.values(parse_dates) is not None:
        return ColumnConfig(role="date")
    is_code = _CODE_NAME.fullmatch(_plain(column.name)) or any(map(_LEADING_ZERO.fullmatch, column.known))
    values = None if is_code else column.values(parse_numbers)
    if values is not None:
        return ColumnConfig(role="number", transform="log1p" if _is_skewed(values) else "none")
    return ColumnConfig(role=_role_of_strings(column.known, num_entities))


def _role_of_strings(known: set[str], num_entities: int) -> Role:
    if len(known) >= NEARLY_ALL * num_entities > 1:  # each entity has its own
        return "text" if any(" " in word.strip() for word in known) else "id"
    if len(known) <= min(MAX_CATEGORIES, max(FEW_VALUES, num_entities / 2)):
        return "category"
    return "text"


def _is_skewed(values: Array) -> bool:
    known = values[~np.isnan(values)].astype(np.float64)
    if (known < 0).any() or len(np.unique(known)) <= FEW_VALUES:
        return False
    return bool(abs(_skewness(np.log1p(known))) < SKEWED < _skewness(known))


def _skewness(values: Array) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)
