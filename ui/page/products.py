"""The tab of the next best products: scores, details, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component

from nextbest.ui.page.desk import Desk
from nextbest.ui.page.markup import html
from nextbest.ui.page.offers import chosen_of, offers_of, refusals
from nextbest.ui.page.product_views import details, offers_table, refused_list
from nextbest.ui.page.tab import NOBODY, Asked, Shared, Shown, listen

__all__ = ["ProductsTab"]

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
