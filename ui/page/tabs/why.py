"""The tab of why: the reasons of the selected product in words and bars, and for specialists what the models see.

`reason_bars` is its view, and `beside` compares two products. What takes the models' features apart is computed when
somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import FailedError
from nextbest.serving.formatting import format_change, format_probability, sentence_case
from nextbest.serving.insights.explanation_data import Stage
from nextbest.serving.insights.reasons import CustomerReasons, ProductReasons
from nextbest.serving.language import say
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.feature_charts import add_margin, beeswarm, effect_bar, shap_waterfall, waterfall
from nextbest.ui.page.html import Column, alert, empty_state, html, join, label, table
from nextbest.ui.page.product_cards import chance, facts_beside, match
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, listen, no_customer
from nextbest.ui.page.version_data import (
    Recommendation,
    VersionData,
    excluded_products,
    num_offered,
    recommend_products,
    selected_product,
)

__all__ = ["WhyTab", "beside", "reason_bars"]

_STAGES: Mapping[str, Stage] = {"label-why-ranking": "ranking", "label-why-retrieval": "retrieval"}
_PICTURE = "label-why-picture"


class WhyTab:
    """Why the selected product is recommended."""

    id = "why"
    depends_on_controls = True

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        with gr.Tab(label("label-tab-why"), id=self.id, elem_id="tab-why") as self.tab:
            with gr.Row():
                self.product = gr.Dropdown([], label=label("label-why-product"), elem_id="why-product", min_width=280)
                self.other = gr.Dropdown([], label=label("label-why-other"), elem_id="why-other", min_width=280)
            self.view = html("", elem_id="why-view")
            more = [(str(label(key)), key) for key in (_PICTURE, *_STAGES)]
            self.more = gr.Radio(more, label=label("label-why-more"), elem_id="why-more")
            self.details = html("", elem_id="why-details")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.product, self.other, self.view, self.more, self.details]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; what is for specialists waits until it is asked for."""
        return {self.more: None, self.details: "", **self._explain(data, selection)}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""

        def answer(
            explain: Callable[[VersionData, Selection], Updates], product: str | None, inputs: Sequence[Any]
        ) -> Updates:
            customer, _, *controls = inputs

            def ask(data: VersionData) -> Updates:
                return explain(data, shared.selection(data, customer, product or "", *controls))

            return shared.current.ask(ask)

        def select(product: str | None, *inputs: Any) -> Updates:
            return {shared.product_id: product or ""} | answer(self.content, product, inputs)

        def show(product: str | None, more: str, *inputs: Any) -> Updates:
            return answer(lambda data, selection: self._details(data, selection, more), product, inputs)

        def compare(product: str | None, other: str | None, *inputs: Any) -> Updates:
            return answer(lambda data, selection: self._explain(data, selection, other or ""), product, inputs)

        listen(
            self.other.input,
            compare,
            [self.product, self.other, *shared.inputs],
            [self.product, self.other, self.view],
        )
        listen(
            self.product.input,
            select,
            [self.product, *shared.inputs],
            [shared.product_id, *self.outputs],
        )
        listen(self.more.input, show, [self.product, self.more, *shared.inputs], [self.details])

    def _explain(self, data: VersionData, selection: Selection, other: str = "") -> Updates:
        """Return the reasons of the selected product, or it beside another one of the list."""
        if not selection.customer:
            nothing = gr.Dropdown([], value=None)
            return {self.product: nothing, self.other: nothing, self.view: no_customer()}
        request = data.request(selection.customer)
        recommendations = recommend_products(data, selection.customer, selection.top, selection.filters)
        selected = selected_product(recommendations, selection.product_id)
        choices = [(f"{one.rank}. {one.name}", one.product_id) for one in recommendations]
        others = [(say("why-no-other"), ""), *(choice for choice in choices if choice[1] != selected)]
        other = other if other in [product for _, product in others] else ""
        choice = {
            self.product: gr.Dropdown(choices, value=selected or None),
            self.other: gr.Dropdown(others, value=other),
        }
        if not selected:
            return choice | {self.view: empty_state(say("no-product-left"), say("nothing-to-explain"))}
        if data.lacks_holdings(selection.customer, request):
            return choice | {self.view: alert("warning", say("no-probability"), say("no-probability-do"))}
        try:
            found = data.reasons.of_customer(request, np.array([one.product_id for one in recommendations], object))
        except FailedError as error:
            return choice | {self.view: alert("warning", say("reasons-unavailable"), str(error))}
        if other:
            pair = [one for one in recommendations if one.product_id in (selected, other)]
            suitable = num_offered(data, excluded_products(data, request, selection.filters))
            return choice | {self.view: beside(data, pair, found, suitable)}
        place = [one.product_id for one in recommendations].index(selected)
        near = recommendations[place + 1 if place == 0 else place - 1] if len(recommendations) > 1 else None
        comparison = found.compare(selected, near.product_id) if near else ""
        return choice | {self.view: _reasons_view(found.products[place], recommendations[place], comparison)}

    def _details(self, data: VersionData, selection: Selection, more: str) -> Updates:
        """Return what specialists asked for."""
        if not selection.customer:
            return {self.details: no_customer()}
        request = data.request(selection.customer)
        recommendations = recommend_products(data, selection.customer, selection.top, selection.filters)
        selected = selected_product(recommendations, selection.product_id)
        if not selected:
            return {self.details: empty_state(say("no-product-left"), say("nothing-to-explain"))}
        if data.lacks_holdings(selection.customer, request):
            return {self.details: ""}
        try:
            if more == _PICTURE:
                ids = np.array([one.product_id for one in recommendations], object)
                place = ids.tolist().index(selected)
                return {self.details: shap_waterfall(data.reasons.reasons(request, ids)[place])}
            explanation = data.explainer.explain(request, selected, _STAGES[more])
        except FailedError as error:
            return {self.details: alert("warning", say("not-explainable"), str(error))}
        name = next(f"{one.rank}. {one.name}" for one in recommendations if one.product_id == selected)
        shown = [waterfall(explanation, name, self._config.contributions), self._importance_view(data, _STAGES[more])]
        return {self.details: join(shown, Markup("<h3>{}</h3>").format(say("matters-over-all")))}

    def _importance_view(self, data: VersionData, stage: Stage) -> Markup:
        found = data.importance[stage]
        if found is None:
            return empty_state(say("not-measured"), say("not-measured-more"))
        return beeswarm(found, self._config.important_features)


def _reasons_view(reasons: ProductReasons, product: Recommendation, comparison: str) -> Markup:
    """Return the reasons in words, the bars, and why this product comes before its neighbour in the list."""
    words = join(Markup('<p class="sentence">{}</p>').format(sentence) for sentence in reasons.sentences)
    below = Markup('<p class="sentence">{}</p>').format(comparison) if comparison else ""
    return Markup("{}{}{}").format(words, reason_bars(reasons, f"{product.rank}. {product.name}"), below)


def beside(data: VersionData, products: Sequence[Recommendation], found: CustomerReasons, suitable: int) -> Markup:
    """Return two products beside each other, and in a sentence why one comes before the other.

    Args:
        data: The version.
        products: The two, in the order of the list.
        found: The reasons of the list's products.
        suitable: How many products may be shown to the customer.
    """
    days = int(data.recommender.manifest["horizon_days"])
    reasons = {one.product_id: one for one in found.products}
    why = [reasons[one.product_id] for one in products]
    said = [join(Markup("<li>{}</li>").format(sentence) for sentence in one.sentences) for one in why]
    facts = facts_beside(data, [one.row for one in products])
    rows = [
        (say("column-chance"), *(chance(one.probability, days, one.base) for one in why)),
        (say("column-match"), *(match(one.retrieval_rank, suitable) for one in products)),
        *(fact for fact in facts if fact[1] != fact[2]),
        (say("column-reasons"), *(Markup('<ul class="reasons">{}</ul>').format(sentences) for sentences in said)),
    ]
    names = [f"{one.rank}. {one.name}" for one in products]
    columns = [Column(say("compare-products")), *(Column(name) for name in names)]
    sentence = Markup('<p class="sentence">{}</p>').format(found.compare(*(one.product_id for one in products)))
    same = ", ".join(f"{title} {value}" for title, value, other in facts if value == other)
    alike = Markup('<p class="muted">{}</p>').format(say("compare-same", facts=same)) if same else ""
    compared = table(say("compare-caption", first=names[0], second=names[1]), columns, rows)
    return Markup('{}<div class="beside">{}</div>{}').format(sentence, compared, alike)


def reason_bars(reasons: ProductReasons, product: str) -> Markup:
    """Return what leads from the average customer's probability to this one's, the largest effect first."""
    groups = reasons.largest_first
    ends = 100 * reasons.base + np.cumsum([0.0, *(group.points for group in groups)])
    low, high = add_margin(min(0.0, float(ends.min())), float(ends.max()))
    rows: list[Sequence[str]] = [
        (say("average-customer"), "", effect_bar(low, high, 0.0, ends[0], "base"), format_probability(reasons.base))
    ]
    for group, start, end in zip(groups, ends[:-1], ends[1:], strict=True):
        drawing = effect_bar(low, high, start, end, "more" if group.points >= 0 else "less")
        rows.append((sentence_case(group.name), group.value, drawing, format_change(group.points, 1)))
    last = effect_bar(low, high, 0.0, ends[-1], "base")
    rows.append((say("this-customer"), "", last, format_probability(reasons.probability)))
    columns = [
        Column(say("column-known")),
        Column(say("column-of-customer")),
        Column(say("column-steps"), "chart"),
        Column(say("column-adds"), "number", say("percentage-points")),
    ]
    title = say("why-caption", product=product)
    return Markup('<div class="waterfall">{}</div>').format(table(title, columns, rows))
