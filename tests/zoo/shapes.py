"""Institutions of eight shapes: each writes three tables as such a bank, insurer or broker would hand them over.

All but the first tell one story (`Story`), so that what differs is how it is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nextbest.data.bank import BankConfig, simulate_bank

__all__ = ["SHAPES", "Shape", "Tables"]

_FIRST, _DAYS = np.datetime64("2022-01-01"), 900
TINY = ('# size = "full"', 'size = "tiny"')
FEW_WINDOWS = ("ranking_windows = 4", "ranking_windows = 1")
PROTECTED = ('gender = { role = "category" }', 'gender = { role = "category", protected = true }')


class Tables(NamedTuple):
    """Where an institution's tables lie, and somebody to recommend to."""

    customers: Path
    products: Path
    interactions: Path
    customer: str
    to_score: Path
    """A file with the customers' columns; the customers' own where it is one file."""


@dataclass(frozen=True)
class Shape:
    """A kind of institution."""

    name: str
    write: Callable[[Path], Tables]
    """Writes the tables into a folder."""
    edits: tuple[tuple[str, str], ...] = (TINY, FEW_WINDOWS)
    """What a person changes in the TOML that `schema` wrote: old text and new, three at most."""


@dataclass(frozen=True)
class Story:
    """Customers of three tastes who open, look at and close products."""

    customers: pd.DataFrame
    """id, age, income, segment."""
    products: pd.DataFrame
    """id, family."""
    events: pd.DataFrame
    """customer, product, day (datetime64), what: open, close, view."""


def tell(num_customers: int = 300, num_products: int = 10, seed: int = 3) -> Story:
    """Simulate an institution; a customer's taste shows in the segment and in the products' family."""
    random = np.random.default_rng(seed)
    taste = np.arange(num_customers) % 3
    family = np.arange(num_products) % 3
    customers = pd.DataFrame(
        {
            "id": [f"C{number:04d}" for number in range(num_customers)],
            "age": random.integers(18, 90, num_customers),
            "income": np.exp(random.normal(10, 0.7, num_customers)).round(2),
            "segment": np.array(["mass", "affluent", "student"])[taste],
        }
    )
    rows = []
    for customer in range(num_customers):
        weight = np.where(family == taste[customer], 6.0, 1.0)
        chosen = random.choice(num_products, 4, replace=False, p=weight / weight.sum())
        days = np.sort(random.choice(_DAYS, 4, replace=False))
        rows += [(customer, product, day, "open") for product, day in zip(chosen, days, strict=True)]
        seen = random.integers(0, num_products, 3)
        rows += [(customer, product, random.integers(_DAYS), "view") for product in seen]
        if random.random() < 0.3 and days[0] < _DAYS - 30:
            rows.append((customer, chosen[0], random.integers(days[0] + 1, _DAYS), "close"))
    events = pd.DataFrame(rows, columns=["customer", "product", "day", "what"])
    products = pd.DataFrame(
        {
            "id": [f"P{number:04d}" for number in range(num_products)],
            "family": np.array(["saving", "credit", "invest"])[family],
        }
    )
    events["customer"] = customers["id"].to_numpy()[events["customer"]]
    events["product"] = products["id"].to_numpy()[events["product"]]
    events["day"] = _FIRST + events["day"].to_numpy()
    return Story(customers, products, events.sort_values(["day", "customer", "product"], ignore_index=True))


def _csv(frame: pd.DataFrame, path: Path, **how: object) -> Path:
    frame.to_csv(path, index=False, **how)  # type: ignore[call-overload]
    return path


def embedded_bank(folder: Path) -> Tables:
    """Write the simulated bank."""
    simulate_bank(BankConfig(customers=300, products=20, branch_size=150), folder / "bank")
    paths = [folder / "bank" / f"{name}.csv" for name in ("customers", "products", "interactions")]
    return Tables(*paths, "C000001", paths[0])


def german_bank(folder: Path) -> Tables:
    """Write ; between values, decimal commas, dotted dates and German words."""
    story = tell()
    people = story.customers.assign(
        income=[f"{income:,.2f}".translate(str.maketrans(",.", ".,")) for income in story.customers["income"]],
        seit="01.03.2021",
    ).rename(columns={"id": "Kundennummer", "age": "Alter", "income": "Einkommen", "segment": "Kundensegment"})
    goods = story.products.assign(Mindesteinkommen="1.000,00").rename(
        columns={"id": "Produktnummer", "family": "Produktgruppe"}
    )
    words = {"open": "Eröffnung", "close": "Kündigung", "view": "Ansicht"}
    moves = pd.DataFrame(
        {
            "Kundennummer": story.events["customer"],
            "Produktnummer": story.events["product"],
            "Datum": story.events["day"].dt.strftime("%d.%m.%Y"),
            "Vorgang": story.events["what"].map(words),
        }
    )
    how = {"sep": ";", "encoding": "utf-8-sig"}
    kunden = _csv(people, folder / "kunden.csv", **how)
    produkte = _csv(goods, folder / "produkte.csv", **how)
    return Tables(kunden, produkte, _csv(moves, folder / "bewegungen.csv", **how), "C0017", kunden)


def monthly_snapshots(folder: Path) -> Tables:
    """Write a row per customer and month with the customer's columns and a 0/1 column per product."""
    story = tell()
    opened = story.events[story.events["what"] == "open"]
    closed = story.events[story.events["what"] == "close"].set_index(["customer", "product"])["day"]
    end = [closed.get((one.customer, one.product), pd.Timestamp.max) for one in opened.itertuples()]
    held = opened.assign(end=end)
    months = pd.date_range(_FIRST, _FIRST + _DAYS, freq="ME")
    parts = []
    for month in months:
        now = held[(held["day"] <= month) & (held["end"] > month)]
        wide = pd.crosstab(now["customer"], now["product"]).reindex(
            index=story.customers["id"], columns=story.products["id"], fill_value=0
        )
        people = story.customers.set_index("id").assign(month=month.strftime("%Y-%m"))
        parts.append(people.join(wide.add_prefix("ind_").add_suffix("_fin")))
    snapshots = _csv(pd.concat(parts).rename_axis("customer_id").reset_index(), folder / "snapshots.csv")
    goods = pd.DataFrame({"product": [f"ind_{name}_fin" for name in story.products["id"]]})
    return Tables(snapshots, _csv(goods, folder / "products.csv"), snapshots, "C0017", snapshots)


def insurer(folder: Path) -> Tables:
    """Write eight products without risk or category, and inception, lapse, claim and declined offers."""
    story = tell(num_products=8)
    looks = story.events.index[story.events["what"] == "view"]
    story.events.loc[looks[::3], "what"] = "refuse"
    words = {"open": "inception", "close": "lapse", "view": "claim", "refuse": "declined"}
    moves = story.events.assign(what=story.events["what"].map(words)).rename(
        columns={"customer": "policyholder", "product": "policy_type", "day": "effective_date", "what": "movement"}
    )
    people = _csv(story.customers.rename(columns={"id": "policyholder"}), folder / "policyholders.csv")
    goods = story.products.rename(columns={"id": "policy_type"}).assign(label=[f"Cover {n}" for n in range(8)])
    products = _csv(goods[["policy_type", "label"]], folder / "policies.csv")
    return Tables(people, products, _csv(moves, folder / "movements.csv"), "C0017", people)


def broker(folder: Path) -> Tables:
    """Write 2,000 instruments and hardly anything of the customers."""
    story = tell(num_products=2000)
    people = _csv(story.customers[["id", "segment"]].rename(columns={"id": "client"}), folder / "clients.csv")
    goods = story.products.rename(columns={"id": "isin"}).assign(risk=np.arange(2000) % 7 + 1)
    words = {"open": "buy", "close": "sell", "view": "quote"}
    trades = story.events.assign(what=story.events["what"].map(words)).rename(
        columns={"customer": "client", "product": "isin", "day": "trade_date", "what": "action"}
    )
    return Tables(people, _csv(goods, folder / "funds.csv"), _csv(trades, folder / "trades.csv"), "C0017", people)


def ids_and_dates(folder: Path) -> Tables:
    """Write ids and dates alone."""
    story = tell()
    people = _csv(story.customers[["id"]].rename(columns={"id": "user"}), folder / "users.csv")
    products = _csv(story.products[["id"]].rename(columns={"id": "item"}), folder / "items.csv")
    bought = story.events[story.events["what"] == "open"].rename(columns={"customer": "user", "product": "item"})
    return Tables(people, products, _csv(bought[["user", "item", "day"]], folder / "bought.csv"), "C0017", people)


def spark_parts(folder: Path) -> Tables:
    """Write Parquet as Spark does: partition folders, dictionaries, decimals, binary text, UUIDs, columns of nulls."""
    story = tell()
    ids = {name: uuid.uuid5(uuid.NAMESPACE_OID, name) for name in story.customers["id"]}
    people = pa.table(
        {
            "customer_id": pa.array([ids[name].bytes for name in story.customers["id"]], pa.uuid()),
            "age": pa.array(story.customers["age"].tolist(), pa.decimal128(38, 9)),
            "income": pa.array(story.customers["income"].tolist(), pa.float64()),
            "segment": pa.array(story.customers["segment"].tolist()).dictionary_encode(),
            "closed_on": pa.nulls(len(story.customers), pa.date32()),
            "remark": pa.nulls(len(story.customers)),
        }
    )
    numbers = {name: place for place, name in enumerate(story.products["id"])}
    goods = pa.table(
        {
            "product_id": pa.array(range(len(numbers)), pa.decimal128(38, 9)),
            "category": pa.array([name.encode() for name in story.products["family"]], pa.binary()),
        }
    )
    for name, table in {"customers": people, "products": goods}.items():
        (folder / name).mkdir()
        pq.write_table(table, folder / name / "part-00000.snappy.parquet")
        (folder / name / "_SUCCESS").touch()
    story.events["month"] = story.events["day"].dt.strftime("%Y-%m")
    for month, rows in story.events.groupby("month"):
        part = folder / "events" / f"month={month}"
        part.mkdir(parents=True)
        table = pa.table(
            {
                "customer_id": pa.array([ids[name].bytes for name in rows["customer"]], pa.uuid()),
                "product_id": pa.array([numbers[name] for name in rows["product"]], pa.int64()),
                "timestamp": pa.array(rows["day"], pa.timestamp("us", "UTC")),
                "event": pa.array([what.encode() for what in rows["what"]], pa.binary()),
            }
        )
        pq.write_table(table, part / "part-00000.parquet")
    customers = folder / "customers"
    return Tables(customers, folder / "products", folder / "events", str(ids["C0017"]), customers)


def many_columns(folder: Path) -> Tables:
    """Write 300 columns, odd names among them, and 5,000 categories in one."""
    story = tell(num_customers=6000)
    random = np.random.default_rng(5)
    people = story.customers.rename(columns={"id": "customer_id"}).assign(
        branch=[f"B{number}" for number in random.integers(0, 5000, len(story.customers))]
    )
    more = pd.DataFrame(random.normal(size=(len(people), 290)).round(3)).add_prefix("x")
    odd = dict.fromkeys(("K", "self", "Income", "net income", "größe", "class"), 1.0)
    people = pd.concat([people, more, pd.DataFrame(odd, index=people.index)], axis=1)
    products = story.products.rename(columns={"id": "product_id", "family": "category"})
    events = story.events.rename(columns={"customer": "customer_id", "product": "product_id", "what": "event"})
    customers = _csv(people, folder / "customers.csv")
    return Tables(
        customers, _csv(products, folder / "products.csv"), _csv(events, folder / "events.csv"), "C0017", customers
    )


SHAPES = (
    Shape("embedded bank", embedded_bank, (TINY, FEW_WINDOWS, PROTECTED)),
    Shape("German bank", german_bank),
    Shape("monthly snapshots", monthly_snapshots),
    Shape("insurer", insurer),
    Shape("broker", broker),
    Shape("ids and dates", ids_and_dates),
    Shape("Spark parts", spark_parts),
    Shape("many columns", many_columns),
)
