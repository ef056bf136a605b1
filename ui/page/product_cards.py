"""Recommended products as cards that an adviser reads: the facts of this kind of product, the chance, the match.

`product_cards` shows the products, `excluded_list` those that are not offered, with what would change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from nextbest.data.dataset import Features
from nextbest.data.rules import FILTER_REASONS, HELD_REASON, unknown_reason
from nextbest.serving.formatting import (
    MISSING,
    column_words,
    format_name,
    format_number,
    format_probability,
    format_value,
    sentence_case,
)
from nextbest.serving.insights.reasons import ProductReasons
from nextbest.serving.language import say
from nextbest.ui.page.html import bar, definitions, details, empty_state, join
from nextbest.ui.page.version_data import Recommendation, VersionData

__all__ = ["chance", "excluded_list", "excluded_reasons", "facts_beside", "match", "product_cards", "product_facts"]

_DAYS_PER_MONTH = 30.4
_RARELY = 1 / 1000
"""Below it a chance is only said to be so small."""


def product_cards(
    data: VersionData,
    recommendations: Sequence[Recommendation],
    suitable: int,
    address: Mapping[str, str],
    reasons: Sequence[ProductReasons] = (),
    note: str = "",
) -> Markup:
    """Return the recommended products as a list, the best first.

    Args:
        data: The version.
        recommendations: The products.
        suitable: How many products may be shown to the customer.
        address: What of the page's address says whom and what this is about.
        reasons: Of each product, if there are any yet.
        note: What the cards say without them; '' that they follow, since they take longer than all the rest.
    """
    if not recommendations:
        return empty_state(say("no-product-left"), say("no-product-left-do"))
    highest = max(recommendation.probability or 0.0 for recommendation in recommendations)
    found = reasons if reasons else [None] * len(recommendations)
    cards = join(
        _card(data, one, (one.probability or 0.0) / highest if highest else 0, suitable, why, note)
        for one, why in zip(recommendations, found, strict=True)
    )
    attributes = join(Markup(' data-{}="{}"').format(name, value) for name, value in address.items())
    return Markup('<ol class="cards"{}>{}</ol>').format(attributes, cards)


def _card(
    data: VersionData,
    recommendation: Recommendation,
    share: float,
    suitable: int,
    why: ProductReasons | None,
    note: str,
) -> Markup:
    days = int(data.recommender.manifest["horizon_days"])
    category = sentence_case(data.product_categories[recommendation.row])
    facts = " · ".join(part for part in (category, *product_facts(data, recommendation.row)) if part)
    probability = format_probability(recommendation.probability)
    is_known = recommendation.probability is not None
    markup = (
        '<li class="product-card" data-id="{}"><div class="what"><h3><span class="rank">{}</span> {}</h3>'
        '<p class="facts">{}</p>{}</div>'
        '<div class="scores"><div class="chance" title="{}">{}</div><div class="match">{}</div></div>'
        '<div class="reasons">{}'
        '<button type="button" class="pick" data-product="{}">{}</button></div></li>'
    )
    return Markup(markup).format(
        recommendation.product_id,
        recommendation.rank,
        recommendation.name,
        facts,
        details(say("card-details"), _all_attributes(data, recommendation.product_id, recommendation.row)),
        say("card-probability", probability=probability, days=days) if is_known else say("no-probability-do"),
        bar(share, chance(recommendation.probability, days, None if why is None else why.base)),
        bar(recommendation.similarity, match(recommendation.retrieval_rank, suitable), "match"),
        _reasons(why, note or say("reasons-follow")),
        recommendation.product_id,
        say("card-why"),
    )


def _reasons(why: ProductReasons | None, note: str) -> Markup:
    if why is None:
        return Markup('<p class="muted">{}</p>').format(note)
    return Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(one) for one in why.sentences))


def chance(probability: float | None, days: int, average: float | None = None) -> str:
    """Return a probability as a person says it: 'about 1 in 12 within 3 months, 3 times the average'.

    Args:
        probability: The customer's; None where none is told.
        days: Within how many days.
        average: The average customer's, where it is known.
    """
    if probability is None:
        return say("no-probability")
    often = "" if average is None else _against(probability, average)
    return f"{_odds(probability, days)}{often}"


def _against(probability: float, average: float) -> str:
    """Return how a probability compares with the average customer's, with a comma before it."""
    ratio = probability / max(average, 1e-9)
    if ratio >= 1.75:
        return say("chance-against", how="over-ten" if ratio >= 10 else "times", times=round(min(ratio, 10)))
    how = "more" if ratio >= 1.15 else "about" if ratio > 0.85 else "less"
    return say("chance-against", how=how, times=1)


def _odds(probability: float, days: int) -> str:
    months = round(days / _DAYS_PER_MONTH)
    within = {"unit": "months", "time": months} if months > 1 else {"unit": "days", "time": days}
    if probability < _RARELY:
        return say("chance", how="rarely", odds=round(1 / _RARELY), **within)
    if probability > 0.5:
        return say("chance", how="often", odds=min(round(10 * probability), 9), **within)
    return say("chance", how="one-in", odds=round(1 / probability), **within)


def match(place: int, suitable: int) -> str:
    """Say how near a product is to the customer among those that may be shown: '3rd closest match of 60'."""
    return say("match", place=place, count=suitable)


def product_facts(data: VersionData, row: int) -> Iterator[str]:
    """Yield what this kind of product has, in its own words: 'interest charged 14.75%/year', 'no annual fee'.

    A column that is 0 or missing for all products of the category says nothing of it. What the suitability rules ask
    of customers is left out, and found among all attributes.
    """
    policy = data.recommender.manifest["policy"]
    if len(data.risks) and np.isfinite(risk := data.recommender.products.columns[policy["risk_column"]][row]):
        yield say("card-risk", risk=format_number(float(risk)), most=format_number(float(data.risks[-1])))
    ruled = {rule["product"] for rule in policy["rules"]} | {policy["risk_column"]}
    same_kind = data.product_categories == data.product_categories[row]
    for name, column in _columns(data, "number"):
        values = data.recommender.products.columns[name]
        if name in ruled or not np.nan_to_num(values[same_kind]).any() or not np.isfinite(values[row]):
            continue
        title = product_words(data, name, row)
        says = values[row] != 0 or column.get("zero_means")
        yield f"{title} {format_value(values[row], column)}" if says else say("card-without", title=title)
    for name, _ in _columns(data, "boolean"):
        if data.recommender.products.columns[name][row] == 1:
            yield format_name(name)


def facts_beside(data: VersionData, rows: Sequence[int]) -> list[tuple[str, ...]]:
    """Return what is known of some products: a title, then each one's value, MISSING where it has no such thing.

    As in `product_facts` a number that is 0 or missing for all products of a category says nothing of it.
    """
    told: dict[str, list[str]] = {}
    for place, row in enumerate(rows):
        for title, value in _told_facts(data, row):
            told.setdefault(title, [MISSING] * len(rows))[place] = value
    return [(title, *values) for title, values in told.items() if {*values} != {MISSING}]


def _told_facts(data: VersionData, row: int) -> Iterator[tuple[str, str]]:
    described = data.recommender.manifest["products"]["columns"]
    same_kind = data.product_categories == data.product_categories[row]
    for name, values in data.recommender.products.columns.items():
        role = described[name]["role"] if name in described else "id"
        says_nothing = role == "number" and not np.nan_to_num(values[same_kind]).any()
        if role not in ("text", "id") and not says_nothing:
            yield sentence_case(product_words(data, name, row)), _value(data, name, row)


def _columns(data: VersionData, role: str) -> list[tuple[str, dict[str, Any]]]:
    described = data.recommender.manifest["products"]["columns"]
    return [(name, described[name]) for name in data.recommender.products.columns if described[name]["role"] == role]


def product_words(data: VersionData, name: str, row: int) -> str:
    """Return what people call a column of this kind of product; see `data.config.ColumnConfig.titles`."""
    column = data.recommender.manifest["products"]["columns"][name]
    titles = column.get("titles", {})  # exports of 0.3.0 have none
    return titles.get(data.product_categories[row]) or titles.get("") or column_words(name, column["unit"])


def _all_attributes(data: VersionData, product_id: str, row: int) -> Markup:
    described = data.recommender.manifest["products"]["columns"]
    names = [name for name in data.recommender.products.columns if name in described]
    texts = [_value(data, name, row) for name in names if described[name]["role"] == "text"]
    facts = [
        (sentence_case(product_words(data, name, row)), _value(data, name, row))
        for name in names
        if described[name]["role"] not in ("text", "id")
    ]
    about = join(Markup("<p>{}</p>").format(text) for text in texts if text != MISSING)
    return Markup("{}{}").format(about, definitions([(say("card-product-id"), product_id), *facts]))


def _value(data: VersionData, column: str, row: int) -> str:
    described = data.recommender.manifest["products"]["columns"][column]
    text = format_value(data.recommender.products.columns[column][row], described)
    return sentence_case(text) if described["role"] == "category" else text


def excluded_list(data: VersionData, excluded: Sequence[tuple[str, Sequence[int]]], request: Features) -> Markup:
    """Return the products that are not offered by reason, to be unfolded, each with what would change it.

    Args:
        data: The version.
        excluded: See `excluded_products`.
        request: The customer's.
    """
    count = sum(len(rows) for _, rows in excluded)
    if not count:
        return Markup('<p class="muted">{}</p>').format(say("excluded-none"))
    groups = join(
        Markup("<li>{}</li>").format(
            details(
                f"{sentence_case(excluded_reasons(data, reason))} ({len(rows)})",
                _excluded_products(data, reason, rows, request),
            )
        )
        for reason, rows in excluded
    )
    kinds = {"excluded-held": 0, "excluded-filters": 0, "excluded-rules": 0}
    for reason, rows in excluded:
        first = reason.partition("\n")[0]
        by_filter = "excluded-filters" if first in FILTER_REASONS.values() else "excluded-rules"
        kinds["excluded-held" if first == HELD_REASON else by_filter] += len(rows)
    told = ", ".join(say(kind, count=number) for kind, number in kinds.items() if number)
    summary = say("excluded", count=count, total=len(data.product_rows), kinds=told)
    return Markup('<div class="excluded">{}</div>').format(details(summary, Markup("<ul>{}</ul>").format(groups)))


def excluded_reasons(data: VersionData, reasons: str) -> str:
    """Return why a product is not offered: 'asks for a higher income; age unknown'.

    Args:
        data: The version.
        reasons: Each on a line; what a rule says is in the bank's own words.
    """
    return "; ".join(_reason(data, one) for one in reasons.splitlines())


def _reason(data: VersionData, reason: str) -> str:
    ours = {text: name for name, text in FILTER_REASONS.items()} | {HELD_REASON: "held"}
    unknown = {unknown_reason(name): name for name in data.recommender.manifest["customers"]["columns"]}
    if reason in unknown:
        return say("excluded-unknown", column=format_name(unknown[reason]))
    return say("excluded-reason", reason=ours[reason]) if reason in ours else reason


def _excluded_products(data: VersionData, reason: str, rows: Sequence[int], request: Features) -> Markup:
    """Return the products' names; of what a rule asks for, with what it asks for and what the customer has."""
    names = [str(data.product_names[row]) for row in rows]
    rules = [
        rule
        for rule in data.recommender.manifest["policy"]["rules"]
        if rule["reason"] == reason and rule["customer"] and rule["product"]
    ]
    if len(rules) != 1:
        return Markup('<p class="names">{}</p>').format(", ".join(names))
    (rule,) = rules
    has = _customer_value(data, rule["customer"], request)
    asks = [_value(data, rule["product"], row) for row in rows]
    pairs = zip(names, asks, strict=True)
    listed = join(
        Markup("<li>{}</li>").format(say("excluded-asks-for", product=name, value=asked)) for name, asked in pairs
    )
    own = say("excluded-customer-has", column=format_name(rule["customer"]), value=has)
    return Markup("<p>{}</p><ul>{}</ul>").format(own, listed)


def _customer_value(data: VersionData, column: str, request: Features) -> str:
    text = format_value(request[column][0], data.recommender.manifest["customers"]["columns"][column])
    return say("not-known") if text == MISSING else text
