"""The customer beside all tabs: chosen by a search or from an uploaded file, and described at a glance.

`CustomerPanel` has the components, `read_customers` reads the file, and `portrait` is the description: a line that sums
up, the finances beside the segment's, a timeline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.words import is_named
from nextbest.data.windows import EPOCH
from nextbest.serving.artifacts.assets import EVENT_DAYS, Event
from nextbest.serving.formatting import format_date, format_month, format_name, sentence_case
from nextbest.serving.insights.profiles import Attribute, Profile
from nextbest.serving.language import LANGUAGES, messages, say
from nextbest.serving.requests import requests_from_file, served_columns
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.html import alert, csv_link, empty_state, html, join, label
from nextbest.ui.page.tab import Updates, make_upload
from nextbest.ui.page.version_data import SelectedCustomer, VersionData

__all__ = ["CustomerPanel", "finances", "marks", "portrait", "read_customers", "summary", "template_link", "timeline"]

_SEARCH = Path(__file__).with_name("search.js").read_text(encoding="utf-8")
_COMBOBOX = """
<label for="customer-input" data-words="{}"></label>
<input id="customer-input" type="text" role="combobox" aria-expanded="false" aria-controls="customer-list"
  aria-autocomplete="list" autocomplete="off" spellcheck="false">
<ul id="customer-list" role="listbox" hidden></ul>
"""
_NUM_FINANCES = 6
_MARKS = {"opened": "▲", "closed": "▼", "looked-at": "●", "refused": "✕"}
"""Kind of event -> its mark, so that no one needs to tell colours apart."""


def portrait(data: VersionData, customer: SelectedCustomer) -> Markup:
    """Describe a customer."""
    if not customer:
        return empty_state(say("no-customer"), say("no-customer-yet-do"))
    request = data.request(customer)
    profile = data.profiles.profile(request)
    today = EPOCH + timedelta(days=int(request["as_of_day"][0]))
    chips = join(Markup('<span class="chip">{}</span>').format(mark) for mark in marks(customer))
    parts = [
        Markup("<h2>{}</h2>{}").format(customer.id, chips),
        Markup('<p class="summary">{}</p>').format(summary(profile, today, data.lacks_holdings(customer, request))),
        finances(profile),
        timeline(data, data.events_of(customer.id), today),
    ]
    markup = '<section class="card portrait" aria-label="{}">{}</section>'
    return Markup(markup).format(say("portrait"), join(parts))


def marks(customer: SelectedCustomer) -> list[str]:
    """Return what is not as the bank's data say: that the customer was uploaded, and what was changed on the page."""
    names = ", ".join(map(format_name, customer.edited))
    changed = [say("portrait-changed", names=names)] if customer.edited else []
    return [say("portrait-uploaded"), *changed] if customer.uploaded else changed


def summary(profile: Profile, today: date, lacks_holdings: bool = False) -> str:
    """Return one line: '43 years, affluent, 4 products, the last one opened 2 months ago'.

    Args:
        profile: The customer's.
        today: The day of the data.
        lacks_holdings: Whether nobody knows what the customer holds.
    """
    age = next((one.value for one in profile.attributes if is_named(one.name, "age") and not one.missing), "")
    held = say("held-unknown") if lacks_holdings else say("held-count", count=len(profile.holdings))
    parts = [age, format_name(profile.segment), held]
    opened = [holding.since for holding in profile.holdings if holding.since is not None]
    if opened:
        parts.append(say("last-opened", when=_ago(today - max(opened))))
    return ", ".join(part for part in parts if part)


def _ago(passed: timedelta) -> str:
    days = max(passed.days, 0)
    if days < 14:
        return say("ago", unit={0: "today", 1: "yesterday"}.get(days, "days"), count=days)
    if days < 60:
        return say("ago", unit="weeks", count=days // 7)
    unit, length = ("months", 30) if days < 730 else ("years", 365)
    return say("ago", unit=unit, count=days // length)


def finances(profile: Profile) -> Markup:
    """Return where the customer's money stands among the segment's: a bar of 100 customers, its middle half shaded."""
    compared = [one for found in profile.behaviour.values() for one in found if _place(one) is not None]
    if not compared:
        return Markup("")
    peers = say("peers-segment", segment=format_name(profile.segment)) if profile.segment else say("peers-all")
    about = Markup('<p class="muted">{}</p>').format(peers)
    rows = join(_finance(one) for one in compared[:_NUM_FINANCES])
    return Markup('<div class="finances">{}<ul>{}</ul></div>').format(about, rows)


def _place(attribute: Attribute) -> float | None:
    """Return how many of 100 are below the customer: of the segment, or where there is none of all."""
    return attribute.percentile_overall if attribute.percentile is None else attribute.percentile


def _finance(attribute: Attribute) -> Markup:
    place = _place(attribute) or 0.0
    axis = Markup('<span class="axis" aria-hidden="true"><b></b><i style="left:{}%"></i></span>').format(f"{place:.1f}")
    spoken = Markup('<span class="visually-hidden">{}</span>').format(say("above-peers", count=round(place)))
    row = '<li><span class="what">{}</span><span class="value">{}</span>{}{}</li>'
    return Markup(row).format(sentence_case(attribute.label), attribute.value, spoken, axis)


def timeline(data: VersionData, events: Sequence[Event], today: date) -> Markup:
    """Return what happened in the last two years on a line, and as a list for who cannot see it; '' for nothing."""
    if not events:
        return Markup("")
    first = today - timedelta(days=EVENT_DAYS)
    marks = join(
        Markup('<span class="{}" style="left:{}%" title="{}" aria-hidden="true">{}</span>').format(
            _kind(event),
            f"{100 * (event.day - first).days / EVENT_DAYS:.1f}",
            _told(data, event),
            _MARKS[_kind(event)],
        )
        for event in events
    )
    listed = join(Markup("<li>{}</li>").format(_told(data, event)) for event in reversed(events))
    happened = {_kind(event) for event in events}
    legend = ", ".join(f"{mark} {say('event', what=what)}" for what, mark in _MARKS.items() if what in happened)
    markup = (
        '<div class="timeline"><div class="line">{}</div><p class="ends"><span>{}</span><span>{}</span></p>'
        "<details><summary>{} <small>{}</small></summary><ul>{}</ul></details></div>"
    )
    ends = format_month(first), format_month(today)
    return Markup(markup).format(marks, *ends, say("events", count=len(events)), legend, listed)


def _kind(event: Event) -> str:
    return event.what.replace(" ", "-")


def _told(data: VersionData, event: Event) -> str:
    product = str(data.product_names[event.product])
    return say("event-of", day=format_date(event.day), what=_kind(event), product=product)


def read_customers(data: VersionData, path: Path, most: int) -> dict[str, SelectedCustomer]:
    """Read an uploaded file of customers: id -> customer, at most so many.

    Raises:
        InputError: With all problems of the file, or it has too many rows.
    """
    ids, features = requests_from_file(data.recommender, path)
    if len(ids) > most:
        what = say("upload-too-many", count=len(ids), most=most)
        raise InputError([Problem(path.name, None, None, what, say("upload-too-many-do"))])
    rows = enumerate(ids)
    return {
        str(customer): SelectedCustomer(str(customer), {name: values[row] for name, values in features.items()})
        for row, customer in rows
    }


def template_link(data: VersionData) -> Markup:
    """Return a link that saves a CSV with all columns and an example row; it needs no file and no request."""
    described = data.recommender.manifest["customers"]
    columns = described["columns"]
    names = dict.fromkeys([*data.form_fields, *served_columns(data.recommender).columns])  # in the order of the form
    example = ["new-customer", *(_example(data, name, columns[name]) for name in names)]
    return csv_link("customers.csv", say("upload-template"), [[described["id"], *names], example])


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

        words = json.dumps({code: messages("search-", code) for code in LANGUAGES})
        combobox = str(Markup(_COMBOBOX).format(words))
        self.search = html(
            "", html_template=combobox, js_on_load=_SEARCH, server_functions=[find], elem_id="customer-search"
        )
        self.card = html("", elem_id="customer-card")
        with gr.Accordion(label("label-upload"), open=False, elem_id="upload"):
            self.file = make_upload(
                label=label("label-upload-file") + f" {config.upload_megabytes} MB",
                file_types=[".csv", ".gz", ".parquet"],
                height=120,
                elem_id="profile-file",
            )
            self.template = html("", elem_id="template")
            self.report = html("", elem_id="upload-report")
            self.row = gr.Dropdown([], label=label("label-upload-row"), visible=False, elem_id="profile-row")
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
        unknown = data.count_unknown(list(customers))
        text = say("upload-unknown", count=unknown) if unknown else say("upload-known")
        return customers, alert("good", say("upload-read", count=len(customers)), text)

    def show(self, customers: Mapping[str, SelectedCustomer], report: Markup) -> Updates:
        """Show the report on an upload, and the choice among the file's customers."""
        ids = list(customers)
        row = gr.Dropdown(ids, value=ids[0] if ids else None, visible=len(ids) > 1)
        return {self.report: report, self.row: row, self.uploaded: dict(customers)}
