"""Train the product's own pipeline on MovieLens, choose and fit the peers, and measure all on everyone's last film.

Each peer is as strong as its hyper-parameters make it: they are chosen on the validation film, and it is fitted again
for the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.movielens.prepare import prepare
from benchmarks.movielens.report import Findings, Peer, write_findings
from benchmarks.peers.als import IALS, IALSConfig
from nextbest.data.dataset import Array, Dataset
from nextbest.data.files import write_text
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import Snapshot
from nextbest.evaluation.baselines import EASE, ItemKNN, Popularity, Scorer
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.evaluate import rank_all
from nextbest.evaluation.intervals import BootstrappedMetrics
from nextbest.evaluation.results import LEVEL, compare_models, stage_pairs
from nextbest.evaluation.test_set import TestSet
from nextbest.modelling.metrics import per_customer
from nextbest.modelling.training import Progress
from nextbest.pipeline.evaluate import load_exported, make_test_set
from nextbest.pipeline.run import Run, start_run
from nextbest.pipeline.run_all import train_and_compose

__all__ = ["Chosen", "Fit", "PeerGrid", "choose", "fits_of", "main_metric", "measure", "validation_of"]

Figures = dict[str, dict[str, Array]]
"""Model -> metric -> value per person, [num_people]."""

_PEER_SEED = 0


def measure(
    source: Path, out: Path, seeds: Sequence[int], progress: Callable[[str], Progress], grid: PeerGrid | None = None
) -> Findings:
    """Do all of it and write OUT/report.md and OUT/report.json; what a killed benchmark has trained is kept.

    Args:
        source: The folder of MovieLens 100K; see `prepare.installed_folder`.
        out: The benchmark's folder.
        seeds: The seeds that our models are trained with.
        progress: Step's name -> a function that shows how far it is.
        grid: What is tried for the peers.

    Raises:
        InputError: The source cannot be used, or `out` holds something else.
    """
    data = out / "data"
    if not data.exists():
        prepare(source, data)
    runs = [_train(data, out, seed, progress) for seed in seeds]
    chosen = _choose_peers(runs[0], grid or PeerGrid(), progress)
    snapshot, _, test_set = make_test_set(runs[0])
    ours = [_figures(_stages(run, snapshot), test_set, run) for run in runs]
    findings = _findings(runs[0], seeds, chosen, _peers(runs[0], chosen, test_set), ours, test_set)
    write_findings(findings, out)
    return findings


def _train(data: Path, out: Path, seed: int, progress: Callable[[str], Progress]) -> Run:
    config = data / f"seed-{seed}.toml"
    write_text(config, f"seed = {seed}\n\n" + (data / "nextbest.toml").read_text(encoding="utf-8"))
    run = start_run(config, out / "runs" / f"seed-{seed}", progress)
    train_and_compose(run)
    return run


def validation_of(run: Run) -> Run:
    """Return the run one test earlier: its history ends before everyone's last film but one, which is its test."""
    cutoff, until = run.windows.test.dates
    data = run.config.data
    windows = data.windows.model_copy(update={"test_cutoff": cutoff - (until - cutoff)})
    data = data.model_copy(update={"windows": windows})
    return replace(run, config=run.config.model_copy(update={"data": data}))


def _choose_peers(run: Run, grid: PeerGrid, progress: Callable[[str], Progress]) -> dict[str, Chosen]:
    """Choose the peers' hyper-parameters on the film before the last."""
    validation = validation_of(run)
    history, day = validation.history, validation.windows.test.cutoff
    _, _, test_set = make_test_set(validation)
    chosen = {}
    fits, show = fits_of(grid, _PEER_SEED), progress("peers: hyper-parameters, on the film before the last")
    for number, (name, candidates) in enumerate(fits.items(), start=1):
        chosen[name] = choose(candidates, history, day, test_set, run.config.evaluation)
        show(f"{name}: {len(candidates)} tried", number / len(fits))
    return chosen


def _peers(run: Run, chosen: Mapping[str, Chosen], test_set: TestSet) -> Figures:
    """Fit the peers on everything before the last film and measure them on it."""
    cutoff = run.windows.test.cutoff
    return _figures({name: peer.fit(run.history, cutoff) for name, peer in chosen.items()}, test_set, run)


def _stages(run: Run, snapshot: Snapshot) -> dict[str, Scorer]:
    """Return what the run exported, as `pipeline.evaluate` measures it."""
    retrieval, ranking = load_exported(run, snapshot)
    return {"retrieval": retrieval, "ranking": ranking}


def _figures(scorers: Mapping[str, Scorer], test_set: TestSet, run: Run) -> Figures:
    config = run.config.evaluation
    reported = [f"{measure}@{config.main_k}" for measure in ("ndcg", "recall", "mrr")]
    lists, _ = rank_all(scorers, test_set, config)
    found = {name: per_customer(ranked, test_set.relevant, config.ks) for name, ranked in lists.items()}
    return {name: {metric: values[metric] for metric in reported} for name, values in found.items()}


def _findings(
    run: Run,
    seeds: Sequence[int],
    chosen: Mapping[str, Chosen],
    peers: Figures,
    ours: Sequence[Figures],
    test_set: TestSet,
) -> Findings:
    config = run.config.evaluation
    main = config.main_metric
    mean: Figures = {
        name: {metric: np.mean([figures[name][metric] for figures in ours], axis=0) for metric in metrics}
        for name, metrics in ours[0].items()
    }
    sample = BootstrappedMetrics.from_values({**peers, **mean}, config)
    pairs = stage_pairs(sample.models)
    paired = {f"{model}-{other}": sample.differences(model, other) for model, other in pairs}
    return Findings(
        people=len(test_set),
        films=test_set.num_products,
        seeds=tuple(seeds),
        main_metric=main,
        level=LEVEL,
        models=sample.intervals(),
        by_seed={name: [float(figures[name][main].mean()) for figures in ours] for name in mean},
        paired=paired,
        verdicts=compare_models(pairs, paired, main),
        peers={
            name: Peer(parameters=dict(peer.parameters), tried=peer.tried, validation=peer.validation)
            for name, peer in chosen.items()
        },
    )


Fit = Callable[[Dataset, int], Scorer]
"""The history and its last day, in days since 1970-01-01 -> a fitted scorer."""


class PeerGrid(SettingsModel):
    """The values that are tried, in all combinations."""

    ease_l2: tuple[float, ...] = (20, 50, 100, 200, 300, 500, 1000, 2000)
    """EASE's ridge penalty, the paper's lambda."""
    knn_shrinkage: tuple[float, ...] = (0, 5, 10, 20, 50, 100)
    """What is added to the denominator of item-kNN's cosine."""
    knn_neighbours: tuple[int | None, ...] = (5, 10, 20, 40, None)
    """How many products each held product votes for; None is all."""
    ials_factors: tuple[int, ...] = (16, 32, 64, 128)
    """Dimension of iALS's factors."""
    ials_regularization: tuple[float, ...] = (0.1, 0.3, 1, 3, 10, 20)
    """iALS's ridge penalty."""
    ials_alpha: tuple[float, ...] = (1, 2, 4, 8)
    """iALS's confidence of what is held."""
    ials_iterations: tuple[int, ...] = (15,)
    """iALS's sweeps."""


@dataclass(frozen=True)
class Chosen:
    """A peer with the hyper-parameters that did best on the validation film."""

    fit: Fit
    """Fits it."""
    parameters: Mapping[str, Any]
    """The hyper-parameters."""
    validation: float
    """The main metric on the validation film."""
    tried: int
    """How many combinations were tried."""


def fits_of(grid: PeerGrid, seed: int) -> dict[str, list[tuple[dict[str, Any], Fit]]]:
    """Return each peer's combinations of hyper-parameters and what fits them."""

    def combinations(fit: Callable[..., Scorer], **values: tuple[Any, ...]) -> list[tuple[dict[str, Any], Fit]]:
        named = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
        return [(parameters, partial(fit, **parameters)) for parameters in named]

    def ials(history: Dataset, day: int, **parameters: Any) -> Scorer:
        return IALS.fit(history, day, IALSConfig(**parameters), seed)

    return {
        "popularity": combinations(Popularity.fit),
        "item_knn": combinations(ItemKNN.fit, shrinkage=grid.knn_shrinkage, neighbours=grid.knn_neighbours),
        "ease": combinations(EASE.fit, l2=grid.ease_l2),
        "ials": combinations(
            ials,
            factors=grid.ials_factors,
            regularization=grid.ials_regularization,
            alpha=grid.ials_alpha,
            iterations=grid.ials_iterations,
        ),
    }


def choose(
    candidates: list[tuple[dict[str, Any], Fit]],
    history: Dataset,
    day: int,
    test_set: TestSet,
    config: EvaluationConfig,
) -> Chosen:
    """Return what does best on the validation film; of equals the first.

    Args:
        candidates: Combinations of hyper-parameters and what fits them.
        history: What is known before the validation film.
        day: The history's last day, days since 1970-01-01.
        test_set: The validation.
        config: The main metric.
    """
    best: Chosen | None = None
    for parameters, fit in candidates:
        value = main_metric(fit(history, day), test_set, config)
        if best is None or value > best.validation:
            best = Chosen(fit, parameters, value, len(candidates))
    if best is None:
        raise ValueError("there is nothing to choose from; give the grid at least one value for each hyper-parameter")
    return best


def main_metric(scorer: Scorer, test_set: TestSet, config: EvaluationConfig) -> float:
    """Return a scorer's main metric, the mean over the test_set's customers."""
    lists, _ = rank_all({"scorer": scorer}, test_set, config)
    return float(per_customer(lists["scorer"], test_set.relevant, config.ks)[config.main_metric].mean())
