"""Join the stages' SavedModels to the composite that is served, and complete it with its explanations and warmup."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from nextbest.data.config import TableConfig
from nextbest.data.dataset import Array, Features
from nextbest.data.feature_names import FeatureName, NamedFeature
from nextbest.data.files import write_text
from nextbest.data.snapshot import Snapshot, take_snapshot
from nextbest.data.tables.read import without_password
from nextbest.graph.query import raw_request
from nextbest.pipeline.run import Run
from nextbest.pipeline.take_statistics import take_statistics
from nextbest.serving.artifacts.assets import (
    ASSETS,
    COMPOSITE,
    COMPOSITE_SCANN,
    CUSTOMERS,
    EVENTS,
    EXPLANATIONS,
    EXPORT_FORMAT,
    FEATURES,
    MANIFEST,
    MONITORING,
    PRODUCTS,
    SCHEMA,
    CustomerEvents,
    Table,
)
from nextbest.serving.artifacts.load_check import load_op_libraries
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.artifacts.schema import schema_proto, write_schema
from nextbest.serving.artifacts.warmup import anonymous, write_warmup
from nextbest.serving.backends.local import LocalBackend
from nextbest.serving.composite import RecommenderServable, save_recommender
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import (
    STAGES,
    ExplainedStage,
    ExplanationAssets,
    ImportanceSample,
    Stage,
    draw_customers,
)
from nextbest.serving.insights.explanations import Explainer
from nextbest.serving.insights.shapley import sampling
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take

__all__ = [
    "complete",
    "compose",
    "describe",
    "write_explanations",
]


_EMBEDDED: tuple[FeatureName, ...] = ("product_id", "category_crosses", "held", "recent", "closed", "refused")
"""Features whose places are an embedding, of which no one can say how much there is."""


_TAILS = (0.05, 0.95)
"""What is below or above these quantiles of the sample is shown as the least or the most."""


def compose(run: Run) -> None:
    """Write RUN/recommender, and before it, where that was chosen, RUN/recommender_scann; once."""
    if run.folder.path(COMPOSITE).exists():
        return
    config, history = run.config, run.history
    run.progress("recommender: export")
    snapshot = take_snapshot(history, run.windows.test.cutoff, config.data.windows)
    if COMPOSITE_SCANN in run.folder.servables():
        with run.folder.staged(COMPOSITE_SCANN) as staging:
            _save_composite(run, snapshot, "saved_model_scann", staging)
    with run.folder.staged(COMPOSITE) as staging:
        servable = _save_composite(run, snapshot, "saved_model", staging)
        Table(history.products.ids, snapshot.products).save(staging / ASSETS / PRODUCTS)
        if config.export.customer_snapshot:
            requests = _everyones_requests(run, snapshot, servable.request_spec())
            Table(history.customers.ids, requests).save(staging / ASSETS / CUSTOMERS)
            events = CustomerEvents.from_interactions(history.interactions, len(history.customers), snapshot.day)
            events.save(staging / ASSETS / EVENTS)
        shutil.copy(staging / ASSETS / SCHEMA, run.folder.root / SCHEMA)


def complete(run: Run) -> None:
    """Write what those ask for who are served a composed run's models: explanations, statistics, warmup records; once.

    A run that is refreshed before it is pushed does without.
    """
    servables = run.folder.servables()
    if all((folder / WARMUP).exists() for folder in servables.values()):
        return
    snapshot = take_snapshot(run.history, run.windows.test.cutoff, run.config.data.windows)
    with closing(Recommender(servables[COMPOSITE], LocalBackend(servables[COMPOSITE]))) as recommender:
        requests = _everyones_requests(run, snapshot, recommender.customer_columns)
        write_explanations(run, recommender, requests)
        statistics = take_statistics(run, recommender, requests)
        write_text(servables[COMPOSITE] / ASSETS / MONITORING, statistics.model_dump_json() + "\n")
    _write_warmup(run, servables, requests)


def _save_composite(run: Run, snapshot: Snapshot, retrieval: str, folder: Path) -> RecommenderServable:
    """Join one of the retrieval stage's models with the ranking stage's, and describe what it takes."""
    config, index = run.config, run.folder.read_json("retrieval", "index.json")
    servable = RecommenderServable(
        run.folder.path("retrieval", retrieval),
        run.folder.path("ranking", "saved_model"),
        config.data.policy,
        snapshot.products,
        candidates=config.ranking.candidates,
        default_k=config.export.default_k,
        as_of_day=snapshot.day,
        retrieved=index["retrieved"] if retrieval == "saved_model_scann" else None,
        numbers=_numeric_columns(run)["customer"],
    )
    save_recommender(servable, folder)
    (folder / ASSETS).mkdir(exist_ok=True)
    schema = schema_proto(config.data, run.history, servable.example_spec(), servable.defaults)
    write_schema(schema, folder / ASSETS / SCHEMA)
    manifest = _manifest(run) | {"packed": servable.packed_columns()}
    run.folder.write_json(manifest, *(folder / ASSETS / MANIFEST).relative_to(run.folder.root).parts)
    return servable


def _everyones_requests(run: Run, snapshot: Snapshot, inputs: Iterable[str]) -> Features:
    """Return the raw requests of all customers, with those of the inputs that are columns, [num_customers, ...]."""
    data, history = run.config.data, run.history
    columns = [name for name in inputs if name in data.customers.columns]
    return raw_request(snapshot, history.products.ids, columns, data.list_lengths, np.arange(len(history.customers)))


def _manifest(run: Run) -> dict[str, object]:
    """Return what a reader of the export alone must know."""
    return run.folder.manifest() | {
        "format": EXPORT_FORMAT,
        "as_of_day": run.windows.test.cutoff,
        "horizon_days": run.horizon_days,
        "index": run.folder.read_json("retrieval", "index.json"),
        "customers": describe(run.config.data.customers),
        "customer_order": list(run.config.data.customers.columns),  # which the keys of a JSON file lose
        "segment": run.config.data.segment,
        "products": describe(run.config.data.products),
        "interactions": describe(run.config.data.interactions),
        "policy": run.config.data.policy.model_dump(mode="json"),
        "enforces_policy": True,
    }


def describe(table: TableConfig) -> dict[str, Any]:
    """Return what a table means; of a database neither the password nor the query, which are none of a reader's."""
    return table.model_dump() | {"path": without_password(table.path), "query": None}


def _write_warmup(run: Run, servables: Mapping[str, Path], requests: Features) -> None:
    """Write the warmup records of all servables, of the bank's customers where the export may hold them.

    Args:
        run: The run.
        servables: Name -> SavedModel.
        requests: Raw requests of all customers, [num_customers, ...].
    """
    config, product_ids = run.config.export, run.history.products.ids
    recorded = requests if config.customer_snapshot else anonymous(requests)
    show = run.progress("record warmup requests")
    for done, (name, folder) in enumerate(servables.items()):
        show(name, done / len(servables))
        load_op_libraries(name)
        with closing(LocalBackend(folder)) as model:
            write_warmup(model, folder, name, recorded, product_ids, k=config.default_k)
    show("done", 1.0)


def write_explanations(
    run: Run, recommender: Recommender, requests: Features, config: ExplanationConfig | None = None
) -> None:
    """Write the composite's assets for explanations.

    A sample of customers is drawn, and one of the candidates of each. The first of these pairs are the background; all
    of them are explained. Where the export may hold no customer, the background is their mean, and no single
    explanation is stored.

    Args:
        run: The run.
        recommender: The composite, with its manifest and products; the assets are written into its folder.
        requests: Raw requests of all customers as of the cutoff, [num_customers, ...].
        config: How recommendations are explained.
    """
    config = config or ExplanationConfig()
    sample, products = _draw_pairs(run, recommender, requests, config)
    vectors = recommender.predict("feature_vectors", sample | {"product_id": products})
    assets = ExplanationAssets(
        config, {stage: _explained_stage(run, stage, vectors[f"{stage}_features"], config) for stage in STAGES}
    )
    explainer = Explainer(recommender, assets=assets)
    show = run.progress(f"explain {len(products)} recommendations")
    stages: dict[Stage, ExplainedStage] = {}
    for number, stage in enumerate(STAGES):
        show(stage, number / len(STAGES))
        amounts = [
            sampling(explainer.shapley_problem(str(product), stage), vector)[1]
            for vector, product in zip(vectors[f"{stage}_features"], products, strict=True)
        ]
        stages[stage] = _with_importance(
            run, assets.stages[stage], vectors[f"{stage}_features"], np.stack(amounts, axis=1), config
        )
    ExplanationAssets(config, stages).save(recommender.folder / ASSETS / EXPLANATIONS)
    show("done", 1.0)


def _draw_pairs(
    run: Run, recommender: Recommender, requests: Features, config: ExplanationConfig
) -> tuple[Features, Array]:
    """Draw customers and a candidate of each; one without candidates gets any product."""
    random = np.random.default_rng(config.seed)
    rows = draw_customers(config, len(requests["as_of_day"]), random)
    sample, wanted = take(requests, rows), len(rows)
    found = recommender.recommend(sample, run.config.ranking.candidates)
    drawn = random.integers(np.maximum(found.count, 1))
    anything = random.choice(recommender.products.ids, wanted)
    return sample, np.where(found.count > 0, found.product_id[np.arange(wanted), drawn], anything)


def _explained_stage(run: Run, stage: Stage, vectors: Array, config: ExplanationConfig) -> ExplainedStage:
    """Return what explanations need, without the importance."""
    described = run.folder.read_json(stage, "saved_model", ASSETS, FEATURES)
    mean = vectors.mean(axis=0)
    background = vectors[: config.background] if run.config.export.customer_snapshot else mean[None]
    features = tuple(map(NamedFeature.model_validate, described))
    return ExplainedStage(features, background, mean, vectors.std(axis=0))


def _with_importance(
    run: Run, stage: ExplainedStage, vectors: Array, amounts: Array, config: ExplanationConfig
) -> ExplainedStage:
    """Add the explanations of the sample.

    Args:
        run: The run.
        stage: What was explained with.
        vectors: What was explained, [num_pairs, width].
        amounts: The contributions, [num_features, num_pairs].
        config: How recommendations are explained.
    """
    count = config.importance_customers if run.config.export.customer_snapshot else 0
    sizes = np.stack([_scale(feature, vectors, _numeric_columns(run)) for feature in stage.features])
    importance = ImportanceSample(
        np.abs(amounts).mean(axis=1).astype(np.float32), sizes[:, :count], amounts[:, :count].astype(np.float32)
    )
    return ExplainedStage(stage.features, stage.background, stage.mean, stage.deviation, importance)


def _numeric_columns(run: Run) -> Mapping[str, set[str]]:
    """Return the columns of either table whose place in a vector is a number."""
    data = run.config.data
    return {
        kind: {name for name, column in table.columns.items() if column.role in ("number", "boolean", "date")}
        for kind, table in (("customer", data.customers), ("product", data.products))
    }


def _scale(feature: NamedFeature, vectors: Array, numeric: Mapping[str, set[str]]) -> Array:
    """Return how much of a feature each vector has, 0 to 1 within the middle 90 %, NaN for embeddings, [num_pairs]."""
    if _is_embedding(feature, numeric):
        return np.full(len(vectors), np.nan, np.float32)
    amounts = vectors[:, feature.places[0]]
    low, high = np.quantile(amounts, _TAILS)
    return np.clip((amounts - low) / ((high - low) or 1.0), 0, 1).astype(np.float32)


def _is_embedding(feature: NamedFeature, numeric: Mapping[str, set[str]]) -> bool:
    if feature.name == "column":
        return feature.columns[0] not in numeric[feature.kind]
    return feature.name in _EMBEDDED
