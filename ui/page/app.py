"""The page: a customer and the controls on the left, and tabs that are computed when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from nextbest.data.errors import InputError
from nextbest.data.windows import EPOCH
from nextbest.serving.live import LiveRecommender
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import Controls
from nextbest.ui.page.customer import CustomerPanel, card, template_link
from nextbest.ui.page.html import html, notice, problem_table
from nextbest.ui.page.tab import Shared, Shown, Tab, listen, readable
from nextbest.ui.page.tabs.batch import BatchTab
from nextbest.ui.page.tabs.models import ModelsTab
from nextbest.ui.page.tabs.neighbourhood import NeighbourhoodTab
from nextbest.ui.page.tabs.products import ProductsTab
from nextbest.ui.page.tabs.profile import ProfileTab
from nextbest.ui.page.tabs.service import ServiceTab, add_endpoints
from nextbest.ui.page.tabs.what_if import WhatIfTab
from nextbest.ui.page.tabs.why import WhyTab
from nextbest.ui.page.version_data import Desk, Desks, Person

__all__ = ["build_page", "heading"]


def heading(desk: Desk, version: int) -> Markup:
    """Return the page's title: which version answers, and as of which day."""
    day = EPOCH + timedelta(days=int(desk.recommender.manifest["as_of_day"]))
    text = '<header><h1>nextbest</h1><p class="quiet">Next best products · version {} · as of {}</p></header>'
    return Markup(text).format(version, f"{day:%d %b %Y}")


def build_page(live: LiveRecommender, config: PageConfig | None = None) -> gr.Blocks:
    """Return the page over the newest version that works; `ui.page.server.open_page` opens it."""
    config = config or PageConfig()
    kept = config.keep_files_seconds
    with gr.Blocks(title="nextbest", analytics_enabled=False, fill_width=True, delete_cache=(kept, kept)) as page:
        _Page(Desks(live), config).connect(page)
    page.queue(max_size=config.queue_size, api_open=False, default_concurrency_limit=config.concurrency)
    return page


class _Page:
    """The parts of the page, laid out, and what happens when they are used."""

    def __init__(self, desks: Desks, config: PageConfig) -> None:
        self.desks, self.config = desks, config
        self.title = html("", elem_id="title")
        with gr.Row(elem_id="page"):
            with gr.Column(scale=2, min_width=280, elem_id="side"):
                self.panel = CustomerPanel(self._find, config)
                self.templates = [self.panel.template]
                controls = desks.ask(lambda desk: Controls(desk, config))
            with gr.Column(scale=7, min_width=340, elem_id="main"), gr.Tabs(elem_id="tabs") as tabs:
                self.tabs: dict[str, Tab] = {tab.id: tab for tab in self._lay_out()}
        visible, person, chosen = gr.State(ProductsTab.id), gr.State(Person()), gr.State("")
        self.version = gr.State(desks.version)
        self.shared = Shared(desks, config, controls, tabs, self.panel.card, visible, person, chosen)
        add_endpoints(desks, config)

    def _lay_out(self) -> Iterator[Tab]:
        yield ProductsTab()
        yield ProfileTab()
        yield WhyTab(self.config)
        yield NeighbourhoodTab()
        yield self.desks.ask(WhatIfTab)
        yield ModelsTab()
        batch = BatchTab(self.config)
        self.templates.append(batch.template)
        yield batch
        yield ServiceTab(self.config.host, self.config.port)

    def connect(self, page: gr.Blocks) -> None:
        """Say what happens when something is used."""
        shared, panel = self.shared, self.panel
        inputs = [shared.visible, *shared.inputs]
        everywhere = [component for tab in self.tabs.values() for component in tab.outputs]
        about = [shared.person, panel.card, *everywhere]
        for tab in self.tabs.values():
            listen(tab.tab.select, partial(self._look, tab.id), inputs, [shared.visible, *everywhere])
            tab.connect(shared)
        controls: list[Any] = shared.controls.inputs
        changed = [control.change for control in controls]
        listen(changed, self._renew, inputs, everywhere, trigger_mode="always_last")
        listen(panel.search.select, self._search, inputs, about)
        listen(panel.file.change, self._upload, [panel.file, *inputs], [*panel.outputs, *about])
        listen(panel.row.input, self._choose_row, [panel.row, panel.uploaded, *inputs], about)
        listen(page.load, self._open, [], [self.title, *self.templates], show_progress="hidden")
        listen(
            gr.Timer(self.config.refresh_seconds).tick,
            self._follow,
            [self.version, *inputs],
            [self.version, self.title, *shared.controls.inputs, *about],
            show_progress="hidden",
        )

    def _heading(self) -> Markup:
        return self.desks.ask(lambda desk: heading(desk, self.desks.version))

    def _find(self, typed: str) -> list[str]:
        return self.desks.ask(lambda desk: desk.find(str(typed), self.config.matches))

    def _open(self) -> Shown:
        """Show what the page begins with; read again whenever it is opened, since the version may be another one."""
        link = self.desks.ask(template_link)
        return {self.title: self._heading(), **dict.fromkeys(self.templates, link)}

    def _content(self, desk: Desk, visible: str, *given: Any) -> Shown:
        return self.tabs[visible].content(desk, self.shared.asked(desk, *given))

    def _renew(self, visible: str, *given: Any) -> Shown | Any:
        """Compute the tab that is looked at, if it depends on the controls."""
        if not self.tabs[visible].follows:
            return gr.skip()
        return self.desks.ask(lambda desk: self._content(desk, visible, *given))

    def _look(self, tab: str, _: str, *given: Any) -> Shown:
        """Look at another tab."""
        return {self.shared.visible: tab} | self.desks.ask(lambda desk: self._content(desk, tab, *given))

    def _about(self, person: Person, visible: str, _: Person, *given: Any) -> Shown:
        """Make the page about a person, or say why it cannot be."""

        def question(desk: Desk) -> Shown:
            try:
                who, shown = person, card(desk, person)
            except InputError as error:
                who, shown = Person(), notice("error", readable(error))
            return {self.shared.person: who, self.panel.card: shown} | self._content(desk, visible, who, *given)

        return self.desks.ask(question)

    def _search(self, event: gr.EventData, visible: str, *given: Any) -> Shown:
        return self._about(Person(str(event.value)), visible, *given)

    def _upload(self, path: str | None, visible: str, *given: Any) -> Shown:
        """Read a file of customers, and make the page about the first of them."""
        try:
            people, report = self.desks.ask(lambda desk: self.panel.read(desk, path, self.config))
        except InputError as error:
            return self.panel.shown({}, problem_table(error.problems))
        shown = self.panel.shown(people, report)
        first = next(iter(people.values()), None)
        return shown if first is None else shown | self._about(first, visible, *given)

    def _choose_row(self, row: str, people: dict[str, Person], visible: str, *given: Any) -> Shown:
        return self._about(people.get(row, Person()), visible, *given)

    def _follow(self, version: int, visible: str, person: Person, *given: Any) -> Shown | Any:
        """Show what the version that is asked now says, if it is another one than is shown."""
        now = self.desks.version
        if now == version:
            return gr.skip()
        shown = self.desks.ask(self.shared.controls.renewed)
        about = self._about(person, visible, person, *given)
        return {self.version: now, self.title: self._heading()} | shown | about
