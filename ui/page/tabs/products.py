"""The tab of the next best products: the recommendations with their scores, details of one, and what is excluded.

`recommendations_table`, `product_details` and `excluded_list` are its views.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.serving.formatting import (
    MISSING,
    column_title,
    format_name,
    format_number,
    format_probability,
    format_similarity,
    format_value,
    sentence_case,
)
from nextbest.ui.page.html import Column, bar, definitions, details, empty_state, html, join, table
from nextbest.ui.page.tab import NO_CUSTOMER, Selection, SharedComponents, Updates, listen
from nextbest.ui.page.version_data import (
    Recommendation,
    VersionData,
    excluded_products,
    recommend_products,
    selected_product,
)

__all__ = ["ProductsTab", "excluded_list", "product_details", "recommendations_table"]

_SELECT_ON_CLICK = """
element.addEventListener('click', event => {
  const clicked = event.target.closest('[data-product]');
  if (!clicked) return;
  element.querySelectorAll('[data-product]').forEach(one => one.setAttribute('aria-pressed', one === clicked));
  trigger('select', {value: clicked.dataset.product});
});
"""
"""A click on a product's name selects it; the row is marked at once, without a new table that would lose the focus."""


class ProductsTab:
    """The next best products of the customer."""

    id = "products"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab("Top products", id=self.id, elem_id="tab-products") as self.tab:
            self.recommendations = html(NO_CUSTOMER, elem_id="recommendations", js_on_load=_SELECT_ON_CLICK)
            self.details = html("", elem_id="details")
            self.why = gr.Button("Why this product?", elem_id="why-button", size="sm", visible=False)
            self.excluded = html("", elem_id="excluded")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.recommendations, self.details, self.why, self.excluded]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {
                self.recommendations: NO_CUSTOMER,
                self.details: "",
                self.why: gr.Button(visible=False),
                self.excluded: "",
            }
        request = data.request(selection.customer)
        recommendations = recommend_products(data, request, selection.top, selection.filters)
        selected = selected_product(recommendations, selection.product_id)
        return {
            self.recommendations: recommendations_table(data, recommendations, selected),
            self.details: product_details(data, selected),
            self.why: gr.Button(visible=bool(recommendations)),
            self.excluded: excluded_list(data, excluded_products(data, request, selection.filters)),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def select(event: gr.EventData) -> Updates:
            product = str(event.value)
            view = shared.current.ask(lambda data: product_details(data, product))
            return {shared.product_id: product, self.details: view}

        listen(self.recommendations.select, select, [], [shared.product_id, self.details])
        # Choosing a tab is an event of that tab, which computes what it shows.
        listen(self.why.click, lambda: gr.Tabs(selected="why"), [], [shared.tabs], show_progress="hidden")


_NUM_NUMBERS = 3
"""How many of a product's numbers are in the table beside its scores."""


def recommendations_table(data: VersionData, recommendations: Sequence[Recommendation], selected: str) -> Markup:
    """Return the table of recommended products; a product's name is a button that selects it."""
    if not recommendations:
        text = "Allow more risk or more categories, or leave out fewer products. Below is which are excluded, and why."
        return empty_state("No product is left", text)
    days = data.recommender.manifest["horizon_days"]
    described = data.recommender.manifest["products"]["columns"]
    numbers = _number_columns(data)
    columns = [
        Column("Product"),
        Column("Probability", "number", f"that the customer buys it within {days} days, calibrated"),
        Column("Similarity", "number", "of customer and product in the first stage, from -1 to 1"),
        Column("Rank before", "number", "the place after the first stage, and how far the second stage moved it"),
        *([Column("Risk", "number")] if len(data.risks) else []),
        *(Column(column_title(name, described[name]["unit"]), "number") for name in numbers),
    ]
    highest = max(recommendation.probability for recommendation in recommendations)
    rows = [
        (
            _product(data, recommendation, recommendation.product_id == selected),
            bar(recommendation.probability / highest if highest else 0, format_probability(recommendation.probability)),
            format_similarity(recommendation.similarity),
            _rank_change(recommendation),
            *([_risk(data, recommendation.row)] if len(data.risks) else []),
            *(_value(data, name, recommendation.row) for name in numbers),
        )
        for recommendation in recommendations
    ]
    return Markup('<div class="recommendations">{}</div>').format(
        table("Next best products, the best first", columns, rows)
    )


def _product(data: VersionData, recommendation: Recommendation, selected: bool) -> Markup:
    """Return the rank, the name, and below them the category and what the product requires."""
    about = [sentence_case(data.product_categories[recommendation.row]), *_terms(data, recommendation.row)]
    return Markup(
        '<span class="product"><span class="rank">{}</span><span><button type="button" class="pick" data-product="{}" '
        'aria-pressed="{}">{}</button><small>{}</small></span></span>'
    ).format(
        recommendation.rank,
        recommendation.product_id,
        "true" if selected else "false",
        recommendation.name,
        " · ".join(part for part in about if part),
    )


def _value(data: VersionData, column: str, row: int) -> str:
    described = data.recommender.manifest["products"]["columns"][column]
    value = data.recommender.products.columns[column][row]
    text = format_value(value, described)
    return sentence_case(text) if described["role"] == "category" else text


def _number_columns(data: VersionData) -> list[str]:
    """Return the columns of numbers that say most about a product: those that no suitability rule reads."""
    columns = data.recommender.manifest["products"]["columns"]
    policy = data.recommender.manifest["policy"]
    ruled = {rule["product"] for rule in policy["rules"]} | {policy["risk_column"]}
    numbers = [name for name in data.recommender.products.columns if columns[name]["role"] == "number"]
    return [name for name in numbers if name not in ruled][:_NUM_NUMBERS]


def _terms(data: VersionData, row: int) -> list[str]:
    """Return what a product requires of customers, by the suitability rules."""
    policy = data.recommender.manifest["policy"]
    ruled = dict.fromkeys(rule["product"] for rule in policy["rules"] if rule["product"])
    values = data.recommender.products.columns
    names = [name for name in ruled if name in values and name != policy["risk_column"]]
    return [
        f"{format_name(name)} {_value(data, name, row)}"
        for name in names
        if not isinstance(values[name][row], np.floating) or values[name][row] > 0  # 0 and missing require nothing
    ]


def _risk(data: VersionData, row: int) -> str:
    column = data.recommender.manifest["policy"]["risk_column"]
    value = float(data.recommender.products.columns[column][row])
    if np.isnan(value):
        return MISSING
    lowest, highest = data.risks[0], data.risks[-1]
    text = f"{format_number(value)} of {format_number(highest)}"
    return bar((value - lowest + 1) / (highest - lowest + 1), text, "risk")


def _rank_change(recommendation: Recommendation) -> Markup:
    """Return the rank after the first stage, and by how much the second stage moved the product."""
    moved = recommendation.retrieval_rank - recommendation.rank
    if moved == 0:
        return Markup('{} <span class="same">=</span>').format(recommendation.retrieval_rank)
    direction, arrow = ("up", "▲") if moved > 0 else ("down", "▼")
    text = '{} <span class="{}"><span aria-hidden="true">{}</span><span class="visually-hidden">, {} </span>{}</span>'
    return Markup(text).format(recommendation.retrieval_rank, direction, arrow, direction, abs(moved))


def product_details(data: VersionData, product_id: str) -> Markup:
    """Return all attributes of a product; nothing for an unknown one."""
    row = data.product_rows.get(product_id)
    if row is None:
        return Markup("")
    described = data.recommender.manifest["products"]["columns"]
    columns = [name for name in data.recommender.products.columns if name in described]
    texts = [name for name in columns if described[name]["role"] == "text"]
    facts = [name for name in columns if described[name]["role"] not in ("text", "id")]
    return Markup(
        '<section class="card" aria-label="Details of the selected product"><h3>{}</h3>{}{}</section>'
    ).format(
        data.product_names[row],
        join(Markup("<p>{}</p>").format(_value(data, name, row)) for name in texts),
        definitions([("Product", product_id), *((_title(data, name), _value(data, name, row)) for name in facts)]),
    )


def _title(data: VersionData, column: str) -> str:
    return column_title(column, data.recommender.manifest["products"]["columns"][column]["unit"])


def excluded_list(data: VersionData, excluded: Sequence[tuple[str, Sequence[int]]]) -> Markup:
    """Return the excluded products by reason, to be unfolded; see `excluded_products`."""
    count = sum(len(rows) for _, rows in excluded)
    if not count:
        return Markup('<p class="muted">No product is excluded.</p>')
    groups = join(
        Markup("<li>{}</li>").format(
            details(f"{sentence_case(reason)} ({len(rows)})", ", ".join(str(data.product_names[row]) for row in rows))
        )
        for reason, rows in excluded
    )
    summary = f"{count} of {len(data.product_rows)} products are not shown"
    return Markup('<div class="excluded">{}</div>').format(details(summary, Markup("<ul>{}</ul>").format(groups)))
