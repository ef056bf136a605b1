"""The page as a service: the endpoints for other programs, and the tab that documents them.

`add_endpoints` adds /recommend, /profile, /reasons, /explain and /score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from gradio.events import api
from markupsafe import Markup

from nextbest.data.errors import InputError, Problem
from nextbest.serving.arguments import as_count, as_id, as_ids, as_number, as_words
from nextbest.serving.insights.explanation_data import STAGES, Stage
from nextbest.serving.language import ENGLISH, LANGUAGES, say, speak
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.answers import reasons_as_json, recommendations_as_json
from nextbest.ui.page.batch_report import read_batch
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import Column, html, label, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, make_upload, show_errors
from nextbest.ui.page.tabs.batch import BATCHES, FORMATS, score_file
from nextbest.ui.page.version_data import CurrentVersion, SelectedCustomer, VersionData

__all__ = ["ServiceTab", "add_endpoints"]

_ENDPOINTS = {
    "recommend": "customer_id, top, max_risk, categories, exclude",
    "profile": "customer_id",
    "reasons": f"customer_id, product_id, language ({' or '.join(LANGUAGES)})",
    "explain": "customer_id, product_id, stage (ranking or retrieval), language",
    "score": "customers (a file), top, format (CSV, Parquet or Excel), holdings (a file, or none)",
}
"""Name -> arguments; what it answers is in the message `endpoint-answer`."""
_CODE = """\
from gradio_client import Client, handle_file

client = Client("{address}", analytics_enabled=False)  # auth=("user", "password") where the page has accounts
customer = "..."  # an id that the export knows
answer = client.predict(customer_id=customer, top=5, api_name="/recommend")
best = answer["products"][0]["product_id"]
why = client.predict(customer_id=customer, product_id=best, api_name="/reasons")
file = client.predict(customers=handle_file("customers.csv"), top=10, format="Parquet", api_name="/score")
"""


class ServiceTab:
    """How programs use the page."""

    id = "service"
    depends_on_controls = False

    def __init__(self, host: str, port: int) -> None:
        with gr.Tab(label("label-tab-service"), id=self.id, elem_id="tab-service") as self.tab:
            self.endpoints = html("", elem_id="endpoints")
            self.example = html("", elem_id="example")
        self._code = _CODE.format(address=f"http://{host}:{port}")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.endpoints, self.example]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`; it is the same of all customers."""
        markup = '<h3>{}</h3><pre tabindex="0"><code>{}</code></pre>'
        example = Markup(markup).format(say("service-example"), self._code)
        return {self.endpoints: _endpoint_table(), self.example: example}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def _endpoint_table() -> Markup:
    columns = [Column(say("column-endpoint")), Column(say("column-arguments")), Column(say("column-answer"))]
    rows = [
        (Markup("<code>/{}</code>").format(name), given, say("endpoint-answer", name=name))
        for name, given in _ENDPOINTS.items()
    ]
    about = '<p class="muted">{} <code>pip install gradio_client</code>.</p>{}'
    return Markup(about).format(say("service-about"), table(say("service-caption"), columns, rows))


def add_endpoints(current: CurrentVersion, config: PageConfig) -> None:
    """Add /recommend, /profile, /reasons, /explain and /score to the page that is being built."""

    @show_errors
    def recommend(
        customer_id: str | int,
        top: int | float | str | None = config.default_products,
        max_risk: float | str | None = None,
        categories: list[str] | str | None = None,
        exclude: list[str] | str | None = None,
    ) -> dict[str, Any]:
        """Recommend to a customer; the answer is that of `nextbest recommend --json --explain`."""
        most = as_count("top", top, config.max_products)
        wanted, unwanted = as_words("categories", categories), as_words("exclude", exclude)
        filters = Filters(as_number("max_risk", max_risk), wanted, unwanted)
        ids = as_ids("customer_id", [customer_id])

        def answer(data: VersionData) -> dict[str, Any]:
            check_filters(data.recommender, filters)
            request = data.request(SelectedCustomer(ids[0]))
            (found,) = recommendations_as_json(data.recommender, ids, request, most, filters, explain=True)
            return found

        return current.ask(answer)

    @show_errors
    def profile(customer_id: str) -> dict[str, Any]:
        """Describe a customer compared with the segment, with what is held."""
        customer = SelectedCustomer(as_id("customer_id", customer_id))
        return current.ask(lambda data: _as_json(data.profiles.profile(data.request(customer))))

    @show_errors
    def reasons(customer_id: str, product_id: str, language: str = ENGLISH) -> dict[str, Any]:
        """Give the reasons of a product's probability for a customer, in sentences and percentage points."""
        customer, product = SelectedCustomer(as_id("customer_id", customer_id)), as_id("product_id", product_id)

        def answer(data: VersionData) -> dict[str, Any]:
            with speak(language):
                (found,) = data.reasons.reasons(data.request(customer), np.array([product], object))
                return reasons_as_json(found)

        return current.ask(answer)

    @show_errors
    def explain(customer_id: str, product_id: str, stage: str = "ranking", language: str = ENGLISH) -> dict[str, Any]:
        """Take a product's score ('ranking') or similarity ('retrieval') apart by the models' features."""
        customer, product = SelectedCustomer(as_id("customer_id", customer_id)), as_id("product_id", product_id)

        def answer(data: VersionData) -> dict[str, Any]:
            with speak(language):
                return _as_json(data.explainer.explain(data.request(customer), product, _check_stage(stage)))

        return current.ask(answer)

    @show_errors
    def score(customers: str, top: int, format: str, holdings: str | None = None) -> str:
        """Score a file of customers (CSV or Parquet), as `nextbest score` does, with a file of what they hold."""
        most = as_count("top", top, config.max_products)

        def answer(data: VersionData) -> str:
            batch = read_batch(data, Path(customers), None if holdings is None else Path(holdings))
            *_, done = score_file(data, batch, most, FORMATS[format], Filters())
            return str(done.file)

        return current.ask(answer)

    for function in (recommend, profile, reasons, explain):
        api(function, api_name=function.__name__)
    file = make_upload(visible=False, label="customers")
    number = gr.Number(config.default_products, precision=0, visible=False, label="top")
    ending = gr.Radio(list(FORMATS), value="CSV", visible=False, label="format")
    held = make_upload(visible=False, label="holdings")
    scored = gr.File(visible=False, label="recommendations")
    gr.Button(visible=False).click(
        score,
        [file, number, ending, held],
        scored,
        api_name="score",
        concurrency_limit=config.batch_concurrency,
        concurrency_id=BATCHES,
    )


def _check_stage(stage: str) -> Stage:
    for known in STAGES:
        if stage == known:
            return known
    raise InputError([Problem("stage", None, None, f"there is no stage {stage!r}", f"give {' or '.join(STAGES)}")])


def _as_json(content: Any) -> Any:
    """Return a dataclass as JSON knows it; days are ISO dates."""
    return json.loads(json.dumps(asdict(content), default=str))
