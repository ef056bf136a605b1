"""The page as a service: endpoints by name, which `gradio_client` calls."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api

from nextbest.data.problems import InputError, Problem
from nextbest.serving.explanation_assets import STAGES, Stage
from nextbest.serving.recommender import Filters
from nextbest.serving.requests import check_filters
from nextbest.ui.answers import answers
from nextbest.ui.page.batch import BATCHES, FORMATS, score_file
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.desk import Desk, Desks, Person
from nextbest.ui.page.errors import told
from nextbest.ui.page.uploads import upload_of

__all__ = ["add_endpoints"]


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
