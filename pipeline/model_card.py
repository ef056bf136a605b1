"""The model card: what was made, how good it is, and its limits.

After Mitchell et al. 2019, "Model Cards for Model Reporting". It says what is known when models are pushed, and nothing
of the version's number, which a push sets later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nextbest.data.config import ColumnConfig
from nextbest.data.errors import InputError, Problem
from nextbest.data.rules import HELD_REASON, PolicyConfig
from nextbest.data.tables.words import is_named
from nextbest.evaluation.approval import Approval
from nextbest.evaluation.group_tables import format_interval, group_findings, group_tables
from nextbest.evaluation.results import Calibration, Difference, Evaluation, Group, ProtectedCost, summary_metrics
from nextbest.pipeline import model_evidence as evidence
from nextbest.pipeline.governance import Governance, read_governance
from nextbest.pipeline.markdown import bullets, escaped, table
from nextbest.pipeline.rule_sentences import describe_condition, describe_rule
from nextbest.pipeline.run import Run
from nextbest.serving.artifacts.load_check import LoadCheck
from nextbest.serving.formatting import format_name

__all__ = ["CALIBRATION", "HOW_GOOD", "PROTECTED_COST", "SENSITIVITY", "model_card"]

HOW_GOOD, SENSITIVITY = "How good it is", "What the order owes to what it reads"
CALIBRATION = "Do the probabilities mean what they say?"
"""Headings below which the page has a picture."""
_SERVED = "ranking"
PROTECTED_COST = "protected_cost.json"
"""What it costs to leave columns out, beside the run's TOML."""


def model_card(
    run: Run,
    evaluation: Evaluation,
    approval: Approval,
    load_check: LoadCheck,
    sensitivity: Mapping[str, Difference] | None = None,
) -> str:
    """Return the card as Markdown.

    Args:
        run: The run whose models are pushed.
        evaluation: What was measured.
        approval: Whether that is good enough.
        load_check: Whether the models answer elsewhere.
        sensitivity: What the order owes to each thing that it reads (`measure_sensitivity`), where that is known.

    Raises:
        InputError: What people wrote down beside the run's TOML has problems.
    """
    manifest, named = run.folder.manifest(), read_governance(run.source)
    sections = {
        "Intended use": _intended_use(run, named),
        "Must not be used for": _not_for(),
        "Who answers for it": evidence.responsibilities(named),
        "How it works": _models(run),
        "Data": _data(run, manifest, evaluation),
        "Quality of the data": evidence.data_quality(run),
        HOW_GOOD: _quality(evaluation),
        "Alternatives and the challenger": evidence.challenger(evaluation),
        "Settings, and how they were chosen": evidence.settings_and_search(run),
        SENSITIVITY: evidence.sensitivity(sensitivity or {}, evaluation.main_metric),
        f"{_heading(evaluation)} by group": _groups(evaluation),
        "Is any group served worse?": _fairness(evaluation),
        "Protected columns": _protected(run),
        CALIBRATION: _calibration(evaluation.calibration),
        "And product by product?": evidence.calibration_by_product(evaluation.calibration_by_product, evaluation.level),
        "New customers and products": evidence.cold_start(evaluation),
        "What is never recommended": _policy(run.config.data.policy),
        "Limits": _limits(run, evaluation),
        "What is watched, and what then": evidence.monitoring_plan(run.config.export.max_age_days, run.horizon_days),
        "Verdict": _verdict(approval, load_check),
        "Made by": _versions(manifest),
    }
    parts = [f"# Model card: next best products, as of {run.windows.test.dates[0]}\n"]
    parts += [f"## {title}\n\n{text}\n" for title, lines in sections.items() if (text := "\n".join(lines))]
    return "\n".join(parts)


def _heading(evaluation: Evaluation) -> str:
    return evaluation.main_metric.upper()


def _intended_use(run: Run, named: Governance) -> Iterator[str]:
    yield (
        "Relationship managers and business teams of the bank whose data it was trained on use it to choose what to "
        f"talk about with a customer next: it orders the {len(run.history.products):,} products by the probability "
        f"that the customer acquires one within {run.horizon_days} days. A person decides what to offer."
    )
    if named.purpose is not None:
        yield f"\nIn the bank's own words: {escaped(named.purpose)}"


def _not_for() -> Iterator[str]:
    return bullets(
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
    yield from bullets(
        (
            f"Retrieval: two towers for customers and products, {config.retrieval.num_tower_pairs} of each, with "
            f"embeddings of {config.retrieval.embedding_dim} dimensions; the mean of their cosines finds "
            f"{candidates} candidates among the products that may be recommended.",
            f"Index: {escaped(index['kind'])}; {escaped(index['reason'])}.",
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
    yield "\nRead of a customer, beside the holdings: " + _columns(run.config.data.customers.model_columns) + "."
    yield "\nRead of a product: " + _columns(run.config.data.products.columns) + ".\n"
    yield from table(("table", "SHA-256"), sorted(manifest["data"].items()))


def _columns(columns: dict[str, ColumnConfig]) -> str:
    return ", ".join(escaped(format_name(name)) for name, column in columns.items() if column.role != "id")


def _quality(evaluation: Evaluation) -> Iterator[str]:
    window, metrics = evaluation.window, summary_metrics(evaluation.main_metric)
    yield (
        f"{window.customers:,} customers acquired {window.acquisitions:,} products between {window.cutoff} and "
        f"{window.until}. Brackets are {evaluation.level:.0%} intervals, a bootstrap over customers. The served order "
        f"is that of `{_SERVED}`.\n"
    )
    rows = [
        [name, *(format_interval(found[metric]) for metric in metrics)] for name, found in evaluation.models.items()
    ]
    yield from table(("model", *metrics), rows)
    yield ""
    yield from bullets(escaped(verdict.text) for verdict in evaluation.verdicts)
    skipped = evaluation.skipped.items()
    yield from bullets(f"{escaped(name)} was left out: {escaped(reason)}" for name, reason in skipped)


def _groups(evaluation: Evaluation) -> Iterator[str]:
    for column, groups in evaluation.slices.items():
        models = [name for name in evaluation.models if any(name in group.models for group in groups.values())]
        headings = (format_name(column), "customers", *models)
        rows = (
            [label, f"{group.customers:,}", *(format_interval(group.models.get(model)) for model in models)]
            for label, group in groups.items()
        )
        yield from table(headings, rows)
        yield ""


def _fairness(evaluation: Evaluation) -> Iterator[str]:
    yield from bullets(map(escaped, group_findings(evaluation)))
    for one in group_tables(evaluation):
        yield f"\n### {escaped(one.title)}\n\n{escaped(one.note)}\n"
        yield from table(one.headings, one.rows)


def _protected(run: Run) -> Iterator[str]:
    columns, policy = run.config.data.customers.columns, run.config.data.policy
    protected = [name for name, column in columns.items() if column.protected]
    named = [name for name, column in columns.items() if column.protected is None and is_named(name, "protected")]
    if protected:
        yield f"- {_named(protected)}: no model reads it nor anything made of it; results are measured by it."
    else:
        yield "- No column is protected (`protected = true`)."
    if ruled := [name for name in protected if name in policy.customer_columns]:
        yield f"- {_named(ruled)}: rules of the policy read it; they mask products, and teach no model."
    if named:
        yield f"- {_named(named)}: protected by name alone. The models read it, and reasons never name it."
    cost = _protected_cost(run)
    if cost is not None:
        yield f"- {escaped(cost.text)}"
    elif protected or named:
        yield "- What it costs to leave them out was not measured (`python -m benchmarks.protected`)."


def _named(columns: Sequence[str]) -> str:
    return escaped(", ".join(map(format_name, columns)))


def _protected_cost(run: Run) -> ProtectedCost | None:
    """Return what `python -m benchmarks.protected` measured, which lies beside the run's TOML; None without it.

    Raises:
        InputError: The file is no such file.
    """
    path = run.source / PROTECTED_COST
    if not path.is_file():
        return None
    try:
        return ProtectedCost.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what, remedy = "it is not what `python -m benchmarks.protected` writes", f"write it again ({error})"
        raise InputError([Problem(str(path), None, None, what, remedy)]) from None


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
    yield from table(("pairs", "predicted", "actual"), rows)


def _policy(policy: PolicyConfig) -> Iterator[str]:
    yield "A product is excluded, with the reason in quotes,\n"
    again = f", unless {escaped(describe_condition(policy.repeatable))}" if policy.repeatable else ""
    yield f'- "{HELD_REASON}": where the customer holds it{again};'
    for rule in policy.rules:
        yield f'- "{escaped(rule.reason)}": {escaped(describe_rule(rule))};'
    for cap in policy.caps:
        kind = escaped(format_name(cap.column))
        yield f"- in a list, where {cap.most} likelier products of the same {kind} stand before it."
    yield (
        "\nA rule asks nothing where the product lacks the value, and a lower bound of 0 nothing of whom the value is "
        "unknown. The models that recommend enforce this whoever asks. Retrieval and ranking alone do not, and say so "
        "in their manifests: what they return must not be shown unchecked."
    )


def _limits(run: Run, evaluation: Evaluation) -> Iterator[str]:
    cutoff = run.windows.test.dates[0]
    yield from bullets(
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
    for column, groups in evaluation.groups.items():
        if len(groups) > 1:
            yield f"- {_least_tested(format_name(column), groups, _heading(evaluation))}"


def _usable(run: Run) -> str:
    """Return how long it is used."""
    days = run.config.export.max_age_days
    if days is None:
        return "No age is set beyond which it is refused; who uses it is told how old the data are."
    return f"More than {days} days after that day it is refused, unless somebody asks for it all the same."


def _compared(evaluation: Evaluation) -> str:
    columns = [escaped(format_name(column)) for column in evaluation.slices]
    return f"groups by {', '.join(columns)} alone" if columns else "no groups of customers (`evaluation.slices`)"


def _least_tested(column: str, groups: dict[str, Group], metric: str) -> str:
    fewest = min(groups, key=lambda label: groups[label].customers)
    worse = [
        f"{escaped(label)} ({metric} {escaped(format_interval(group.metrics[metric.lower()]))})"
        for label, group in groups.items()
        if group.difference is not None and group.difference.finding == "worse"
    ]
    found = f"it is worse for {', '.join(worse)}" if worse else "no group is shown to be served worse"
    return (
        f"By {escaped(column)} {found}; it is least tested for {escaped(fewest)} "
        f"({groups[fewest].customers:,} customers)."
    )


def _verdict(approval: Approval, load_check: LoadCheck) -> Iterator[str]:
    good = "It is approved: good enough to be served."
    yield (good if approval.blessed else "It is not approved, and was pushed all the same (`--force`).") + "\n"
    yield from bullets(f"{'passed' if check.passed else 'failed'}: {escaped(check.text)}" for check in approval.checks)
    records = sum(check.records for check in load_check.models.values())
    answered = f"{len(load_check.models)} models answered {records} recorded requests"
    yield f"- passed: {answered} in a fresh process without this program as they did when they were exported"


def _versions(manifest: dict[str, Any]) -> Iterator[str]:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(manifest["packages"].items()))
    yield from bullets(
        (
            f"revision {escaped(manifest['git_revision'] or 'unknown')}, seed {manifest['seed']}",
            f"config {manifest['config']}",
            escaped(packages),
        )
    )
