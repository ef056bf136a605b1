"""What retrieval hands to ranking: a file of proposed products per customer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextbest.data.dataset import Array, Dataset
from nextbest.data.files import new_file
from nextbest.data.snapshot import NO_PRODUCT

__all__ = ["Candidates"]


@dataclass(frozen=True)
class Candidates:
    """Candidates of some customers, in ids: the stages count positions in tables of different cutoffs."""

    customer_ids: Array
    """[num_customers]."""
    product_ids: Array
    """Product ids that `products` counts in, [num_products]."""
    products: Array
    """Positions in `product_ids`, best first, NO_PRODUCT is padding, int32 [num_customers, num_candidates]."""
    scores: Array
    """Cosines, 0 for padding, float32 [num_customers, num_candidates]."""

    def positions(self, dataset: Dataset) -> tuple[Array, Array]:
        """Return the customers' positions [num_customers] and the candidates' [num_customers, num_candidates]."""
        moved = np.append(dataset.products.positions(self.product_ids), NO_PRODUCT)  # padding is -1: the last
        return dataset.customers.positions(self.customer_ids), moved[self.products].astype(np.int32)

    def take(self, rows: Array) -> Candidates:
        """Return those of some customers, bool [num_customers]."""
        return Candidates(self.customer_ids[rows], self.product_ids, self.products[rows], self.scores[rows])

    def save(self, path: Path) -> None:
        """Write a compressed file, complete or not at all."""
        with new_file(path) as staging, staging.open("wb") as file:
            np.savez_compressed(
                file,
                customer_ids=self.customer_ids.astype(str),
                product_ids=self.product_ids.astype(str),
                products=self.products,
                scores=self.scores,
            )

    @classmethod
    def load(cls, path: Path) -> Candidates:
        """Read a file that `save` wrote."""
        with np.load(path) as arrays:
            return cls(
                arrays["customer_ids"].astype(object),
                arrays["product_ids"].astype(object),
                arrays["products"],
                arrays["scores"],
            )
