"""The page: choose a customer, see who that is and what to offer. It shows what the exported models answer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from data.problems import InputError
from data.windows import EPOCH
from serving.backends import BackendError
from serving.live import LiveRecommender
from serving.recommender import Filters, Recommender
from serving.requests import check_filters, requests_of_ids
from serving.words import shown_value
from ui.answers import answers

if TYPE_CHECKING:
    import gradio as gr

__all__ = ["build_page", "customer_view"]

_MOST = 20
_SCORES = ("rank", "product_id", "probability", "similarity", "before ranking")


def customer_view(
    recommender: Recommender, customer: str, top: int, max_risk: float | None, categories: list[str]
) -> tuple[list[list[str]], list[list[Any]], list[list[str]]]:
    """Return what the page shows of a customer.

    Args:
        recommender: The loaded export.
        customer: An id that the export's snapshot knows.
        top: How many products.
        max_risk: The highest risk wanted, None for no limit.
        categories: Categories of interest, none for all.

    Returns:
        The attributes (name, value); the products (scores, then attributes); the refused products (id, reason).

    Raises:
        InputError: The customer is unknown, or a filter is.
    """
    filters = Filters(max_risk=max_risk, categories=categories)
    check_filters(recommender, filters)
    ids = np.array([customer.strip()], object)
    request = requests_of_ids(recommender, ids)
    columns = recommender.manifest["customers"]["columns"]
    attributes = [[name, shown_value(request[name][0], columns[name])] for name in recommender.customer_columns]
    held = [product for product in request["held_products"][0] if product]
    attributes.append(["holds", ", ".join(held) or "-"])
    (answer,) = answers(recommender, ids, request, top, filters, explain=True)
    described = recommender.manifest["products"]["columns"]
    offers = []
    for offer in answer["products"]:
        (row,) = recommender.products.positions(np.array([offer["product_id"]], object))
        details = [shown_value(values[row], described[name]) for name, values in recommender.products.columns.items()]
        scores = [f"{offer['probability']:.1%}", f"{offer['similarity']:.3f}", offer["retrieval_rank"]]
        offers.append([offer["rank"], offer["product_id"], *scores, *details])
    return attributes, offers, [list(pair) for pair in answer["refused"].items()]


def build_page(live: LiveRecommender) -> gr.Blocks:
    """Return the page over the newest version that works; `launch` opens it."""
    import gradio as gr

    recommender = live.current
    policy = recommender.manifest["policy"]
    risk, category = policy["risk_column"], policy["category_column"]
    columns = recommender.products.columns
    categories = sorted(set(columns[category]) - {""}) if category else []
    highest = float(np.nanmax(columns[risk])) if risk else 0.0

    def show(customer: str, top: float, limit: float, wanted: list[str]) -> Any:
        max_risk = limit if risk and limit < highest else None
        try:
            return live.ask(lambda current: customer_view(current, customer, int(top), max_risk, wanted))
        except (InputError, BackendError) as error:
            raise gr.Error(str(error)) from None

    def heading() -> str:
        return f"# nextbest\nVersion {live.version}, as of {EPOCH + timedelta(live.current.manifest['as_of_day'])}"

    with gr.Blocks(title="nextbest", analytics_enabled=False) as page:
        gr.Markdown(heading)  # read anew whenever the page is opened
        with gr.Row():
            known = recommender.customers().ids
            customer = gr.Textbox(label="Customer", value=known[0] if len(known) else "")
            top = gr.Slider(1, _MOST, value=5, step=1, label="Products")
            limit = gr.Slider(0, highest, value=highest, step=1, label="Highest risk", visible=risk is not None)
            wanted = gr.Dropdown(categories, multiselect=True, label="Categories", visible=category is not None)
            button = gr.Button("Recommend", variant="primary")
        offers = gr.Dataframe(headers=[*_SCORES, *columns], label="Next best products", interactive=False)
        with gr.Row():
            attributes = gr.Dataframe(headers=["attribute", "value"], label="Customer", interactive=False)
            refused = gr.Dataframe(headers=["product", "reason"], label="Refused products", interactive=False)
        inputs, outputs = [customer, top, limit, wanted], [attributes, offers, refused]
        gr.on([button.click, customer.submit], show, inputs, outputs, api_name="recommend")
    return page
