"""The simulated bank as files: tables, the oracle and the TOML that describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from nextbest.data.bank.catalogue import BankProducts, draw_assortment, draw_products
from nextbest.data.bank.categories import BRANDS, CATEGORIES, REGIONS
from nextbest.data.bank.config import BankConfig, Timeline, make_timeline
from nextbest.data.bank.population import SEGMENTS, People, draw_people
from nextbest.data.bank.simulation import (
    EVENT_NAMES,
    Branch,
    Events,
    acquisition_probabilities,
    best_products,
    simulate_branch,
)
from nextbest.data.bank.utility import Market, World, draw_hidden, draw_world
from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array
from nextbest.data.files import is_free, new_folder
from nextbest.data.tables.write_config import toml_value

__all__ = ["DrawnBank", "customer_table", "draw_bank", "run_branch", "simulate_bank"]

TIERS = ("basic", "plus", "premium")
CUSTOMER_COLUMNS: dict[str, dict[str, Any]] = {
    "joined": {"role": "date"},
    "branch": {"role": "category"},
    "region": {"role": "category"},
    "segment": {"role": "category"},
    "age": {"role": "number", "unit": "years"},
    "gender": {"role": "category"},
    "marital_status": {"role": "category"},
    "dependants": {"role": "number", "editable": True},
    "home_owner": {"role": "boolean"},
    "employment": {"role": "category"},
    "income": {"role": "number", "transform": "log1p", "unit": "EUR/year", "editable": True},
    "savings": {"role": "number", "transform": "log1p", "unit": "EUR", "editable": True},
    "loan_balance": {"role": "number", "transform": "log1p", "unit": "EUR"},
    "credit_score": {"role": "number"},
    "credit_utilisation": {"role": "number", "unit": "share"},
    "digital_engagement": {"role": "number", "unit": "share"},
    "risk_tolerance": {"role": "number"},
    "tenure_years": {"role": "number", "unit": "years"},
    "last_event": {"role": "category"},
}
_INTEREST = {
    "": "interest paid",
    **dict.fromkeys(("credit_card", "personal_loan", "car_loan", "mortgage"), "interest charged"),
    **dict.fromkeys(("fund", "bond", "pension", "child_savings"), "expected return"),
}
"""What people call a product's yield, by category; '' is all others."""
PRODUCT_COLUMNS: dict[str, dict[str, Any]] = {
    "name": {"role": "id"},
    "description": {"role": "text"},
    "category": {"role": "category"},
    "brand": {"role": "category"},
    "tier": {"role": "category"},
    "requires": {"role": "category"},
    "currency": {"role": "category"},
    "risk_level": {"role": "number"},
    "expected_yield": {"role": "number", "unit": "%/year", "titles": _INTEREST},
    "duration_months": {"role": "number", "transform": "log1p", "unit": "months", "titles": {"": "term"}},
    "annual_fee": {"role": "number", "transform": "log1p", "unit": "EUR/year"},
    "min_income": {"role": "number", "transform": "log1p", "unit": "EUR/year"},
    "min_age": {"role": "number", "unit": "years"},
    "min_deposit": {"role": "number", "transform": "log1p", "unit": "EUR"},
    "digital": {"role": "boolean"},
    "sustainable": {"role": "boolean"},
    "international": {"role": "boolean"},
    "launched": {"role": "date"},
}
_AT_LEAST = (
    ("risk_tolerance", "risk_level", "riskier than the customer accepts"),
    ("income", "min_income", "asks for a higher income"),
    ("age", "min_age", "asks for a higher age"),
    ("savings", "min_deposit", "asks for more savings"),
)
RULES: tuple[Mapping[str, Any], ...] = (
    *({"customer": own, "op": ">=", "product": least, "reason": reason} for own, least, reason in _AT_LEAST),
    {
        "holds": "category",
        "product": "requires",
        "when": {"product": "requires", "op": "!=", "value": "none"},
        "reason": "builds on a product that the customer does not hold",
    },
)


def simulate_bank(config: BankConfig, out: Path, progress: Callable[[float, str], None] | None = None) -> Path:
    """Simulate a bank and write it as tables with the TOML that describes them.

    The files are written in a folder beside `out` and renamed when all are there: customers, products, interactions
    (CSV, or Parquet for a large bank), oracle.parquet (customer_id, product_id, probability: each customer's likeliest
    new acquisitions within the horizon) and nextbest.toml (`seed`, `[data]`, `[evaluation]`).

    Args:
        config: The bank.
        out: The folder to make; it may exist if it is empty.
        progress: Called with the share done (0-1) and what is being done.

    Returns:
        The path of nextbest.toml.

    Raises:
        FileExistsError: `out` holds something already.
    """
    if not is_free(out):
        raise FileExistsError(f"{out} exists and is not an empty folder; choose another one or empty it first")
    progress = progress or (lambda share, doing: None)
    with new_folder(out) as folder:
        _write_files(config, folder, progress)
    progress(1.0, "done")
    return out / "nextbest.toml"


def _write_files(config: BankConfig, folder: Path, progress: Callable[[float, str], None]) -> None:
    suffix = ".csv" if config.customers <= config.csv_up_to else ".parquet"
    bank = draw_bank(config)
    with _Tables(folder, suffix) as tables:
        tables.append("products", _product_table(bank.catalogue))
        for number in range(len(bank.seeds)):
            progress(number / len(bank.seeds), f"branch {number + 1} of {len(bank.seeds)}")
            ids, market, branch, chances = run_branch(config, bank, number)
            rows = [customer_table(ids[who], f"B{number + 1:02d}", days, people) for who, days, people in branch.rows]
            order = [("customer_id", "ascending"), ("as_of", "ascending")]
            tables.append("customers", pa.concat_tables(rows).sort_by(order))
            product_ids = market.catalogue.ids
            tables.append("interactions", _interaction_table(ids, product_ids, branch.events))
            customers, products, best = best_products(chances, config.oracle_top)
            scores = {"customer_id": ids[customers], "product_id": product_ids[products], "probability": best}
            tables.append("oracle.parquet", pa.table(scores))
    (folder / "nextbest.toml").write_text(_toml(config, bank.world.timeline, suffix), encoding="utf-8")


@dataclass(frozen=True)
class DrawnBank:
    """What all branches of a bank share, and the seed of each."""

    world: World
    catalogue: BankProducts
    seeds: tuple[np.random.SeedSequence, ...]


def draw_bank(config: BankConfig) -> DrawnBank:
    """Draw what all branches share."""
    timeline = make_timeline(config)
    branches = -(-config.customers // config.branch_size)
    shared, *seeds = np.random.SeedSequence(config.seed).spawn(1 + branches)
    rng = np.random.default_rng(shared)
    catalogue = draw_products(config, timeline, rng)
    return DrawnBank(draw_world(config, timeline, rng), catalogue, tuple(seeds))


def run_branch(config: BankConfig, bank: DrawnBank, number: int) -> tuple[Array, Market, Branch, Array]:
    """Simulate a branch and ask the oracle; returns its customers' ids, and the oracle's probabilities last."""
    draw, history, future = (np.random.default_rng(one) for one in bank.seeds[number].spawn(3))
    market = Market(bank.world, bank.catalogue.take(draw_assortment(bank.catalogue, config.products_per_branch, draw)))
    first = 1 + number * config.branch_size
    count = min(config.branch_size, config.customers + 1 - first)
    width = max(6, len(str(config.customers)))
    ids = np.array([f"C{one:0{width}d}" for one in range(first, first + count)], object)
    people = draw_people(count, np.full(count, number % len(REGIONS)), bank.world.timeline, draw)
    branch = simulate_branch(market, people, draw_hidden(count, config.choice, draw), history)
    return ids, market, branch, acquisition_probabilities(market, branch.at_cutoff, config.oracle_draws, future)


class _Tables:
    """Files that grow branch by branch, so that no table is ever in memory as a whole."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._writers: dict[str, Any] = {}

    def append(self, name: str, table: pa.Table) -> None:
        """Append to the file `name`, or to `name` with the suffix if it has none."""
        if name not in self._writers:
            path = self._folder / (name if "." in name else name + self._suffix)
            if path.suffix == ".csv":
                self._writers[name] = csv.CSVWriter(path, table.schema)
            else:
                self._writers[name] = parquet.ParquetWriter(path, table.schema)
        self._writers[name].write_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()


"""Customer's column, product's column that it must reach, and the reason given when it does not."""


def _dates(days: Array) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())


def _strings(vocabulary: tuple[str, ...], positions: Array) -> pa.Array:
    return pa.array(np.array(vocabulary, object)[positions], pa.string())


def _whole_numbers(values: Array) -> pa.Array:
    return pa.array(values.astype(np.int64))


def _product_table(products: BankProducts) -> pa.Table:
    requires = tuple(category.requires or "none" for category in CATEGORIES)
    columns = {
        "name": pa.array(products.names, pa.string()),
        "description": pa.array(products.descriptions, pa.string()),
        "category": _strings(tuple(category.name for category in CATEGORIES), products.category),
        "brand": _strings(BRANDS, products.brand),
        "tier": _strings(TIERS, products.tier),
        "requires": _strings(requires, products.category),
        "currency": pa.array(products.currency, pa.string()),
        "expected_yield": pa.array(products.expected_yield),
        "launched": _dates(products.launched),
        **{name: pa.array(getattr(products, name)) for name in ("digital", "sustainable", "international")},
        **{
            name: _whole_numbers(getattr(products, name))
            for name in ("risk_level", "duration_months", "annual_fee", "min_income", "min_age", "min_deposit")
        },
    }
    keys = {"product_id": pa.array(products.ids, pa.string()), "as_of": _dates(products.launched)}
    return pa.table(keys | {name: columns[name] for name in PRODUCT_COLUMNS})


def customer_table(ids: Array, branch: str, days: Array, people: People) -> pa.Table:
    """Return the rows of customers, as of a day each."""
    columns = {
        "joined": _dates(people.joined),
        "branch": pa.array([branch] * len(ids)),
        "region": _strings(REGIONS, people.region),
        "segment": _strings(SEGMENTS, people.segment),
        "home_owner": pa.array(people.home_owner.astype(bool)),
        "tenure_years": pa.array(np.round((days - people.joined) / 365.25, 2)),
        **{
            name: pa.array(getattr(people, name), pa.string())
            for name in ("gender", "marital_status", "employment", "last_event")
        },
        **{
            name: _whole_numbers(getattr(people, name))
            for name in ("age", "dependants", "income", "savings", "loan_balance", "credit_score", "risk_tolerance")
        },
        **{name: pa.array(getattr(people, name)) for name in ("credit_utilisation", "digital_engagement")},
    }
    keys = {"customer_id": pa.array(ids, pa.string()), "as_of": _dates(days)}
    return pa.table(keys | {name: columns[name] for name in CUSTOMER_COLUMNS})


def _interaction_table(ids: Array, product_ids: Array, events: Events) -> pa.Table:
    return pa.table(
        {
            "customer_id": pa.array(ids[events.customer], pa.string()),
            "product_id": pa.array(product_ids[events.product], pa.string()),
            "timestamp": _dates(events.day),
            "event": _strings(EVENT_NAMES, events.event),
        }
    )


def _toml(config: BankConfig, timeline: Timeline, suffix: str) -> str:
    """Return the TOML that describes the files: the seed, the section that DataConfig checks, and the oracle."""
    tables = [("customers", "customer_id", CUSTOMER_COLUMNS), ("products", "product_id", PRODUCT_COLUMNS)]
    lines = [f"seed = {config.seed}", "", "[data]", 'segment = "segment"']
    for table, key, columns in tables:
        lines += ["", f"[data.{table}]", f'path = "{table}{suffix}"', f'id = "{key}"', 'as_of = "as_of"']
        lines += ["", f"[data.{table}.columns]"]
        lines += [f"{name} = {toml_value(described)}" for name, described in columns.items()]
    lines += ["", "[data.interactions]", f'path = "interactions{suffix}"', 'event = "event"']
    lines += ["", "[data.windows]", f"horizon_days = {config.horizon_days}"]
    lines += [f"test_cutoff = {np.datetime64(timeline.cutoff, 'D')}"]
    lines += [f"ranking_windows = {_ranking_windows(config, timeline)}"]
    lines += ["", "[data.policy]", 'risk_column = "risk_level"', 'category_column = "category"']
    for rule in RULES:
        lines += ["", "[[data.policy.rules]]", *(f"{key} = {toml_value(value)}" for key, value in rule.items())]
    return "\n".join([*lines, "", "[evaluation]", 'oracle = "oracle.parquet"', ""])


def _ranking_windows(config: BankConfig, timeline: Timeline) -> int:
    """Return the wanted number of ranking windows, or what fits behind a horizon and a stride of history."""
    history = timeline.cutoff - int(timeline.bounds[0]) - WindowsConfig().stride_days
    return int(np.clip(history // config.horizon_days - 2, 2, config.ranking_windows))
