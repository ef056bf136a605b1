"""Join the stages' SavedModels to the composite that is served, with its assets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nextbest.data.dataset import Features
from nextbest.data.query import raw_request
from nextbest.data.snapshot import take_snapshot
from nextbest.data.tables.tf_metadata import schema_proto, write_schema
from nextbest.pipeline.explain import write_explanations
from nextbest.pipeline.run import Run
from nextbest.serving.assets import ASSETS, CUSTOMERS, MANIFEST, PRODUCTS, SCHEMA, Table
from nextbest.serving.composite import RecommenderServable, save_recommender
from nextbest.serving.warmup import anonymous, write_warmup

__all__ = ["compose"]


def compose(run: Run) -> None:
    """Write RUN/recommender; once."""
    if run.folder.path("recommender").exists():
        return
    config, history = run.config, run.history
    cutoff = run.windows.test.cutoff
    snapshot = take_snapshot(history, cutoff, config.data.windows)
    servable = RecommenderServable(
        run.folder.path("retrieval", "saved_model"),
        run.folder.path("ranking", "saved_model"),
        config.data.policy,
        snapshot.products,
        candidates=config.ranking.candidates,
        default_k=config.export.default_k,
        as_of_day=cutoff,
    )
    columns = [name for name in servable.request_spec() if name in config.data.customers.columns]
    everyone = np.arange(len(history.customers))
    requests = raw_request(snapshot, history.products.ids, columns, everyone)
    with run.folder.staged("recommender") as staging:
        save_recommender(servable, staging)
        assets = staging / ASSETS
        assets.mkdir(exist_ok=True)
        Table(history.products.ids, snapshot.products).save(assets / PRODUCTS)
        if config.export.customer_snapshot:
            Table(history.customers.ids, requests).save(assets / CUSTOMERS)
        schema = schema_proto(config.data, history, servable.example_spec(), servable.defaults)
        for folder in (run.folder.root, assets):
            write_schema(schema, folder / SCHEMA)
        manifest = _manifest(run) | {"packed": servable.packed_columns()}
        run.folder.write_json(manifest, *(staging / ASSETS / MANIFEST).relative_to(run.folder.root).parts)
        write_explanations(run, staging, requests)
        _warm_up(run, run.folder.servables() | {"recommender": staging}, requests)


def _warm_up(run: Run, servables: Mapping[str, Path], requests: Features) -> None:
    """Write the warmup records of all servables; they are of the bank's customers where the export may hold these."""
    config = run.config.export
    asked = requests if config.customer_snapshot else anonymous(requests)
    show = run.progress("record warmup requests")
    for done, (name, folder) in enumerate(servables.items()):
        show(name, done / len(servables))
        write_warmup(folder, name, asked, config.max_batch_size, k=config.default_k)
    show("done", 1.0)


def _manifest(run: Run) -> dict[str, object]:
    """Return what a reader of the export alone must know."""
    return run.folder.manifest() | {
        "as_of_day": run.windows.test.cutoff,
        "horizon_days": run.horizon_days,
        "index": run.folder.read_json("retrieval", "index.json"),
        "customers": run.config.data.customers.model_dump(),
        "customer_order": list(run.config.data.customers.columns),  # which the keys of a JSON file lose
        "segment": run.config.data.segment,
        "products": run.config.data.products.model_dump(),
        "policy": run.config.data.policy.model_dump(),
    }
