"""Explanations: what they say of the small bank, and of a hand-made linear recommender."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError, InputError
from nextbest.data.feature_names import NamedFeature
from nextbest.serving.artifacts.assets import ASSETS, EXPLANATIONS, EXPORT_FORMAT, MANIFEST, PRODUCTS, Table
from nextbest.serving.backends import InputSpec
from nextbest.serving.config import ExplanationConfig
from nextbest.serving.insights.explanation_data import (
    STAGES,
    ExplainedStage,
    ExplanationAssets,
    ImportanceSample,
    Stage,
)
from nextbest.serving.insights.explanations import Contribution, Explainer, importance
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving import tiny

STRING, NUMBER, DAY = np.dtype(object), np.dtype(np.float32), np.dtype(np.int64)


class Linear:
    """A backend whose scores are sums: 2 * income (in thousands) + owner - rural + 0.5 * fee + 4 * similarity.

    The retrieval's is income + (0.1 for who holds something), for any product.
    """

    income_fees: Mapping[str, float] = {"P1": 10.0, "P2": 0.0}

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        request = {
            "income": InputSpec(NUMBER, 1),
            "owner": InputSpec(NUMBER, 1),
            "region": InputSpec(STRING, 1),
            "held_products": InputSpec(STRING, 2),
            "as_of_day": InputSpec(DAY, 1),
        }
        vectors = {f"{stage}_features": InputSpec(NUMBER, 2) for stage in STAGES}
        product = {"product_id": InputSpec(STRING, 1)}
        return {
            "exclusions": request,
            "feature_vectors": request | product,
            "score_ranking": {"ranking_features": vectors["ranking_features"]},
            "score_retrieval": {"retrieval_features": vectors["retrieval_features"]} | product,
        }[signature]

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        if signature == "score_ranking":
            return {"log_odds": inputs["ranking_features"] @ np.array([2, 1, -1, 0, 0.5, 0, 4], np.float32)}
        if signature == "score_retrieval":
            return {"similarity": inputs["retrieval_features"] @ np.array([1, 0, 0, 0, 0.1], np.float32)}
        fee = np.array([self.income_fees[product] for product in inputs["product_id"]])
        income = np.nan_to_num(inputs["income"] / 1000)
        rural, urban = (inputs["region"] == region for region in ("rural", "urban"))
        holds = (inputs["held_products"] != "").sum(axis=1)
        held = np.log1p(holds)
        of_customer = [income, inputs["owner"], rural, urban]
        ranking = np.stack([*of_customer, fee, held, fee / 100], axis=1).astype(np.float32)
        retrieval = np.stack([*of_customer, holds > 0], axis=1).astype(np.float32)
        return {
            "ranking_features": ranking,
            "retrieval_features": retrieval,
            **self.predict("score_ranking", {"ranking_features": ranking}),
            **self.predict("score_retrieval", {"retrieval_features": retrieval}),
        }

    def close(self) -> None:
        pass


def column(kind: Any, name: str, *places: int) -> NamedFeature:
    return NamedFeature.from_columns(kind, (name,), places)


CUSTOMER = (column("customer", "income", 0), column("customer", "owner", 1), column("customer", "region", 2, 3))
FEATURES: dict[Stage, tuple[NamedFeature, ...]] = {
    "ranking": (
        *CUSTOMER,
        column("product", "annual_fee", 4),
        NamedFeature(kind="cross", name="same_group", columns=("category",), places=(5,)),
        NamedFeature(kind="cross", name="retrieval_score", places=(6,)),
    ),
    "retrieval": (*CUSTOMER, NamedFeature(kind="customer", name="held", places=(4,))),
}
BACKGROUND: dict[Stage, list[list[float]]] = {
    "ranking": [[1, 0, 1, 0, 4, 0, 0.1], [3, 1, 0, 1, 0, 1, 0.3]],  # means 2, 0.5, 0.5, 0.5, 2, 0.5, 0.2
    "retrieval": [[1, 0, 1, 0, 0], [3, 1, 0, 1, 1]],
}
REQUEST = {
    "income": np.array([5000.0], np.float32),
    "owner": np.array([1.0], np.float32),
    "region": np.array(["rural"], object),
    "held_products": np.array([["P2"]], object),
}


def export_linear(folder: Path) -> Recommender:
    (folder / ASSETS).mkdir(parents=True)
    described = {"role": "number", "unit": ""}
    customers = {"income": described | {"unit": "EUR"}, "owner": {"role": "boolean"}, "region": {"role": "category"}}
    products = {"name": {"role": "id"}, "category": {"role": "category"}, "annual_fee": described | {"unit": "EUR"}}
    manifest = {
        "format": EXPORT_FORMAT,
        "as_of_day": 20_000,
        "customers": {"columns": {name: {"unit": ""} | one for name, one in customers.items()}},
        "products": {"columns": {name: {"unit": ""} | one for name, one in products.items()}},
        "policy": {"category_column": "category"},
    }
    (folder / ASSETS / MANIFEST).write_text(json.dumps(manifest))
    columns = {
        "name": np.array(["Gold Card", "Green Card"], object),
        "category": np.array(["credit_card", "credit_card"], object),
        "annual_fee": np.array([10.0, 0.0], np.float32),
    }
    Table(np.array(["P1", "P2"], object), columns).save(folder / ASSETS / PRODUCTS)
    stages = {}
    for stage in STAGES:
        background = np.array(BACKGROUND[stage], np.float32)
        stages[stage] = ExplainedStage(FEATURES[stage], background, background.mean(axis=0), background.std(axis=0))
    ExplanationAssets(ExplanationConfig(permutations=2, raising=2, lowering=1), stages).save(
        folder / ASSETS / EXPLANATIONS
    )
    return Recommender(folder, Linear())


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    return Explainer(export_linear(tmp_path_factory.mktemp("linear") / "1"))


class TestLinear:
    def test_the_contributions_are_the_weights_times_the_differences(self, linear: Explainer) -> None:
        found = linear.explain(REQUEST, "P1", "ranking")
        assert found.score == pytest.approx(2 * 5 + 1 - 1 + 0.5 * 10 + 4 * 0.1)
        assert found.base == pytest.approx(2 * 2 + 0.5 - 0.5 + 0.5 * 2 + 4 * 0.2)
        described = {one.name: (one.kind, one.value, pytest.approx(one.contribution)) for one in found.contributions}
        assert described == {
            "income": ("customer", "5,000 EUR", 2 * (5 - 2)),
            "annual fee": ("product", "10 EUR", 0.5 * (10 - 2)),
            "owner": ("customer", "yes", 1 - 0.5),
            "region": ("customer", "rural", -(1 - 0.5)),
            "match of customer and product": ("cross", "0.1", pytest.approx(4 * (0.1 - 0.2))),
            "holdings of the same category": ("cross", "1", pytest.approx(0, abs=1e-6)),
        }
        sizes = [abs(one.contribution) for one in found.contributions]
        assert sizes == sorted(sizes, reverse=True)
        assert found.probability == pytest.approx(1 / (1 + np.exp(-15.4)))

    def test_the_sentence(self, linear: Explainer) -> None:
        # Only two may be named that raise; the region's -0.5 of 11.4 in all is below a twentieth.
        assert linear.explain(REQUEST, "P1", "ranking").sentence == "High income and high annual fee raise this."
        poor = REQUEST | {"income": np.array([1000.0]), "held_products": np.array([[""]], object)}
        assert linear.explain(poor, "P2", "ranking").sentence == "Owner raises this; low income lowers this."

    def test_missing_values(self, linear: Explainer) -> None:
        found = linear.explain({"owner": np.array([0.0])}, "P2", "ranking")
        described = {one.name: one.value for one in found.contributions}
        assert (described["income"], described["region"], described["owner"]) == ("-", "-", "no")
        assert described["holdings of the same category"] == "none"
        assert found.sentence == "Unknown region raises this; unknown income lowers this."

    def test_retrieval_is_about_the_customer(self, linear: Explainer) -> None:
        found = linear.explain(REQUEST, "P1", "retrieval")
        assert {one.kind for one in found.contributions} == {"customer"}
        described = {one.name: (one.value, one.contribution) for one in found.contributions}
        assert described["income"] == ("5,000 EUR", pytest.approx(3))
        assert described["holdings"] == ("Green Card", pytest.approx(0.1 * (1 - 0.5)))
        assert found.probability is None

    def test_the_largest_and_the_rest(self, linear: Explainer) -> None:
        found = linear.explain(REQUEST, "P1", "ranking")
        income, fee, others = found.largest(2)
        assert (income, fee) == found.contributions[:2]
        assert others.name == "4 other features"
        assert others.contribution == pytest.approx(0.5 - 0.5 - 0.4)
        assert found.largest(6) == found.largest(60) == found.contributions
        assert isinstance(others, Contribution)

    def test_other_settings_than_the_exports(self, linear: Explainer) -> None:
        recommender = linear._recommender
        other = Explainer(recommender, ExplanationConfig(permutations=1, raising=1))
        found = other.explain(REQUEST, "P1", "ranking")
        assert found.sentence == "High income raises this."
        expected = linear.explain(REQUEST, "P1", "ranking")
        for one, of_export in zip(found.contributions, expected.contributions, strict=True):
            assert one.contribution == pytest.approx(of_export.contribution, abs=1e-5)

    def test_what_is_wrong(self, linear: Explainer) -> None:
        with pytest.raises(InputError, match=r"there is no product 'P9'; its products have ids like P1, P2"):
            linear.explain(REQUEST, "P9", "ranking")
        with pytest.raises(ValueError, match="1 products need a customer each, and the request has rows"):
            linear.explain({name: np.repeat(values, 2, axis=0) for name, values in REQUEST.items()}, "P1", "ranking")

    def test_without_a_sample_there_is_no_importance(self, linear: Explainer) -> None:
        assert importance(linear._recommender) is None


def test_assets_are_read_as_they_were_written(tmp_path: Path) -> None:
    sample = ImportanceSample(
        np.arange(6, dtype=np.float32), np.full((6, 2), np.nan, np.float32), np.ones((6, 2), np.float32)
    )
    stages = {
        stage: ExplainedStage(FEATURES[stage], np.array(BACKGROUND[stage], np.float32), np.ones(7), np.zeros(7), one)
        for stage, one in (("ranking", sample), ("retrieval", None))
    }
    ExplanationAssets(ExplanationConfig(seed=5), stages).save(tmp_path / "one.npz")
    found = ExplanationAssets.load(tmp_path / "one.npz")
    assert found.config == ExplanationConfig(seed=5)
    for stage in STAGES:
        assert found.stages[stage].features == stages[stage].features
        assert found.stages[stage].arrays().keys() == stages[stage].arrays().keys()
        for name, values in stages[stage].arrays().items():
            np.testing.assert_array_equal(found.stages[stage].arrays()[name], values)


def test_an_older_export_cannot_be_explained(tmp_path: Path) -> None:
    older = Recommender(tiny.export(tmp_path / "1", warmup=False))
    with pytest.raises(FailedError, match="was exported without what explanations need; export it again"):
        Explainer(older)
    assert importance(older) is None


@pytest.fixture(scope="module")
def explainer(recommender: Recommender) -> Explainer:
    return Explainer(recommender)


@pytest.fixture(scope="module")
def requests(recommender: Recommender) -> Features:
    return take(recommender.customers().columns, np.arange(8) * 47)


class TestTheSmallBank:
    @pytest.mark.parametrize("stage", STAGES)
    def test_local_accuracy(
        self, recommender: Recommender, explainer: Explainer, requests: Features, stage: Stage
    ) -> None:
        found = recommender.recommend(requests, 2)
        customers, places = np.nonzero(found.product_id != "")
        assert len(customers) > 10
        products = found.product_id[customers, places]
        for row, explanation in enumerate(explainer.explain_many(take(requests, customers), products, stage)):
            total = explanation.base + sum(one.contribution for one in explanation.contributions)
            assert total == pytest.approx(explanation.score, abs=1e-4)
            if stage == "ranking":
                shown = found.probability[customers[row], places[row]]
                assert 1 / (1 + np.exp(-total)) == pytest.approx(shown, rel=1e-4)
                assert explanation.probability == pytest.approx(shown, rel=1e-5)
            else:
                assert total == pytest.approx(found.similarity[customers[row], places[row]], abs=1e-4)

    @pytest.mark.parametrize("stage", STAGES)
    def test_the_base_is_the_mean_score_of_the_background(
        self, recommender: Recommender, explainer: Explainer, requests: Features, stage: Stage
    ) -> None:
        file = recommender.asset(EXPLANATIONS)
        assert file is not None
        background = ExplanationAssets.load(file).stages[stage].background
        product = np.full(len(background), "P0007", object)
        inputs = {f"{stage}_features": background, "product_id": product}
        (scores,) = recommender.predict(f"score_{stage}", inputs).values()
        found = explainer.explain(take(requests, slice(1)), "P0007", stage)
        assert found.base == pytest.approx(scores.mean(), abs=1e-5)

    @pytest.mark.parametrize("stage", STAGES)
    def test_batch_equals_single_and_twice_is_the_same(
        self, recommender: Recommender, explainer: Explainer, requests: Features, stage: Stage
    ) -> None:
        products = recommender.products.ids[:8]
        batch = explainer.explain_many(requests, products, stage)
        assert batch == explainer.explain_many(requests, products, stage)
        for row, expected in enumerate(batch):
            single = Explainer(recommender).explain(take(requests, slice(row, row + 1)), products[row], stage)
            assert single.sentence == expected.sentence
            amounts = {(one.name, one.kind): one for one in single.contributions}
            for one in expected.contributions:
                found = amounts[one.name, one.kind]
                assert found.value == one.value
                assert found.contribution == pytest.approx(one.contribution, abs=1e-4)

    def test_the_features_are_named_columns_and_crosses(
        self, recommender: Recommender, explainer: Explainer, requests: Features
    ) -> None:
        found = explainer.explain(take(requests, slice(1)), "P0001", "ranking").contributions
        names = [(one.kind, one.name) for one in found]
        assert len(set(names)) == len(names)
        for kind, table in (("customer", "customers"), ("product", "products")):
            described = recommender.manifest[table]["columns"]
            read = {name.replace("_", " ") for name, column in described.items() if column["role"] != "id"}
            assert {name for of, name in names if of == kind} >= read
        crosses = {name for kind, name in names if kind == "cross"}
        assert {
            "match of customer and product",
            "what usually goes with the holdings",
            "gap between income and min income",
        } <= crosses
        assert len(crosses) < 20
        assert all(one.value for one in found)

    def test_a_category_is_one_feature_and_so_are_the_holdings(self, recommender: Recommender) -> None:
        file = recommender.asset(EXPLANATIONS)
        assert file is not None
        for stage, found in ExplanationAssets.load(file).stages.items():
            places = sorted(place for feature in found.features for place in feature.places)
            assert places == list(range(found.background.shape[1])), stage
            (segment,) = [one for one in found.features if one.columns == ("segment",)]
            # Two tower pairs embed a category in 8 dimensions each, the ranker in 6.
            assert len(segment.places) == {"retrieval": 2 * 8, "ranking": 6}[stage]

    @pytest.mark.parametrize("stage", STAGES)
    def test_importance_was_computed_at_the_export(self, recommender: Recommender, stage: Stage) -> None:
        found = importance(recommender, stage)
        assert found is not None
        sizes = [one.mean_absolute for one in found.features]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0
        for one in found.features:
            assert len(one.values) == len(one.contributions) == 120
            assert np.abs(one.contributions).mean() == pytest.approx(one.mean_absolute, rel=1e-4, abs=1e-7)
            known = one.values[~np.isnan(one.values)]
            assert len(known) in (0, 120)
            assert ((known >= 0) & (known <= 1)).all()
        values = {(one.kind, one.name): one.values for one in found.features}
        assert not np.isnan(values["customer", "income"]).any()
        assert np.isnan(values["customer", "segment"]).all()

    def test_a_number_that_only_one_feature_reads_moves_the_score_as_explained(
        self, recommender: Recommender, explainer: Explainer, requests: Features
    ) -> None:
        # The retrieval reads the income through its column alone: with it the score of the column alone changes.
        request = take(requests, slice(1))
        richer = request | {"income": request["income"] * 4}
        before, after = (explainer.explain(one, "P0001", "retrieval") for one in (request, richer))
        assert after.score != before.score
        (described,) = [one for one in after.contributions if one.name == "income"]
        assert described.value != next(one.value for one in before.contributions if one.name == "income")
