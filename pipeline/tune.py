"""The search for better settings: the retriever's first, then the ranker's on the winner's candidates.

Both are judged as `pipeline.train` chooses their epochs, on the windows that it chooses them on. The test window is
never read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from nextbest.data.errors import InputError, Problem
from nextbest.data.windows import Window
from nextbest.graph.catalogue import Encoders
from nextbest.modelling.training import Progress, Training, make_deterministic
from nextbest.pipeline.config import RunConfig, load_config
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_folder import RunFolder
from nextbest.pipeline.train import make_ranking_examples, write_candidates
from nextbest.pipeline.tune_result import StageResult, TuneResult, write_best, write_trials
from nextbest.pipeline.tune_search import Objective, Search, digest
from nextbest.pipeline.tune_space import Stage, dimensions, with_settings
from nextbest.ranking.examples import WindowExamples
from nextbest.ranking.training import select_ranker
from nextbest.retrieval.training import VALIDATION_K, select_epochs

__all__ = ["tune"]

_RETRIEVER = {"encoder", "statistics", "retrieval"}
"""The sections that a retriever depends on."""
_CANDIDATES = dict.fromkeys(_RETRIEVER, True) | {"ranking": {"candidates"}}
"""What the ranker's examples depend on, of what can be tuned."""


def tune(
    config: Path,
    out: Path,
    trials: int,
    stage: Stage | Literal["both"],
    progress: Callable[[str], Progress],
) -> TuneResult:
    """Search for better settings, and write them to best.toml and all trials to trials.csv.

    A killed search goes on when it is called again, and one that has ended goes on with more trials.

    Args:
        config: The TOML.
        out: The search's folder.
        trials: How many trials each stage has in all, the config's own settings first.
        stage: What is searched. The ranker's search uses the best retriever that `out` knows.
        progress: See `Run.show`.

    Raises:
        InputError: The config or the tables have problems (nothing is written then), or `out` holds something else.
        FailedError: A trial has no validation score.
    """
    _check_validates(load_config(config), config)
    run = start_run(config, out, progress)
    make_deterministic(run.config.seed)
    results = [_tune_retrieval(run, 1 if stage == "ranking" else trials)]
    if stage != "retrieval":
        retriever = results[0].best
        results.append(_tune_ranking(_with_settings(run, retriever.settings), retriever.epochs, trials))
    result = TuneResult(tuple(results), out / "best.toml", out / "trials.csv")
    write_trials(result)
    write_best(result, run.config, config.read_text(encoding="utf-8"), run.source)
    return result


def _check_validates(settings: RunConfig, config: Path) -> None:
    """Refuse to search a stage that has no validation score."""
    what, remedy = "with 0 there is no validation score to search by", "set it to 1 or more for the search"
    patience = {"retrieval": settings.retrieval.patience, "ranking": settings.ranking.patience}
    if unvalidated := [f"{stage}.patience" for stage, epochs in patience.items() if not epochs]:
        raise InputError([Problem(str(config), key, None, what, remedy) for key in unvalidated])


def _tune_retrieval(run: Run, trials: int) -> StageResult:
    window = run.selection_window
    past = run.history.until(window.until)

    def objective(settings: dict[str, Any], checkpoints: Path, progress: Progress) -> Training:
        tried = _with_settings(run, settings)
        return select_epochs(past, window, tried.retriever_settings(), checkpoints, progress)

    metric = f"accuracy@{min(VALIDATION_K, len(past.products))}"
    return _search(run, "retrieval", _dump(run.config, _RETRIEVER), window, metric, trials, objective)


def _tune_ranking(run: Run, epochs: int, trials: int) -> StageResult:
    """Search the ranker's settings, with the candidates of retrievers that are trained for so many epochs."""
    cached: dict[str, tuple[list[WindowExamples], Encoders]] = {}

    def examples(tried: Run) -> tuple[list[WindowExamples], Encoders]:
        name = digest(_dump(tried.config, _CANDIDATES), epochs)
        if name not in cached:
            cached.clear()
            cached[name] = _examples(_changed(tried, folder=RunFolder(run.folder.path("candidates", name))), epochs)
        return cached[name]

    def objective(settings: dict[str, Any], checkpoints: Path, progress: Progress) -> Training:
        tried = _with_settings(run, settings)
        windows, encoders = examples(tried)
        return select_ranker(windows, encoders, tried.ranker_settings(), checkpoints, progress)[0]

    metric = f"ndcg@{run.config.evaluation.main_k}"
    basis = [_dump(run.config, _RETRIEVER | {"ranking"}), epochs]
    return _search(run, "ranking", basis, run.windows.ranking[-1], metric, trials, objective)


def _examples(run: Run, epochs: int) -> tuple[list[WindowExamples], Encoders]:
    """Make the ranker's examples; of the retrievers nothing but their candidates stays in the run's folder."""
    for window in run.windows.ranking:
        write_candidates(run, window, epochs)
    shutil.rmtree(run.folder.path("retrieval", "checkpoints"), ignore_errors=True)
    return make_ranking_examples(run)


def _search(
    run: Run, stage: Stage, basis: Any, window: Window, metric: str, trials: int, objective: Objective
) -> StageResult:
    """Search a stage.

    Args:
        run: The run whose settings are the given ones.
        stage: The stage.
        basis: What the scores depend on beside the data and the trial's settings: with another, trials start again.
        window: The validation window.
        metric: What the scores are.
        trials: How many trials.
        objective: What a trial does.
    """
    space = dimensions(run.config, run.config.tune, stage)
    name = f"{stage}-{digest(basis, [asdict(dimension) for dimension in space])}"
    progress = run.progress(f"{stage}: {trials} trials, {metric} on {window.dates[0]} to {window.dates[1]}")

    def in_cleared_session(settings: dict[str, Any], checkpoints: Path, progress: Progress) -> Training:
        tf.keras.backend.clear_session()  # or the graphs of all earlier trials would stay in memory
        return objective(settings, checkpoints, progress)

    ended = Search(name, run.folder.root, space, run.config.seed).run(trials, in_cleared_session, progress)
    first, last = map(str, window.dates)
    return StageResult(stage, metric, (first, last), ended)


def _dump(config: RunConfig, include: Any) -> Any:
    return config.model_dump(mode="json", include=include)


def _with_settings(run: Run, settings: dict[str, Any]) -> Run:
    return _changed(run, config=with_settings(run.config, settings))


def _changed(run: Run, **changes: Any) -> Run:
    """Return a run with something else on the same data, which is not read again."""
    return replace(run, same_tables_as=run, **changes)
