"""The tab of the models: which version answers, how good it was measured to be, and its model card.

`report_view` is its view.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from nextbest.evaluation.group_tables import format_interval
from nextbest.evaluation.results import Evaluation, Interval, Window, summary_metrics
from nextbest.serving.formatting import format_date, format_decimals, format_percentage
from nextbest.serving.insights.version_report import Report
from nextbest.serving.language import say
from nextbest.ui.page.group_report import DECIMALS, group_report, metric_name, model_name
from nextbest.ui.page.html import Column, alert, definitions, details, empty_state, html, join, label, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates
from nextbest.ui.page.version_data import VersionData

__all__ = ["ModelsTab", "report_view"]

_SERVED = "ranking"
"""The model whose scores are shown."""


class ModelsTab:
    """The report of the version that answers."""

    id = "models"
    depends_on_controls = False

    def __init__(self) -> None:
        with gr.Tab(label("label-tab-models"), id=self.id, elem_id="tab-models") as self.tab:
            self.report = html("", elem_id="model-report")
            with gr.Accordion(label("label-model-card"), open=False, elem_id="model-card-section"):
                self.card = gr.Markdown("", elem_id="model-card")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.report, self.card]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        found = data.report
        if found is None:
            missing = empty_state(say("no-report"), say("no-report-more"))
            return {self.report: missing, self.card: ""}
        return {self.report: report_view(found), self.card: found.card}

    def connect(self, shared: SharedComponents) -> None:
        """See `Tab`; the tab has no controls of its own."""


def report_view(found: Report) -> Markup:
    """Return whether the version is approved, and its measurements, over all and by group."""
    evaluation = Evaluation.model_validate(found.metrics)
    return join(
        [
            _approval(found),
            _facts(found, evaluation.window),
            _model_table(evaluation),
            details(say("by-group-and-product"), join(group_report(evaluation))),
            _comparisons(evaluation),
        ]
    )


def _approval(found: Report) -> Markup:
    reasons = Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(reason) for reason in found.reasons))
    if found.approved:
        return alert("good", say("version-approved", version=str(found.version)), reasons)
    message = "version-forced" if found.forced else "version-not-approved"
    return alert("warning", say(message, version=str(found.version)), reasons)


def _facts(found: Report, measured: Window) -> Markup:
    facts = [
        (say("fact-version"), str(found.version)),
        (say("fact-pushed"), f"{format_date(found.pushed_at)}, {found.pushed_at:%H:%M} UTC"),
        (say("fact-data-until"), format_date(found.as_of)),
        (say("fact-looks-ahead"), say("days", count=found.horizon_days)),
        (say("fact-measured-on"), say("range", low=format_date(measured.cutoff), high=format_date(measured.until))),
        (say("fact-loads"), _loads(found)),
        (say("fact-index"), found.index),
    ]
    if found.rollback_of is not None:
        facts.append((say("fact-copy-of"), say("copy-of-version", version=str(found.rollback_of))))
    why = Markup('<p class="muted">{}</p>').format(say("index-reason", reason=found.index_reason))
    markup = '<section class="card" aria-label="{}">{}{}</section>'
    return Markup(markup).format(say("the-version"), definitions(facts), why)


def _loads(found: Report) -> str:
    if found.loads:
        return say("yes-or-no", answer="yes")
    return say("no-because", problems="; ".join(found.load_problems))


def _model_table(evaluation: Evaluation) -> Markup:
    main, *others = summary_metrics(evaluation.main_metric)
    scale = max(_upper_end(metrics[main]) for metrics in evaluation.models.values())
    shares = evaluation.share_of_oracle
    columns = [
        Column(say("column-model")),
        Column(metric_name(main), "number", say("column-interval-note", level=format_percentage(evaluation.level))),
        Column(say("column-interval"), "chart"),
        *(Column(metric_name(metric), "number") for metric in others),
        *([Column(say("column-of-best"), "number")] if shares else []),
    ]
    rows = [
        (
            _model_cell(name),
            format_decimals(metrics[main].value, DECIMALS),
            _interval_bar(metrics[main], scale),
            *(format_decimals(metrics[metric].value, DECIMALS) for metric in others),
            *([format_percentage(shares[name].value) if name in shares else ""] if shares else []),
        )
        for name, metrics in evaluation.models.items()
    ]
    window = evaluation.window
    day = format_date(window.cutoff)
    about = say("measured-about", customers=window.customers, products=window.acquisitions, day=day)
    shown = table(say("how-good-caption"), columns, rows)
    return Markup('<h3>{}</h3><p class="muted">{}</p>{}').format(say("how-good"), about, shown)


def _comparisons(evaluation: Evaluation) -> Markup:
    items = join(Markup("<li>{}</li>").format(verdict.text) for verdict in evaluation.verdicts)
    return details(
        say("comparisons", count=len(evaluation.verdicts)), Markup('<ul class="plain">{}</ul>').format(items)
    )


def _model_cell(name: str) -> Markup:
    mark = Markup(' <span class="chip">{}</span>').format(say("served")) if name == _SERVED else ""
    return Markup("{}{}").format(model_name(name), mark)


def _upper_end(value: Interval) -> float:
    return value.value if value.high is None else value.high


def _interval_bar(value: Interval, scale: float) -> Markup:
    low, high = value.low if value.low is not None else value.value, _upper_end(value)
    places = [f"{100 * number / scale if scale else 0:.1f}" for number in (value.value, low, high - low)]
    markup = (
        '<span class="interval" aria-hidden="true"><b style="width:{}%"></b><i style="left:{}%;width:{}%"></i></span>'
        '<span class="visually-hidden">{}</span>'
    )
    return Markup(markup).format(*places, format_interval(value))
