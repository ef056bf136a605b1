"""The stages' servables as of a run's test cutoff: all that is there once the weights are, be they new or older.

What is no weight is computed here, from what is known at the cutoff: the indexes and the catalogue's statistics.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from nextbest.data.atomic import write_text
from nextbest.data.catalogue import Encoders
from nextbest.data.snapshot import take_snapshot
from nextbest.data.tables.tf_metadata import schema_proto, write_schema
from nextbest.pipeline.run import Run
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import CatalogueState, catalogue_state
from nextbest.ranking.export import RankingServable, save_ranking
from nextbest.ranking.model import RankingModel
from nextbest.retrieval.export import RetrievalServable, save_retrieval
from nextbest.retrieval.indexes import ExactIndex, ScannIndex, choose_index
from nextbest.retrieval.training import Retriever
from nextbest.serving.assets import ASSETS, FEATURES, SCHEMA

__all__ = ["catalogue_at_cutoff", "write_ranking", "write_retrieval"]


def write_retrieval(run: Run, retriever: Retriever) -> None:
    """Build the indexes of the retriever that is served, and choose one."""
    config = run.config.retrieval.index
    exact = ExactIndex().index(retriever.product_embeddings)
    scann = ScannIndex(config).index(retriever.product_embeddings)
    default_k = run.config.export.default_k
    for name, index in (("saved_model", exact), ("saved_model_scann", scann)):
        with run.folder.staged("retrieval", name) as staging:
            servable = RetrievalServable(retriever, index, default_k)
            save_retrieval(servable, staging)
            _describe(run, servable, staging)
    snapshot = take_snapshot(run.history, retriever.day, run.config.data.windows)
    sample = np.arange(min(len(run.history.customers), 1024))
    large = len(retriever.product_embeddings) >= config.scann_from
    choice = choose_index(exact, scann if large else None, retriever.embed_customers(snapshot, sample), config)
    run.folder.write_json(choice.model_dump(), "retrieval", "index.json")


def catalogue_at_cutoff(run: Run, encoders: Encoders) -> CatalogueState:
    """Compute what the ranker that is served knows of the catalogue."""
    config = run.config
    snapshot = take_snapshot(run.history, run.windows.test.cutoff, config.data.windows)
    return catalogue_state(run.history, snapshot, encoders, config.data, config.statistics)


def write_ranking(
    run: Run, model: RankingModel, encoders: Encoders, state: CatalogueState, calibration: Calibration
) -> None:
    """Write the ranker that is served."""
    with run.folder.staged("ranking", "saved_model") as staging:
        servable = RankingServable(model, encoders, state, calibration, run.windows.test.cutoff)
        save_ranking(servable, staging)
        _describe(run, servable, staging)


def _describe(run: Run, servable: RetrievalServable | RankingServable, folder: Path) -> None:
    """Describe the tf.Examples that a servable takes and its feature vectors, beside its SavedModel."""
    schema = schema_proto(run.config.data, run.history, servable.example_spec(), servable.defaults)
    write_schema(schema, folder / ASSETS / SCHEMA)
    named = [feature.model_dump() for feature in servable.named_features()]
    write_text(folder / ASSETS / FEATURES, json.dumps(named, indent=1) + "\n")
