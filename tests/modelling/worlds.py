"""The bank that both stages learn in the tests: who takes what is planted in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nextbest.data.config import DataConfig
from nextbest.data.dataset import ACQUIRE, ALWAYS, REFUSE, RELEASE, SIGNAL, Array, Dataset
from tests.worlds import Tables

__all__ = ["BANK", "BANK_OF_ALL_KINDS", "PER_FAMILY", "planted_bank", "planted_families"]

FAMILIES = 4
PER_FAMILY = 5

BANK = DataConfig.model_validate(
    {
        "customers": {
            "path": "customers.csv",
            "id": "customer_id",
            "columns": {
                "kind": {"role": "category"},
                "income": {"role": "number", "transform": "log1p"},
                "tolerance": {"role": "number"},
            },
        },
        "products": {
            "path": "products.csv",
            "id": "product_id",
            "columns": {
                "family": {"role": "category"},
                "risk": {"role": "number"},
                "min_income": {"role": "number"},
            },
        },
        "interactions": {"path": "interactions.csv"},
        "windows": {"horizon_days": 60, "stride_days": 30},
        "policy": {
            "rules": [
                {"customer": "tolerance", "op": ">=", "product": "risk", "reason": "too risky"},
                {"customer": "income", "op": ">=", "product": "min_income", "reason": "too dear"},
            ]
        },
        "segment": "kind",
    }
)

BANK_OF_ALL_KINDS = BANK.model_copy(
    update={"interactions": BANK.interactions.model_copy(update={"event": "event", "refuse": ("declined",)})}
)
"""The same bank, where what was closed and what was refused is recorded."""


def planted_bank(num_customers: int = 240, seed: int = 5, all_kinds: bool = False) -> Dataset:
    """Plant four kinds of customers who each take four of the five products of one family, on days 0 to 299.

    At any cutoff a customer has a product of the own family left, so that the best top 1 is always of it. With events
    of all kinds, customers look at all five, refuse the one that they never take on a day like the others', and close
    one again and again, to take it anew within a month.
    """
    random = np.random.default_rng(seed)
    kind = random.integers(0, FAMILIES, num_customers)
    acquired = kind[:, None] * PER_FAMILY + np.argsort(random.random((num_customers, PER_FAMILY)), axis=1)[:, :4]
    days = random.integers(0, 300, acquired.shape)
    customers = zip(kind, random.lognormal(8, 1, num_customers), random.integers(1, 6, num_customers), strict=True)
    num_products = FAMILIES * PER_FAMILY
    products = zip(random.integers(1, 6, num_products), random.integers(0, 3000, num_products), strict=True)
    return Tables(
        BANK,
        customers=[
            (f"c{number:04d}", ALWAYS, (f"kind {kind}", income, tolerance))
            for number, (kind, income, tolerance) in enumerate(customers)
        ],
        products=[
            (f"p{number:02d}", ALWAYS, (f"family {number // PER_FAMILY}", risk, min_income))
            for number, (risk, min_income) in enumerate(products)
        ],
        events=[
            (day, f"c{customer:04d}", f"p{product:02d}", ACQUIRE)
            for customer in range(num_customers)
            for day, product in zip(days[customer], acquired[customer], strict=True)
        ]
        + ([*_looks_and_refusals(kind, acquired, seed), *_closures(days, acquired, seed)] if all_kinds else []),
    ).dataset()


def _looks_and_refusals(kind: Array, acquired: Array, seed: int) -> list[tuple[int, str, str, int]]:
    """Let each customer look at all products of the family, and refuse the one that is not acquired."""
    random = np.random.default_rng([seed, 1])
    family = kind[:, None] * PER_FAMILY + np.arange(PER_FAMILY)
    never = family.sum(axis=1) - acquired.sum(axis=1)
    looks = [
        (int(random.integers(0, 300)), f"c{customer:04d}", f"p{product:02d}", SIGNAL)
        for customer, products in enumerate(family)
        for product in products
    ]
    return looks + [
        (int(random.integers(0, 300)), f"c{customer:04d}", f"p{product:02d}", REFUSE)
        for customer, product in enumerate(never)
    ]


def _closures(days: Array, acquired: Array, seed: int) -> Iterator[tuple[int, str, str, int]]:
    """Let each customer close one of the products 10 to 30 days after it was taken, and take it anew as soon."""
    random = np.random.default_rng([seed, 2])
    for customer, (first, product) in enumerate(zip(days[:, 0], acquired[:, 0], strict=True)):
        pair, day, kind = (f"c{customer:04d}", f"p{product:02d}"), int(first), RELEASE
        while (day := day + int(random.integers(10, 31))) < 300:
            yield (day, *pair, kind)
            kind = ACQUIRE if kind == RELEASE else RELEASE


def planted_families(dataset: Dataset) -> Array:
    """Return the number of the family that each customer takes from, [num_customers]."""
    return np.array([int(name.split()[1]) for name in dataset.customers.columns["kind"]])
