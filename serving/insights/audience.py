"""Whom a product suits most: of a version's customers, those who may be offered it, the likeliest first.

`Audiences` looks at all customers, or where that are too many at a stated sample. Who may be offered what is found once
per version by the model's own rules; a product's probabilities when somebody asks for it, since most of a catalogue is
never asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError
from nextbest.data.rules import HELD_REASON
from nextbest.serving.insights.shapley import SIGNATURE
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import check_products, draw_rows, take

__all__ = ["Audience", "Audiences", "LikelyCustomer"]

_MOST_CUSTOMERS, _SEED = 20_000, 11
_MOST_CELLS = 4_000_000
"""Pairs of a customer and a product of whom it is known whether they go together, a byte each: with 2,000 products
2,000 customers are looked at. The model finds about 600,000 of them in a second."""
_CELLS_AT_ONCE = 400_000
"""So many of them by one call, whose answer is texts."""
_CUSTOMERS_AT_ONCE = 4_096
"""Customers whose probabilities one call finds."""
_MOST_LISTED = 100
_MAY_HAVE, _HOLDS, _KEPT_OUT = 0, 1, 2


@dataclass(frozen=True)
class LikelyCustomer:
    """A customer whom a product suits."""

    id: str
    row: int
    """In the snapshot."""
    probability: float
    """Calibrated, of a purchase within the horizon."""


@dataclass(frozen=True)
class Audience:
    """Whom a product suits."""

    product_id: str
    looked_at: int
    """How many customers were looked at. All of them, or drawn at random by a seed."""
    customers: int
    """How many the snapshot holds."""
    hold: int
    """How many of those looked at hold the product."""
    kept_out: int
    """How many of them a rule keeps from it."""
    may_have: int
    """How many of them may be offered it."""
    likeliest: tuple[LikelyCustomer, ...]
    """Those of them with the highest probabilities, the highest first; at most a hundred."""


class Audiences:
    """Finds whom products suit, each once."""

    def __init__(self, recommender: Recommender, most_cells: int = _MOST_CELLS) -> None:
        """Keep what is needed; nothing is computed yet.

        Args:
            recommender: One version.
            most_cells: How many pairs of a customer and a product are kept; the sample's size follows from it.

        Raises:
            FailedError: The version was exported without the signature that this needs.
        """
        if not recommender.has_signature(SIGNATURE):
            raise FailedError(f"{recommender.folder} was exported without what this needs; export it again")
        self._recommender = recommender
        self._most = max(min(_MOST_CUSTOMERS, most_cells // len(recommender.products.ids)), 1)
        self._found: dict[str, Audience] = {}
        self._lock = threading.Lock()
        """Held while something is computed, so that two who ask for the same wait for one answer."""

    def known(self, product_id: str) -> Audience | None:
        """Return whom a product suits if it was asked for before; nothing is computed."""
        return self._found.get(product_id)

    def of(self, product_id: str) -> Audience:
        """Find whom a product suits. The answer is kept.

        Raises:
            InputError: There is no such product.
            BackendError: The recommender does not answer.
        """
        check_products(self._recommender, np.array([product_id], object))
        with self._lock:
            if product_id not in self._found:
                self._found[product_id] = self._find(product_id)
            return self._found[product_id]

    def _find(self, product_id: str) -> Audience:
        sample = self._sample
        (position,) = self._recommender.products.positions(np.array([product_id], object))
        standing = sample.standing[:, position]
        may_have = np.flatnonzero(standing == _MAY_HAVE)
        probabilities = self._probabilities(take(sample.requests, may_have), product_id)
        best = np.argsort(-probabilities, kind="stable")[:_MOST_LISTED]
        rows = sample.rows[may_have[best]]
        ids = sample.ids[may_have[best]]
        likeliest = zip(ids.tolist(), rows.tolist(), probabilities[best].tolist(), strict=True)
        return Audience(
            product_id=product_id,
            looked_at=len(sample.rows),
            customers=sample.population,
            hold=int((standing == _HOLDS).sum()),
            kept_out=int((standing == _KEPT_OUT).sum()),
            may_have=len(may_have),
            likeliest=tuple(LikelyCustomer(*one) for one in likeliest),
        )

    @cached_property
    def _sample(self) -> _Sample:
        customers = self._recommender.customers()
        rows = draw_rows(len(customers.ids), self._most, _SEED)
        requests = take(customers.columns, rows)
        return _Sample(len(customers.ids), rows, customers.ids[rows], requests, self._standing(requests))

    def _standing(self, requests: Features) -> Array:
        """Return whether each customer may have each product, holds it or is kept from it, uint8 [num, products]."""
        width = len(self._recommender.products.ids)
        at_once = max(_CELLS_AT_ONCE // width, 1)
        standing = np.full((len(requests["as_of_day"]), width), _KEPT_OUT, np.uint8)
        for first in range(0, len(standing), at_once):
            chunk = slice(first, first + at_once)
            reasons = self._recommender.exclusions(take(requests, chunk))
            standing[chunk][reasons == ""] = _MAY_HAVE
            held = [text for text in set(reasons.flat) if text.startswith(HELD_REASON)]  # other reasons may follow
            standing[chunk][np.isin(reasons, held)] = _HOLDS
        return standing

    def _probabilities(self, requests: Mapping[str, Array], product_id: str) -> Array:
        """Return the customers' probabilities of a product, float32 [num_customers]."""
        num = len(requests["as_of_day"])
        found = np.zeros(num, np.float32)
        for first in range(0, num, _CUSTOMERS_AT_ONCE):
            chunk = slice(first, first + _CUSTOMERS_AT_ONCE)
            asked = take(dict(requests), chunk)
            asked["candidates"] = np.full((len(found[chunk]), 1), product_id, object)
            found[chunk] = self._recommender.predict(SIGNATURE, asked)["probability"][:, 0]
        return found


@dataclass(frozen=True)
class _Sample:
    """The customers who are looked at."""

    population: int
    rows: Array
    """In the snapshot, ascending, [num]."""
    ids: Array
    """Object str, [num]."""
    requests: Features
    """Raw requests, [num, ...]."""
    standing: Array
    """uint8, [num, products]."""
