"""The adviser's desk: the products for the customer as cards, and what is not offered; or customers to begin with.

`sheet` is the same on a page of paper: it is there whenever the desk is, and seen when it is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import zip_longest
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Features
from nextbest.data.errors import FailedError, MissingPackageError
from nextbest.data.windows import EPOCH
from nextbest.serving.formatting import format_date, sentence_case
from nextbest.serving.insights.reasons import ProductReasons
from nextbest.serving.language import say
from nextbest.ui.page.controls import describe_filters
from nextbest.ui.page.customer import marks, summary
from nextbest.ui.page.finder import SampleCustomer
from nextbest.ui.page.html import CLICK, html, join, label
from nextbest.ui.page.product_cards import chance, excluded_list, excluded_reasons, match, product_cards, product_facts
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, listen
from nextbest.ui.page.version_data import (
    Recommendation,
    VersionData,
    excluded_products,
    num_offered,
    recommend_products,
)

__all__ = ["DeskTab", "sample_customers", "sheet"]

_DAY_OF_PRINT = """
addEventListener('beforeprint', () => {
  const language = document.documentElement.lang.replace(/^en$/, 'en-GB');  // the day first, as in all dates here
  const today = new Intl.DateTimeFormat(language, {dateStyle: 'medium'}).format(new Date());
  for (const day of element.querySelectorAll('time')) day.textContent = today;
});
"""


class DeskTab:
    """The products for the customer."""

    id = "desk"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-desk"), id=self.id, elem_id="tab-desk") as self.tab:
            self.print = gr.Button(label("label-print"), visible=False, size="sm", elem_id="print")
            self.samples = html("", elem_id="samples", js_on_load=CLICK % ("customer", "customer"))
            self.recommendations = html("", elem_id="recommendations", js_on_load=CLICK % ("product", "product"))
            self.excluded = html("", elem_id="excluded")
            self.sheet = html("", elem_id="sheet", js_on_load=_DAY_OF_PRINT)

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.print, self.samples, self.recommendations, self.excluded, self.sheet]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; the reasons follow, since they take longer than all the rest."""
        if not selection.customer:
            samples = gr.HTML(sample_customers(data.finder.samples), visible=True)
            nothing: Updates = dict.fromkeys([self.recommendations, self.excluded, self.sheet], "")
            return nothing | {self.print: gr.Button(visible=False), self.samples: samples}
        answer = _Answer.of(data, selection)
        return {
            self.print: gr.Button(visible=True),
            self.samples: gr.HTML(visible=False),
            self.sheet: sheet(data, selection, answer),
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
                answer = _Answer.of(data, selection)
                reasons, note = answer.reasons(data)
                return {
                    self.recommendations: answer.cards(data, selection, reasons, note),
                    self.sheet: sheet(data, selection, answer, reasons),
                }

            return shared.current.ask(answer)

        listen(
            self.recommendations.change,
            give_reasons,
            [self.recommendations, *shared.inputs],
            [self.recommendations, self.sheet],
            show_progress="hidden",
            trigger_mode="always_last",
        )
        self.print.click(None, js="() => window.print()", api_visibility="private")
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
        found = recommend_products(data, selection.customer, selection.top, filters)
        return cls(request, found, excluded_products(data, request, filters))

    def cards(
        self,
        data: VersionData,
        selection: Selection,
        reasons: Sequence[ProductReasons] = (),
        note: str = "",
    ) -> Markup:
        """Return the cards; see `product_cards`."""
        address = {"about": _about(selection), "of-customer": selection.customer.id, "top": str(selection.top)}
        suitable = num_offered(data, self.excluded)
        return product_cards(data, self.recommendations, suitable, address, reasons, note)

    def reasons(self, data: VersionData) -> tuple[Sequence[ProductReasons], str]:
        """Return the reasons of the products, and without them why there are none."""
        if any(one.probability is None for one in self.recommendations):
            return (), say("no-probability-do")
        products = np.array([one.product_id for one in self.recommendations], object)
        try:
            return data.reasons.reasons(self.request, products), ""
        except FailedError:
            return (), say("reasons-not-exported")
        except MissingPackageError as error:
            return (), say("reasons-need-package", package=str(error))


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


def sheet(data: VersionData, selection: Selection, answer: _Answer, reasons: Sequence[ProductReasons] = ()) -> Markup:
    """Return what is printed: who the customer is, the products with their reasons, the rules and the filters.

    Args:
        data: The version.
        selection: What is selected.
        answer: What the models answer for it.
        reasons: Of each product, if there are any.
    """
    today, age = EPOCH + timedelta(days=int(answer.request["as_of_day"][0])), data.recommender.age
    suitable, lacks = num_offered(data, answer.excluded), data.lacks_holdings(selection.customer, answer.request)
    pairs = zip_longest(answer.recommendations, reasons)  # as many reasons as products, or none
    products = join(_printed(data, one, why, suitable) for one, why in pairs)
    filters = describe_filters(data, selection.filters)
    applied = [*_kept_out(data, answer.excluded), say("sheet-filters", filters=filters or say("sheet-none"))]
    markup = (
        '<section class="sheet"><h1>{}</h1><p>{}</p><ol>{}</ol>'
        '<h2>{}</h2><ul>{}</ul><p class="about">{} {} <time></time></p></section>'
    )
    return Markup(markup).format(
        say("sheet-title", customer=selection.customer.id),
        ", ".join([summary(data.profiles.profile(answer.request), today, lacks), *marks(selection.customer)]),
        products or say("no-product-left"),
        say("sheet-applied"),
        join(Markup("<li>{}</li>").format(one) for one in applied),
        say("sheet-about", version=data.recommender.folder.name, day=format_date(age.as_of), age=age.days),
        say("sheet-printed"),
    )


def _printed(data: VersionData, product: Recommendation, why: ProductReasons | None, suitable: int) -> Markup:
    facts = [sentence_case(data.product_categories[product.row]), *product_facts(data, product.row)]
    days, average = int(data.recommender.manifest["horizon_days"]), None if why is None else why.base
    sentences = () if why is None else why.sentences
    markup = "<li><h2>{}. {}</h2><p>{}</p><p><strong>{}</strong> · {}</p><ul>{}</ul></li>"
    return Markup(markup).format(
        product.rank,
        product.name,
        " · ".join(part for part in facts if part),
        sentence_case(chance(product.probability, days, average)),
        match(product.retrieval_rank, suitable),
        join(Markup("<li>{}</li>").format(sentence) for sentence in sentences),
    )


def _kept_out(data: VersionData, excluded: Sequence[tuple[str, Sequence[int]]]) -> Iterator[str]:
    """Yield what a holding, each rule and the filters kept out; of a rule also that it kept out nothing."""
    counts = Counter({rule["reason"]: 0 for rule in data.recommender.manifest["policy"]["rules"]})
    for reasons, rows in excluded:
        counts.update(dict.fromkeys(reasons.splitlines(), len(rows)))
    for reason, count in counts.items():
        yield say("sheet-left-out", reason=sentence_case(excluded_reasons(data, reason)), count=count)
