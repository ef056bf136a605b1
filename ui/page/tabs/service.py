"""The tab that tells how programs ask the page."""

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
from nextbest.serving.insights.explanation_data import STAGES, Stage
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.answers import answers
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import Column, html, table
from nextbest.ui.page.tab import Asked, Shared, Shown, told, upload_of
from nextbest.ui.page.tabs.batch import BATCHES, FORMATS, score_file
from nextbest.ui.page.version_data import Desk, Desks, Person

__all__ = ["ServiceTab", "add_endpoints"]

_ENDPOINTS = (
    (
        "/recommend",
        "customer_id, top, max_risk, categories, exclude",
        "products with scores and attributes; what was refused, and why",
    ),
    ("/profile", "customer_id", "attributes against the segment, holdings"),
    (
        "/explain",
        "customer_id, product_id, stage (ranking or retrieval)",
        "contributions, base, score and the sentence",
    ),
    ("/score", "customers (a file), top, format (CSV or Parquet)", "a file with a row per recommendation"),
)
_CODE = """\
from gradio_client import Client, handle_file

client = Client("{address}")  # auth=("user", "password") where the page asks for it
customer = "..."  # an id that the export knows
answer = client.predict(customer_id=customer, top=5, api_name="/recommend")
best = answer["products"][0]["product_id"]
why = client.predict(customer_id=customer, product_id=best, api_name="/explain")
file = client.predict(customers=handle_file("customers.csv"), top=10, format="Parquet", api_name="/score")
"""


def _described() -> Markup:
    columns = [Column("Endpoint"), Column("Arguments"), Column("Answer")]
    rows = [(Markup("<code>{}</code>").format(name), given, answer) for name, given, answer in _ENDPOINTS]
    about = '<p class="quiet">Other programs ask the same models, with <code>pip install gradio_client</code>.</p>{}'
    return Markup(about).format(table("Endpoints of the service", columns, rows))


class ServiceTab:
    """How programs ask the page."""

    id = "service"
    follows = False

    def __init__(self, host: str, port: int) -> None:
        with gr.Tab("As a service", id=self.id, elem_id="tab-service") as self.tab:
            html(_described(), elem_id="endpoints")
            code = _CODE.format(address=f"http://{host}:{port}")
            html(Markup('<h3>An example</h3><pre tabindex="0"><code>{}</code></pre>').format(code), elem_id="example")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return []

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """See `Tab`; it never changes."""
        return {}

    def connect(self, shared: Shared) -> None:
        """See `Tab`; nothing is asked here."""


def _checked_top(top: int, most: int) -> int:
    if not 1 <= top <= most:
        raise InputError([Problem("top", None, None, f"{top} products cannot be asked for", f"ask for 1 to {most}")])
    return top


def _checked_stage(stage: str) -> Stage:
    for known in STAGES:
        if stage == known:
            return known
    raise InputError([Problem("stage", None, None, f"there is no stage {stage!r}", f"ask for {' or '.join(STAGES)}")])


def _plain(content: Any) -> Any:
    """Return a dataclass as JSON knows it; days are ISO dates."""
    return json.loads(json.dumps(asdict(content), default=str))


def add_endpoints(desks: Desks, config: PageConfig) -> None:
    """Add /recommend, /profile, /explain and /score to the page that is being built."""

    @told
    def recommend(
        customer_id: str,
        top: int = config.default_products,
        max_risk: float | None = None,
        categories: list[str] | None = None,
        exclude: list[str] | None = None,
    ) -> dict[str, Any]:
        """Recommend to a customer; the answer is that of `nextbest recommend --json --explain`."""

        def question(desk: Desk) -> dict[str, Any]:
            filters = Filters(max_risk, tuple(categories or ()), tuple(exclude or ()))
            check_filters(desk.recommender, filters)
            request = desk.request(Person(customer_id))
            ids = np.array([customer_id], object)
            most = _checked_top(top, config.most_products)
            (answer,) = answers(desk.recommender, ids, request, most, filters, explain=True)
            return answer

        return desks.ask(question)

    @told
    def profile(customer_id: str) -> dict[str, Any]:
        """Describe a customer against the segment, with what is held."""
        return desks.ask(lambda desk: _plain(desk.profiles.profile(desk.request(Person(customer_id)))))

    @told
    def explain(customer_id: str, product_id: str, stage: str = "ranking") -> dict[str, Any]:
        """Tell what leads to a product's score ('ranking') or similarity ('retrieval') for a customer."""

        def question(desk: Desk) -> dict[str, Any]:
            request = desk.request(Person(customer_id))
            return _plain(desk.explainer.explain(request, product_id, _checked_stage(stage)))

        return desks.ask(question)

    @told
    def score(customers: str, top: int, format: str) -> str:
        """Score a file of customers (CSV or Parquet), as `nextbest score` does."""
        most = _checked_top(int(top), config.most_products)
        return desks.ask(lambda desk: str(score_file(desk, Path(customers), most, FORMATS[format])[0]))

    for function in (recommend, profile, explain):
        api(function, api_name=function.__name__)
    file = upload_of(visible=False, label="customers")
    number = gr.Number(config.default_products, precision=0, visible=False, label="top")
    ending = gr.Radio(list(FORMATS), value="CSV", visible=False, label="format")
    scored = gr.File(visible=False, label="recommendations")
    gr.Button(visible=False).click(
        score,
        [file, number, ending],
        scored,
        api_name="score",
        concurrency_limit=config.batch_concurrency,
        concurrency_id=BATCHES,
    )
