"""The test set: who is measured, what they acquired, and the groups that they and the products are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array
from nextbest.evaluation.groupings import LAUNCH

__all__ = ["TestSet"]


@dataclass(frozen=True)
class TestSet:
    """What the customers acquired in `cutoff < day <= until`. Positions are those of the dataset that ends at cutoff.

    Raises:
        ValueError: Sizes disagree, a customer occurs twice or has no relevant product, or there is no customer.
    """

    __test__ = False  # for pytest, which would take the name for that of a class of tests

    customers: Array
    """Positions of the evaluated customers, each with at least one relevant product, int64, [n]."""
    relevant: sp.csr_matrix
    """Nonzero where the customer newly acquired the product, [n, num_products]."""
    allowed: Callable[[Array], Array]
    """Rows of `customers` [m] -> which products may be recommended, bool, [m, num_products]."""
    cutoff: date
    """The last day that the models knew."""
    until: date
    """The last day on which an acquisition counts."""
    slices: Mapping[str, Array] = field(default_factory=dict)
    """Grouping -> each customer's label, '' where it is missing, object str, [n]; see `evaluation.groupings`."""
    product_groups: Mapping[str, Array] = field(default_factory=dict)
    """Grouping -> each product's label, object str, [num_products]."""
    popularity: Array | None = None
    """How often each product was acquired before the cutoff, [num_products]."""

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ValueError("the test set is unusable: " + "; ".join(problems))

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def num_products(self) -> int:
        """How many products the catalogue has."""
        return int(self.relevant.shape[1])

    @property
    def category(self) -> Array | None:
        """Each product's category, object str, [num_products], where products have one."""
        return next((labels for name, labels in self.product_groups.items() if name != LAUNCH), None)

    def _problems(self) -> list[str]:
        problems = []
        if not len(self.customers):
            problems.append("no customer acquired anything in the window; lengthen it or relax who is evaluated")
        if len(np.unique(self.customers)) != len(self.customers):
            problems.append("a customer occurs twice; give each position once")
        if self.relevant.shape[0] != len(self.customers):
            problems.append(f"relevant has {self.relevant.shape[0]} rows for {len(self.customers)} customers")
        elif without := int(np.sum(np.asarray((self.relevant != 0).sum(axis=1)) == 0)):
            problems.append(f"{without} customers have no relevant product; leave them out")
        problems += [
            f"slice {column!r} has {len(labels)} labels for {len(self.customers)} customers"
            for column, labels in self.slices.items()
            if len(labels) != len(self.customers)
        ]
        problems += [
            f"product group {name!r} has {len(labels)} labels for {self.num_products} products"
            for name, labels in self.product_groups.items()
            if len(labels) != self.num_products
        ]
        if self.until <= self.cutoff:
            problems.append(f"until = {self.until} is not after cutoff = {self.cutoff}")
        return problems
