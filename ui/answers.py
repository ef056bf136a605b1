"""Recommendations and versions as JSON for machines and as tables for people.

`recommendations_as_json` recommends, `print_recommendations` prints its result, `print_versions` lists versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.serving.formatting import MISSING, format_name, format_probability, format_similarity, format_value
from nextbest.serving.insights.reasons import ProductReasons, ReasonExplainer, reasons_for
from nextbest.serving.makers import makers_of
from nextbest.serving.recommender import Filters, Recommender, product_names
from nextbest.serving.requests import of_unknown_holdings
from nextbest.serving.store.versions import Version
from nextbest.ui.console import open_console

__all__ = ["print_recommendations", "print_versions", "reasons_as_json", "recommendations_as_json"]

_NUM_IDS = 5
"""How many excluded products of a reason are printed by id."""


def recommendations_as_json(
    recommender: Recommender,
    ids: Array,
    request: Features,
    top: int,
    filters: Filters,
    explain: bool,
    explainer: ReasonExplainer | None = None,
) -> list[dict[str, Any]]:
    """Recommend, and put the products' attributes beside each recommendation.

    Args:
        recommender: The loaded export.
        ids: Customer ids, [num_customers].
        request: Their raw requests, [num_customers, ...].
        top: How many products.
        filters: Filter the products.
        explain: Whether the excluded products are listed too, with the reasons.
        explainer: Explains why each product is recommended.

    Returns:
        An answer per customer, as JSON knows it: of which day the data are, how many days old, the products, and by
        what they were made. Of whom nobody knows what they hold, `holdings_known` is false and each probability null.
    """
    hidden, age = of_unknown_holdings(recommender, ids, request), recommender.age
    makers = makers_of(recommender, top, filters)
    found = recommender.recommend(request, top, filters)
    why = None if explainer is None else reasons_for(explainer, request, found.product_id)
    rows = recommender.products.positions(found.product_id)
    names = product_names(recommender)
    exclusions = recommender.exclusions(request, filters) if explain else None
    answers = []
    for customer, customer_id in enumerate(ids):
        products = [
            {
                "rank": place + 1,
                "product_id": found.product_id[customer, place],
                "name": names[rows[customer, place]],
                "probability": None if hidden[customer] else round(float(found.probability[customer, place]), 6),
                "similarity": round(float(found.similarity[customer, place]), 6),
                "retrieval_rank": int(found.retrieval_rank[customer, place]),
                "product": {
                    name: _cell_as_json(values[rows[customer, place]])
                    for name, values in recommender.products.columns.items()
                },
            }
            | ({} if why is None or hidden[customer] else {"why": reasons_as_json(why[customer][place])})
            for place in range(found.count[customer])
        ]
        answer: dict[str, Any] = {
            "customer_id": customer_id,
            "as_of": str(age.as_of),
            "age_days": age.days,
            "holdings_known": not hidden[customer],
            "products": products,
            "makers": makers | {"rows": len(products)},
        }
        if exclusions is not None:
            reasons = zip(recommender.products.ids, exclusions[customer], strict=True)
            answer["excluded"] = {product: reason.split("\n") for product, reason in reasons if reason}
        answers.append(answer)
    return answers


def _cell_as_json(value: Any) -> Any:
    """Return a cell; None is missing."""
    if isinstance(value, str):
        return value or None
    number = float(value)
    return None if np.isnan(number) else round(number, 6)


def reasons_as_json(reasons: ProductReasons) -> dict[str, Any]:
    """Return the reasons of one product; effects in percentage points, the largest first."""
    return {
        "sentence": reasons.sentence,
        "sentences": list(reasons.sentences),
        "base": round(reasons.base, 6),
        "probability": round(reasons.probability, 6),
        "groups": [
            {"name": group.name, "value": group.value, "points": round(group.points, 4)}
            for group in reasons.largest_first
        ],
    }


def print_recommendations(answers: list[dict[str, Any]], columns: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table per customer, and below it why each product is recommended, and which are excluded.

    Args:
        answers: See `recommendations_as_json`.
        columns: The products' attributes to print beside each: column -> what the manifest says of it.
    """
    from rich.table import Table

    console = open_console()
    for answer in answers:
        table = Table(title=f"customer {answer['customer_id']}")
        for heading in ("#", "product", "name", "probability", "similarity", "before ranking"):
            table.add_column(heading, justify="left" if heading in ("product", "name") else "right")
        for name in columns:
            table.add_column(format_name(name))
        for product in answer["products"]:
            table.add_row(
                str(product["rank"]),
                product["product_id"],
                product["name"],
                format_probability(product["probability"]),
                format_similarity(product["similarity"]),
                str(product["retrieval_rank"]),
                *(_shown_cell(product["product"][name], column) for name, column in columns.items()),
            )
        console.print(table)
        if not answer["holdings_known"]:
            console.print("the export does not know this customer, nor what is held: an order, and no probability")
        for product in answer["products"]:
            if "why" in product:
                console.print(f"{product['rank']}. {product['product_id']}: {product['why']['sentence']}")
        for line in _excluded_lines(answer.get("excluded", {})):
            console.print(line)


def _shown_cell(value: Any, column: Mapping[str, Any]) -> str:
    return MISSING if value is None else format_value(value, column)


def _excluded_lines(excluded: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for those that are excluded for the same reasons, from product id -> reasons."""
    lines = []
    for reasons in sorted(set(map(tuple, excluded.values()))):
        ids = [product for product, why in excluded.items() if tuple(why) == reasons]
        more = ", …" if len(ids) > _NUM_IDS else ""
        lines.append(f"{'; '.join(reasons)}: {len(ids)} products ({', '.join(ids[:_NUM_IDS])}{more})")
    return lines


_YES_NO = {True: "yes", False: "no", None: "-"}


def print_versions(versions: Sequence[Version]) -> None:
    """Print a table, the newest last."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    headings = ("version", "pushed (UTC)", "by", "why", "approved", "loads elsewhere", "forced", "rollback of")
    for heading in (*headings, "as pushed", "models"):
        table.add_column(heading)
    for version in versions:
        models = ", ".join(version.models) + ("" if version.complete else " (incomplete)")
        table.add_row(
            str(version.number),
            f"{version.pushed_at:%Y-%m-%d %H:%M}",
            escape(version.pushed_by or "-"),
            escape(version.why or "-"),
            _YES_NO[version.approved],
            _YES_NO[version.loads],
            _YES_NO[version.forced],
            str(version.rolled_back_to or "-"),
            _YES_NO[version.unchanged],
            models,
        )
    open_console().print(table)
