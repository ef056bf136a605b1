"""The tab of one product: whom of the version's customers it suits most, with the chance and the reasons.

The list follows when the tab is there, since a product that nobody asked for yet takes seconds, and the reasons of the
first customers follow the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import FailedError, MissingPackageError
from nextbest.data.windows import EPOCH
from nextbest.serving.insights.audience import Audience, LikelyCustomer
from nextbest.serving.language import say
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import take
from nextbest.ui.page.customer import summary
from nextbest.ui.page.html import CLICK, Column, alert, bar, empty_state, html, join, label, table
from nextbest.ui.page.product_cards import chance, excluded_reasons
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, listen
from nextbest.ui.page.version_data import VersionData

__all__ = ["ByProductTab", "audience_text", "people_table"]

_SHOWN = 8
"""How many customers are listed."""
_EXPLAINED = 3
"""How many of them get their reasons at once; the others' are asked for."""


class ByProductTab:
    """Whom a product suits most."""

    id = "by-product"
    depends_on_controls = True

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-by-product"), id=self.id, elem_id="tab-by-product") as self.tab:
            self.product = gr.Dropdown([], label=label("label-by-product"), elem_id="by-product-choice")
            self.people = html("", elem_id="people", js_on_load=CLICK % ("customer", "customer"))
            self.more = gr.Button(label("label-by-product-reasons"), visible=False, size="sm", elem_id="people-reasons")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.product, self.people, self.more]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; what takes long follows."""
        names = zip(data.product_names.tolist(), data.recommender.products.ids.tolist(), strict=True)
        choices = sorted((f"{name} ({product})", product) for name, product in names)
        chosen = selection.product_id if selection.product_id in data.product_rows else None
        updates: Updates = {self.product: gr.Dropdown(choices, value=chosen)}
        if chosen is None or not len(data.customers.ids):
            no_customers = empty_state(say("no-customers"), say("no-customers-more"))
            nothing = empty_state(say("no-product"), say("no-product-do")) if chosen is None else no_customers
            return updates | {self.people: nothing, self.more: gr.Button(visible=False)}
        return updates | self._answer(data, selection, find=False)

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def choose(product: str | None, customer: Any, _: str, *controls: Any) -> Updates:
            def show(data: VersionData) -> Updates:
                return self.content(data, shared.selection(data, customer, product or "", *controls))

            return {shared.product_id: product or ""} | shared.current.ask(show)

        def follow(shown: str, *inputs: Any) -> Updates | Any:
            def answer(data: VersionData) -> Updates | Any:
                selection = shared.selection(data, *inputs)
                is_of_this, is_looking = _about(selection) in shown, say("audience-looking") in shown
                if not (is_looking or say("reasons-follow") in shown) or not is_of_this:
                    return gr.skip()  # what is shown is all, or another answer is on its way
                return self._answer(data, selection, num_explained=0 if is_looking else _EXPLAINED)

            return shared.current.ask(answer)

        def explain_all(*inputs: Any) -> Updates:
            return shared.current.ask(
                lambda data: self._answer(data, shared.selection(data, *inputs), num_explained=_SHOWN)
            )

        listen(self.product.input, choose, [self.product, *shared.inputs], [shared.product_id, *self.outputs])
        listen(
            self.people.change,
            follow,
            [self.people, *shared.inputs],
            [self.people, self.more],
            show_progress="hidden",
            trigger_mode="always_last",
        )
        listen(self.more.click, explain_all, shared.inputs, [self.people, self.more])

    def _answer(self, data: VersionData, selection: Selection, *, find: bool = True, num_explained: int = 0) -> Updates:
        """Return whom the product suits.

        Args:
            data: The version.
            selection: What is selected.
            find: Whether to find it where it is not known yet.
            num_explained: Of how many customers to give the reasons, the first ones; for 0 some follow.
        """
        hidden = gr.Button(visible=False)
        try:
            audience = (data.audiences.of if find else data.audiences.known)(selection.product_id)
        except FailedError as error:
            return {self.people: alert("warning", say("audience-unavailable"), str(error)), self.more: hidden}
        if audience is None:
            looking = Markup('<p class="muted" role="status" data-about="{}">{}</p>').format(
                _about(selection), say("audience-looking")
            )
            return {self.people: looking, self.more: hidden}
        if reason := _kept_out_by_filter(data, audience, selection.filters):
            told = alert("info", say("audience-filtered", reason=reason), say("audience-filtered-do"))
            return {self.people: told, self.more: hidden}
        listed = audience.likeliest[:_SHOWN]
        reasons = _reasons(data, audience.product_id, listed[:num_explained])
        reasons += [
            say("reasons-follow") if not num_explained and place < _EXPLAINED else ""
            for place in range(len(reasons), len(listed))
        ]
        text = Markup('<p class="sentence">{}</p>').format(audience_text(data, audience))
        people = Markup('<div data-about="{}">{}{}</div>').format(
            _about(selection), text, people_table(data, audience.product_id, listed, reasons)
        )
        return {self.people: people, self.more: gr.Button(visible=len(listed) > max(num_explained, _EXPLAINED))}


def _about(selection: Selection) -> str:
    """Return what tells apart which product and filters a list is about."""
    return sha256(repr((selection.product_id, selection.filters)).encode()).hexdigest()[:16]


def _kept_out_by_filter(data: VersionData, audience: Audience, filters: Filters) -> str:
    """Return why the filters keep a product from those who may have it, '' where they do not: it is one for all."""
    if not audience.likeliest or filters == Filters():
        return ""
    row = audience.likeliest[0].row
    request = take(data.customers.columns, slice(row, row + 1))
    return excluded_reasons(
        data, str(data.recommender.exclusions(request, filters)[0, data.product_rows[audience.product_id]])
    )


def audience_text(data: VersionData, audience: Audience) -> str:
    """Say among whom the customers were sought, and how many may be offered the product."""
    return say(
        "audience",
        among="all" if audience.looked_at == audience.customers else "drawn",
        looked_at=audience.looked_at,
        customers=audience.customers,
        may_have=audience.may_have,
        product=str(data.product_names[data.product_rows[audience.product_id]]),
        hold=audience.hold,
        kept_out=audience.kept_out,
    )


def people_table(
    data: VersionData, product_id: str, people: Sequence[LikelyCustomer], reasons: Sequence[str]
) -> Markup:
    """Return customers with a line that sums each up, the chance and the reasons; a click opens one on the desk.

    Args:
        data: The version.
        product_id: The product.
        people: The customers.
        reasons: What is said of each one's reasons.
    """
    if not people:
        return empty_state(say("audience-nobody"), say("audience-nobody-more"))
    name = str(data.product_names[data.product_rows[product_id]])
    days = int(data.recommender.manifest["horizon_days"])
    highest = max(people[0].probability, 1e-9)
    columns = [Column(say("column-customer")), Column(say("column-chance")), Column(say("column-why"))]
    who = Markup(
        '<button type="button" class="pick" data-customer="{0}" title="{1}">{0}</button>'
        '<small class="muted-line">{2}</small>'
    )
    rows = [
        (
            who.format(one.id, say("audience-open"), _summary(data, one.row)),
            bar(one.probability / highest, chance(one.probability, days)),
            why,
        )
        for one, why in zip(people, reasons, strict=True)
    ]
    return Markup('<div class="compact">{}</div>').format(table(say("audience-caption", product=name), columns, rows))


def _summary(data: VersionData, row: int) -> str:
    request = take(data.customers.columns, slice(row, row + 1))
    today = EPOCH + timedelta(days=int(request["as_of_day"][0]))
    return summary(data.profiles.profile(request), today)


def _reasons(data: VersionData, product_id: str, people: Sequence[LikelyCustomer]) -> list[str]:
    """Return the reasons of each customer as a list, or what is missing for them."""
    product, listed = np.array([product_id], object), Markup('<ul class="reasons">{}</ul>')
    found: list[str] = []
    for one in people:
        try:
            (why,) = data.reasons.reasons(take(data.customers.columns, slice(one.row, one.row + 1)), product)
        except MissingPackageError as error:
            return [say("reasons-need-package", package=str(error))] * len(people)
        found.append(listed.format(join(Markup("<li>{}</li>").format(sentence) for sentence in why.sentences)))
    return found
