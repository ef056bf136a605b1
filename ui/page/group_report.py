"""The groups of a version's report: customers and products, and how the models spread over the catalogue.

`group_report` is the part of the tab Models that unfolds. Groups are named in metrics.json in English; what is made of
numbers, and the groupings that are no columns, are said in the reader's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from nextbest.evaluation.groupings import KNOWN_OR_NEW, LAUNCH, OTHER, TENURE
from nextbest.evaluation.results import Evaluation, Group, GroupCalibration, Interval, PopularityReport, Slice
from nextbest.serving.formatting import format_decimals, format_number, format_percentage, sentence_case
from nextbest.serving.language import say
from nextbest.ui.page.html import Column, details, table

__all__ = ["DECIMALS", "group_report", "label_text", "metric_name", "model_name"]

DECIMALS = 3
"""Of a metric."""
_NAMES = {"ease": "EASE", "item_knn": "Item-kNN"}
_GROUPINGS = {KNOWN_OR_NEW: "known", TENURE: "tenure", LAUNCH: "launch"}
_LABELS = {"": "missing", OTHER: "other", "known": "known", "new": "new", "yes": "yes", "no": "no"}
_BAND = re.compile(r"(-?[\d.,]+) (?:to (-?[\d.,]+)(?: (years|months))?|(years|months) and more)")


def metric_name(metric: str) -> str:
    """Return what people call a metric, MEASURE@K."""
    name, _, length = metric.partition("@")
    return {"ndcg": "nDCG", "mrr": "MRR"}.get(name, name.capitalize()) + f"@{length}"


def model_name(name: str) -> str:
    """Return what people call a model."""
    return _NAMES.get(name, sentence_case(name))


def label_text(label: str) -> str:
    """Return a group's label in the reader's language; a bank's own words stay."""
    if label in _LABELS:
        return say("group-label", label=_LABELS[label])
    if band := _BAND.fullmatch(label):
        unit, last = band.group(3, 4)
        low, high = (number and format_number(float(number.replace(",", ""))) for number in band.group(1, 2))
        if last:
            return say("group-last-band", low=low, unit=last)
        return say("group-band", low=low, high=high, unit=unit or "none")
    return sentence_case(label)


def group_report(evaluation: Evaluation) -> Iterator[Markup]:
    """Yield a table for each grouping of customers and of products, and one of popularity, all folded up."""
    for name, slices in evaluation.slices.items():
        yield _customers(evaluation, name, slices, evaluation.groups.get(name, {}))
    for name, groups in evaluation.product_groups.items():
        yield _products(evaluation, name, groups)
    if evaluation.popularity is not None:
        yield _popularity(evaluation.popularity, evaluation.main_metric.partition("@")[2])


def _customers(evaluation: Evaluation, name: str, slices: Mapping[str, Slice], groups: Mapping[str, Group]) -> Markup:
    models = list(evaluation.models)
    columns = [Column(_grouping(name)), Column(say("column-customers"), "number")]
    columns += [Column(model_name(model), "number") for model in models]
    rows = [
        (
            label_text(label),
            say("number", count=found.customers),
            *(_value(found.models.get(model)) for model in models),
            *(_findings(groups[label]) if groups else ()),
        )
        for label, found in slices.items()
    ]
    metric = metric_name(evaluation.main_metric)
    return _folded(metric, name, [*columns, *(_finding_columns() if groups else [])], rows, evaluation.min_group)


def _products(evaluation: Evaluation, name: str, groups: Mapping[str, Group]) -> Markup:
    metric = metric_name(evaluation.main_metric)
    columns = [
        Column(_grouping(name)),
        Column(say("column-products"), "number"),
        Column(say("column-customers"), "number"),
        Column(metric, "number"),
        Column(say("column-shown"), "number"),
        Column(say("column-acquired"), "number"),
        *_finding_columns(),
    ]
    rows = [
        (
            label_text(label),
            say("number", count=found.products or 0),
            say("number", count=found.customers),
            _value(found.metrics.get(evaluation.main_metric)),
            *_shares(found),
            *_findings(found),
        )
        for label, found in groups.items()
    ]
    return _folded(metric, name, columns, rows, evaluation.min_group)


def _shares(group: Group) -> tuple[str, str]:
    found = group.exposure.get("ranking")
    if found is None:
        return "", ""
    return format_percentage(found.share.value, 1), format_percentage(found.acquired, 1)


def _popularity(found: PopularityReport, k: str) -> Markup:
    columns = [
        Column(say("column-model")),
        *(Column(say("column-fifth", place=place), "number") for place in range(1, 6)),
        Column(say("column-gini"), "number"),
        Column(say("column-coverage"), "number"),
    ]
    acquired = [format_percentage(share) for share in found.acquired]
    rows = [(say("column-acquired"), *acquired, format_decimals(found.acquired_gini, 2), "")]
    rows += [
        (
            model_name(name),
            *(format_percentage(one.value) for one in model.quintiles),
            format_decimals(model.gini, 2),
            format_percentage(model.coverage),
        )
        for name, model in found.models.items()
    ]
    title = say("popularity-title")
    about = Markup('<p class="muted">{}</p>').format(say("popularity-about", k=k))
    return details(title, about + table(title, columns, rows))


def _folded(metric: str, name: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], least: int) -> Markup:
    title = say("metric-by", metric=metric, column=_grouping(name).lower())
    about = Markup('<p class="muted">{}</p>').format(say("group-about", least=least)) if least else ""
    return details(title, Markup("{}{}").format(about, table(title, columns, rows)))


def _grouping(name: str) -> str:
    return say("group-by", name=_GROUPINGS[name]) if name in _GROUPINGS else sentence_case(name)


def _finding_columns() -> list[Column]:
    return [
        Column(say("column-of-best"), "number"),
        Column(say("column-happened"), "number"),
        Column(say("column-finding")),
    ]


def _findings(group: Group) -> tuple[str, str, str]:
    best = group.share_of_oracle
    found = [say("group-finding", finding=one) for one in _what_is_shown(group)]
    return (
        "" if best is None else format_percentage(best.value),
        _happened(group.calibration),
        ", ".join(found),
    )


def _what_is_shown(group: Group) -> list[str]:
    told = group.calibration.finding.partition(" ")[0] if group.calibration is not None else "none"
    if group.difference is None:
        return ["few", *([told] if told != "none" else [])]
    compared = group.difference.finding.partition(" ")[0]
    return [one for one in (compared, told) if one != "none"] or ["none"]


def _happened(found: GroupCalibration | None) -> str:
    if found is None or found.ratio.low is None or found.ratio.high is None:
        return ""
    value, low, high = (format_decimals(one, 2) for one in (found.ratio.value, found.ratio.low, found.ratio.high))
    return f"{value} ({say('range', low=low, high=high)})"


def _value(found: Interval | None) -> str:
    return "-" if found is None else format_decimals(found.value, DECIMALS)
