"""A synthetic catalogue of any size, its customers, and the statistics of what others acquired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from nextbest.data.config import DataConfig
from nextbest.data.dataset import ACQUIRE, ALWAYS, Array, Dataset, EntityTable, Features, Interactions
from nextbest.data.snapshot import take_snapshot
from nextbest.data.statistics import ProductStatistics, StatisticsConfig, product_statistics
from nextbest.graph.policy import SuitabilityPolicy

DIM, DAY, HELD, SEED = 128, 20_000, 6, 7
HOLDERS, MOST_HOLDINGS = 10, 1_000_000
"""How many hold a product, and how many holdings the statistics are of at most."""
COLUMN = {"role": "number"}
DATA = DataConfig.model_validate(
    {
        "customers": {
            "path": "customers.csv",
            "id": "customer_id",
            "columns": {"age": COLUMN, "income": COLUMN, "risk_tolerance": COLUMN, "segment": {"role": "category"}},
        },
        "products": {
            "path": "products.csv",
            "id": "product_id",
            "columns": {"risk_level": COLUMN, "min_income": COLUMN, "category": {"role": "category"}},
        },
        "interactions": {"path": "interactions.csv"},
        "segment": "segment",
        "policy": {
            "risk_column": "risk_level",
            "category_column": "category",
            "rules": [
                {"customer": "risk_tolerance", "op": ">=", "product": "risk_level", "reason": "too risky"},
                {"customer": "income", "op": ">=", "product": "min_income", "reason": "asks for a higher income"},
            ],
        },
    }
)


@dataclass(frozen=True)
class Clusters:
    """Which products are alike."""

    by_cluster: Array
    """The products, one cluster after the other, [num_products]."""
    first: Array
    """Where each cluster begins there, and the end, [num_clusters + 1]."""

    @classmethod
    def of(cls, cluster: Array, num_clusters: int) -> Clusters:
        """Gather the products of each cluster, from each product's."""
        by_cluster = np.argsort(cluster, kind="stable")
        return cls(by_cluster, np.searchsorted(cluster[by_cluster], np.arange(num_clusters + 1)))

    def draw_held(self, random: np.random.Generator, num_customers: int) -> Array:
        """Draw holdings of two clusters a customer, int32 [num_customers, HELD]."""
        tastes = random.integers(len(self.first) - 1, size=(num_customers, 2))[:, np.arange(HELD) % 2]
        spread = np.maximum(self.first[tastes + 1] - self.first[tastes], 1)
        place = self.first[tastes] + (random.random(tastes.shape) * spread).astype(int)
        return self.by_cluster[np.minimum(place, len(self.by_cluster) - 1)].astype(np.int32)


@dataclass(frozen=True)
class Catalogue:
    """A synthetic catalogue and its customers."""

    ids: Array
    products: Features
    """Raw columns, [num_products]."""
    embeddings: Array
    """[num_products, DIM], each of length 1."""
    customers: Features
    """Raw columns, [num_customers]."""
    held: Array
    """Product positions, int32 [num_customers, HELD]."""

    clusters: Clusters

    @classmethod
    def draw(cls, num_products: int, num_customers: int) -> Catalogue:
        """Draw one."""
        random = np.random.default_rng(SEED)
        num_clusters = max(8, int(num_products**0.5) // 2)
        cluster = random.integers(num_clusters, size=num_products)
        centres = random.normal(size=(num_clusters, 24)) @ random.normal(size=(24, DIM)) / 24**0.5
        embeddings = centres[cluster] + 0.7 * random.normal(size=(num_products, DIM))
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        clusters = Clusters.of(cluster, num_clusters)
        held = clusters.draw_held(random, num_customers)
        return cls(
            ids=np.array([f"P{number:07d}" for number in range(num_products)], object),
            products={
                "risk_level": random.integers(1, 6, num_products).astype(np.float32),
                "min_income": random.choice([np.nan, 1e4, 3e4, 6e4], num_products).astype(np.float32),
                "category": random.choice([f"category {number}" for number in range(20)], num_products).astype(object),
            },
            embeddings=embeddings.astype(np.float32),
            customers={
                "age": random.integers(18, 90, num_customers).astype(np.float32),
                "income": random.gamma(3, 15_000, num_customers).astype(np.float32),
                "risk_tolerance": random.integers(2, 6, num_customers).astype(np.float32),
                "segment": random.choice(["mass", "affluent", "private"], num_customers).astype(object),
            },
            held=held,
            clusters=clusters,
        )

    def statistics(self, config: StatisticsConfig, num_segments: int) -> ProductStatistics:
        """Compute the statistics of what others acquired in the last three years."""
        random = np.random.default_rng(SEED + 1)
        num_products = len(self.ids)
        num_customers = min(HOLDERS * num_products, MOST_HOLDINGS) // HELD
        product = self.clusters.draw_held(random, num_customers).ravel()
        events = Interactions(
            customer=np.repeat(np.arange(num_customers, dtype=np.int32), HELD),
            product=product,
            day=(DAY - np.sort(random.integers(3 * 365, size=len(product)))[::-1]).astype(np.int32),
            kind=np.full(len(product), ACQUIRE, np.int8),
            weight=np.ones(len(product), np.float32),
        )
        dataset = Dataset(_known(num_customers), _known(num_products), events)
        segment = random.integers(num_segments, size=num_customers)
        snapshot = take_snapshot(dataset, DAY, DATA.windows)
        return product_statistics(dataset, snapshot, segment, num_segments, config)

    def request(self, rows: Array) -> Features:
        """Return customers as inputs of `recommend`."""
        batch = len(rows)
        nothing, no_days = np.zeros((batch, 0), object), np.zeros((batch, 0), np.int64)
        return {
            **{name: values[rows] for name, values in self.customers.items()},
            "held_products": self.ids[self.held[rows]],
            "held_days": np.full((batch, HELD), DAY - 100),
            "recent_products": nothing,
            "recent_days": no_days,
            "as_of_day": np.full(batch, DAY),
            "k": np.full(batch, 5),
            "max_risk": np.full(batch, np.nan, np.float32),
            "categories": nothing,
            "exclude": nothing,
        }

    def allowed(self, rows: Array) -> Array:
        """Return whether each product may be shown, bool [num_rows, num_products]."""
        policy = SuitabilityPolicy(DATA.policy, self.products, self.ids)
        customers = {name: tf.constant(self.customers[name][rows]) for name in policy.inputs}
        allowed = np.array(policy.suitable(customers, len(rows)))
        np.put_along_axis(allowed, self.held[rows].astype(np.int64), False, axis=1)
        return allowed


def _known(size: int) -> EntityTable:
    """Return customers or products without columns, who have always been known."""
    ids = np.array([f"{number:07d}" for number in range(size)], object)
    return EntityTable(ids, np.arange(size, dtype=np.int32), np.full(size, ALWAYS, np.int32), {})
