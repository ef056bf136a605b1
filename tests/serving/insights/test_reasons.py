"""Reasons, on a hand-made bank whose probabilities are sums that are known by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import Array, Features
from nextbest.data.errors import FailedError, InputError
from nextbest.serving.backends import BackendError, InputSpec
from nextbest.serving.insights.reason_groups import GROUP_KINDS
from nextbest.serving.insights.reasons import (
    ProductReasons,
    ReasonExplainer,
    reasons_for,
    stack_explanations,
    why_sentences,
)
from nextbest.serving.insights.shapley import CoalitionModel, exact_shap_values, import_shap
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.serving.handmade import DAY, WORD, Backend, World, described, numbers, strings

WORLD = World(
    columns={
        "age": described("number", "years"),
        "income": described("number", "EUR/year"),
        "savings": described("number", "EUR"),
        "loan_balance": described("number", "EUR"),
        "gender": described("category"),
        "last_event": described("category"),
    },
    products={
        "name": strings("Gold Fund", "Green Fund", "Basic Card"),
        "category": strings("fund", "fund", "credit_card"),
    },
    product_columns={"name": described("id"), "category": described("category")},
    embeddings={"P1": (1, 0, 0, 0), "P2": (0, 1, 0, 0), "P3": (0, 0, 1, 0)},
)


class Sums(Backend):
    """Of P1 the probability is 0.1 and 0.2 for savings above 1,000, 0.1 for women, 0.3 for who holds P2.

    Of P2 it is 0.05 and 0.3 for who is at most 30; of P3 it is 0.4 less 0.3 for who is at most 30.
    """

    rows = 0

    def inputs(self, signature: str) -> dict[str, InputSpec]:
        lists = [f"{name}_{part}" for name in ("recent", "closed") for part in ("products", "days")]
        lately = {name: InputSpec(DAY if name.endswith("days") else WORD, 2) for name in lists}
        candidates = {"candidates": InputSpec(WORD, 2)} if signature == "score_products" else {}
        return super().inputs(signature) | lately | candidates

    def predict(self, signature: str, inputs: Mapping[str, Array]) -> Features:
        if signature != "score_products":
            return super().predict(signature, inputs)
        self.rows += len(inputs["age"])
        young = inputs["age"] <= 30
        holds = (inputs["held_products"] == "P2").any(axis=1)
        sums = {
            "P1": 0.1 + 0.2 * (inputs["savings"] > 1000) + 0.1 * (inputs["gender"] == "female") + 0.3 * holds,
            "P2": 0.05 + 0.3 * young,
            "P3": 0.4 - 0.3 * young,
        }
        every = np.stack([np.broadcast_to(sums[one], young.shape) for one in inputs["candidates"][0]], axis=1)
        return {"probability": every.astype(np.float32), "similarity": np.zeros(every.shape, np.float32)}


def load(folder: Path) -> tuple[Recommender, Sums]:
    """Return a bank of 40 customers: half of them young, half with savings, half women, none holds anything."""
    place = np.arange(40)
    WORLD.load(
        folder,
        [f"C{number}" for number in place],
        age=np.where(place % 2, 25, 60).astype(np.float32),
        income=np.full(40, 30_000, np.float32),
        savings=np.where(place // 2 % 2, 5000, 500).astype(np.float32),
        loan_balance=np.full(40, 0, np.float32),
        gender=np.where(place // 4 % 2, "female", "male").astype(object),
        last_event=np.where(place % 3, "none", "divorce").astype(object),
    )
    backend = Sums(WORLD)
    return Recommender(folder, backend), backend


CUSTOMER = {
    "age": numbers(25),
    "income": numbers(30_000),
    "savings": numbers(5000),
    "loan_balance": numbers(0),
    "gender": strings("female"),
    "last_event": strings("divorce"),
    "held_products": np.array([["P2", "P3"]], object),
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return load(tmp_path_factory.mktemp("bank") / "1")[0]


@pytest.fixture(scope="module")
def explainer(bank: Recommender) -> ReasonExplainer:
    return ReasonExplainer(bank)


def effects(reasons: ProductReasons) -> dict[str, float]:
    return {group.kind: group.points for group in reasons.groups}


class TestValues:
    def test_a_sum_gives_each_group_its_own(self, explainer: ReasonExplainer) -> None:
        first, second, third = explainer.reasons(CUSTOMER, strings("P1", "P2", "P3"))
        # The background is a part of the bank, in which about half have savings, and half are women.
        of_women, of_savers = effects(first)["protected"], effects(first)["balances"]
        assert of_women == pytest.approx(5, abs=1) and of_savers == pytest.approx(10, abs=2)
        assert effects(first)["held"] == pytest.approx(30)
        assert first.probability == pytest.approx(0.7)
        assert first.base == pytest.approx(0.7 - 0.3 - of_women / 100 - of_savers / 100)
        assert effects(second)["age"] == pytest.approx(100 * (0.35 - second.base))
        assert effects(third)["age"] < 0
        for kind in ("income", "facts", "recent"):
            assert effects(first)[kind] == pytest.approx(0, abs=1e-9)

    def test_they_add_up(self, explainer: ReasonExplainer) -> None:
        for one in explainer.reasons(CUSTOMER, strings("P3", "P1")):
            assert 100 * one.base + sum(group.points for group in one.groups) == pytest.approx(100 * one.probability)
            assert one.explanation.values.sum() + one.explanation.base_values == pytest.approx(100 * one.probability)

    def test_at_most_ten_groups_that_share_no_input(self, explainer: ReasonExplainer) -> None:
        inputs = [name for group in explainer.groups for name in group.inputs]
        assert len(GROUP_KINDS) == 10
        assert len(set(inputs)) == len(inputs)
        assert {"similarity", "as_of_day"}.isdisjoint(inputs)

    def test_the_package_agrees_with_the_formula(self) -> None:
        # Shapley's own formula over all orders, on a function of four players with every kind of interaction.
        weights = np.random.default_rng(0).normal(size=(16, 2))

        def value(sets: Array) -> Array:
            return weights[np.asarray(sets, bool) @ (1 << np.arange(4))]

        expected = np.zeros((4, 2))
        orders = list(permutations(range(4)))
        for order in orders:
            known = np.zeros((1, 4), bool)
            for player in order:
                before = value(known)[0]
                known[0, player] = True
                expected[player] += (value(known)[0] - before) / len(orders)
        base, found = exact_shap_values(value, np.ones(4, bool))
        np.testing.assert_allclose(found, expected, atol=1e-12)
        np.testing.assert_allclose(base, weights[0])

    def test_one_who_differs_from_nobody_has_no_reasons(self) -> None:
        base, found = exact_shap_values(lambda sets: np.full((len(sets), 2), 0.3), np.zeros(3, bool))
        np.testing.assert_array_equal(found, np.zeros((3, 2)))
        np.testing.assert_array_equal(base, [0.3, 0.3])

    def test_who_holds_a_product_is_no_one_to_compare_with(self, bank: Recommender) -> None:
        customer = bank.complete(CUSTOMER, 1)
        two = {name: np.repeat(values, 2, axis=0) for name, values in customer.items()}
        two["held_products"] = np.array([["P1"], ["P2"]], object)
        two["savings"] = numbers(0, 0)
        model = CoalitionModel(bank, customer, two, [["held_products", "held_days"]], strings("P1", "P3"))
        none = model.values(np.zeros((1, 1), bool))[0]
        # Of P1 the first is left out: 0.1 + 0.1 + 0.3; of P3 both count.
        np.testing.assert_allclose(none, [0.5, 0.1], atol=1e-6)

    def test_what_changes_nothing_is_asked_once(self, tmp_path: Path) -> None:
        recommender, backend = load(tmp_path / "1")
        customer = recommender.complete(CUSTOMER, 1)
        same = {name: np.repeat(values, 3, axis=0) for name, values in customer.items()}
        same["age"] = numbers(25, 25, 60)
        model = CoalitionModel(recommender, customer, same, [["age"], ["income"]], strings("P2"))
        assert model.varying.tolist() == [True, False]
        found = model.values(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], bool))[:, 0]
        np.testing.assert_allclose(found, [0.25, 0.25, 0.35, 0.35], atol=1e-6)
        assert backend.rows == 4  # two as they are, and the third as it is and with the customer's age

    def test_batch_equals_single(self, bank: Recommender, explainer: ReasonExplainer) -> None:
        requests = take(bank.customers().columns, np.arange(3))
        ids = np.array([["P1", "P2"], ["P3", ""], ["", ""]], object)
        found = reasons_for(explainer, requests, ids)
        assert [[one.product_id for one in products] for products in found] == [["P1", "P2"], ["P3"], []]
        single = ReasonExplainer(bank).reasons(take(requests, slice(1, 2)), strings("P3"))[0]
        assert single.sentences == found[1][0].sentences
        sentences = why_sentences(explainer, requests, ids)
        assert sentences[1].tolist() == [single.sentence, ""]
        assert sentences[2].tolist() == ["", ""]


class TestSentences:
    def test_the_strongest_reason_comes_first(self, explainer: ReasonExplainer) -> None:
        (found,) = explainer.reasons(CUSTOMER, strings("P1"))
        assert found.sentences == ("Holds one fund.", "Has savings of 5,000 EUR, above most customers.")
        often = "customers like this one add it about three times as often as the average customer"
        assert found.sentence == f"Holds one fund and has savings above most customers; {often}."

    def test_no_reason_against_the_whole_effect(self, explainer: ReasonExplainer) -> None:
        (found,) = explainer.reasons(CUSTOMER, strings("P3"))
        assert found.probability < found.base
        less = "less likely for this customer than for the average customer."
        assert found.sentences in ((f"L{less[1:]}",), (f"Popular with many customers, though {less}",))

    def test_why_this_before_that(self, explainer: ReasonExplainer) -> None:
        found = explainer.compare(CUSTOMER, "P2", "P1")
        assert found.startswith(
            "Gold Fund comes before Green Fund, with 70.0% against 35.0%. This customer holds one fund"
        )
        assert found.endswith("which speaks more for the first.")
        assert explainer.compare(CUSTOMER, "P1", "P2") == found

    @pytest.mark.parametrize(
        ("name", "said"), [("recent", "Has lately shown interest in"), ("closed", "Has lately closed")]
    )
    def test_what_happened_lately_to_the_product_itself(
        self, explainer: ReasonExplainer, monkeypatch: pytest.MonkeyPatch, name: str, said: str
    ) -> None:
        def moved(backend: Sums, signature: str, inputs: Mapping[str, Array]) -> Features:
            if signature != "score_products":
                return Backend.predict(backend, signature, inputs)
            met = (inputs[f"{name}_products"] == "P1").any(axis=1)
            every = np.tile((0.1 + 0.5 * met)[:, None], (1, inputs["candidates"].shape[1]))
            return {"probability": every.astype(np.float32)}

        monkeypatch.setattr(Sums, "predict", moved)
        request = CUSTOMER | {f"{name}_products": np.array([["P1", "P3"]], object)}
        one, other = explainer.reasons(request, strings("P1", "P2"))
        assert one.sentences == (f"{said} this very product.",)
        assert other.sentences == (f"{said} funds.",)
        (lately,) = (group for group in one.groups if group.kind == "recent")
        assert lately.points == pytest.approx(50) and lately.value == "one fund, one credit card"

    def test_a_protected_attribute_counts_and_is_not_named(self, explainer: ReasonExplainer) -> None:
        (found,) = explainer.reasons(CUSTOMER | {"held_products": np.array([[""]], object)}, strings("P1"))
        assert effects(found)["protected"] > 1
        assert [group.value for group in found.groups if group.kind == "protected"] == ["not shown"]
        assert not re.search("female|gender|divorce", f"{found.sentence} {' '.join(found.sentences)}")


class TestShap:
    def test_the_plots_take_them(self, explainer: ReasonExplainer, bank: Recommender) -> None:
        plt = pytest.importorskip("matplotlib.pyplot")
        plt.switch_backend("Agg")
        shap = import_shap()
        reasons = [
            explainer.reasons(take(bank.customers().columns, slice(row, row + 1)), strings("P1"))[0] for row in range(8)
        ]
        shap.plots.waterfall(reasons[0].explanation, show=False)
        texts = [text.get_text() for axis in plt.gcf().axes for text in axis.texts + axis.get_yticklabels()]
        assert any("age" in text for text in texts)
        plt.close("all")
        stacked = stack_explanations(reasons)
        assert stacked.values.shape == (8, len(explainer.groups))
        shap.plots.beeswarm(stacked, show=False)
        plt.close("all")

    def test_its_loops_are_not_compiled(self) -> None:
        pytest.importorskip("numba")
        import_shap()
        from shap.explainers import _exact

        assert not hasattr(_exact._compute_grey_code_row_values, "py_func")


class TestWhatIsWrong:
    def test_no_such_product(self, explainer: ReasonExplainer) -> None:
        with pytest.raises(InputError, match="there is no product 'P9'; its products have ids like P1, P2"):
            explainer.reasons(CUSTOMER, strings("P9"))

    def test_of_one_customer(self, explainer: ReasonExplainer) -> None:
        with pytest.raises(ValueError, match="reasons are of one customer, and the request has rows"):
            explainer.reasons({"age": numbers(1, 2)}, strings("P1"))

    def test_an_older_export(self, bank: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
        def inputs(backend: Sums, signature: str) -> dict[str, InputSpec]:
            raise BackendError(f"no signature {signature!r}")

        monkeypatch.setattr(Sums, "inputs", inputs)
        with pytest.raises(FailedError, match="was exported without what reasons need; export it again"):
            ReasonExplainer(bank)

    def test_without_customers_the_base_is_one_of_whom_nothing_is_known(self, tmp_path: Path) -> None:
        WORLD.load(tmp_path / "1")
        found = ReasonExplainer(Recommender(tmp_path / "1", Sums(WORLD))).reasons(CUSTOMER, strings("P1"))[0]
        assert found.base == pytest.approx(0.1)
        assert {kind: points for kind, points in effects(found).items() if abs(points) > 1e-6} == pytest.approx(
            {"balances": 20, "protected": 10, "held": 30}
        )
