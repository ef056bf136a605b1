"""The tab that tells how programs ask the page."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from nextbest.ui.page.desk import Desk
from nextbest.ui.page.markup import Column, html, table
from nextbest.ui.page.tab import Asked, Shared, Shown

__all__ = ["ServiceTab"]

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
