"""The groups as tables and sentences, which the report and the model card show in their own markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nextbest.evaluation.groups import SERVED, all_groups
from nextbest.evaluation.results import Evaluation, Group, Interval, PopularityReport

__all__ = ["GroupTable", "format_interval", "group_findings", "group_tables"]


@dataclass(frozen=True)
class GroupTable:
    """A table with what is to be known of it."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def group_findings(evaluation: Evaluation) -> list[str]:
    """Return what is shown of groups after the correction for their number, or that nothing is."""
    metric, level = evaluation.main_metric, evaluation.level
    groups = [*all_groups(evaluation.groups), *all_groups(evaluation.product_groups)]
    compared = [one for one in groups if one[2].difference is not None]
    said = [
        f"By {_words(name)}, {_label(label)}: {metric} is {found.finding} by {abs(found.difference):.3f} "
        f"[{min(abs(found.low), abs(found.high)):.3f}, {max(abs(found.low), abs(found.high)):.3f}] than of all others "
        f"({_p(found.p_adjusted)})."
        for name, label, group in compared
        if (found := group.difference) is not None and found.finding != "none shown"
    ]
    if not said and compared:
        said = [f"Of {len(compared)} groups none is shown to have a better or worse {metric} than all others."]
    calibrated = [one for one in groups if one[2].calibration is not None]
    off = [
        f"By {_words(name)}, {_label(label)}: {_ratio(group)} times as much happened as the probabilities say "
        f"({_p(told.p_adjusted)})."
        for name, label, group in calibrated
        if (told := group.calibration) is not None and told.finding != "none shown"
    ]
    if not off and calibrated:
        off = [f"Of {len(calibrated)} groups none is shown to have probabilities that say too much or too little."]
    few = sum(group.difference is None for _, _, group in groups)
    how = (
        "Each group was compared with all others of its kind. The p-values are Holm's for all groups together, so "
        f"that the chance of one wrong finding is below {1 - level:.0%}. "
    )
    size = f"{few} groups have fewer than {evaluation.min_group} customers, or no others, and were not compared."
    return [*said, *off, how + size] if groups else []


def _p(adjusted: float) -> str:
    return f"adjusted p = {adjusted:.3f}" if adjusted >= 0.001 else "adjusted p < 0.001"


def _words(column: str) -> str:
    return column.replace("_", " ")


def _label(label: str) -> str:
    return label or "(missing)"


def group_tables(evaluation: Evaluation) -> Iterator[GroupTable]:
    """Yield a table for each grouping of customers and of products, then of exposure and of popularity."""
    for name, groups in evaluation.groups.items():
        note = f"Of the served order ({SERVED}). {_NOTE}"
        yield _of_groups(f"Customers by {_words(name)}", note, evaluation, groups)
    for name, groups in evaluation.product_groups.items():
        note = f"What customers acquired of the group, as if only that counted, of the served order. {_NOTE}"
        yield _of_groups(f"Products by {_words(name)}", note, evaluation, groups)
    for name, groups in evaluation.groups.items():
        if any(group.exposure for group in groups.values()):
            yield _exposure(name, evaluation, groups)
    if evaluation.popularity is not None:
        yield _popularity(evaluation, evaluation.popularity)


_NOTE = (
    "Happened / said compares what came true with the probabilities, 1 is right. A finding stands only where the "
    "difference is more than chance after the correction for all groups."
)


def _of_groups(title: str, note: str, evaluation: Evaluation, groups: dict[str, Group]) -> GroupTable:
    metrics = list(next((group.metrics for group in groups.values() if group.metrics), {}))
    best = any(group.share_of_oracle for group in groups.values())
    products = any(group.products is not None for group in groups.values())
    headings = ["group", *(["products"] if products else []), "customers", *metrics]
    headings += [*(["of the oracle"] if best else []), "less all others", "happened / said", "finding"]
    rows = tuple(
        (
            _label(label),
            *([f"{group.products:,}"] if products else []),
            f"{group.customers:,}",
            *(format_interval(group.metrics.get(metric)) for metric in metrics),
            *([format_interval(group.share_of_oracle)] if best else []),
            _difference(group),
            _ratio(group),
            _finding(group, evaluation.min_group),
        )
        for label, group in groups.items()
    )
    return GroupTable(title, note, tuple(headings), rows)


def _difference(group: Group) -> str:
    found = group.difference
    return "-" if found is None else f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _ratio(group: Group) -> str:
    found = group.calibration
    return "-" if found is None else f"{found.ratio.value:.2f} [{found.ratio.low:.2f}, {found.ratio.high:.2f}]"


def _finding(group: Group, least: int) -> str:
    if group.difference is None:
        compared = f"fewer than {least}" if group.customers < least else "too few others"
    else:
        compared = group.difference.finding
    told = group.calibration.finding if group.calibration is not None else "none shown"
    return compared if told == "none shown" else f"{compared}; happened {told}"


def _exposure(name: str, evaluation: Evaluation, groups: dict[str, Group]) -> GroupTable:
    categories = list(next(group.exposure for group in groups.values() if group.exposure))
    note = (
        f"Share of the first {_k(evaluation)} places that products of a category have in the served lists; in "
        "parentheses their share of what the group acquired."
    )
    rows = tuple(
        (
            _label(category),
            *(
                f"{found.share.value:.1%} [{found.share.low:.1%}, {found.share.high:.1%}] ({found.acquired:.1%})"
                if (found := group.exposure.get(category)) is not None
                else "-"
                for group in groups.values()
            ),
        )
        for category in categories
    )
    return GroupTable(f"What is shown, by {_words(name)}", note, ("product category", *map(_label, groups)), rows)


def _popularity(evaluation: Evaluation, found: PopularityReport) -> GroupTable:
    note = (
        "The products by how often they were acquired before the cutoff, in five parts of equal number: each part's "
        f"share of the first {_k(evaluation)} places. Gini is 0 where all products are shown alike and near 1 where "
        "one has all places. Coverage is the share of the products that anybody is shown."
    )
    headings = ("model", "least popular fifth", "second", "third", "fourth", "most popular fifth", "Gini", "coverage")
    acquired = ("what was acquired", *(f"{share:.1%}" for share in found.acquired), f"{found.acquired_gini:.3f}", "-")
    rows = tuple(
        (
            name,
            *(f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]" for one in model.quintiles),
            f"{model.gini:.3f}",
            f"{model.coverage:.1%}",
        )
        for name, model in found.models.items()
    )
    return GroupTable("The popular and the rest", note, headings, (acquired, *rows))


def _k(evaluation: Evaluation) -> str:
    return evaluation.main_metric.split("@")[1]


def format_interval(value: Interval | None) -> str:
    """Return a value with its interval in words, for example 0.123 [0.110, 0.136]."""
    if value is None:
        return "-"
    if value.low is None or value.high is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
