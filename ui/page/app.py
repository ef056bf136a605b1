"""The page put together: a customer and the controls on the left, and tabs that are computed when they are looked at.

`build_page` lays out the components and connects their events; `ui.page.server` opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from nextbest.data.errors import InputError
from nextbest.serving.formatting import format_date
from nextbest.serving.language import LANGUAGES, current_language, say, speak
from nextbest.serving.live import LiveRecommender
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import Controls
from nextbest.ui.page.customer import CustomerPanel, portrait, template_link
from nextbest.ui.page.html import alert, html, join, problem_report
from nextbest.ui.page.tab import SharedComponents, Tab, Updates, error_text, listen
from nextbest.ui.page.tabs.batch import BatchTab
from nextbest.ui.page.tabs.by_product import ByProductTab
from nextbest.ui.page.tabs.desk import DeskTab
from nextbest.ui.page.tabs.models import ModelsTab
from nextbest.ui.page.tabs.neighbourhood import NeighbourhoodTab
from nextbest.ui.page.tabs.profile import ProfileTab
from nextbest.ui.page.tabs.service import ServiceTab, add_endpoints
from nextbest.ui.page.tabs.what_if import WhatIfTab
from nextbest.ui.page.tabs.why import WhyTab
from nextbest.ui.page.version_data import CurrentVersion, SelectedCustomer, VersionData

__all__ = ["build_page", "heading"]


def heading(data: VersionData, version: int) -> Markup:
    """Return the page's title: which version answers, of which day its data are; and the other languages."""
    age = data.recommender.age
    about = say("page-heading", version=str(version), day=format_date(age.as_of), age=age.days)
    old = Markup("")
    if age.is_past_horizon:
        old = Markup(' · <strong title="{}">{}</strong>').format(
            say("data-old-more", days=age.horizon_days), say("data-old")
        )
    text = '<header><h1>nextbest</h1><p class="muted">{}{}</p><nav aria-label="{}">{}</nav></header>'
    others = join(_link(code) for code in LANGUAGES if code != current_language())
    return Markup(text).format(about, old, say("languages"), others)


def _link(code: str) -> Markup:
    """Return a link to the page in a language; `address.js` keeps the rest of the address."""
    with speak(code):
        name = say("language-name")
    return Markup('<a class="language" href="?lang={}" lang="{}" hreflang="{}">{}</a>').format(code, code, code, name)


def build_page(live: LiveRecommender, config: PageConfig | None = None) -> gr.Blocks:
    """Return the page for the newest version that works; `ui.page.server.open_page` opens it."""
    config = config or PageConfig()
    seconds = config.keep_files_seconds
    with gr.Blocks(title="nextbest", analytics_enabled=False, fill_width=True, delete_cache=(seconds, seconds)) as page:
        _Page(CurrentVersion(live, config.any_age), config).connect(page)
    page.queue(max_size=config.queue_size, api_open=False, default_concurrency_limit=config.concurrency)
    return page


class _Page:
    """The parts of the page, laid out, and what happens when they are used."""

    def __init__(self, current: CurrentVersion, config: PageConfig) -> None:
        self.current, self.config = current, config
        self.title = html("", elem_id="title")
        with gr.Row(elem_id="page"):
            with gr.Column(scale=2, min_width=280, elem_id="side"):
                self.panel = CustomerPanel(self._find_customers, config)
                self.templates = [self.panel.template]
            with gr.Column(scale=7, min_width=340, elem_id="main"):
                controls = current.ask(lambda data: Controls(data, config))
                self.problems = html("", elem_id="upload-problems", visible=False)
                with gr.Tabs(elem_id="tabs") as tabs:
                    self.desk = DeskTab()
                    self.tabs: dict[str, Tab] = {self.desk.id: self.desk} | {tab.id: tab for tab in self._lay_out()}
        self.version = gr.State(current.number)
        self.shared = SharedComponents(
            current=current,
            config=config,
            controls=controls,
            tabs=tabs,
            card=self.panel.card,
            visible_tab=gr.State(DeskTab.id),
            customer=gr.State(SelectedCustomer()),
            product_id=gr.State(""),
        )
        add_endpoints(current, config)

    def _lay_out(self) -> Iterator[Tab]:
        yield ProfileTab()
        yield WhyTab(self.config)
        yield NeighbourhoodTab()
        yield self.current.ask(WhatIfTab)
        self.by_product = ByProductTab()
        yield self.by_product
        yield ModelsTab()
        batch = BatchTab(self.config)
        self.templates.append(batch.template)
        yield batch
        yield ServiceTab(self.config.host, self.config.port)

    def connect(self, page: gr.Blocks) -> None:
        """Say what happens when something is used."""
        shared, panel = self.shared, self.panel
        inputs = [shared.visible_tab, *shared.inputs]
        tab_outputs = [component for tab in self.tabs.values() for component in tab.outputs]
        customer_outputs = [shared.customer, panel.card, shared.controls.appetite, *tab_outputs]
        for tab in self.tabs.values():
            listen(tab.tab.select, partial(self._show_tab, tab.id), inputs, [shared.visible_tab, *tab_outputs])
            tab.connect(shared)
        controls: list[Any] = shared.controls.inputs
        changes = [control.input for control in controls]
        listen(changes, self._apply_controls, inputs, tab_outputs, trigger_mode="always_last")
        listen([panel.search.select, self.desk.samples.select], self._select_customer, inputs, customer_outputs)
        listen(self.by_product.people.select, self._open_customer, inputs, [shared.tabs, *customer_outputs])
        upload_outputs = [*panel.outputs, self.problems, *customer_outputs]
        listen(panel.file.change, self._read_upload, [panel.file, *inputs], upload_outputs)
        listen(panel.row.input, self._select_row, [panel.row, panel.uploaded, *inputs], customer_outputs)
        opened = [self.title, *self.templates, shared.controls.top, *customer_outputs]
        listen(page.load, self._open, inputs, opened, show_progress="hidden")
        listen(
            gr.Timer(self.config.refresh_seconds).tick,
            self._change_version,
            [self.version, *inputs],
            [self.version, self.title, *shared.controls.choices, *customer_outputs],
            show_progress="hidden",
        )

    def _heading(self) -> Markup:
        return self.current.ask(lambda data: heading(data, self.current.number))

    def _find_customers(self, text: str) -> list[str]:
        return self.current.ask(lambda data: data.finder.find(str(text), self.config.matches))

    def _open(self, request: gr.Request, visible_tab: str, _: SelectedCustomer, *inputs: Any) -> Updates:
        """Fill what depends on the version, and show whom the address names (?customer=ID&top=5).

        It happens whenever the page is opened, since the version may have changed.
        """
        asked: Mapping[str, str] = request.query_params
        customer = SelectedCustomer(asked.get("customer", ""))
        product, top, *filters = inputs
        top = self.shared.controls.read_top(asked.get("top", ""), top)
        link = self.current.ask(template_link)
        updates: Updates = {self.title: self._heading(), **dict.fromkeys(self.templates, link)}
        updates[self.shared.controls.top] = top
        return updates | self._show_customer(customer, visible_tab, customer, product, top, *filters)

    def _content(self, data: VersionData, tab: str, *inputs: Any) -> Updates:
        return self.tabs[tab].content(data, self.shared.selection(data, *inputs))

    def _apply_controls(self, visible_tab: str, *inputs: Any) -> Updates | Any:
        """Compute the visible tab, if it depends on the controls."""
        if not self.tabs[visible_tab].depends_on_controls:
            return gr.skip()
        return self.current.ask(lambda data: self._content(data, visible_tab, *inputs))

    def _show_tab(self, tab: str, _: str, *inputs: Any) -> Updates:
        return {self.shared.visible_tab: tab} | self.current.ask(lambda data: self._content(data, tab, *inputs))

    def _select_customer(self, event: gr.EventData, visible_tab: str, *inputs: Any) -> Updates:
        return self._show_customer(SelectedCustomer(str(event.value)), visible_tab, *inputs)

    def _open_customer(self, event: gr.EventData, _: str, *inputs: Any) -> dict[Any, Any]:
        """Show a customer of another tab's list on the desk."""
        return {**self._select_customer(event, self.desk.id, *inputs), self.shared.tabs: gr.Tabs(selected=self.desk.id)}

    def _read_upload(self, path: str | None, visible_tab: str, *inputs: Any) -> Updates:
        """Read a file of customers, and show the first of them."""
        try:
            customers, report = self.current.ask(lambda data: self.panel.read(data, path, self.config))
        except InputError as error:
            report = alert("error", say("upload-unusable"), say("upload-see-beside"))
            return self.panel.show({}, report) | {self.problems: gr.HTML(problem_report(error.problems), visible=True)}
        updates = self.panel.show(customers, report) | {self.problems: gr.HTML(visible=False)}
        first = next(iter(customers.values()), None)
        return updates if first is None else updates | self._show_customer(first, visible_tab, *inputs)

    def _select_row(self, row: str, customers: dict[str, SelectedCustomer], visible_tab: str, *inputs: Any) -> Updates:
        return self._show_customer(customers.get(row, SelectedCustomer()), visible_tab, *inputs)

    def _show_customer(
        self, customer: SelectedCustomer, visible_tab: str, _: SelectedCustomer, *inputs: Any
    ) -> Updates:
        """Make the page about a customer, or say why that is not possible."""
        product, top, appetite, *others = inputs

        def show(data: VersionData) -> Updates:
            try:
                selected, description = customer, portrait(data, customer)
                request = data.request(customer) if customer else None
            except InputError as error:
                selected, description, request = SelectedCustomer(), alert("error", error_text(error)), None
            offered, chosen = self.shared.controls.offer_appetites(data, request, appetite)
            updates: Updates = {
                self.shared.customer: selected,
                self.panel.card: description,
                self.shared.controls.appetite: offered,
            }
            return updates | self._content(data, visible_tab, selected, product, top, chosen, *others)

        return self.current.ask(show)

    def _change_version(
        self, version: int, visible_tab: str, customer: SelectedCustomer, *inputs: Any
    ) -> Updates | Any:
        """Show the answers of the current version, if it is not the one that the page shows."""
        current = self.current.number
        if current == version:
            return gr.skip()
        controls = self.current.ask(self.shared.controls.update)
        answers = self._show_customer(customer, visible_tab, customer, *inputs)
        return {self.version: current, self.title: self._heading()} | controls | answers
