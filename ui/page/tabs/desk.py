"""The adviser's desk: the products for the customer as cards, and what is not offered; or customers to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Features
from nextbest.data.errors import FailedError, MissingPackageError
from nextbest.serving.insights.reasons import ProductReasons
from nextbest.serving.language import say
from nextbest.ui.page.finder import SampleCustomer
from nextbest.ui.page.html import html, join, label
from nextbest.ui.page.product_cards import excluded_list, product_cards
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, listen
from nextbest.ui.page.version_data import Recommendation, VersionData, excluded_products, recommend_products

__all__ = ["DeskTab", "sample_customers"]

_CLICK = """
element.addEventListener('click', event => {
  const clicked = event.target.closest('[data-%s]');
  if (clicked) trigger('select', {value: clicked.dataset.%s});
});
"""


class DeskTab:
    """The products for the customer."""

    id = "desk"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-desk"), id=self.id, elem_id="tab-desk") as self.tab:
            self.samples = html("", elem_id="samples", js_on_load=_CLICK % ("customer", "customer"))
            self.recommendations = html("", elem_id="recommendations", js_on_load=_CLICK % ("product", "product"))
            self.excluded = html("", elem_id="excluded")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.samples, self.recommendations, self.excluded]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; the reasons follow, since they take longer than all the rest."""
        if not selection.customer:
            samples = gr.HTML(sample_customers(data.finder.samples), visible=True)
            return {self.samples: samples, self.recommendations: "", self.excluded: ""}
        answer = _Answer.of(data, selection)
        return {
            self.samples: gr.HTML(visible=False),
            self.recommendations: answer.cards(data, selection),
            self.excluded: excluded_list(data, answer.excluded, answer.request),
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def explain(event: gr.EventData) -> tuple[str, gr.Tabs]:
            return str(event.value), gr.Tabs(selected="why")

        def give_reasons(shown: str, *inputs: Any) -> Updates | Any:
            def answer(data: VersionData) -> Updates | Any:
                selection = shared.selection(data, *inputs)
                # What is shown may be of the customer before: then these are on their way as well.
                is_done = _about(selection) in shown and say("reasons-follow") not in shown
                if not selection.customer or is_done:
                    return gr.skip()
                return {self.recommendations: _Answer.of(data, selection).cards_with_reasons(data, selection)}

            return shared.current.ask(answer)

        listen(
            self.recommendations.change,
            give_reasons,
            [self.recommendations, *shared.inputs],
            [self.recommendations],
            show_progress="hidden",
            trigger_mode="always_last",
        )
        # Choosing a tab is an event of that tab, which computes what it shows.
        listen(self.recommendations.select, explain, [], [shared.product_id, shared.tabs], show_progress="hidden")


def _about(selection: Selection) -> str:
    """Return what tells apart whom and what the cards are about."""
    customer = selection.customer
    told = (customer.id, dict(customer.uploaded), dict(customer.edited), selection.top, selection.filters)
    return sha256(repr(told).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Answer:
    """What the models answer for a selection."""

    request: Features
    recommendations: Sequence[Recommendation]
    excluded: Sequence[tuple[str, Sequence[int]]]
    """See `excluded_products`."""

    @classmethod
    def of(cls, data: VersionData, selection: Selection) -> _Answer:
        """Ask the models."""
        request, filters = data.request(selection.customer), selection.filters
        found = recommend_products(data, request, selection.top, filters)
        return cls(request, found, excluded_products(data, request, filters))

    def cards(
        self,
        data: VersionData,
        selection: Selection,
        reasons: Sequence[ProductReasons] = (),
        note: str = "",
    ) -> Markup:
        """Return the cards; see `product_cards`."""
        suitable = len(data.product_rows) - sum(len(rows) for _, rows in self.excluded)
        address = {"about": _about(selection), "of-customer": selection.customer.id, "top": str(selection.top)}
        return product_cards(data, self.recommendations, suitable, address, reasons, note)

    def cards_with_reasons(self, data: VersionData, selection: Selection) -> Markup:
        """Return the cards with their reasons, or with why there are none."""
        products = np.array([one.product_id for one in self.recommendations], object)
        try:
            reasons = data.reasons.reasons(self.request, products)
        except FailedError:
            return self.cards(data, selection, note=say("reasons-not-exported"))
        except MissingPackageError as error:
            return self.cards(data, selection, note=say("reasons-need-package", package=str(error)))
        return self.cards(data, selection, reasons)


def sample_customers(samples: Sequence[SampleCustomer]) -> Markup:
    """Return customers to begin with, a button each."""
    buttons = join(
        Markup('<li><button type="button" data-customer="{}"><strong>{}</strong><span>{}</span></button></li>').format(
            one.id, one.about, one.id
        )
        for one in samples
    )
    markup = '<div class="begin"><h2>{}</h2><p class="muted">{}</p><ul class="samples">{}</ul></div>'
    return Markup(markup).format(say("begin"), say("begin-do"), buttons)
