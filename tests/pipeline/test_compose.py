"""What the export holds for explanations, with the bank's customers and without."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.config import EntityConfig
from nextbest.pipeline.compose import describe, write_explanations
from nextbest.pipeline.run import Run, open_run
from nextbest.serving.artifacts.assets import ASSETS, EXPLANATIONS
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import STAGES, ExplanationAssets
from nextbest.serving.insights.explanations import Explainer, importance
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.trained import Trained


def with_export(trained: Trained, **changes: object) -> Run:
    run = open_run(trained.run, lambda what: lambda doing, share: None)
    export = run.config.export.model_copy(update=changes)
    return replace(run, config=run.config.model_copy(update={"export": export}))


def test_an_export_says_nothing_of_how_a_database_is_reached() -> None:
    entity = EntityConfig(path="postgresql://me:s3cret@db:5432/bank", query="SELECT secret FROM people", id="id")
    described = describe(entity)
    assert described["path"] == "postgresql://***@db:5432/bank" and "s3cret" not in str(described)
    assert described["query"] is None and EntityConfig.model_validate(described).id == "id"


@pytest.fixture(scope="module")
def composite(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """Return a copy of the composite, whose assets the tests write again."""
    folder = tmp_path_factory.mktemp("composite") / "recommender"
    return Recommender(Path(shutil.copytree(trained.run / "recommender", folder)))


@pytest.fixture(scope="module")
def small() -> ExplanationConfig:
    """Return settings that are fast."""
    return ExplanationConfig(background=9, importance_customers=12, orders=10)


@pytest.fixture(scope="module")
def written(
    trained: Trained, recommender: Recommender, composite: Recommender, small: ExplanationConfig
) -> ExplanationAssets:
    write_explanations(with_export(trained), composite, recommender.customers().columns, small)
    return ExplanationAssets.load(composite.folder / ASSETS / EXPLANATIONS)


def test_the_background_are_pairs_of_the_sample(
    recommender: Recommender, written: ExplanationAssets, small: ExplanationConfig
) -> None:
    found = written
    assert found.config == small
    everyone = recommender.customers()
    requests = everyone.columns | {"product_id": np.full(len(everyone.ids), "P0001", object)}
    vectors = recommender.predict("feature_vectors", requests)["retrieval_features"]
    of_retrieval = found.stages["retrieval"]
    assert of_retrieval.background.shape == (9, vectors.shape[1])
    apart = np.abs(of_retrieval.background[:, None] - vectors[None]).max(axis=2).min(axis=1)
    np.testing.assert_allclose(apart, 0, atol=1e-5)
    assert found.stages["ranking"].importance is not None
    assert found.stages["ranking"].importance.values.shape == (len(found.stages["ranking"].features), 12)


def test_the_same_seed_writes_the_same(
    trained: Trained,
    recommender: Recommender,
    composite: Recommender,
    small: ExplanationConfig,
    written: ExplanationAssets,
) -> None:
    write_explanations(with_export(trained), composite, recommender.customers().columns, small)
    found = ExplanationAssets.load(composite.folder / ASSETS / EXPLANATIONS)
    for stage in STAGES:
        first, again = written.stages[stage].arrays(), found.stages[stage].arrays()
        for name, values in first.items():
            np.testing.assert_array_equal(values, again[name])


def test_without_a_snapshot_nothing_is_of_a_customer(
    trained: Trained, recommender: Recommender, composite: Recommender, small: ExplanationConfig
) -> None:
    everyone = recommender.customers()
    anonymous = with_export(trained, customer_snapshot=False)
    write_explanations(anonymous, composite, everyone.columns, small)
    found = ExplanationAssets.load(composite.folder / ASSETS / EXPLANATIONS)
    requests = everyone.columns | {"product_id": np.full(len(everyone.ids), "P0001", object)}
    vectors = recommender.predict("feature_vectors", requests)
    for stage in STAGES:
        explained_stage = found.stages[stage]
        assert explained_stage.background.shape == (1, vectors[f"{stage}_features"].shape[1])
        np.testing.assert_array_equal(explained_stage.background[0], explained_stage.mean)
        own = [place for feature in explained_stage.features if feature.kind == "customer" for place in feature.places]
        apart = np.abs(vectors[f"{stage}_features"][:, own] - explained_stage.background[:, own]).max(axis=1)
        assert apart.min() > 0.5  # no customer's columns are those of the mean
        assert explained_stage.importance is not None
        assert explained_stage.importance.values.size == explained_stage.importance.contributions.size == 0
        assert (explained_stage.importance.mean_absolute > 0).any()
    served = Recommender(composite.folder)
    assert importance(served) is not None
    for stage in STAGES:
        explained = Explainer(served).explain(take(everyone.columns, slice(5, 6)), "P0002", stage)
        total = explained.base + sum(one.contribution for one in explained.contributions)
        assert total == pytest.approx(explained.score, abs=1e-4)
