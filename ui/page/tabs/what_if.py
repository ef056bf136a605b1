"""The tab that tells what changes if a customer were otherwise: a form, and both answers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from markupsafe import Markup

from nextbest.data.dataset import Features
from nextbest.data.errors import InputError, Problem
from nextbest.data.windows import EPOCH
from nextbest.serving.formatting import (
    column_title,
    sentence_case,
    shown_change,
    shown_number,
    shown_probability,
    shown_value,
)
from nextbest.serving.insights.customer_columns import FormField
from nextbest.ui.page.customer import card
from nextbest.ui.page.html import Column, empty, folded, html, join, notice, table
from nextbest.ui.page.tab import NOBODY, Asked, Shared, Shown, listen, readable
from nextbest.ui.page.version_data import Desk, Offer, Person, offers_of, refusals

__all__ = ["WhatIfTab", "changed_columns", "comparison", "form_value", "raw_value"]

_HINT = empty("Nothing is compared yet", "Change attributes above, then compare.")
_YES, _NO = "yes", "no"


def _range(field: FormField) -> str | None:
    if field.low is None or field.high is None:
        return None
    if field.role == "date":
        return f"usually {_day(field.low)} to {_day(field.high)}"
    return f"usually {shown_number(field.low)} to {shown_number(field.high)}"


def _day(days: float) -> str:
    return (EPOCH + timedelta(days=int(days))).isoformat()


def _control(field: FormField) -> Component:
    """Return an attribute's control; what is left empty is missing."""
    label = column_title(field.name, field.unit) + (f" ({field.unit})" if field.unit else "")
    settings: dict[str, Any] = {"label": label, "elem_id": f"field-{field.name}", "min_width": 200}
    match field.role:
        case "number":
            return gr.Number(None, precision=0 if field.whole else None, info=_range(field), **settings)
        case "boolean":
            return gr.Dropdown([_YES, _NO], value=None, **settings)
        case "category":
            choices = [(sentence_case(choice), choice) for choice in field.choices]
            return gr.Dropdown(choices, value=None, allow_custom_value=True, **settings)
        case "date":
            return gr.Textbox("", placeholder="YYYY-MM-DD", info=_range(field), max_lines=1, **settings)
    return gr.Textbox("", **settings)


def form_value(field: FormField, raw: Any) -> Any:
    """Return a raw value as the form shows it; None or '' for a missing one."""
    if isinstance(raw, str):
        return raw if field.role == "text" else raw or None
    if not np.isfinite(raw):
        return "" if field.role == "date" else None
    match field.role:
        case "date":
            return _day(raw)
        case "boolean":
            return _YES if raw else _NO
    return float(str(np.float32(raw)))  # as few digits as tell it from its neighbours


def raw_value(field: FormField, shown: Any) -> Any:
    """Return what the form shows as a raw value.

    Raises:
        InputError: It cannot be read.
    """
    empty_field = shown is None or shown == ""
    match field.role:
        case "number":
            return np.float32(np.nan if empty_field else shown)
        case "boolean":
            return np.float32(np.nan if empty_field else shown == _YES)
        case "date":
            return np.float32(np.nan if empty_field else _days(field, str(shown)))
    return "" if empty_field else str(shown)


def _days(field: FormField, text: str) -> int:
    try:
        return (date.fromisoformat(text.strip()) - EPOCH).days
    except ValueError:
        what = f"{sentence_case(field.label)}: {text!r} is no day"
        raise InputError([Problem("form", field.name, None, what, "write it as 2024-01-31")]) from None


def changed_columns(fields: Sequence[FormField], original: Features, shown: Sequence[Any]) -> dict[str, Any]:
    """Return the attributes that differ from the original, as raw values.

    Raises:
        InputError: With all values that cannot be read.
    """
    changed: dict[str, Any] = {}
    problems: list[Problem] = []
    for field, value in zip(fields, shown, strict=True):
        try:
            raw, before = raw_value(field, value), original[field.name][0]
        except InputError as error:
            problems.extend(error.problems)
            continue
        both_missing = not isinstance(raw, str) and np.isnan(raw) and np.isnan(before)
        if raw != before and not both_missing:
            changed[field.name] = raw
    if problems:
        raise InputError(problems)
    return changed


def comparison(
    before: Sequence[Offer],
    after: Sequence[Offer],
    changes: Sequence[str],
    allowed: Sequence[str],
    refused: Sequence[str],
) -> Markup:
    """Return both answers side by side.

    Args:
        before: The original's products.
        after: The changed customer's.
        changes: What was changed, in words.
        allowed: Products that the policy refused before and does not any more.
        refused: Products that it refuses now.
    """
    old = {offer.product_id: offer for offer in before}
    new = {offer.product_id for offer in after}
    left = [(*_scores(offer), "" if offer.product_id in new else _mark("gone", "down")) for offer in before]
    right = [(*_scores(offer), _moved(old.get(offer.product_id), offer)) for offer in after]
    return Markup('<div class="compared"><p>{}</p><div class="halves">{}{}</div>{}</div>').format(
        join(Markup('<span class="chip">{}</span>').format(change) for change in changes),
        _half("As it is", left),
        _half("With the changes", right),
        join(_policy(allowed, refused)),
    )


def _policy(allowed: Sequence[str], refused: Sequence[str]) -> Iterator[Markup]:
    for words, names in (("now suitable", allowed), ("no longer suitable", refused)):
        if names:
            count = f"{len(names)} product{'s' if len(names) != 1 else ''} {words}"
            yield folded(count, Markup('<p class="quiet">{}</p>').format(", ".join(names)))


def _scores(offer: Offer) -> tuple[str, str]:
    name = Markup('<span class="product"><span class="rank">{}</span>{}</span>').format(offer.rank, offer.name)
    return name, shown_probability(offer.probability)


def _moved(before: Offer | None, offer: Offer) -> Markup:
    if before is None:
        return _mark("new", "up")
    points = 100 * (offer.probability - before.probability)
    places = before.rank - offer.rank
    arrow = f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else "="
    kind = "up" if places > 0 else "down" if places < 0 else "same"
    return Markup("{} <small>{} points</small>").format(_mark(arrow, kind), shown_change(points, 1))


def _mark(text: str, kind: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format(kind, text)


def _half(title: str, rows: Sequence[Sequence[str]]) -> Markup:
    columns = [Column("Product"), Column("Probability", "number"), Column("Change", "number")]
    shown = (
        table(title, columns, rows) if rows else empty("No product is left", "The policy or the filters refuse all.")
    )
    return Markup("<section><h3>{}</h3>{}</section>").format(title, shown)


class WhatIfTab:
    """A customer with other attributes."""

    id = "whatif"
    follows = False

    def __init__(self, desk: Desk) -> None:
        self._fields = [field for field in desk.fields.values() if field.role != "id"]
        with gr.Tab("What if", id=self.id, elem_id="tab-whatif") as self.tab:
            self.hint = html(NOBODY, elem_id="whatif-hint")
            with gr.Column(visible=False, elem_id="whatif-form") as self.form:
                with gr.Row(elem_classes="fields"):
                    self.controls = [_control(field) for field in self._fields]
                with gr.Row():
                    self.compare = gr.Button("Compare", variant="primary", elem_id="compare")
                    self.keep = gr.Button("Keep these changes", elem_id="keep")
                    self.reset = gr.Button("Start again", elem_id="reset")
                self.comparison = html(_HINT, elem_id="comparison")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.hint, self.form, self.comparison, *self.controls]

    def content(self, desk: Desk, asked: Asked) -> Shown:
        """See `Tab`."""
        if not asked.person:
            return {self.hint: gr.HTML(NOBODY, visible=True), self.form: gr.Column(visible=False)}
        request = desk.request(asked.person)
        filled = zip(self.controls, self._fields, strict=True)
        shown = {control: form_value(field, request[field.name][0]) for control, field in filled}
        return {self.hint: gr.HTML(visible=False), self.form: gr.Column(visible=True), self.comparison: _HINT, **shown}

    def connect(self, shared: Shared) -> None:
        """See `Tab`."""
        about = [shared.person, shared.card, *self.outputs]
        inputs = [*shared.inputs, *self.controls]
        listen(self.compare.click, lambda *given: self._compare(shared, *given), inputs, [self.comparison])
        listen(self.keep.click, lambda *given: self._keep(shared, *given), inputs, about)
        listen(self.reset.click, lambda *given: self._reset(shared, *given), shared.inputs, about)

    def _split(self, given: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return what the page's controls say, and what the form does."""
        count = len(given) - len(self.controls)
        return given[:count], given[count:]

    def _compare(self, shared: Shared, *given: Any) -> Shown:
        controls, shown = self._split(given)

        def question(desk: Desk) -> Markup:
            asked = shared.asked(desk, *controls)
            request = desk.request(asked.person)
            changed = changed_columns(self._fields, request, shown)
            if not changed:
                return notice("info", "Nothing was changed.", "Change an attribute, then compare.")
            other = desk.request(replace(asked.person, edited={**asked.person.edited, **changed}))
            return comparison(
                offers_of(desk, request, asked.top, asked.filters),
                offers_of(desk, other, asked.top, asked.filters),
                _changes(desk, request, changed),
                *_suitability(desk, asked, request, other),
            )

        try:
            return {self.comparison: shared.desks.ask(question)}
        except InputError as error:
            return {self.comparison: notice("error", "This cannot be read.", readable(error))}

    def _keep(self, shared: Shared, *given: Any) -> Shown:
        controls, shown = self._split(given)

        def question(desk: Desk) -> Shown:
            asked = shared.asked(desk, *controls)
            changed = changed_columns(self._fields, desk.request(asked.person), shown)
            person = replace(asked.person, edited={**asked.person.edited, **changed})
            return self._about(shared, desk, person, asked)

        return shared.desks.ask(question)

    def _reset(self, shared: Shared, *given: Any) -> Shown:
        def question(desk: Desk) -> Shown:
            asked = shared.asked(desk, *given)
            return self._about(shared, desk, replace(asked.person, edited={}), asked)

        return shared.desks.ask(question)

    def _about(self, shared: Shared, desk: Desk, person: Person, asked: Asked) -> Shown:
        shown = {shared.person: person, shared.card: card(desk, person)}
        return shown | self.content(desk, replace(asked, person=person))


def _changes(desk: Desk, request: Features, changed: Mapping[str, Any]) -> list[str]:
    described = desk.recommender.manifest["customers"]["columns"]
    return [
        f"{sentence_case(name)}: {shown_value(request[name][0], described[name])} → {shown_value(raw, described[name])}"
        for name, raw in changed.items()
    ]


def _suitability(desk: Desk, asked: Asked, request: Features, other: Features) -> tuple[list[str], list[str]]:
    """Return which products the change makes suitable, and which it makes unsuitable."""
    before, after = (
        {row for rows in refusals(desk, one, asked.filters).values() for row in rows} for one in (request, other)
    )
    return tuple([str(desk.product_names[row]) for row in sorted(rows)] for rows in (before - after, after - before))  # type: ignore[return-value]
