"""The model card: what was made, how good it is, and its limits.

After Mitchell et al. 2019, "Model Cards for Model Reporting". It says what is known when models are pushed, and nothing
of the version's number, which a push sets later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nextbest.data.config import ColumnConfig
from nextbest.data.rules import HELD_REASON, PolicyConfig
from nextbest.evaluation.approval import Approval
from nextbest.evaluation.report import format_interval, summary_metrics
from nextbest.evaluation.results import Calibration, Evaluation, Slice
from nextbest.pipeline.rule_sentences import describe_condition, describe_rule
from nextbest.pipeline.run import Run
from nextbest.serving.artifacts.load_check import LoadCheck
from nextbest.serving.formatting import format_name

__all__ = ["model_card"]

_SPECIAL = re.compile(r"([\\|<>*`#\[\]])")
_SERVED = "ranking"


def model_card(run: Run, evaluation: Evaluation, approval: Approval, load_check: LoadCheck) -> str:
    """Return the card as Markdown.

    Args:
        run: The run whose models are pushed.
        evaluation: What was measured.
        approval: Whether that is good enough.
        load_check: Whether the models answer elsewhere.
    """
    manifest = run.folder.manifest()
    sections = {
        "Intended use": _intended_use(run),
        "Must not be used for": _not_for(),
        "How it works": _models(run),
        "Data": _data(run, manifest, evaluation),
        "How good it is": _quality(evaluation),
        f"{_heading(evaluation)} by group": _groups(evaluation),
        "Do the probabilities mean what they say?": _calibration(evaluation.calibration),
        "What is never recommended": _policy(run.config.data.policy),
        "Limits": _limits(run, evaluation),
        "Verdict": _verdict(approval, load_check),
        "Made by": _versions(manifest),
    }
    parts = [f"# Model card: next best products, as of {run.windows.test.dates[0]}\n"]
    parts += [f"## {title}\n\n{text}\n" for title, lines in sections.items() if (text := "\n".join(lines))]
    return "\n".join(parts)


def _escaped(text: object) -> str:
    """Return text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", str(text))


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, headings))} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _items(texts: Iterable[str]) -> Iterator[str]:
    return (f"- {text}" for text in texts)


def _heading(evaluation: Evaluation) -> str:
    return evaluation.main_metric.upper()


def _intended_use(run: Run) -> Iterator[str]:
    yield (
        "Relationship managers and business teams of the bank whose data it was trained on use it to choose what to "
        f"talk about with a customer next: it orders the {len(run.history.products):,} products by the probability "
        f"that the customer acquires one within {run.horizon_days} days. A person decides what to offer."
    )


def _not_for() -> Iterator[str]:
    return _items(
        (
            "decisions on credit, prices, limits or eligibility: it knows what customers acquired, not what they can "
            "afford",
            "advice: the rules below exclude what plainly does not fit, and replace no suitability assessment that "
            "the law requires",
            "any decision about a person that no person checks",
            "customers of another bank or country, or other products than those that it knows",
            "telling who is a good or a bad customer, or whom to serve less",
        )
    )


def _models(run: Run) -> Iterator[str]:
    config, index = run.config, run.folder.read_json("retrieval", "index.json")
    candidates = min(config.ranking.candidates, len(run.history.products))
    yield from _items(
        (
            f"Retrieval: two towers for customers and products, {config.retrieval.num_tower_pairs} of each, with "
            f"embeddings of {config.retrieval.embedding_dim} dimensions; the mean of their cosines finds "
            f"{candidates} candidates among the products that may be recommended.",
            f"Index: {_escaped(index['kind'])}; {_escaped(index['reason'])}.",
            "Ranking: a cross-feature network reorders the candidates; its score is calibrated to a probability.",
            "The rules below are part of the served graph and hold for every request.",
        )
    )


def _data(run: Run, manifest: dict[str, Any], evaluation: Evaluation) -> Iterator[str]:
    history, windows, measured = run.history, run.windows, evaluation.window
    trained = f"Trained on windows from {windows.ranking[0].dates[0]} to {windows.ranking[-1].dates[1]}"
    if origin := manifest.get("refreshed_from"):
        trained = (
            f"The weights are those of a run trained as of {origin['cutoff']}; a refresh without training made "
            "holdings, popularity, statistics and products those of the last day"
        )
    yield (
        f"{len(history.customers):,} customers, {len(history.products):,} products and "
        f"{len(history.interactions):,} interactions until {windows.test.dates[0]}, the last day that it knows. "
        f"{trained}. Measured on what came after {measured.cutoff} until {measured.until}, which no training saw."
    )
    if not windows.measured:
        yield (
            "\nNothing is known of what came later. The figures below were measured with the same weights and what was "
            f"known on {measured.cutoff}; on {windows.test.dates[0]} the weights are "
            f"{(windows.test.dates[0] - measured.cutoff).days} days older. What older weights cost, "
            "`python -m benchmarks.refresh_cost` measures."
        )
    yield "\nRead of a customer, beside the holdings: " + _columns(run.config.data.customers.columns) + "."
    yield "\nRead of a product: " + _columns(run.config.data.products.columns) + ".\n"
    yield from _table(("table", "SHA-256"), sorted(manifest["data"].items()))


def _columns(columns: dict[str, ColumnConfig]) -> str:
    return ", ".join(_escaped(format_name(name)) for name, column in columns.items() if column.role != "id")


def _quality(evaluation: Evaluation) -> Iterator[str]:
    window, metrics = evaluation.window, summary_metrics(evaluation)
    yield (
        f"{window.customers:,} customers acquired {window.acquisitions:,} products between {window.cutoff} and "
        f"{window.until}. Brackets are {evaluation.level:.0%} intervals, a bootstrap over customers. The served order "
        f"is that of `{_SERVED}`.\n"
    )
    rows = [
        [name, *(format_interval(found[metric]) for metric in metrics)] for name, found in evaluation.models.items()
    ]
    yield from _table(("model", *metrics), rows)
    yield ""
    yield from _items(_escaped(verdict.text) for verdict in evaluation.verdicts)
    skipped = evaluation.skipped.items()
    yield from _items(f"{_escaped(name)} was left out: {_escaped(reason)}" for name, reason in skipped)


def _groups(evaluation: Evaluation) -> Iterator[str]:
    for column, groups in evaluation.slices.items():
        models = [name for name in evaluation.models if any(name in group.models for group in groups.values())]
        headings = (format_name(column), "customers", *models)
        rows = (
            [label, f"{group.customers:,}", *(format_interval(group.models.get(model)) for model in models)]
            for label, group in groups.items()
        )
        yield from _table(headings, rows)
        yield ""


def _calibration(calibration: Calibration | None) -> Iterator[str]:
    if calibration is None:
        yield "Not measured: the test window is not as long as the time that the probabilities speak of."
        return
    yield (
        f"Over {calibration.pairs:,} (customer, candidate) pairs: mean probability {calibration.mean_probability:.4f}, "
        f"actual rate {calibration.base_rate:.4f}; expected calibration error {calibration.ece:.4f}, Brier score "
        f"{calibration.brier:.4f}, log loss {calibration.log_loss:.4f}.\n"
    )
    rows = (
        (f"{found.count:,}", f"{found.probability:.2%}", f"{found.rate:.2%} [{found.low:.2%}, {found.high:.2%}]")
        for found in calibration.bins
    )
    yield from _table(("pairs", "predicted", "actual"), rows)


def _policy(policy: PolicyConfig) -> Iterator[str]:
    yield "A product is excluded, with the reason in quotes,\n"
    again = f", unless {_escaped(describe_condition(policy.repeatable))}" if policy.repeatable else ""
    yield f'- "{HELD_REASON}": where the customer holds it{again};'
    for rule in policy.rules:
        yield f'- "{_escaped(rule.reason)}": {_escaped(describe_rule(rule))};'
    for cap in policy.caps:
        kind = _escaped(format_name(cap.column))
        yield f"- in a list, where {cap.most} likelier products of the same {kind} stand before it."
    yield (
        "\nA rule asks nothing where the product lacks the value, and a lower bound of 0 nothing of whom the value is "
        "unknown. The models that recommend enforce this whoever asks. Retrieval and ranking alone do not, and say so "
        "in their manifests: what they return must not be shown unchecked."
    )


def _limits(run: Run, evaluation: Evaluation) -> Iterator[str]:
    cutoff = run.windows.test.dates[0]
    yield from _items(
        (
            "It repeats what was acquired in the past, with the campaigns and habits of that time. A high probability "
            "does not say that an offer causes the purchase, nor that the product is good for the customer.",
            f"It knows nothing after {cutoff}: no newer product, no newer customer's holdings. Refresh or train it "
            f"again before the world has changed. {_usable(run)}",
            "Who holds nothing and is new gets what suits the attributes alone, which is less sure. Whom it does not "
            "know, and who brings no holdings, gets an order and no probability.",
            "It was measured on past customers, not by offering anything, and compared between "
            f"{_compared(evaluation)}. Whether the attributes that it reads may be used is for the bank to judge.",
        )
    )
    for column, groups in evaluation.slices.items():
        known = {label: group for label, group in groups.items() if _SERVED in group.models}
        if len(known) > 1:
            yield f"- {_weakest(format_name(column), known, _heading(evaluation))}"


def _usable(run: Run) -> str:
    """Return how long it is used."""
    days = run.config.export.max_age_days
    if days is None:
        return "No age is set beyond which it is refused; who uses it is told how old the data are."
    return f"More than {days} days after that day it is refused, unless somebody asks for it all the same."


def _compared(evaluation: Evaluation) -> str:
    columns = [_escaped(format_name(column)) for column in evaluation.slices]
    return f"groups by {', '.join(columns)} alone" if columns else "no groups of customers (`evaluation.slices`)"


def _weakest(column: str, groups: dict[str, Slice], metric: str) -> str:
    worst = min(groups, key=lambda label: groups[label].models[_SERVED].value)
    fewest = min(groups, key=lambda label: groups[label].customers)
    return (
        f"By {_escaped(column)} it is worst for {_escaped(worst)} ({metric} "
        f"{_escaped(format_interval(groups[worst].models[_SERVED]))}) and least tested for {_escaped(fewest)} "
        f"({groups[fewest].customers:,} customers)."
    )


def _verdict(approval: Approval, load_check: LoadCheck) -> Iterator[str]:
    good = "It is approved: good enough to be served."
    yield (good if approval.blessed else "It is not approved, and was pushed all the same (`--force`).") + "\n"
    yield from _items(f"{'passed' if check.passed else 'failed'}: {_escaped(check.text)}" for check in approval.checks)
    records = sum(check.records for check in load_check.models.values())
    answered = f"{len(load_check.models)} models answered {records} recorded requests"
    yield f"- passed: {answered} in a fresh process without this program as they did when they were exported"


def _versions(manifest: dict[str, Any]) -> Iterator[str]:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(manifest["packages"].items()))
    yield from _items(
        (
            f"revision {_escaped(manifest['git_revision'] or 'unknown')}, seed {manifest['seed']}",
            f"config {manifest['config']}",
            _escaped(packages),
        )
    )
