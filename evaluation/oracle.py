"""The best possible scorer, where the true probabilities are known: the upper bound of every model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from nextbest.data.dataset import Array, Dataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Oracle"]

_COLUMNS = ("customer_id", "product_id", "probability")


@dataclass(frozen=True)
class Oracle:
    """Scores with the probabilities that the outcomes were drawn from."""

    probabilities: sp.csr_matrix
    """The true probability of acquiring, 0 for a pair that was not given, float32, [num_customers, num_products]."""

    @classmethod
    def read(cls, path: Path, history: Dataset) -> Self:
        """Read the .parquet file of columns customer_id, product_id, probability.

        Raises:
            ValueError: As for `from_frame`, with the file's name.
        """
        import pandas as pd

        try:
            return cls.from_frame(pd.read_parquet(path), history)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, history: Dataset) -> Self:
        """Take the probabilities of the customers and products that were known at the cutoff; others are ignored.

        Raises:
            ValueError: A column is missing, a probability is none, a pair occurs twice, or nobody is known.
        """
        if missing := [column for column in _COLUMNS if column not in frame.columns]:
            raise ValueError(f"the oracle lacks the columns {missing}; it has {list(frame.columns)}")
        customer = history.customers.positions(frame["customer_id"].astype(str).to_numpy(dtype=object))
        product = history.products.positions(frame["product_id"].astype(str).to_numpy(dtype=object))
        probability = frame["probability"].to_numpy(dtype=np.float32)
        known = (customer >= 0) & (product >= 0)
        customer, product = customer[known], product[known]
        shape = (len(history.customers), len(history.products))
        problems = []
        # An unbiased estimate of a probability may exceed 1, so only what cannot be an estimate is refused.
        if wrong := int(np.sum(~((probability >= 0) & np.isfinite(probability)))):
            problems.append(f"{wrong} probabilities are missing, negative or infinite")
        if not known.any():
            problems.append("no pair has a known customer and product; are the ids of the same bank?")
        if repeated := len(customer) - len(np.unique(customer * shape[1] + product)):
            problems.append(f"{repeated} pairs of customer and product occur again; keep one of each")
        if problems:
            raise ValueError("the oracle is unusable: " + "; ".join(problems))
        return cls(sp.csr_matrix((probability[known], (customer, product)), shape=shape))

    def score(self, customers: Array) -> Array:
        """Score every product, float32, [n, num_products]."""
        return self.probabilities[customers].toarray()
