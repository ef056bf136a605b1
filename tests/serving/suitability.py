"""What may be recommended, from the raw columns and outside of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.rules import PolicyConfig
from nextbest.data.suitability import Pair, broken_rules
from nextbest.serving.recommender import Filters, Recommender


def expected_reasons(recommender: Recommender, request: Features, filters: Filters) -> Array:
    """Return why products must not be shown, [batch, num_products]."""
    policy = PolicyConfig.model_validate(recommender.manifest["policy"])
    columns = recommender.products.columns | {"product_id": recommender.products.ids}
    products = {row["product_id"]: row for row in _rows(columns, len(recommender.products.ids))}
    reasons = []
    for customer in _rows(request, len(request["as_of_day"])):
        held = [products[one] for one in set(customer["held_products"]) - {""}]
        told = []
        for product in products.values():
            broken = broken_rules(policy, Pair(customer, product, held, int(customer["as_of_day"])))
            if filters.max_risk is not None and not product["risk_level"] <= np.float32(filters.max_risk):
                broken.append("riskier than wanted")
            if filters.categories and product["category"] not in filters.categories:
                broken.append("not in the wanted categories")
            if product["product_id"] in filters.exclude:
                broken.append("excluded by the request")
            told.append("\n".join(broken))
        reasons.append(told)
    return np.array(reasons, object)


def allowed(recommender: Recommender, request: Features, filters: Filters) -> Array:
    """Return which products may be shown, bool [batch, num_products]."""
    return expected_reasons(recommender, request, filters) == ""


def _rows(columns: Features, size: int) -> list[dict[str, Any]]:
    return [{name: values[row] for name, values in columns.items()} for row in range(size)]
