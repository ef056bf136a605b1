"""What simultaneous users ask the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.page.models import Served
from nextbest.serving.recommender import categories, risks

__all__ = ["Endpoint", "Question", "questions"]

Endpoint = Literal["/recommend", "/explain", "/profile"]

_EXPLAIN_EVERY = 10
_PROFILE_EVERY = 20
_MOST_PRODUCTS = 20
_MOST_EXCLUDED = 5
_MOST_CATEGORIES = 4


@dataclass(frozen=True)
class Question:
    """One call of an endpoint."""

    endpoint: Endpoint
    arguments: Mapping[str, Any]


def questions(served: Served, seed: int, user: int) -> Iterator[Question]:
    """Yield what a user asks, without end: the same for the same seed and user.

    Every 10th is /explain, every 20th /profile, the others are /recommend: half of them without a filter, the others
    with a limit of the risk, some categories or some excluded products.
    """
    random = np.random.default_rng([seed, user])
    place = 0
    while True:
        place += 1
        customer = {"customer_id": str(random.choice(served.customers.ids))}
        if place % _PROFILE_EVERY == 0:
            yield Question("/profile", customer)
        elif place % _EXPLAIN_EVERY == _EXPLAIN_EVERY // 2:
            yield Question("/explain", customer | {"product_id": str(random.choice(served.products.ids))})
        else:
            top = int(random.integers(1, _MOST_PRODUCTS + 1))
            yield Question("/recommend", customer | {"top": top} | _filters(served, random))


def _filters(served: Served, random: np.random.Generator) -> dict[str, Any]:
    """Draw what narrows a recommendation, as the endpoint takes it."""
    match int(random.integers(6)):
        case 0 if len(known := risks(served)):
            return {"max_risk": float(random.choice(known))}
        case 1 if names := categories(served):
            return {"categories": _some(names, _MOST_CATEGORIES, random)}
        case 2:
            return {"exclude": _some(served.products.ids.tolist(), _MOST_EXCLUDED, random)}
    return {}


def _some(values: list[str], most: int, random: np.random.Generator) -> list[str]:
    count = int(random.integers(1, min(most, len(values)) + 1))
    return [str(value) for value in random.choice(values, count, replace=False)]
