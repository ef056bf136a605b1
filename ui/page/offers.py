"""Recommended and refused products, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from data.dataset import Features
from serving.recommender import Filters
from serving.words import MISSING, SHARE, shown_name, shown_number, shown_value
from ui.page.desk import Desk
from ui.page.markup import Column, definitions, empty, folded, join, meter, table

__all__ = ["Offer", "chosen_of", "details", "offers_of", "offers_table", "refusals", "refused_list", "sentence_case"]

_FIGURES = 3
"""How many of a product's numbers stand in the table beside its scores."""


@dataclass(frozen=True)
class Offer:
    """One recommended product."""

    product_id: str
    row: int
    """Its row in the catalogue."""
    name: str
    rank: int
    before: int
    """Its place before the second stage."""
    probability: float
    similarity: float


def sentence_case(column: str) -> str:
    """Return a column's or a category's name as a title."""
    name = shown_name(column)
    return name[:1].upper() + name[1:]


def offers_of(desk: Desk, request: Features, top: int, filters: Filters) -> list[Offer]:
    """Recommend to one customer, best first."""
    found = desk.recommender.recommend(request, top, filters)
    offers = []
    for place in range(int(found.count[0])):
        row = desk.product_rows[found.product_id[0, place]]
        offers.append(
            Offer(
                product_id=found.product_id[0, place],
                row=row,
                name=str(desk.product_names[row]),
                rank=place + 1,
                before=int(found.retrieval_rank[0, place]),
                probability=float(found.probability[0, place]),
                similarity=float(found.similarity[0, place]),
            )
        )
    return offers


def chosen_of(offers: Sequence[Offer], chosen: str) -> str:
    """Return the chosen product if it is among the offers, else the first of them; '' where there is none."""
    ids = [offer.product_id for offer in offers]
    return chosen if chosen in ids else next(iter(ids), "")


def refusals(desk: Desk, request: Features, filters: Filters) -> dict[str, list[int]]:
    """Return why products are not shown to one customer: reason -> rows of the catalogue, most products first."""
    (reasons,) = desk.recommender.exclusions(request, filters)
    rows = {str(reason): np.flatnonzero(reasons == reason).tolist() for reason in set(reasons) - {""}}
    return dict(sorted(rows.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def _value(desk: Desk, column: str, row: int) -> str:
    described = desk.recommender.manifest["products"]["columns"][column]
    value = desk.recommender.products.columns[column][row]
    text = shown_value(value, described)
    return sentence_case(text) if described["role"] == "category" else text


def _figures(desk: Desk) -> list[str]:
    """Return the numbers that tell most of a product: those that no suitability rule reads."""
    columns = desk.recommender.manifest["products"]["columns"]
    policy = desk.recommender.manifest["policy"]
    ruled = {rule["product"] for rule in policy["rules"]} | {policy["risk_column"]}
    numbers = [name for name in desk.recommender.products.columns if columns[name]["role"] == "number"]
    return [name for name in numbers if name not in ruled][:_FIGURES]


def _terms(desk: Desk, row: int) -> str:
    """Return what a product asks of customers, by the suitability rules."""
    policy = desk.recommender.manifest["policy"]
    ruled = dict.fromkeys(rule["product"] for rule in policy["rules"] if rule["product"])
    values = desk.recommender.products.columns
    asked = [name for name in ruled if name in values and name != policy["risk_column"]]
    told = [
        f"{shown_name(name)} {_value(desk, name, row)}"
        for name in asked
        if not (isinstance(values[name][row], np.floating) and not values[name][row] > 0)
    ]
    return ", ".join(told) or MISSING


def _risk(desk: Desk, row: int) -> str:
    column = desk.recommender.manifest["policy"]["risk_column"]
    value = float(desk.recommender.products.columns[column][row])
    if desk.risks is None or np.isnan(value):
        return MISSING
    lowest, highest = desk.risks
    text = f"{shown_number(value)} of {shown_number(highest)}"
    return meter((value - lowest + 1) / (highest - lowest + 1), text, "risk")


def _moved(offer: Offer) -> Markup:
    moved = offer.before - offer.rank
    if moved == 0:
        return Markup('{} <span class="same">=</span>').format(offer.before)
    kind, arrow, words = ("up", "▲", "up") if moved > 0 else ("down", "▼", "down")
    text = '{} <span class="{}"><span aria-hidden="true">{}</span><span class="unseen">, {} </span>{}</span>'
    return Markup(text).format(offer.before, kind, arrow, words, abs(moved))


def offers_table(desk: Desk, offers: Sequence[Offer], chosen: str) -> Markup:
    """Return the table of recommended products; a product's name is a button that chooses it."""
    if not offers:
        text = "Allow more risk or more categories, or exclude fewer products. What was refused, and why, stands below."
        return empty("No product is left", text)
    days = desk.recommender.manifest["horizon_days"]
    described = desk.recommender.manifest["products"]["columns"]
    figures = _figures(desk)
    columns = [
        Column("Product"),
        Column("Probability", "number", f"that the customer takes it within {days} days, calibrated"),
        Column("Similarity", "number", "of customer and product in the first stage, from -1 to 1"),
        Column("Before", "number", "place after the first stage, and how far the second stage moved it"),
        *([Column("Category")] if desk.categories else []),
        *([Column("Risk")] if desk.risks else []),
        *(Column(sentence_case(name), "number", described[name]["unit"]) for name in figures),
        Column("Terms"),
    ]
    highest = max(offer.probability for offer in offers)
    rows = [
        (
            _name(offer, offer.product_id == chosen),
            meter(offer.probability / highest if highest else 0, shown_number(offer.probability, SHARE)),
            shown_number(offer.similarity),
            _moved(offer),
            *([sentence_case(desk.product_categories[offer.row]) or MISSING] if desk.categories else []),
            *([_risk(desk, offer.row)] if desk.risks else []),
            *(_value(desk, name, offer.row) for name in figures),
            _terms(desk, offer.row),
        )
        for offer in offers
    ]
    return table("Next best products, the best first", columns, rows)


def _name(offer: Offer, chosen: bool) -> Markup:
    return Markup(
        '<span class="rank">{}</span><button type="button" class="pick" data-product="{}" aria-pressed="{}">{}</button>'
    ).format(offer.rank, offer.product_id, "true" if chosen else "false", offer.name)


def details(desk: Desk, product_id: str) -> Markup:
    """Return all that is known of a product; nothing for an unknown one."""
    row = desk.product_rows.get(product_id)
    if row is None:
        return Markup("")
    described = desk.recommender.manifest["products"]["columns"]
    columns = [name for name in desk.recommender.products.columns if name in described]
    texts = [name for name in columns if described[name]["role"] == "text"]
    facts = [name for name in columns if described[name]["role"] not in ("text", "id")]
    return Markup('<section class="card" aria-label="Details of the chosen product"><h3>{}</h3>{}{}</section>').format(
        desk.product_names[row],
        join(Markup("<p>{}</p>").format(_value(desk, name, row)) for name in texts),
        definitions([("Product", product_id), *((sentence_case(name), _value(desk, name, row)) for name in facts)]),
    )


def refused_list(desk: Desk, refused: Mapping[str, Sequence[int]]) -> Markup:
    """Return the refused products by reason, folded."""
    count = sum(map(len, refused.values()))
    if not count:
        return Markup('<p class="quiet">No product was refused.</p>')
    groups = join(
        Markup("<li>{}</li>").format(
            folded(f"{sentence_case(reason)} ({len(rows)})", ", ".join(str(desk.product_names[row]) for row in rows))
        )
        for reason, rows in refused.items()
    )
    summary = f"{count} of {len(desk.product_rows)} products are not shown"
    return Markup('<div class="refused">{}</div>').format(folded(summary, Markup("<ul>{}</ul>").format(groups)))
