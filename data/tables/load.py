"""From files to a checked `Dataset`: every problem of all three tables is found before anything is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from nextbest.data.config import ColumnConfig, DataConfig, EntityConfig, InteractionsConfig, TableConfig
from nextbest.data.dataset import (
    ACQUIRE,
    ALWAYS,
    REFUSE,
    RELEASE,
    SIGNAL,
    Array,
    Dataset,
    EntityTable,
    Features,
    Interactions,
)
from nextbest.data.errors import EXAMPLES, InputError, Problem, quote_value
from nextbest.data.suitability import repeatable_products
from nextbest.data.tables.dates import parse_dates
from nextbest.data.tables.parse import (
    distinct_strings,
    parse_column,
    parse_ids,
    parse_numbers,
    parse_references,
)
from nextbest.data.tables.raw_table import RawTable, report_rows
from nextbest.data.tables.read import read_file, read_table
from nextbest.data.tables.snapshots import matching_columns, snapshot_interactions

__all__ = ["load_dataset", "read_customers", "read_outcomes"]


def load_dataset(config: DataConfig, folder: Path) -> Dataset:
    """Read, check and convert the three tables.

    Args:
        config: what the tables mean.
        folder: the folder of the TOML, at which relative paths start.

    Raises:
        InputError: with all problems of all tables. Of a file that is not a table, only this is reported.
    """
    problems: list[Problem] = []
    customers = _load_entities(config.customers, folder, problems)
    products = _load_entities(config.products, folder, problems)
    interactions = _load_interactions(config, folder, customers, products, problems)
    if problems or customers is None or products is None or interactions is None:
        raise InputError(problems)
    newest = products.at(np.iinfo(np.int32).max)
    return Dataset(customers, products, interactions, repeatable_products(config.policy, newest, len(products)))


def read_customers(
    config: EntityConfig, path: Path | str, rejected: list[Problem] | None = None, examples: int = EXAMPLES
) -> tuple[Array, Features]:
    """Read customers to be served, in the file's order; of several dated rows the newest counts.

    Categories that no model has seen and missing values are allowed, optional columns and the one that dates the rows
    may be absent, and columns that the config does not name are ignored.

    Args:
        config: the customers' columns.
        path: a CSV or Parquet file, or a folder of such, here or at an address.
        rejected: rows with problems are left out and added here, one problem each; without it they are refused.
        examples: how many rows with the same problem are named one by one.

    Returns:
        The ids, object str, [num_customers], and the features, [num_customers] each.

    Raises:
        InputError: with all problems of the file.
    """
    dated = [config.as_of] if config.as_of else []
    table = replace(_read_like(config, path, [config.id, *dated, *config.columns], rejected), examples=examples)
    problems = _missing_columns(table, [config.id, *_required(config)])
    features = _features(table, config.columns, problems)
    customers, day = np.zeros(0, object), np.full(len(table), ALWAYS, np.int32)
    if config.as_of and config.as_of in table:
        day = _required_days(table, config.as_of, problems)
    if config.id in table:
        customers = parse_ids(table, config.id, problems)
        _check_unique(table, config.id, customers, day, problems)
    if problems:
        raise InputError(problems)
    good = np.ones(len(table), bool)
    if rejected is not None and table.rejected:
        good[list(table.rejected)] = False
        rejected.extend(table.rejected[row] for row in sorted(table.rejected))
    rows = np.flatnonzero(good)
    newest = rows[_newest_rows(customers[rows], day[rows])]
    return customers[newest], {name: values[newest] for name, values in features.items()}


def read_outcomes(config: DataConfig, customer_ids: Array, product_ids: Array) -> Interactions:
    """Read interactions of the given customers and products; those of others are left out, and there may be none.

    Args:
        config: what the tables mean, and where the interactions are; a relative path starts where the program runs.
        customer_ids: sorted, object str, [num_customers].
        product_ids: sorted, object str, [num_products].

    Returns:
        The interactions in positions of both, sorted by day.

    Raises:
        InputError: with all problems of the table.
    """
    problems: list[Problem] = []
    customers, products = (
        EntityTable(ids, np.arange(len(ids), dtype=np.int32), np.full(len(ids), ALWAYS, np.int32), {})
        for ids in (customer_ids, product_ids)
    )
    # A feed that has stopped is what monitoring looks for, and no fault of the table.
    found = _load_interactions(config, Path(), customers, products, problems, must_acquire=False)
    if problems or found is None:
        raise InputError(problems)
    return found


def _read_like(
    config: EntityConfig, path: Path | str, wanted: Sequence[str], rejected: list[Problem] | None
) -> RawTable:
    """Read a file that writes its values as the trained table did, or with another delimiter and a decimal point."""
    table = read_file(path, wanted, config.model_copy(update={"delimiter": None}), rejected)
    table = replace(table, rejected=None if rejected is None else {})
    if config.delimiter is None or table.notation.delimiter in (None, config.delimiter):
        return table
    return replace(table, notation=table.notation.model_copy(update={"decimal": None}))


def _newest_rows(entities: Array, day: Array) -> Array:
    """Return each entity's newest row, in the order of the rows."""
    _, codes = np.unique(entities, return_inverse=True)
    order = np.lexsort((day, codes))
    last = np.append(np.diff(codes[order]) > 0, True)[: len(order)]
    return np.sort(order[last])


def _load_entities(config: EntityConfig, folder: Path, problems: list[Problem]) -> EntityTable | None:
    """Return customers or products; None, having reported why, where there is no column of ids to go by."""
    dated = [name for name in (config.as_of, config.recorded_at) if name]
    try:
        table = read_table(config, folder, [config.id, *dated, *config.columns])
    except InputError as error:
        problems.extend(error.problems)
        return None
    problems.extend(_missing_columns(table, [config.id, *dated, *_required(config)]))
    features = _features(table, config.columns, problems)
    day = np.full(len(table), ALWAYS, np.int32)
    if config.as_of and config.as_of in table:
        day = _required_days(table, config.as_of, problems)
    if config.id not in table:
        return None
    entities = parse_ids(table, config.id, problems)
    if not config.as_of or config.as_of in table:
        _check_unique(table, config.id, entities, day, problems)
    known, entity = np.unique(entities, return_inverse=True)
    known_day = _known_from(config, table, day, problems)
    order = _in_effect(np.lexsort((day, known_day, entity)), entity, day)
    day = known_day
    return EntityTable(
        ids=known,
        row_entity=entity[order].astype(np.int32),
        row_day=day[order],
        columns={name: values[order] for name, values in features.items()},
    )


def _load_interactions(
    config: DataConfig,
    folder: Path,
    customers: EntityTable | None,
    products: EntityTable | None,
    problems: list[Problem],
    must_acquire: bool = True,
) -> Interactions | None:
    """Return the interactions; None where a table or column is missing, which has then been reported.

    Without any acquisition there is nothing to learn from, which is a problem if there must be some.
    """
    source = config.interactions
    is_wide = bool(source.products)
    keys = [source.customer_id, source.timestamp, *([] if is_wide else [source.product_id])]
    wanted = keys + [name for name in (source.event, source.weight, source.held, source.recorded_at) if name]
    try:
        # Of a pattern the columns are only known once the file is read.
        table = read_table(source, folder, None if is_wide else wanted)
    except InputError as error:
        problems.extend(error.problems)
        return None
    missing = _missing_columns(table, wanted)
    if is_wide and not matching_columns(source.products, table.header, keys):
        what = f"no column matches products = {list(source.products)}"
        missing.append(Problem(table.file, None, None, what, f"the file has {', '.join(map(repr, table.header))}"))
    problems.extend(missing)
    drop = source.unknown == "drop"
    entities = {source.customer_id: (customers, config.customers)}
    if source.kind == "events":
        entities[source.product_id] = (products, config.products)
    positions = [
        parse_references(table, column, known.ids, of.path, problems, drop)
        for column, (known, of) in entities.items()
        if known is not None and column in table
    ]
    if missing:
        return None
    day = _known_from(source, table, _required_days(table, source.timestamp, problems), problems)
    kind, is_read = _kinds(table, source, problems, must_acquire)
    weight = _weights(table, source.weight, problems)
    if len(positions) < len(entities) or products is None:
        return None
    if source.kind == "snapshots":
        found = snapshot_interactions(table, source, positions[0], day, products, config.products.path, problems)
        is_read = np.ones(len(found), bool)
    else:
        found = Interactions(positions[0], positions[1], day, kind, weight)
    return _known_and_sorted(table.file, found, is_read, positions[0] < 0, problems, must_acquire)


def _known_and_sorted(
    file: str, found: Interactions, is_read: Array, strangers: Array, problems: list[Problem], must_acquire: bool
) -> Interactions:
    """Leave out what is not read, and what is of unknown customers or products, which is told; sort by day."""
    known = (found.customer >= 0) & (found.product >= 0)
    if not problems and (strangers.any() or not known.all()):
        logging.getLogger(__name__).warning(
            "%s: left out %d rows of unknown customers, and %d of unknown products",
            *(file, np.sum(strangers), np.sum(found.product < 0)),
        )
    if must_acquire and not problems and not (known & is_read & (found.kind == ACQUIRE)).any():
        what = "no acquisition of a known customer and product is left"
        problems.append(Problem(file, None, None, what, "check the ids and interactions.acquire"))
    interactions = found[known & is_read]
    order = np.lexsort((interactions.kind, interactions.product, interactions.customer, interactions.day))
    return interactions[order]


def _known_from(config: TableConfig, table: RawTable, day: Array, problems: list[Problem]) -> Array:
    """Return the day from which each row was known, int32, [num_rows]: its own, or when it was recorded if later."""
    recorded = day
    if config.recorded_at and config.recorded_at in table:
        recorded = np.maximum(day, _required_days(table, config.recorded_at, problems))
    return np.where(day == ALWAYS, recorded, np.maximum(recorded, day + config.lag_days)).astype(np.int32)


def _in_effect(order: Array, entity: Array, day: Array) -> Array:
    """Leave out rows that, when they came to be known, were older than what was known of the entity already.

    Args:
        order: The rows, by entity and the day from which they were known.
        entity: Each row's entity, [num_rows].
        day: The day that each row is about, [num_rows].
    """
    if not len(order):
        return order
    since = day[order].astype(np.int64) - day.min()
    # The entities ascend, so that a running maximum over all begins anew with each.
    base = entity[order] * (since.max() + 1)
    return order[base + since >= np.maximum.accumulate(base + since)]


def _required(config: EntityConfig) -> list[str]:
    return [name for name, column in config.columns.items() if not column.optional]


def _missing_columns(table: RawTable, required: Sequence[str]) -> list[Problem]:
    return [
        Problem(table.file, name, None, "the column is missing", _missing_remedy(name, table.header))
        for name in dict.fromkeys(required)
        if name not in table
    ]


def _missing_remedy(name: str, header: Sequence[str]) -> str:
    if similar := get_close_matches(name, header, n=1):
        return f"did you mean {similar[0]!r}? Rename it in the file or in the config"
    return f"add it, or fix the config; the file has {', '.join(map(repr, header))}"


def _features(table: RawTable, columns: dict[str, ColumnConfig], problems: list[Problem]) -> Features:
    """Return the feature columns, [num_rows]; those that are absent are all missing."""
    return {
        name: parse_column(table, name, column, problems) if name in table else _all_missing(column, len(table))
        for name, column in columns.items()
    }


def _all_missing(column: ColumnConfig, num_rows: int) -> Array:
    if column.role in ("number", "boolean", "date"):
        return np.full(num_rows, np.nan, np.float32)
    return np.full(num_rows, "", object)


def _required_days(table: RawTable, column: str, problems: list[Problem]) -> Array:
    """Return days without gaps, int32, [num_rows]."""
    return np.nan_to_num(parse_dates(table, column, problems, required=True)).astype(np.int32)


def _check_unique(table: RawTable, column: str, entities: Array, day: Array, problems: list[Problem]) -> None:
    """Report the rows that repeat the (id, day) of an earlier row."""
    _, codes = np.unique(entities, return_inverse=True)
    order = np.lexsort((day, codes))  # stable: of equal rows the first in the file comes first
    repeats = (np.diff(codes[order]) == 0) & (np.diff(day[order]) == 0) & (entities[order][1:] != "")
    again, first = order[1:][repeats], order[:-1][repeats]
    earlier = dict(zip(again.tolist(), first.tolist(), strict=True))

    def what(row: int) -> str:
        _, unit, place = table.place_of(earlier[row])
        date = "" if day[row] == ALWAYS else f" of {np.datetime64(int(day[row]), 'D')}"
        return f"the id {quote_value(entities[row])}{date} stands on {unit} {place} already"

    remedy = "keep one of them, or date the rows and name the as_of column"
    report_rows(problems, table, column, np.sort(again), what, remedy)


def _kinds(
    table: RawTable, source: InteractionsConfig, problems: list[Problem], must_acquire: bool
) -> tuple[Array, Array]:
    """Return ACQUIRE, RELEASE, REFUSE or SIGNAL, int8, [num_rows], and whether a row is read, bool, [num_rows]."""
    if source.event is None:
        return np.full(len(table), ACQUIRE, np.int8), np.ones(len(table), bool)
    codes, names = distinct_strings(table, source.event, problems)
    report_rows(
        problems,
        table,
        source.event,
        np.flatnonzero((names == "")[codes]),
        lambda row: "the event is missing",
        "name what happened, or remove the row",
    )
    meanings = {ACQUIRE: source.acquire, RELEASE: source.release, REFUSE: source.refuse}
    kinds = np.select([np.isin(names, words) for words in meanings.values()], list(meanings), SIGNAL)
    quoted = ", ".join(map(quote_value, names[:EXAMPLES]))
    if must_acquire and ACQUIRE not in kinds:
        what = f"no event is one of acquire = {list(source.acquire)}, so there is nothing to predict"
        remedy = f"set interactions.acquire in the config; the file has {quoted}"
        problems.append(Problem(table.file, source.event, None, what, remedy))
    if source.interest is not None:
        stated = {*source.acquire, *source.release, *source.interest, *source.refuse, *source.ignore, ""}
        for place in (place for place, name in enumerate(names) if name not in stated):
            what = f"the event {quote_value(names[place])} of {np.sum(codes == place):,} rows has no meaning yet"
            remedy = "put it into acquire, release, interest, refuse or ignore of [data.interactions]"
            problems.append(Problem(table.file, source.event, None, what, remedy))
    is_read = ~np.isin(names, source.ignore)
    return kinds[codes].astype(np.int8), is_read[codes]


def _weights(table: RawTable, column: str | None, problems: list[Problem]) -> Array:
    """Return non-negative weights, 1 where missing, float32, [num_rows]."""
    if column is None:
        return np.ones(len(table), np.float32)
    weights = parse_numbers(table, column, problems)
    report_rows(
        problems,
        table,
        column,
        np.flatnonzero(weights < 0),
        lambda row: f"the weight {weights[row]:g} is negative",
        "write 0 or more",
    )
    return np.where(np.isnan(weights), np.float32(1), weights)
