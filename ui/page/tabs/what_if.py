"""The tab of what-if: a form with the customer's attributes, and the answers before and after a change side by side.

`form_value`, `raw_value` and `changed_columns` read and write the form; `comparison` is the view of both answers.
"""

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
    SHARE,
    column_title,
    format_change,
    format_number,
    format_probability,
    format_value,
    sentence_case,
)
from nextbest.serving.insights.customer_columns import FormField
from nextbest.serving.language import say
from nextbest.ui.page.controls import tolerances
from nextbest.ui.page.customer import portrait
from nextbest.ui.page.html import Column, alert, details, empty_state, html, join, label, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates, error_text, listen, no_customer
from nextbest.ui.page.version_data import (
    Recommendation,
    SelectedCustomer,
    VersionData,
    excluded_products,
    recommend_products,
)

__all__ = ["WhatIfTab", "changed_columns", "comparison", "editable_fields", "form_value", "raw_value"]

_BEYOND = 10
"""A number that is so many times as large as the largest known one makes no sense."""
_YES, _NO = "yes", "no"


class WhatIfTab:
    """A customer with other attributes."""

    id = "whatif"
    depends_on_controls = False

    def __init__(self, data: VersionData) -> None:
        self._fields = editable_fields(data)
        with gr.Tab(label("label-tab-whatif"), id=self.id, elem_id="tab-whatif") as self.tab:
            self.hint = html("", elem_id="whatif-hint")
            with gr.Column(visible=False, elem_id="whatif-form") as self.form:
                with gr.Row(elem_classes="fields"):
                    self.controls = [_make_control(field) for field in self._fields]
                with gr.Row():
                    self.compare = gr.Button(label("label-compare"), variant="primary", elem_id="compare")
                    self.keep = gr.Button(label("label-keep"), elem_id="keep")
                    self.reset = gr.Button(label("label-reset"), elem_id="reset")
                self.comparison = html("", elem_id="comparison")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.hint, self.form, self.comparison, *self.controls]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        if not selection.customer:
            return {self.hint: gr.HTML(no_customer(), visible=True), self.form: gr.Column(visible=False)}
        request = data.request(selection.customer)
        pairs = zip(self.controls, self._fields, strict=True)
        values = {
            control: gr.update(value=form_value(field, request[field.name][0]), info=_range_hint(field))
            for control, field in pairs
        }
        nothing = ("not-compared", "not-compared-do") if self._fields else ("no-attributes", "no-attributes-more")
        return {
            self.hint: gr.HTML(visible=False),
            self.form: gr.Column(visible=True),
            self.comparison: empty_state(*map(say, nothing)),
            **values,
        }

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`."""
        outputs = [shared.customer, shared.card, *self.outputs]
        inputs = [*shared.inputs, *self.controls]
        listen(self.compare.click, lambda *values: self._compare(shared, *values), inputs, [self.comparison])
        listen(self.keep.click, lambda *values: self._keep(shared, *values), inputs, outputs)
        listen(self.reset.click, lambda *values: self._reset(shared, *values), shared.inputs, outputs)

    def _split(self, values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the values of the shared components, and those of the form."""
        count = len(values) - len(self.controls)
        return values[:count], values[count:]

    def _compare(self, shared: SharedComponents, *values: Any) -> Updates:
        selected, form = self._split(values)

        def compare(data: VersionData) -> Markup:
            selection = shared.selection(data, *selected)
            request = data.request(selection.customer)
            changed = changed_columns(self._fields, request, form)
            if not changed:
                return alert("info", say("nothing-changed"), say("nothing-changed-do"))
            edited = _edit(selection.customer, changed)
            return comparison(
                recommend_products(data, selection.customer, selection.top, selection.filters),
                recommend_products(data, edited, selection.top, selection.filters),
                _describe_changes(data, request, changed),
                *_suitability_changes(data, selection, request, data.request(edited)),
            )

        try:
            return {self.comparison: shared.current.ask(compare)}
        except InputError as error:
            return {self.comparison: alert("error", say("not-readable"), error_text(error))}

    def _keep(self, shared: SharedComponents, *values: Any) -> Updates:
        selected, form = self._split(values)

        def keep(data: VersionData) -> Updates:
            selection = shared.selection(data, *selected)
            changed = changed_columns(self._fields, data.request(selection.customer), form)
            return self._select(shared, data, selection, _edit(selection.customer, changed))

        return shared.current.ask(keep)

    def _reset(self, shared: SharedComponents, *values: Any) -> Updates:
        def reset(data: VersionData) -> Updates:
            selection = shared.selection(data, *values)
            return self._select(shared, data, selection, replace(selection.customer, edited={}))

        return shared.current.ask(reset)

    def _select(
        self, shared: SharedComponents, data: VersionData, selection: Selection, customer: SelectedCustomer
    ) -> Updates:
        """Make the page about the customer as edited."""
        updates: Updates = {shared.customer: customer, shared.card: portrait(data, customer)}
        return updates | self.content(data, replace(selection, customer=customer))


def editable_fields(data: VersionData) -> list[FormField]:
    """Return the attributes that the bank declared `editable`.

    Where it declared none they are all, but for the answers to a questionnaire on risk: to try other ones would be to
    look for the answer that sells.
    """
    described = data.recommender.manifest["customers"]["columns"]
    fields = [field for field in data.form_fields.values() if field.role != "id"]
    declared = [field for field in fields if described[field.name].get("editable")]  # exports of 0.3.0 have none
    return declared or [field for field in fields if field.name not in tolerances(data)]


def _edit(customer: SelectedCustomer, changed: Mapping[str, Any]) -> SelectedCustomer:
    return replace(customer, edited={**customer.edited, **changed})


def _make_control(field: FormField) -> Component:
    """Return an attribute's control; left empty, it is missing."""
    title = column_title(field.name, field.unit) + (f" ({field.unit})" if field.unit else "")
    settings: dict[str, Any] = {"label": title, "elem_id": f"field-{field.name}", "min_width": 200}
    match field.role:
        case "number":
            return gr.Number(None, precision=0 if field.whole else None, **settings)
        case "boolean":
            return gr.Dropdown([(str(label("label-yes")), _YES), (str(label("label-no")), _NO)], value=None, **settings)
        case "category":
            choices = [(sentence_case(choice), choice) for choice in field.choices]
            return gr.Dropdown(choices, value=None, allow_custom_value=True, **settings)
        case "date":
            return gr.Textbox("", placeholder=label("label-day"), max_lines=1, **settings)
    return gr.Textbox("", **settings)


def _range_hint(field: FormField) -> str | None:
    """Return what a number or a date usually is; others have no ends."""
    if field.low is None or field.high is None:
        return None
    low, high = (_day(end) if field.role == "date" else format_number(end) for end in (field.low, field.high))
    return say("usually", low=low, high=high)


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
    return float(str(np.float32(raw)))  # as few digits as distinguish it from its neighbours


def raw_value(field: FormField, value: Any) -> Any:
    """Return a value of the form as a raw value.

    Raises:
        InputError: It cannot be read.
    """
    is_empty = value is None or value == ""
    match field.role:
        case "number":
            return np.float32(np.nan if is_empty else _sensible(field, float(value)))
        case "boolean":
            return np.float32(np.nan if is_empty else value == _YES)
        case "date":
            return np.float32(np.nan if is_empty else _days(field, str(value)))
    return "" if is_empty else str(value)


def _sensible(field: FormField, value: float) -> float:
    """Return a number that a customer could have.

    Raises:
        InputError: It is below 0 where no known one is, or far above all of them.
    """
    least = 0.0 if field.least is not None and field.least >= 0 else -np.inf
    most = np.inf if field.most is None else 1.0 if field.unit == SHARE else _BEYOND * max(abs(field.most), 1.0)
    if least <= value <= most:
        return value
    message, end = ("give-at-least", least) if value < least else ("give-at-most", most)
    remedy = say(message, value=format_number(end, field.unit))
    what = say("no-sense", label=sentence_case(field.label), value=format_number(value, field.unit))
    raise InputError([Problem("form", field.name, None, what, remedy)])


def _days(field: FormField, text: str) -> int:
    try:
        return (date.fromisoformat(text.strip()) - EPOCH).days
    except ValueError:
        what = say("not-a-day", label=sentence_case(field.label), value=repr(text))
        raise InputError([Problem("form", field.name, None, what, say("write-a-day"))]) from None


def changed_columns(fields: Sequence[FormField], original: Features, values: Sequence[Any]) -> dict[str, Any]:
    """Return the attributes that differ from the original, as raw values.

    Raises:
        InputError: With all values that cannot be read.
    """
    changed: dict[str, Any] = {}
    problems: list[Problem] = []
    for field, value in zip(fields, values, strict=True):
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


def _day(days: float) -> str:
    return (EPOCH + timedelta(days=int(days))).isoformat()


def comparison(
    before: Sequence[Recommendation],
    after: Sequence[Recommendation],
    changes: Sequence[str],
    allowed: Sequence[str],
    excluded: Sequence[str],
) -> Markup:
    """Return both answers side by side.

    Args:
        before: The original's products.
        after: The changed customer's.
        changes: A text for each changed attribute.
        allowed: Names of the products that are suitable with the changes only.
        excluded: Names of the products that are suitable without them only.
    """
    old = {one.product_id: one for one in before}
    new = {one.product_id for one in after}
    left = [(*_scores(one), "" if one.product_id in new else _mark(say("gone"), "down")) for one in before]
    right = [(*_scores(one), _change(old.get(one.product_id), one)) for one in after]
    return Markup('<div class="compared"><p>{}</p><div class="halves">{}{}</div>{}</div>').format(
        join(Markup('<span class="chip">{}</span>').format(change) for change in changes),
        _half(say("as-it-is"), left),
        _half(say("with-changes"), right),
        join(_suitability_lists(allowed, excluded)),
    )


def _suitability_lists(allowed: Sequence[str], excluded: Sequence[str]) -> Iterator[Markup]:
    for message, names in (("now-suitable", allowed), ("no-longer-suitable", excluded)):
        if names:
            yield details(say(message, count=len(names)), Markup('<p class="muted">{}</p>').format(", ".join(names)))


def _scores(recommendation: Recommendation) -> tuple[str, str]:
    name = Markup('<span class="product"><span class="rank">{}</span>{}</span>').format(
        recommendation.rank, recommendation.name
    )
    return name, format_probability(recommendation.probability)


def _change(before: Recommendation | None, recommendation: Recommendation) -> Markup:
    if before is None:
        return _mark(say("new"), "up")
    places = before.rank - recommendation.rank
    arrow = f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else "="
    mark = _mark(arrow, "up" if places > 0 else "down" if places < 0 else "same")
    if recommendation.probability is None or before.probability is None:
        return mark
    points = 100 * (recommendation.probability - before.probability)
    return Markup("{} <small>{}</small>").format(mark, say("points", change=format_change(points, 1)))


def _mark(text: str, kind: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format(kind, text)


def _half(title: str, rows: Sequence[Sequence[str]]) -> Markup:
    columns = [
        Column(say("column-product")),
        Column(say("column-probability"), "number"),
        Column(say("column-change"), "number"),
    ]
    nothing = empty_state(say("no-product-left"), say("all-excluded"))
    content = table(title, columns, rows) if rows else nothing
    return Markup("<section><h3>{}</h3>{}</section>").format(title, content)


def _describe_changes(data: VersionData, request: Features, changed: Mapping[str, Any]) -> list[str]:
    described = data.recommender.manifest["customers"]["columns"]
    return [
        f"{sentence_case(name)}: {format_value(request[name][0], column)} → {format_value(changed[name], column)}"
        for name, column in ((name, described[name]) for name in changed)
    ]


def _suitability_changes(
    data: VersionData, selection: Selection, before: Features, after: Features
) -> tuple[list[str], list[str]]:
    """Return which products the change of the request allows, and which it excludes."""
    excluded_before, excluded_after = (
        {row for _, rows in excluded_products(data, request, selection.filters) for row in rows}
        for request in (before, after)
    )
    allowed = [str(data.product_names[row]) for row in sorted(excluded_before - excluded_after)]
    excluded = [str(data.product_names[row]) for row in sorted(excluded_after - excluded_before)]
    return allowed, excluded
