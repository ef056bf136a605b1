"""The tab of the models: which version answers, how good it was measured to be, and its model card.

`report_view` is its view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from nextbest.evaluation.report import format_interval, summary_metrics
from nextbest.evaluation.results import Evaluation, Interval, Window
from nextbest.serving.formatting import sentence_case
from nextbest.serving.insights.version_report import Report
from nextbest.ui.page.html import Column, alert, definitions, details, empty_state, html, join, table
from nextbest.ui.page.tab import Selection, SharedComponents, Updates
from nextbest.ui.page.version_data import VersionData

__all__ = ["ModelsTab", "report_view"]

_SERVED = "ranking"
"""The model whose scores are shown."""
_NAMES = {"ease": "EASE", "item_knn": "Item-kNN"}


class ModelsTab:
    """The report of the version that answers."""

    id = "models"
    depends_on_controls = False

    def __init__(self) -> None:
        with gr.Tab("Models", id=self.id, elem_id="tab-models") as self.tab:
            self.report = html("", elem_id="model-report")
            with gr.Accordion("Model card", open=False, elem_id="model-card-section"):
                self.card = gr.Markdown("", elem_id="model-card")

    @property
    def outputs(self) -> Sequence[Component]:
        """See `Tab`."""
        return [self.report, self.card]

    def content(self, data: VersionData, selection: Selection) -> Updates:
        """See `Tab`."""
        found = data.report
        if found is None:
            missing = empty_state("There is no report", "This version was exported before reports were kept with it.")
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
            *_slice_tables(evaluation),
            _comparisons(evaluation),
        ]
    )


def _approval(found: Report) -> Markup:
    reasons = Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(reason) for reason in found.reasons))
    if found.approved:
        return alert("good", f"Version {found.version} is approved.", reasons)
    title = "is not approved, and was pushed by force." if found.forced else "is not approved."
    return alert("warning", f"Version {found.version} {title}", reasons)


def _facts(found: Report, measured: Window) -> Markup:
    facts = [
        ("Version", str(found.version)),
        ("Pushed", f"{found.pushed_at:%d %b %Y, %H:%M} UTC"),
        ("Data until", f"{found.as_of:%d %b %Y}"),
        ("Looks ahead", f"{found.horizon_days} days"),
        ("Measured on", f"{measured.cutoff:%d %b %Y} to {measured.until:%d %b %Y}"),
        ("Loads in a fresh process", "yes" if found.loads else "no: " + "; ".join(found.load_problems)),
        ("Index", found.index),
    ]
    if found.rollback_of is not None:
        facts.append(("Copy of", f"version {found.rollback_of}"))
    why = Markup('<p class="muted">{}</p>').format(f"How the index was chosen: {found.index_reason}.")
    return Markup('<section class="card" aria-label="The version">{}{}</section>').format(definitions(facts), why)


def _model_table(evaluation: Evaluation) -> Markup:
    main, *others = summary_metrics(evaluation)
    scale = max(_upper_end(metrics[main]) for metrics in evaluation.models.values())
    shares = evaluation.share_of_oracle
    columns = [
        Column("Model"),
        Column(_metric_name(main), "number", f"{evaluation.level:.0%} interval, a bootstrap over customers"),
        Column("Interval", "chart"),
        *(Column(_metric_name(metric), "number") for metric in others),
        *([Column("Of the best possible", "number")] if shares else []),
    ]
    rows = [
        (
            _model_cell(name),
            f"{metrics[main].value:.3f}",
            _interval_bar(metrics[main], scale),
            *(f"{metrics[metric].value:.3f}" for metric in others),
            *([f"{shares[name].value:.0%}" if name in shares else ""] if shares else []),
        )
        for name, metrics in evaluation.models.items()
    ]
    window = evaluation.window
    about = f"{window.customers:,} customers who bought {window.acquisitions:,} products after {window.cutoff}."
    return Markup('<h3>How good it is</h3><p class="muted">{}</p>{}').format(
        about, table("Metrics of all models", columns, rows)
    )


def _slice_tables(evaluation: Evaluation) -> Iterator[Markup]:
    names = list(evaluation.models)
    for column, labels in evaluation.slices.items():
        columns = [Column(sentence_case(column)), Column("Customers", "number")]
        columns += [Column(_model_name(name), "number") for name in names]
        rows = [
            (sentence_case(label), f"{found.customers:,}", *(_value(found.models, name) for name in names))
            for label, found in labels.items()
        ]
        title = f"{_metric_name(evaluation.main_metric)} by {sentence_case(column).lower()}"
        yield Markup("<h3>{}</h3>{}").format(title, table(title, columns, rows))


def _comparisons(evaluation: Evaluation) -> Markup:
    items = join(Markup("<li>{}</li>").format(verdict.text) for verdict in evaluation.verdicts)
    return details(f"{len(evaluation.verdicts)} comparisons", Markup('<ul class="plain">{}</ul>').format(items))


def _value(models: Mapping[str, Interval], name: str) -> str:
    return f"{models[name].value:.3f}" if name in models else format_interval(None)


def _metric_name(metric: str) -> str:
    name, _, length = metric.partition("@")
    return {"ndcg": "nDCG", "mrr": "MRR"}.get(name, name.capitalize()) + f"@{length}"


def _model_name(name: str) -> str:
    return _NAMES.get(name, sentence_case(name))


def _model_cell(name: str) -> Markup:
    mark = Markup(' <span class="chip">served</span>') if name == _SERVED else ""
    return Markup("{}{}").format(_model_name(name), mark)


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
