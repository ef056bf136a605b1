"""Banks for tests, made from rows: a tiny one whose right answers are known by hand, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nextbest.data.config import DataConfig
from nextbest.data.dataset import ACQUIRE, ALWAYS, REFUSE, RELEASE, SIGNAL, Dataset, EntityTable, Interactions

EntityRow = tuple[str, int, tuple[Any, ...]]
"""id, the day from which the row holds, and a value per column: None for missing."""
Event = tuple[int, str, str, int]
"""day, customer, product, kind."""


@dataclass(frozen=True)
class Tables:
    """The three tables as rows in any order, as a file would hold them."""

    config: DataConfig
    customers: Sequence[EntityRow]
    products: Sequence[EntityRow]
    events: Sequence[Event]

    def until(self, day: int) -> Tables:
        """Delete every row after `day`."""
        customers, products = ([row for row in rows if row[1] <= day] for rows in (self.customers, self.products))
        return Tables(self.config, customers, products, [event for event in self.events if event[0] <= day])

    def dataset(self) -> Dataset:
        """Return the arrays; an event of an entity that has no row is left out."""
        customers = _entity_table(self.customers, self.config.customers.columns)
        products = _entity_table(self.products, self.config.products.columns)
        numbers = np.array([(day, kind) for day, _, _, kind in self.events], np.int64).reshape(-1, 2)
        customer = customers.positions(np.array([event[1] for event in self.events], object))
        product = products.positions(np.array([event[2] for event in self.events], object))
        day, kind = numbers.T
        order = np.lexsort((kind, product, customer, day))
        order = order[(customer[order] >= 0) & (product[order] >= 0)]
        interactions = Interactions(
            customer[order].astype(np.int32),
            product[order].astype(np.int32),
            day[order].astype(np.int32),
            kind[order].astype(np.int8),
            np.ones(len(order), np.float32),
        )
        return Dataset(customers, products, interactions)


def _entity_table(rows: Sequence[EntityRow], columns: Any) -> EntityTable:
    rows = sorted(rows, key=lambda row: row[:2])
    ids = sorted({row[0] for row in rows})
    return EntityTable(
        np.array(ids, object),
        np.array([ids.index(row[0]) for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int32),
        {
            name: _column([row[2][place] for row in rows], column.role)
            for place, (name, column) in enumerate(columns.items())
        },
    )


def _column(values: list[Any], role: str) -> Any:
    if role in ("number", "boolean", "date"):
        return np.array([np.nan if value is None else value for value in values], np.float32)
    return np.array(["" if value is None else value for value in values], object)


CONFIG = DataConfig.model_validate(
    {
        "customers": {
            "path": "customers.csv",
            "id": "customer_id",
            "as_of": "as_of",
            "columns": {
                "income": {"role": "number", "transform": "log1p"},
                "score": {"role": "number", "transform": "quantile"},
                "has_app": {"role": "boolean"},
                "born": {"role": "date"},
                "segment": {"role": "category"},
                "note": {"role": "text"},
                "tax_number": {"role": "id"},
            },
        },
        "products": {
            "path": "products.csv",
            "id": "product_id",
            "as_of": "as_of",
            "columns": {"risk": {"role": "number"}, "group": {"role": "category"}, "launched": {"role": "date"}},
        },
        "interactions": {"path": "interactions.csv", "event": "event", "refuse": ["declined"]},
        "windows": {"horizon_days": 10, "stride_days": 10, "max_holdings": 2, "max_recent": 3, "recent_days": 20},
        "segment": "segment",
    }
)
"""What the columns of both banks mean."""

TINY = Tables(
    CONFIG,
    customers=[
        ("ann", 10, (100.0, 1.0, 1.0, -9000.0, "retail", "likes funds", "A1")),
        ("ann", 50, (200.0, 2.0, 1.0, -9000.0, "private", "likes funds", "A1")),
        ("bob", ALWAYS, (50.0, 3.0, None, -5000.0, "retail", "", "B1")),
        ("cat", 30, (None, 4.0, 0.0, None, None, None, None)),
        ("dan", 100, (75.0, 5.0, 0.0, 0.0, "retail", "new", "D1")),
    ],
    products=[
        ("card", ALWAYS, (1.0, "account", -100.0)),
        ("fund", ALWAYS, (4.0, "invest", 0.0)),
        ("loan", ALWAYS, (3.0, "credit", None)),
        ("pension", 60, (2.0, "invest", 60.0)),
        ("vault", ALWAYS, (None, None, 0.0)),
    ],
    events=[
        (10, "ann", "card", ACQUIRE),
        (15, "bob", "card", ACQUIRE),
        (20, "ann", "card", RELEASE),
        (30, "ann", "card", ACQUIRE),  # held again
        (30, "ann", "fund", SIGNAL),
        (40, "bob", "loan", ACQUIRE),
        (40, "bob", "loan", RELEASE),  # on the day on which it was opened
        (50, "bob", "fund", ACQUIRE),
        (50, "cat", "card", ACQUIRE),
        (60, "ann", "loan", ACQUIRE),
        (60, "cat", "card", RELEASE),
        (70, "bob", "card", RELEASE),
        (80, "bob", "card", ACQUIRE),  # held again
        (90, "ann", "pension", ACQUIRE),
        (95, "ann", "vault", REFUSE),
        (100, "dan", "card", ACQUIRE),
    ],
)
"""Four customers and five products. The vault is never bought; dan and the pension become known late."""

ANN, BOB, CAT, DAN = range(4)
CARD, FUND, LOAN, PENSION, VAULT = range(5)

_NUMBERS = st.none() | st.floats(-1e6, 1e6, width=32)
_WORDS = st.none() | st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["retail", "private", "a b"])
_DAYS = st.integers(0, 30)
_CUSTOMER_VALUES = st.tuples(
    _NUMBERS, _NUMBERS, st.sampled_from([None, 0.0, 1.0]), st.none() | _DAYS, _WORDS, _WORDS, _WORDS
)
_PRODUCT_VALUES = st.tuples(_NUMBERS, _WORDS, st.none() | _DAYS)


@st.composite
def random_tables(draw: Any) -> Tables:
    """Draw tables with days 0 to 30; the first customer and the first product have always been known."""
    customers, products = [f"c{n}" for n in range(draw(st.integers(1, 6)))], [f"p{n}" for n in range(5)]

    def rows(ids: list[str], values: Any) -> list[EntityRow]:
        since = st.just(ALWAYS) | _DAYS
        dated = draw(st.dictionaries(st.tuples(st.sampled_from(ids), since), values, max_size=8))
        dated[ids[0], ALWAYS] = draw(values)
        return [(name, day, row) for (name, day), row in dated.items()]

    kinds = st.sampled_from([ACQUIRE, ACQUIRE, RELEASE, SIGNAL, REFUSE])
    events = st.tuples(_DAYS, st.sampled_from(customers), st.sampled_from(products), kinds)
    return Tables(
        CONFIG,
        rows(customers, _CUSTOMER_VALUES),
        rows(products, _PRODUCT_VALUES),
        draw(st.lists(events, min_size=5, max_size=40)),
    )
