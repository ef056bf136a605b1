"""Push a run's models to where they are served: only those that are good enough and that load elsewhere.

What is approved is what was measured; what is pushed is that, refreshed to the newest day (see `refresh.served_run`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import FailedError
from nextbest.data.files import write_instead, write_text
from nextbest.data.snapshot import Snapshot
from nextbest.data.windows import EPOCH
from nextbest.evaluation.approval import Approval, Check, change_check, pair_checks, paired_difference, value_checks
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.results import Difference, Evaluation
from nextbest.evaluation.test_set import TestSet
from nextbest.pipeline.evaluate import ExportedRecommender, Requests, count_progress, evaluate_run, make_test_set
from nextbest.pipeline.model_card import model_card
from nextbest.pipeline.model_card_page import CARD_PAGE, model_card_page
from nextbest.pipeline.refresh import served_run
from nextbest.pipeline.run import Run
from nextbest.pipeline.sensitivity import measure_sensitivity
from nextbest.serving.artifacts.assets import ASSETS, MEASURED, read_manifest
from nextbest.serving.artifacts.load_check import LoadCheck, check_loads
from nextbest.serving.insights.version_report import CARD, METRICS
from nextbest.serving.recommender import Recommender
from nextbest.serving.store.push import push
from nextbest.serving.store.versions import COMPOSITE, versions

__all__ = ["BLESSED", "NOT_BLESSED", "NotApprovedError", "approve_run", "export_run"]


BLESSED, NOT_BLESSED = "BLESSED", "NOT_BLESSED"
"""The file in RUN/evaluation that holds the verdict; at most one is there, and a run without any is not approved."""


class NotApprovedError(FailedError):
    """A run's models were not pushed, since they are not approved."""


def export_run(run: Run, models: Path, force: bool = False, why: str | None = None) -> int:
    """Approve a run, push what is served of it as one new version and return that; once per MODELS folder.

    Args:
        run: A trained run.
        models: Where models are served from.
        force: Push what is not approved too; what does not load in a fresh process is never pushed.
        why: The reason, for the record of the push.

    Raises:
        InputError: The run is not trained to the end.
        NotApprovedError: The models are not good enough, or do not answer elsewhere as they do here.
    """
    run.folder.check_trained()
    pushed: dict[str, int] = run.folder.manifest().get("pushed", {})
    target = str(models.resolve())
    if target not in pushed or not (models / "recommender" / str(pushed[target])).exists():
        evaluation, approval = evaluate_run(run), approve_run(run, models)
        served = served_run(run)
        load_check = _load_check(run, served, approval, force)
        entries = _entries(run, evaluation, approval, load_check)
        # From these files `serving.insights.version_report` reads how good the version is.
        sensitivity = measure_sensitivity(run)
        card = model_card(served, evaluation, approval, load_check, sensitivity)
        write_text(run.folder.path("evaluation", CARD_PAGE), model_card_page(card, evaluation, sensitivity))
        report = {METRICS: evaluation.model_dump_json(indent=2) + "\n", CARD: card}
        keep = run.config.export.keep_versions
        pushed[target] = push(served.folder.servables(), models, entries, keep, {COMPOSITE: report}, why)
        run.folder.add_to_manifest(pushed=pushed)
    return pushed[target]


def _load_check(run: Run, served: Run, approval: Approval, force: bool) -> LoadCheck:
    """Return the load check of what is served, which has passed.

    Raises:
        NotApprovedError: It has not, or the run is not approved and the push is not forced.
    """
    show = run.progress("load and call the models in fresh processes")
    load_check = check_loads(served.folder.servables())
    load_check.write(run.folder.path("evaluation"))
    show("done", 1.0)
    if not load_check.passed:
        raise NotApprovedError(
            f"{run.folder.root} was not pushed, nor can it be forced: {'; '.join(load_check.reasons)}"
        )
    if not approval.blessed and not force:
        remedy = "train a better model, change [evaluation.approval], or push it all the same with --force"
        raise NotApprovedError(f"{run.folder.root} was not pushed: {'; '.join(approval.reasons)}; {remedy}")
    return load_check


def _entries(run: Run, evaluation: Evaluation, approval: Approval, load_check: LoadCheck) -> dict[str, object]:
    """Return what the version's manifest says beside what it knows: what was measured, and how long it may be used."""
    window = evaluation.window
    return {
        "measured": {"cutoff": str(window.cutoff), "until": str(window.until)},
        "max_age_days": run.config.export.max_age_days,
        "blessing": {"blessed": approval.blessed, "reasons": approval.reasons},
        "infra_blessing": {"blessed": load_check.passed, "reasons": load_check.reasons},
        "forced": not approval.blessed,
        "compared": [check.text for check in approval.checks],
        "run": {"folder": str(run.folder.root), "git_revision": run.folder.manifest()["git_revision"]},
    }


def approve_run(run: Run, models: Path | None) -> Approval:
    """Check a run by [evaluation.approval] and write the verdict, which replaces an older one.

    It is checked again each time, since another version may have been approved meanwhile.

    Args:
        run: The run, which is measured first where it was not.
        models: Where versions were pushed to. The newest that was approved is the one to compare with; without a folder
            or without such a version the change threshold is left out, as TFX does.

    Raises:
        InputError: The run is not trained to the end, or there is nothing to measure it by.
    """
    evaluation, config = evaluate_run(run), run.config.evaluation.approval
    change, compared_with = _check_drop(run, models)
    checks = [*value_checks(evaluation, config), *pair_checks(evaluation, config), change]
    approval = Approval.from_checks(checks, compared_with)
    _write(run, approval)
    return approval


def _write(run: Run, approval: Approval) -> None:
    name, other = (BLESSED, NOT_BLESSED) if approval.blessed else (NOT_BLESSED, BLESSED)
    folder = run.folder.path("evaluation")
    write_instead(folder / other, folder / name, approval.model_dump_json(indent=2) + "\n")


def _last_approved(recommenders: Path) -> tuple[int, dict[str, Any]] | None:
    """Return the newest approved version with its manifest."""
    for version in reversed(versions(recommenders)):
        try:
            manifest = read_manifest(recommenders / str(version))
        except FileNotFoundError:  # pruned meanwhile, or not pushed by us
            continue
        if manifest.get("blessing", {}).get("blessed") is True:
            return version, manifest
    return None


def _check_drop(run: Run, models: Path | None) -> tuple[Check, int | None]:
    """Check the change threshold; also return the version that the run was compared with."""
    config = run.config.evaluation
    metric = config.main_metric
    name, what = f"max_drop {metric}", f"ranking {metric} was not compared with"
    if not run.windows.measured:
        text = f"{what} a last approved version, since nothing that came after {run.windows.test.dates[0]} is known"
        return Check(name=name, passed=True, text=text), None
    last = None if models is None else _last_approved(models / "recommender")
    if models is None or last is None:
        return Check(name=name, passed=True, text=f"{what} a last approved version, since there is none"), None
    version, manifest = last
    folder = models / "recommender" / str(version)
    if (measured := folder / ASSETS / MEASURED).exists():
        folder, manifest = measured, read_manifest(measured)
    what = f"{what} version {version}, the last approved:"
    cutoff, known = run.windows.test.cutoff, int(manifest["as_of_day"])
    if known > cutoff:
        seen, begins = (EPOCH + timedelta(day) for day in (known, cutoff))
        text = f"{what} it knew everything until {seen} and so has seen the test window, which begins after {begins}"
        return Check(name=name, passed=True, text=text), None
    try:
        difference = _compare(run, folder, version, metric)
    except _Incomparable as error:
        remedy = "prune that version, or push with --force"
        return Check(name=name, passed=False, text=f"{what} {error}; {remedy}"), None
    return change_check(metric, difference, version, config.approval.max_drop), version


class _Incomparable(Exception):
    """The last approved version cannot be measured on this run's test window. Says why."""


def _compare(run: Run, last: Path, version: int, metric: str) -> Difference:
    """Measure both versions on the same customers, masked alike, with equally long lists."""
    snapshot, _, test_set = make_test_set(run)
    try:
        recommender = Recommender(last)
        _check_comparable(run.config.data, recommender, run.history.products.ids)
        theirs = _rank(run, recommender, snapshot, test_set, f"approval: version {version}")
    except Exception as error:  # whatever an older export or one of another program raises is a reason not to compare
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _Incomparable(reason) from error
    ours = _rank(run, Recommender(run.folder.path("recommender")), snapshot, test_set, "approval: this run")
    return paired_difference(ours, theirs, test_set.relevant, run.config.evaluation, metric)


def _check_comparable(config: DataConfig, last: Recommender, product_ids: Array) -> None:
    """Refuse a version to which the tables mean something else. What they merely lack is missing to it."""
    now, then = config.customers.columns, last.manifest["customers"]["columns"]
    problems = [
        f"it reads the customers' column {name!r} as a {then[name]['role']}, and it is a {now[name].role}"
        for name in last.customer_columns
        if name in now and now[name].role != then[name]["role"]
    ]
    if not set(last.products.ids) & set(product_ids):
        problems.append(f"it knows none of the {len(product_ids)} products")
    if problems:
        raise ValueError(" and ".join(problems))


def _rank(run: Run, recommender: Recommender, snapshot: Snapshot, test_set: TestSet, what: str) -> Array:
    """Return a version's lists, int32, [n, max(ks)]."""
    config, products = run.config.evaluation, run.history.products
    requests = Requests(recommender, snapshot, products.ids)
    scorer = ExportedRecommender(recommender, requests, products, max(config.ks))
    lists, _ = rank_all({what: scorer}, test_set, config, count_progress(run, what, len(test_set)))
    return lists[what]
