"""Bless a run, or refuse to (TFX's Evaluator): by what it measured, and by the last blessed version."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from nextbest.data.atomic import write_instead
from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array
from nextbest.data.snapshot import Snapshot
from nextbest.data.windows import EPOCH
from nextbest.evaluation.blessing import Blessing, Check, change_check, pair_checks, paired_difference, value_checks
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.holdout import Holdout
from nextbest.evaluation.results import Difference
from nextbest.pipeline.evaluate import evaluate_run, hold_out, show_customers
from nextbest.pipeline.exported import ExportedRecommender, Requests
from nextbest.pipeline.run import Run
from nextbest.serving.assets import read_manifest
from nextbest.serving.recommender import Recommender
from nextbest.serving.versions import versions

__all__ = ["BLESSED", "NOT_BLESSED", "bless_run"]

BLESSED, NOT_BLESSED = "BLESSED", "NOT_BLESSED"
"""The file in RUN/evaluation that holds the verdict; there is one of them at most, and none is no blessing."""


def bless_run(run: Run, models: Path | None) -> Blessing:
    """Judge a run by [evaluation.blessing] and write the verdict, which replaces an older one.

    It is judged anew each time, since another version may have been blessed meanwhile.

    Args:
        run: The run, which is measured first where it was not.
        models: Where versions were pushed to. The newest that was blessed is the one to compare with; without a folder
            or without such a version the change threshold is left out, as TFX does.

    Raises:
        InputError: The run is not trained to the end, or there is nothing to measure it by.
    """
    evaluation, config = evaluate_run(run), run.config.evaluation.blessing
    change, compared_with = _change(run, models)
    checks = [*value_checks(evaluation, config), *pair_checks(evaluation, config), change]
    blessing = Blessing.of(checks, compared_with)
    _write(run, blessing)
    return blessing


def _write(run: Run, blessing: Blessing) -> None:
    name, other = (BLESSED, NOT_BLESSED) if blessing.blessed else (NOT_BLESSED, BLESSED)
    folder = run.folder.path("evaluation")
    write_instead(folder / other, folder / name, blessing.model_dump_json(indent=2) + "\n")


def _last_blessed(recommenders: Path) -> tuple[int, dict[str, Any]] | None:
    """Return the newest blessed version with its manifest."""
    for version in reversed(versions(recommenders)):
        try:
            manifest = read_manifest(recommenders / str(version))
        except FileNotFoundError:  # pruned meanwhile, or not pushed by us
            continue
        if manifest.get("blessing", {}).get("blessed") is True:
            return version, manifest
    return None


def _change(run: Run, models: Path | None) -> tuple[Check, int | None]:
    """Check the change threshold; also return the version that the run was compared with."""
    config = run.config.evaluation
    metric = config.blessing.max_drop_metric or config.main_metric
    name, what = f"max_drop {metric}", f"ranking {metric} was not compared with"
    if not run.windows.measured:
        text = f"{what} a last blessed version, since nothing that came after {run.windows.test.dates[0]} is known"
        return Check(name=name, passed=True, text=text), None
    last = None if models is None else _last_blessed(models / "recommender")
    if models is None or last is None:
        return Check(name=name, passed=True, text=f"{what} a last blessed version, since there is none"), None
    version, manifest = last
    what = f"{what} version {version}, the last blessed:"
    cutoff, known = run.windows.test.cutoff, int(manifest["as_of_day"])
    if known > cutoff:
        seen, begins = (EPOCH + timedelta(day) for day in (known, cutoff))
        text = f"{what} it knew everything until {seen} and so has seen the test window, which begins after {begins}"
        return Check(name=name, passed=True, text=text), None
    try:
        found = _compare(run, models / "recommender" / str(version), metric)
    except _Incomparable as error:
        remedy = "prune that version, or push with --force"
        return Check(name=name, passed=False, text=f"{what} {error}; {remedy}"), None
    return change_check(metric, found, version, config.blessing.max_drop), version


class _Incomparable(Exception):
    """The last blessed version cannot be measured on this run's test window. Says why."""


def _compare(run: Run, last: Path, metric: str) -> Difference:
    """Measure both versions on the same customers, masked alike, each asked for the same number of products."""
    snapshot, _, holdout = hold_out(run)
    try:
        recommender = Recommender(last)
        _check_comparable(run.config.data, recommender, run.history.products.ids)
        theirs = _ranked(run, recommender, snapshot, holdout, f"blessing: version {last.name}")
    except Exception as error:  # whatever an older export or another hand's raises, it is a reason and not our end
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _Incomparable(reason) from error
    ours = _ranked(run, Recommender(run.folder.path("recommender")), snapshot, holdout, "blessing: this run")
    return paired_difference(ours, theirs, holdout.relevant, run.config.evaluation, metric)


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


def _ranked(run: Run, recommender: Recommender, snapshot: Snapshot, holdout: Holdout, what: str) -> Array:
    """Return a version's lists, int32, [n, max(ks)]."""
    config, products = run.config.evaluation, run.history.products
    requests = Requests(recommender, snapshot, products.ids)
    scorer = ExportedRecommender(recommender, requests, products, max(config.ks))
    lists, _ = rank_all({what: scorer}, holdout, config, show_customers(run, what, len(holdout)))
    return lists[what]
