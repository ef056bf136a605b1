"""What the export holds for explanations: who an explained customer is compared with, and which features matter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.named_features import NamedFeature
from nextbest.pipeline.run import Run
from nextbest.serving.assets import ASSETS, EXPLANATIONS, FEATURES
from nextbest.serving.explanation_assets import STAGES, ExplainedStage, ExplanationAssets, Spread, Stage
from nextbest.serving.explanations import Explainer
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take

__all__ = ["write_explanations"]

_EMBEDDED = ("product_id", "category_crosses", "held", "recent")
"""Features whose places are an embedding, of which nobody can say how much there is."""
_TAILS = (0.05, 0.95)
"""What is below or above these quantiles of the sample is shown as the least or the most."""


def write_explanations(run: Run, folder: Path, requests: Features) -> None:
    """Write the composite's assets for explanations.

    A sample of customers is drawn, and of each one's candidates one. The first of these pairs are the background; all
    of them are explained. Where the export may hold no customer, the background is their mean, and no single
    explanation is kept.

    Args:
        run: The run.
        folder: The composite's SavedModel, with its manifest and products.
        requests: Raw requests of everybody as of the cutoff, [num_customers, ...].
    """
    config = run.config.export.explanations
    recommender = Recommender(folder)
    sample, products = _pairs(run, recommender, requests)
    vectors = recommender.predict("feature_vectors", sample | {"product_id": products})
    assets = ExplanationAssets(config, {stage: _stage(run, stage, vectors[f"{stage}_features"]) for stage in STAGES})
    explainer = Explainer(recommender, assets=assets)
    show = run.progress(f"explain {len(products)} recommendations")
    stages: dict[Stage, ExplainedStage] = {}
    for number, stage in enumerate(STAGES):
        show(stage, number / len(STAGES))
        amounts = [
            explainer.contributions(vector, str(product), stage)[1]
            for vector, product in zip(vectors[f"{stage}_features"], products, strict=True)
        ]
        stages[stage] = _with_spread(run, assets.stages[stage], vectors[f"{stage}_features"], np.stack(amounts, axis=1))
    recommender.close()
    ExplanationAssets(config, stages).save(folder / ASSETS / EXPLANATIONS)
    show("done", 1.0)


def _pairs(run: Run, recommender: Recommender, requests: Features) -> tuple[Features, Array]:
    """Draw customers and a candidate of each; one who may be offered nothing gets any product."""
    config = run.config.export.explanations
    random = np.random.default_rng(config.seed)
    num_customers = len(requests["as_of_day"])
    wanted = min(max(config.background, config.importance_customers), num_customers)
    sample = take(requests, random.choice(num_customers, wanted, replace=False))
    found = recommender.recommend(sample, run.config.ranking.candidates)
    drawn = random.integers(np.maximum(found.count, 1))
    anything = random.choice(recommender.products.ids, wanted)
    return sample, np.where(found.count > 0, found.product_id[np.arange(wanted), drawn], anything)


def _stage(run: Run, stage: Stage, vectors: Array) -> ExplainedStage:
    """Return what explanations need, without their spread."""
    described = run.folder.read_json(stage, "saved_model", ASSETS, FEATURES)
    mean = vectors.mean(axis=0)
    kept = vectors[: run.config.export.explanations.background] if run.config.export.customer_snapshot else mean[None]
    features = tuple(map(NamedFeature.model_validate, described))
    return ExplainedStage(features, kept, mean, vectors.std(axis=0))


def _with_spread(run: Run, stage: ExplainedStage, vectors: Array, amounts: Array) -> ExplainedStage:
    """Add what the sample's explanations came to.

    Args:
        run: The run.
        stage: What was explained with.
        vectors: What was explained, [num_pairs, width].
        amounts: The contributions, [num_features, num_pairs].
    """
    count = run.config.export.explanations.importance_customers if run.config.export.customer_snapshot else 0
    sizes = np.stack([_scaled(feature, vectors, _numeric(run)) for feature in stage.features])
    spread = Spread(
        np.abs(amounts).mean(axis=1).astype(np.float32), sizes[:, :count], amounts[:, :count].astype(np.float32)
    )
    return ExplainedStage(stage.features, stage.background, stage.mean, stage.deviation, spread)


def _numeric(run: Run) -> Mapping[str, set[str]]:
    """Return the columns of either table whose place in a vector is a number."""
    data = run.config.data
    return {
        kind: {name for name, column in table.columns.items() if column.role in ("number", "boolean", "date")}
        for kind, table in (("customer", data.customers), ("product", data.products))
    }


def _scaled(feature: NamedFeature, vectors: Array, numeric: Mapping[str, set[str]]) -> Array:
    """Return how much of a feature each vector has, 0 to 1 within the middle 90 %, NaN for embeddings, [num_pairs]."""
    if _embedded(feature, numeric):
        return np.full(len(vectors), np.nan, np.float32)
    amounts = vectors[:, feature.places[0]]
    low, high = np.quantile(amounts, _TAILS)
    return np.clip((amounts - low) / ((high - low) or 1.0), 0, 1).astype(np.float32)


def _embedded(feature: NamedFeature, numeric: Mapping[str, set[str]]) -> bool:
    if feature.name == "column":
        return feature.columns[0] not in numeric[feature.kind]
    return feature.name in _EMBEDDED
