"""What every model and baseline looks like to the evaluation."""

from __future__ import annotations

from typing import Protocol

from nextbest.data.dataset import Array

__all__ = ["Scorer"]


class Scorer(Protocol):
    """Scores every product for given customers; tests/contracts.py holds what every scorer must satisfy."""

    def score(self, customers: Array) -> Array:
        """Score every product for each customer.

        Args:
            customers: Positions in the customers of the dataset that ends at the cutoff, int, [n].

        Returns:
            Scores, float32, [n, num_products]: higher is better, -inf is never recommended, NaN is an error.
        """
        ...
