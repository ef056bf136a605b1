"""iALS, the matrix factorisation of implicit feedback (Hu, Koren, Volinsky, ICDM 2008), by the package `implicit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field

from nextbest.data.dataset import Array, Dataset
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import holdings_at

__all__ = ["IALS", "IALSConfig"]


class IALSConfig(SettingsModel):
    """Hyper-parameters; Rendle et al., "Revisiting the performance of iALS", RecSys 2022, show how much they matter."""

    factors: int = Field(64, ge=1)
    """Dimension of the factors."""
    regularization: float = Field(0.1, ge=0)
    """Ridge penalty of every factor."""
    alpha: float = Field(10.0, gt=0)
    """Confidence of what is held; what is not held has the confidence 1."""
    iterations: int = Field(15, ge=1)
    """Sweeps over customers and products."""


@dataclass(frozen=True)
class IALS:
    """A scorer: the inner products of factors. A customer who holds nothing has the mean customer's factors."""

    customers: Array
    """float32, [num_customers, factors]."""
    products: Array
    """float32, [num_products, factors]."""

    @classmethod
    def fit(cls, history: Dataset, cutoff_day: int, config: IALSConfig, seed: int) -> Self:
        """Factorise who holds what.

        Args:
            history: What was known at the cutoff.
            cutoff_day: Days since 1970-01-01.
            config: Hyper-parameters.
            seed: Seed of the first factors.
        """
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        holdings = holdings_at(history, cutoff_day)
        with threadpool_limits(1, "blas"):  # implicit warns of more, which are slower
            model = AlternatingLeastSquares(
                factors=config.factors,
                regularization=config.regularization,
                alpha=config.alpha,
                iterations=config.iterations,
                num_threads=1,  # the order of sums, and with it the result, depends on the number of threads
                random_state=seed,
            )
            model.fit(holdings, show_progress=False)
        customers = np.asarray(model.user_factors)
        without_holdings = np.diff(holdings.indptr) == 0
        if without_holdings.any() and not without_holdings.all():
            customers[without_holdings] = customers[~without_holdings].mean(axis=0)
        return cls(customers, np.asarray(model.item_factors))

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        return np.asarray(self.customers[customers] @ self.products.T)
