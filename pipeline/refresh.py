"""Refresh a trained run: its weights on newer tables, without a training step.

What training made is copied as it is: both towers, the ranker, the encoders' means and vocabularies, the calibration.
What is a statistic or a state of the world is computed again as of the new test cutoff: the products and their
popularity, hence their embeddings and the indexes; the pair and segment statistics; what everyone holds.

`start_refresh` brings it to tables of another TOML, `served_run` to the last day of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from nextbest.data.errors import InputError, Problem
from nextbest.data.windows import EPOCH
from nextbest.modelling.training import Progress, make_deterministic
from nextbest.pipeline.check_tables import check_policy
from nextbest.pipeline.compose import complete, compose
from nextbest.pipeline.config import RunConfig, load_config, set_in_toml
from nextbest.pipeline.run import Run, begin_run, read_run
from nextbest.pipeline.run_folder import (
    RUN_FORMAT,
    RunFolder,
    copy_trained,
    load_encoders,
    metrics_file,
    ranker_checkpoints,
    retriever_checkpoints,
    trained_files,
)
from nextbest.pipeline.train import catalogue_at_cutoff, write_ranking, write_retrieval
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.training import refresh_ranker
from nextbest.retrieval.training import refresh_retriever
from nextbest.serving.artifacts.assets import ASSETS, COMPOSITE, MANIFEST, MEASURED, PRODUCTS

__all__ = ["REFRESHED", "refresh", "served_run", "start_refresh"]

REFRESHED = "refreshed"
"""The folder in RUN of the run that `served_run` makes."""

_ENTITY = {"path": True, "query": True, "id": True, "as_of": True, "columns": {"__all__": {"optional", "unit"}}}
_MAY_CHANGE: Any = {
    "data": {
        "customers": _ENTITY,
        "products": _ENTITY,
        "interactions": {"path", "query", "customer_id", "product_id", "timestamp", "weight"},
        "windows": {"horizon_days", "test_days", "test_cutoff", "ranking_windows", "min_holdings"},
        "policy": {"rules", "caps", "risk_column"},
    },
    "seed": True,
    "tune": True,
    "retrieval": {"index"},
    "evaluation": True,
    "export": True,
}
"""What a refresh may change: where the tables are, which days count, what is allowed, measured and exported. All else
says how the weights were made and what their inputs mean."""


def start_refresh(trained: Path, config: Path, out: Path, progress: Callable[[str], Progress]) -> Run:
    """Begin a run with another one's weights, or go on with it.

    Args:
        trained: The folder of a run that is trained to the end, or was refreshed from one. Its tables are not read.
        config: The TOML of the newer tables; what it shares with the trained run's is all but `_MAY_CHANGE`.
        out: The new run's folder.
        progress: See `Run.show`.

    Raises:
        InputError: There is no trained run, its weights mean nothing under this config or have seen what comes after
            its cutoff, or `start_run` would raise it. Nothing is written then.
    """
    source = RunFolder(trained)
    manifest = source.manifest()
    _check_format(manifest, source)  # before its settings, which this program may not know any more
    run = read_run(config, out, progress)
    trained_with = load_config(source.path("config.toml"))
    problems = source.problems_if_missing([*source.servables().values(), *trained_files(source)])
    problems += _missing_metrics(source, run, config)
    refreshed_from = None if problems else _origin(manifest, trained_with)
    if refreshed_from is not None:
        problems += _cutoff_problems(refreshed_from, source, run, config)
    problems += _changed_settings(trained_with, run.config, config)
    problems += check_policy(config, run.config, run.dataset, run.windows.test.cutoff)
    if problems:
        raise InputError(problems)
    begin_run(run, config.read_text(encoding="utf-8"), refreshed_from)
    return run


def served_run(run: Run) -> Run:
    """Return the run whose models are pushed, complete: a measured run's, refreshed to the last day of its tables.

    It is in RUN/refreshed, a run's folder like any other, and is made once, of tables that are not read again. Where
    [export] says so, or where the run knows the last day anyway, it is the run itself.

    Args:
        run: A run that was measured.

    Raises:
        InputError: The run is not trained to the end, or RUN/refreshed holds something else.
    """
    if not run.config.export.refresh or not run.windows.measured:
        complete(run)
        return run
    if problems := run.folder.problems_if_missing(trained_files(run.folder)):
        raise InputError(problems)
    newest = EPOCH + timedelta(days=int(run.dataset.interactions.day[-1]))
    folder = RunFolder(run.folder.path(REFRESHED))
    refreshed = replace(run, config=_as_of(run.config, newest), folder=folder, same_tables_as=run)
    toml = set_in_toml(
        run.folder.path("config.toml").read_text(encoding="utf-8"),
        {"data.windows.test_cutoff": newest, "data.windows.test_days": 0},
    )
    begin_run(refreshed, toml, _origin(run.folder.manifest(), run.config))
    refresh(run.folder.root, refreshed)
    _keep_measured(run.folder, refreshed.folder)
    complete(refreshed)
    return refreshed


def _keep_measured(measured: RunFolder, refreshed: RunFolder) -> None:
    """Put the composite that was measured beside the one that is served: its graph, its products and its manifest."""
    source, place = measured.path(COMPOSITE), (COMPOSITE, ASSETS, MEASURED)
    if refreshed.path(*place).exists():
        return
    kept = (source / ASSETS / MANIFEST, source / ASSETS / PRODUCTS)
    with refreshed.staged(*place) as staging:
        shutil.copytree(source, staging, ignore=shutil.ignore_patterns(ASSETS), dirs_exist_ok=True)
        (staging / ASSETS).mkdir()
        for file in kept:
            shutil.copy(file, staging / ASSETS)


def _as_of(config: RunConfig, day: date) -> RunConfig:
    """Return a config whose models know everything until a day, so that nothing is left to measure by."""
    windows = config.data.windows.model_copy(update={"test_cutoff": day, "test_days": 0})
    return config.model_copy(update={"data": config.data.model_copy(update={"windows": windows})})


def refresh(trained: Path, run: Run) -> None:
    """Do all that `train_and_compose` does but train; what an earlier, killed run has finished is not done again.

    Args:
        trained: The folder of the run that `start_refresh` was given.
        run: What `start_refresh` returned.
    """
    make_deterministic(run.config.seed)
    copy_trained(RunFolder(trained), run.folder, with_metrics=not run.windows.measured)
    _refresh_retriever(run)
    _refresh_ranker(run)
    compose(run)


def _refresh_retriever(run: Run) -> None:
    if run.folder.path("retrieval", "index.json").exists():
        return
    show = run.progress(f"retrieval: refresh as of {run.windows.test.dates[0]}")
    encoders = load_encoders(run.folder, run.config.data)
    checkpoints = retriever_checkpoints(run.folder, "final")
    settings = run.retriever_settings()
    write_retrieval(run, refresh_retriever(run.history, run.windows.test.cutoff, encoders, settings, checkpoints))
    show("done", 1.0)


def _refresh_ranker(run: Run) -> None:
    if run.folder.path("ranking", "saved_model").exists():
        return
    show = run.progress(f"ranking: refresh as of {run.windows.test.dates[0]}")
    trained = load_encoders(run.folder, run.config.data)
    encoders = trained.for_products(run.history.products.ids)
    state = catalogue_at_cutoff(run, encoders)
    model = refresh_ranker(trained, encoders, state, run.ranker_settings(), ranker_checkpoints(run.folder, "final"))
    calibration = Calibration.model_validate(run.folder.read_json("ranking", "selection.json")["calibration"])
    write_ranking(run, model, encoders, state, calibration)
    show("done", 1.0)


def _origin(manifest: Mapping[str, Any], config: RunConfig) -> dict[str, Any]:
    """Return what a refreshed run's manifest says of the trained one, from the manifest of that or of another one."""
    if (origin := manifest.get("refreshed_from")) is not None:
        return dict(origin)
    ((cutoff, _),) = manifest["windows"]["test"]
    from_manifest = {key: manifest.get(key) for key in ("config", "data", "format", "version", "git_revision", "seed")}
    return from_manifest | {
        "cutoff": cutoff,
        "horizon_days": config.data.windows.horizon_days,
        "compared": [list(pair) for pair in config.data.policy.compared_columns],
    }


def _check_format(manifest: Mapping[str, Any], source: RunFolder) -> None:
    """Refuse a run whose weights are not for this program; a run that was refreshed has the format of its origin."""
    if manifest.get("format") != RUN_FORMAT:
        what = f"it was trained by nextbest {manifest.get('version')}, whose runs this one cannot refresh"
        raise InputError([Problem(str(source.root), None, None, what, "train again")])


def _cutoff_problems(refreshed_from: Mapping[str, Any], source: RunFolder, run: Run, config: Path) -> Iterator[Problem]:
    """Yield what keeps a trained run's weights from this cutoff."""
    cutoff = run.windows.test.dates[0]
    if cutoff < date.fromisoformat(refreshed_from["cutoff"]):
        known = refreshed_from["cutoff"]
        what = f"the test cutoff {cutoff} is before {known}, up to which the weights of {source.root} know all"
        yield Problem(str(config), "data.windows.test_cutoff", None, what, "choose a later one, or train again")


def _missing_metrics(source: RunFolder, run: Run, config: Path) -> Iterator[Problem]:
    """Yield that there are no metrics of the trained run, where they must stand for a run that cannot be measured."""
    if not run.windows.measured and not metrics_file(source).exists():
        what = f"it is 0, so that nothing can be measured, and {source.root} was not measured either"
        yield Problem(str(config), "data.windows.test_days", None, what, "raise it, or use `nextbest evaluate` there")


def _changed_settings(trained: RunConfig, now: RunConfig, config: Path) -> Iterator[Problem]:
    """Yield where a config says something else than that of a trained run, of what its weights depend on."""
    old, new = _fixed(trained), _fixed(now)
    for key in old | new:
        if old.get(key) != new.get(key):
            what = f"it is {_shown(new, key)}, and the run was trained with {_shown(old, key)}"
            yield Problem(str(config), key, None, what, "set it back, or train again")


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return repr(settings[key]) if key in settings else "not there"


def _fixed(config: RunConfig) -> dict[str, Any]:
    """Return what a refresh may not change, the TOML's key -> value."""
    return dict(_flat(config.model_dump(exclude=_MAY_CHANGE)))


def _flat(section: Mapping[str, Any], *above: str) -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values; a column is one value, and so is a condition."""
    for key, value in section.items():
        if isinstance(value, dict) and not {"role", "separator"} & value.keys():
            yield from _flat(value, *above, key)
        else:
            yield ".".join((*above, key)), value
