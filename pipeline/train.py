"""The training steps: a retriever for every cutoff, then the ranker on their candidates, and the SavedModel of each.

Each step is done once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nextbest.data.candidates import Candidates
from nextbest.data.dataset import Array
from nextbest.data.files import write_text
from nextbest.data.snapshot import Snapshot, new_acquisitions, take_snapshot
from nextbest.data.windows import Window, labels
from nextbest.graph.catalogue import Encoders, fit_encoders
from nextbest.graph.policy import SuitabilityPolicy
from nextbest.modelling.training import make_deterministic
from nextbest.pipeline.run import Run
from nextbest.pipeline.run_folder import ranker_checkpoints, retriever_checkpoints, save_encoders
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import (
    CatalogueStatistics,
    WindowExamples,
    catalogue_statistics,
    sample_customers,
    window_examples,
)
from nextbest.ranking.export import RankingServable, save_ranking
from nextbest.ranking.model import RankingModel
from nextbest.ranking.training import select_ranker, train_ranker
from nextbest.retrieval.export import RetrievalServable, save_retrieval
from nextbest.retrieval.index_choice import IndexChoice, choose_index, enough_to_retrieve
from nextbest.retrieval.indexes import ExactIndex, ScannIndex
from nextbest.retrieval.training import Earlier, Retriever, propose_candidates, select_epochs, train_retriever
from nextbest.serving.artifacts.assets import ASSETS, FEATURES, MANIFEST, SCHEMA
from nextbest.serving.artifacts.schema import schema_proto, write_schema

__all__ = [
    "catalogue_at_cutoff",
    "make_ranking_examples",
    "train",
    "write_candidates",
    "write_ranking",
    "write_retrieval",
]


def train(run: Run) -> None:
    """Train both stages; what an earlier, killed run has finished is not done again."""
    make_deterministic(run.config.seed)
    epochs = _choose_epochs(run)
    for window in run.windows.ranking:
        write_candidates(run, window, epochs)
    _train_final_retriever(run, epochs)
    _train_final_ranker(run)


def _choose_epochs(run: Run) -> int:
    """Choose how long a retriever trains, on the window before all others."""
    if run.config.retrieval.patience == 0:
        return run.config.retrieval.epochs
    chosen = run.folder.read_json("retrieval", "selection.json")
    if chosen is None:
        window = run.selection_window
        past = run.history.until(window.until)
        checkpoints = retriever_checkpoints(run.folder, "selection")
        progress = run.progress(f"retrieval: how many epochs, on {window.dates[0]} to {window.dates[1]}")
        training = select_epochs(past, window, run.retriever_settings(), checkpoints, progress)
        chosen = {"epochs": training.best_epochs, "losses": training.losses, "accuracy": training.scores}
        run.folder.write_json(chosen, "retrieval", "selection.json")
    return int(chosen["epochs"])


def write_candidates(run: Run, window: Window, epochs: int) -> None:
    """Train a retriever as of the window's cutoff, and let it propose the window's candidates."""
    path = run.folder.path(*_candidates_path(window))
    if path.exists():
        return
    past = run.history.until(window.cutoff)
    retriever = _train_retriever(run, window.cutoff, str(window.dates[0]), epochs)
    snapshot = take_snapshot(past, window.cutoff, run.config.data.windows)
    config = run.config.ranking
    acquired = labels(run.history, past, window)
    eligible = snapshot.num_held >= run.config.data.windows.min_holdings
    rows = sample_customers(acquired, eligible, run.config.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    suitable = _suitability(run, snapshot)
    propose_candidates(retriever, past, snapshot, suitable, rows, config.candidates).save(path)


def _suitability(run: Run, snapshot: Snapshot) -> Callable[[Array], Array]:
    """Return a function of customer positions: whether the policy allows each product, bool [num, num_products]."""
    policy = SuitabilityPolicy(run.config.data.policy, snapshot.products, snapshot.product_ids)
    return lambda rows: policy.suitable_array(snapshot, rows)


def _candidates_path(window: Window) -> tuple[str, str, str]:
    return "retrieval", "candidates", f"{window.dates[0]}.npz"


def _train_retriever(run: Run, day: int, name: str, epochs: int) -> Retriever:
    checkpoints = retriever_checkpoints(run.folder, name)
    progress = run.progress(f"retrieval: train as of {name}")
    settings = run.retriever_settings()
    return train_retriever(run.history.until(day), day, epochs, settings, checkpoints, progress, _earlier(run, day))


def _earlier(run: Run, day: int) -> Earlier | None:
    """Return the training of the ranking window before a day, or None for the first."""
    before = [window for window in run.windows.ranking if window.cutoff < day]
    if not before:
        return None
    return Earlier(before[-1].cutoff, retriever_checkpoints(run.folder, str(before[-1].dates[0])))


def _train_final_retriever(run: Run, epochs: int) -> None:
    """Train the retriever that is served, and write its SavedModels."""
    if run.folder.path("retrieval", "index.json").exists():
        return
    retriever = _train_retriever(run, run.windows.test.cutoff, "final", epochs)
    save_encoders(run.folder, retriever.encoders)
    write_retrieval(run, retriever)


def _train_final_ranker(run: Run) -> None:
    """Choose how long the ranker trains and calibrate it on the last ranking window; then train on all of them."""
    if run.folder.path("ranking", "saved_model").exists():
        return
    examples, encoders = make_ranking_examples(run)
    settings = run.ranker_settings()
    chosen = run.folder.read_json("ranking", "selection.json")
    if chosen is None:
        progress = run.progress(f"ranking: how many epochs, on the window from {run.windows.ranking[-1].dates[0]}")
        checkpoints = ranker_checkpoints(run.folder, "selection")
        training, calibration = select_ranker(examples, encoders, settings, checkpoints, progress)
        chosen = {
            "epochs": training.best_epochs,
            "losses": training.losses,
            "ndcg": training.scores,
            "calibration": calibration.model_dump(),
        }
        run.folder.write_json(chosen, "ranking", "selection.json")
    checkpoints = ranker_checkpoints(run.folder, "final")
    model = train_ranker(
        examples, encoders, chosen["epochs"], settings, checkpoints, run.progress("ranking: train on all windows")
    )
    calibration = Calibration.model_validate(chosen["calibration"])
    write_ranking(run, model, encoders, catalogue_at_cutoff(run, encoders), calibration)


def make_ranking_examples(run: Run) -> tuple[list[WindowExamples], Encoders]:
    """Make the ranker's examples of all ranking windows, on the candidates that the run's folder has."""
    encoders = fit_encoders(run.history, run.windows.test.cutoff, run.config.data)
    return [_examples(run, window, encoders) for window in run.windows.ranking], encoders


def _examples(run: Run, window: Window, encoders: Encoders) -> WindowExamples:
    candidates = Candidates.load(run.folder.path(*_candidates_path(window)))
    acquired = new_acquisitions(run.history, window.cutoff, window.until)
    data, statistics = run.config.data, run.config.statistics
    return window_examples(run.history, window, candidates, acquired, encoders, data, statistics)


def write_retrieval(run: Run, retriever: Retriever) -> None:
    """Build the indexes of the retriever that is served, and choose one."""
    show = run.progress("retrieval: export")
    exact = ExactIndex().index(retriever.product_embeddings)
    scann = ScannIndex().index(retriever.product_embeddings)
    choice = _choose_index(run, retriever, exact, scann)
    tuned = scann.searching(choice.leaves_searched, choice.reordered)
    for name, index in (("saved_model", exact), ("saved_model_scann", tuned)):
        with run.folder.staged("retrieval", name) as staging:
            servable = RetrievalServable(retriever, index, run.config.export.default_k)
            save_retrieval(servable, staging)
            _write_descriptions(run, servable, staging)
    run.folder.write_json(choice.model_dump(), "retrieval", "index.json")
    show("done", 1.0)


_INDEX_QUERIES = 512
"""So many customers tune and measure ScaNN."""


def _choose_index(run: Run, retriever: Retriever, exact: ExactIndex, scann: ScannIndex) -> IndexChoice:
    """Tune ScaNN on the queries of some customers, and choose an index."""
    snapshot = take_snapshot(run.history, retriever.day, run.config.data.windows)
    random = np.random.default_rng(run.config.seed)
    customers = len(run.history.customers)
    rows = random.choice(customers, min(customers, _INDEX_QUERIES), replace=False)
    queries, suitable = retriever.embed_customers(snapshot, rows), _suitability(run, snapshot)
    retrieved = enough_to_retrieve(
        retriever.product_embeddings,
        queries,
        lambda chunk: suitable(rows[chunk]) & snapshot.can_acquire(rows[chunk]),
        min(run.config.ranking.candidates, exact.num_products),
    )
    return choose_index(exact, scann, queries, retrieved, run.config.retrieval.index)


def write_ranking(
    run: Run, model: RankingModel, encoders: Encoders, catalogue: CatalogueStatistics, calibration: Calibration
) -> None:
    """Write the ranker that is served."""
    show = run.progress("ranking: export")
    with run.folder.staged("ranking", "saved_model") as staging:
        servable = RankingServable(model, encoders, catalogue, calibration, run.windows.test.cutoff)
        save_ranking(servable, staging)
        _write_descriptions(run, servable, staging)
    show("done", 1.0)


def catalogue_at_cutoff(run: Run, encoders: Encoders) -> CatalogueStatistics:
    """Compute what the ranker that is served knows of the catalogue."""
    config = run.config
    snapshot = take_snapshot(run.history, run.windows.test.cutoff, config.data.windows)
    return catalogue_statistics(run.history, snapshot, encoders, config.data, config.statistics)


def _write_descriptions(run: Run, servable: RetrievalServable | RankingServable, folder: Path) -> None:
    """Describe the tf.Examples that a servable takes and its feature vectors, beside its SavedModel.

    The manifest says that a stage alone does not obey the suitability rules: what it returns is not to be shown.
    """
    schema = schema_proto(run.config.data, run.history, servable.example_spec(), servable.defaults)
    write_schema(schema, folder / ASSETS / SCHEMA)
    run.folder.write_json({"enforces_policy": False}, *(folder / ASSETS / MANIFEST).relative_to(run.folder.root).parts)
    named = [feature.model_dump() for feature in servable.named_features()]
    write_text(folder / ASSETS / FEATURES, json.dumps(named, indent=1) + "\n")
