"""Recommendations as people and machines read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.serving.formatting import MISSING, shown_name, shown_probability, shown_similarity, shown_value
from nextbest.serving.insights.explanations import Explainer, Explanation, explain_recommendations
from nextbest.serving.recommender import Filters, Recommender, product_names
from nextbest.serving.store.versions import Version
from nextbest.ui.console import open_console

__all__ = ["answers", "print_answers", "print_versions"]


def _plain(value: Any) -> Any:
    """Return a cell as JSON knows it; None is missing."""
    if isinstance(value, str):
        return value or None
    number = float(value)
    return None if np.isnan(number) else round(number, 6)


def _why(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON knows it."""
    return {
        "sentence": explanation.sentence,
        "base": round(explanation.base, 6),
        "score": round(explanation.score, 6),
        "contributions": [
            asdict(one) | {"contribution": round(one.contribution, 6)} for one in explanation.contributions
        ],
    }


def answers(
    recommender: Recommender,
    ids: Array,
    request: Features,
    top: int,
    filters: Filters,
    explain: bool,
    explainer: Explainer | None = None,
) -> list[dict[str, Any]]:
    """Recommend, and put the products' attributes beside each recommendation.

    Args:
        recommender: The loaded export.
        ids: Customer ids, [num_customers].
        request: Their raw requests, [num_customers, ...].
        top: How many products.
        filters: Narrow the result.
        explain: Whether the refused products and the reasons are told too.
        explainer: Tells why each product is recommended.
    """
    found = recommender.recommend(request, top, filters)
    why = None if explainer is None else explain_recommendations(explainer, request, found.product_id)
    rows = recommender.products.positions(found.product_id)
    names = product_names(recommender)
    refused = recommender.exclusions(request, filters) if explain else None
    told = []
    for customer, customer_id in enumerate(ids):
        products = [
            {
                "rank": place + 1,
                "product_id": found.product_id[customer, place],
                "name": names[rows[customer, place]],
                "probability": round(float(found.probability[customer, place]), 6),
                "similarity": round(float(found.similarity[customer, place]), 6),
                "retrieval_rank": int(found.retrieval_rank[customer, place]),
                "product": {
                    name: _plain(values[rows[customer, place]]) for name, values in recommender.products.columns.items()
                },
            }
            | ({} if why is None else {"why": _why(why[customer, place])})
            for place in range(found.count[customer])
        ]
        answer: dict[str, Any] = {"customer_id": customer_id, "products": products}
        if refused is not None:
            reasons = refused[customer]
            pairs = zip(recommender.products.ids, reasons, strict=True)
            answer["refused"] = {product: reason for product, reason in pairs if reason}
        told.append(answer)
    return told


def _cell(value: Any, column: Mapping[str, Any]) -> str:
    return MISSING if value is None else shown_value(value, column)


def print_answers(told: list[dict[str, Any]], about: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table per customer, and below it why each product is recommended, and which are not shown.

    Args:
        told: See `answers`.
        about: The products' attributes that stand beside each: column -> what the manifest says of it.
    """
    from rich.table import Table

    console = open_console()
    for answer in told:
        table = Table(title=f"customer {answer['customer_id']}")
        for heading in ("#", "product", "name", "probability", "similarity", "before ranking"):
            table.add_column(heading, justify="left" if heading in ("product", "name") else "right")
        for name in about:
            table.add_column(shown_name(name))
        for product in answer["products"]:
            table.add_row(
                str(product["rank"]),
                product["product_id"],
                product["name"],
                shown_probability(product["probability"]),
                shown_similarity(product["similarity"]),
                str(product["retrieval_rank"]),
                *(_cell(product["product"][name], column) for name, column in about.items()),
            )
        console.print(table)
        for product in answer["products"]:
            if "why" in product:
                console.print(f"{product['rank']}. {product['product_id']}: {product['why']['sentence']}")
        for reason in sorted(set(answer.get("refused", {}).values())):
            ids = [product for product, why in answer["refused"].items() if why == reason]
            console.print(f"{reason}: {len(ids)} products ({', '.join(ids[:5])}{', …' if len(ids) > 5 else ''})")


_WORDS = {True: "yes", False: "no", None: "-"}


def print_versions(found: Sequence[Version]) -> None:
    """Print a table, the newest last."""
    from rich.table import Table

    table = Table()
    for heading in ("version", "pushed (UTC)", "blessed", "loads elsewhere", "forced", "rollback of", "models"):
        table.add_column(heading)
    for version in found:
        models = ", ".join(version.models) + ("" if version.complete else " (incomplete)")
        table.add_row(
            str(version.number),
            f"{version.pushed_at:%Y-%m-%d %H:%M}",
            _WORDS[version.approved],
            _WORDS[version.loads],
            _WORDS[version.forced],
            str(version.rolled_back_to or "-"),
            models,
        )
    open_console().print(table)
