"""The tab of the next best products: scores, details, and what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.serving.formatting import (
    MISSING,
    column_title,
    sentence_case,
    shown_name,
    shown_number,
    shown_probability,
    shown_similarity,
    shown_value,
)
from nextbest.ui.page.html import Column, definitions, empty, folded, html, join, meter, table
from nextbest.ui.page.tab import NOBODY, Asked, Shared, Shown, listen
from nextbest.ui.page.version_data import Desk, Offer, chosen_of, offers_of, refusals

__all__ = ["ProductsTab", "details", "offers_table", "refused_list"]

_PICK = """
element.addEventListener('click', event => {
  const picked = event.target.closest('[data-product]');
  if (!picked) return;
  element.querySelectorAll('[data-product]').forEach(one => one.setAttribute('aria-pressed', one === picked));
  trigger('select', {value: picked.dataset.product});
});
"""
"""A click on a product's name chooses it; the row is marked at once, without a new table that would lose the focus."""


class ProductsTab:
    """The next best products of the customer."""

    id = "products"
    follows = True

    def __init__(self) -> None:
        with gr.Tab("Top products", id=self.id, elem_id="tab-products") as self.tab:
            self.offers = html(NOBODY, elem_id="offers", js_on_load=_PICK)
            self.details = html("", elem_id="details")
            self.why = gr.Button("Why this product?", elem_id="ask-why", size="sm", visible=False)
            self.refused = html("", elem_id="refused")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.offers, self.details, self.why, self.refused]

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """See `Tab`."""
        if not asked.person:
            return {self.offers: NOBODY, self.details: "", self.why: gr.Button(visible=False), self.refused: ""}
        request = desk.request(asked.person)
        offers = offers_of(desk, request, asked.top, asked.filters)
        chosen = chosen_of(offers, asked.chosen)
        return {
            self.offers: offers_table(desk, offers, chosen),
            self.details: details(desk, chosen),
            self.why: gr.Button(visible=bool(offers)),
            self.refused: refused_list(desk, refusals(desk, request, asked.filters)),
        }

    def connect(self, shared: Shared) -> None:
        """See `Tab`."""

        def pick(event: gr.EventData) -> Shown:
            product = str(event.value)
            return {shared.chosen: product, self.details: shared.desks.ask(lambda desk: details(desk, product))}

        listen(self.offers.select, pick, [], [shared.chosen, self.details])
        # Choosing a tab is an event of that tab, which computes what it shows.
        listen(self.why.click, lambda: gr.Tabs(selected="why"), [], [shared.tabs], show_progress="hidden")


_FIGURES = 3
"""How many of a product's numbers stand in the table beside its scores."""


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


def _terms(desk: Desk, row: int) -> list[str]:
    """Return what a product asks of customers, by the suitability rules."""
    policy = desk.recommender.manifest["policy"]
    ruled = dict.fromkeys(rule["product"] for rule in policy["rules"] if rule["product"])
    values = desk.recommender.products.columns
    asked = [name for name in ruled if name in values and name != policy["risk_column"]]
    return [
        f"{shown_name(name)} {_value(desk, name, row)}"
        for name in asked
        if not isinstance(values[name][row], np.floating) or values[name][row] > 0  # 0 and missing ask for nothing
    ]


def _risk(desk: Desk, row: int) -> str:
    column = desk.recommender.manifest["policy"]["risk_column"]
    value = float(desk.recommender.products.columns[column][row])
    if np.isnan(value):
        return MISSING
    lowest, highest = desk.risks[0], desk.risks[-1]
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
        text = (
            "Allow more risk or more categories, or leave out fewer products. What was refused, and why, stands below."
        )
        return empty("No product is left", text)
    days = desk.recommender.manifest["horizon_days"]
    described = desk.recommender.manifest["products"]["columns"]
    figures = _figures(desk)
    columns = [
        Column("Product"),
        Column("Probability", "number", f"that the customer takes it within {days} days, calibrated"),
        Column("Similarity", "number", "of customer and product in the first stage, from -1 to 1"),
        Column("Rank before", "number", "the place after the first stage, and how far the second stage moved it"),
        *([Column("Risk", "number")] if len(desk.risks) else []),
        *(Column(column_title(name, described[name]["unit"]), "number") for name in figures),
    ]
    highest = max(offer.probability for offer in offers)
    rows = [
        (
            _product(desk, offer, offer.product_id == chosen),
            meter(offer.probability / highest if highest else 0, shown_probability(offer.probability)),
            shown_similarity(offer.similarity),
            _moved(offer),
            *([_risk(desk, offer.row)] if len(desk.risks) else []),
            *(_value(desk, name, offer.row) for name in figures),
        )
        for offer in offers
    ]
    return Markup('<div class="offers">{}</div>').format(table("Next best products, the best first", columns, rows))


def _product(desk: Desk, offer: Offer, chosen: bool) -> Markup:
    """Return the rank, the name, and below them the category and what the product asks for."""
    about = [sentence_case(desk.product_categories[offer.row]), *_terms(desk, offer.row)]
    return Markup(
        '<span class="product"><span class="rank">{}</span><span><button type="button" class="pick" data-product="{}" '
        'aria-pressed="{}">{}</button><small>{}</small></span></span>'
    ).format(
        offer.rank,
        offer.product_id,
        "true" if chosen else "false",
        offer.name,
        " · ".join(part for part in about if part),
    )


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
        definitions([("Product", product_id), *((_title(desk, name), _value(desk, name, row)) for name in facts)]),
    )


def _title(desk: Desk, column: str) -> str:
    return column_title(column, desk.recommender.manifest["products"]["columns"][column]["unit"])


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
