"""Choosing a customer: by a search that sends a few ids to the browser, or from an uploaded file.

`CustomerPanel` has the components, and `read_customers` reads the file.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import InputError, Problem
from nextbest.serving.requests import requests_from_file
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import alert, html
from nextbest.ui.page.tab import Updates, make_upload
from nextbest.ui.page.version_data import SelectedCustomer, VersionData

__all__ = ["CustomerPanel", "read_customers", "template_link"]

_SEARCH = Path(__file__).with_name("search.js").read_text(encoding="utf-8")
_COMBOBOX = """
<label for="customer-input">Customer</label>
<input id="customer-input" type="text" role="combobox" aria-expanded="false" aria-controls="customer-list"
  aria-autocomplete="list" autocomplete="off" spellcheck="false" placeholder="Id, name or attribute">
<ul id="customer-list" role="listbox" aria-label="Customers found" hidden></ul>
"""
_UPLOAD = "Upload a profile"


def read_customers(data: VersionData, path: Path, most: int) -> dict[str, SelectedCustomer]:
    """Read an uploaded file of customers: id -> customer, at most so many.

    Raises:
        InputError: With all problems of the file, or it has too many rows.
    """
    ids, features = requests_from_file(data.recommender, path)
    if len(ids) > most:
        what = f"it has {len(ids):,} customers, and the page shows at most {most:,} one by one"
        raise InputError([Problem(path.name, None, None, what, "score it on the tab Batch, or upload a part")])
    columns = data.recommender.customer_columns
    rows = enumerate(ids)
    return {
        str(customer): SelectedCustomer(str(customer), {name: features[name][row] for name in columns})
        for row, customer in rows
    }


def template_link(data: VersionData) -> Markup:
    """Return a link that saves a CSV with all columns and an example row; it needs no file and no request."""
    described = data.recommender.manifest["customers"]
    columns = described["columns"]
    names = dict.fromkeys([*data.form_fields, *columns])  # in the order of the form
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([described["id"], *names])
    rows.writerow(["new-customer", *(_example(data, name, columns[name]) for name in names)])
    content = base64.b64encode(text.getvalue().encode()).decode()
    return Markup(
        '<a class="download" download="customers.csv" href="data:text/csv;charset=utf-8;base64,{}">'
        "Download a template (CSV)</a>"
    ).format(content)


def _example(data: VersionData, name: str, column: dict[str, Any]) -> str:
    typical = data.form_fields[name].typical if name in data.form_fields else None
    if typical is None:
        return ""
    if isinstance(typical, str):
        return typical
    if column["role"] == "date":
        return str(np.datetime64(int(typical), "D"))
    if column["role"] == "boolean":
        return "true" if typical else "false"
    return f"{typical:.10g}"


class CustomerPanel:
    """The components that choose a customer; they are beside all tabs."""

    def __init__(self, search: Callable[[str], list[str]], config: PageConfig) -> None:
        def find(text: str) -> list[str]:  # gradio marks the function, and wants its name
            return search(text)

        self.search = html(
            "", html_template=_COMBOBOX, js_on_load=_SEARCH, server_functions=[find], elem_id="customer-search"
        )
        self.card = html("", elem_id="customer-card")
        with gr.Accordion(_UPLOAD, open=False, elem_id="upload"):
            self.file = make_upload(
                label=f"CSV or Parquet, up to {config.upload_megabytes} MB",
                file_types=[".csv", ".gz", ".parquet"],
                height=120,
                elem_id="profile-file",
            )
            self.template = html("", elem_id="template")
            self.report = html("", elem_id="upload-report")
            self.row = gr.Dropdown([], label="Customer of the file", visible=False, elem_id="profile-row")
        self.uploaded: gr.State = gr.State({})

    @property
    def outputs(self) -> list[Component]:
        """What an upload changes."""
        return [self.report, self.row, self.uploaded]

    def read(
        self, data: VersionData, path: str | None, config: PageConfig
    ) -> tuple[dict[str, SelectedCustomer], Markup]:
        """Return the customers of an uploaded file, and a report on it.

        Raises:
            InputError: See `read_customers`.
        """
        if path is None:
            return {}, Markup("")
        customers = read_customers(data, Path(path), config.max_profiles)
        title = f"{len(customers):,} customer{'s' if len(customers) != 1 else ''} read."
        unknown = data.count_unknown(list(customers))
        text = f"{unknown:,} not known before: they hold nothing." if unknown else "What they hold is known."
        return customers, alert("good", title, text)

    def show(self, customers: Mapping[str, SelectedCustomer], report: Markup) -> Updates:
        """Show the report on an upload, and the choice among the file's customers."""
        ids = list(customers)
        row = gr.Dropdown(ids, value=ids[0] if ids else None, visible=len(ids) > 1)
        return {self.report: report, self.row: row, self.uploaded: dict(customers)}
