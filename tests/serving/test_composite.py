"""The composite never shows what it must not, whatever is asked, and says why."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import nextbest.pipeline.compose
from nextbest.data.dataset import Features
from nextbest.data.errors import InputError
from nextbest.data.rules import Cap, Condition, PolicyConfig, Rule
from nextbest.pipeline.compose import complete, compose
from nextbest.pipeline.run import open_run
from nextbest.pipeline.run_folder import RunFolder
from nextbest.serving.backends.local import LocalBackend
from nextbest.serving.composite import RecommenderServable
from nextbest.serving.recommender import Filters, Recommendations, Recommender
from nextbest.serving.requests import check_filters, take
from tests.serving.suitability import allowed, expected_reasons
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")

NUM_CUSTOMERS, NUM_PRODUCTS = 400, 40
CATEGORIES = ["current_account", "savings_account", "credit_card", "fund", "bond", "no such category"]

some_customers = st.lists(st.integers(0, NUM_CUSTOMERS - 1), min_size=1, max_size=5)
some_filters = st.builds(
    Filters,
    max_risk=st.none() | st.integers(0, 6) | st.floats(-1, 7, width=32),
    categories=st.lists(st.sampled_from(CATEGORIES), max_size=3),
    exclude=st.lists(st.integers(1, NUM_PRODUCTS + 2).map(lambda number: f"P{number:04d}"), max_size=40),
)


@pytest.fixture(scope="module")
def with_scann(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """Return a copy of the shared run's composite as it would be if ScaNN had been chosen."""
    run = RunFolder(tmp_path_factory.mktemp("scann"))
    for name in ("config.toml", "manifest.json", "retrieval", "ranking"):
        source = trained.run / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, run.path(name))
    chosen = run.read_json("retrieval", "index.json") | {"kind": "scann"}
    run.write_json(chosen, "retrieval", "index.json")
    with_scann = open_run(run.root, lambda step: lambda what, share: None)
    compose(with_scann)
    with mock.patch.object(nextbest.pipeline.compose, "write_explanations"):
        complete(with_scann)
    assert run.path("recommender_scann", "assets.extra", "tf_serving_warmup_requests").exists()
    return Recommender(run.path("recommender"))


@pytest.fixture(scope="module")
def everyone(recommender: Recommender) -> Features:
    return recommender.customers().columns


def rows_of(found: Recommendations) -> list[list[tuple[Any, ...]]]:
    """Return the recommendations without the padding, per customer."""
    fields = (found.product_id, found.probability, found.similarity, found.retrieval_rank)
    return [
        list(zip(*(field[row, :count].tolist() for field in fields), strict=True))
        for row, count in enumerate(found.count)
    ]


def assert_same(found: Recommendations, expected: Recommendations) -> None:
    np.testing.assert_array_equal(found.count, expected.count)
    np.testing.assert_array_equal(found.product_id, expected.product_id)
    np.testing.assert_array_equal(found.retrieval_rank, expected.retrieval_rank)
    np.testing.assert_allclose(found.probability, expected.probability, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.similarity, expected.similarity, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=80)
@given(customers=some_customers, filters=some_filters, k=st.integers(1, NUM_PRODUCTS + 20))
def test_only_what_may_be_shown_and_all_of_it(
    recommender: Recommender, everyone: Features, customers: list[int], filters: Filters, k: int
) -> None:
    request = take(everyone, np.array(customers))
    found = recommender.recommend(request, k, filters)
    may = allowed(recommender, request, filters)
    width = min(k, NUM_PRODUCTS)
    assert found.product_id.shape == (len(customers), width)
    # Fewer than k come back only when fewer may be shown.
    np.testing.assert_array_equal(found.count, np.minimum(may.sum(axis=1), width))
    real = np.arange(width) < found.count[:, None]
    for row, shown in enumerate(found.product_id):
        ids = shown[real[row]]
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(recommender.products.ids[may[row]])
    assert (found.product_id[~real] == "").all()
    for padded in (found.probability, found.similarity, found.retrieval_rank):
        assert not padded[~real].any()
    assert ((found.probability[real] > 0) & (found.probability[real] < 1)).all()
    assert (np.abs(found.similarity[real]) <= 1 + 1e-6).all()


@settings(deadline=None, max_examples=40)
@given(customers=some_customers, filters=some_filters, k=st.integers(1, NUM_PRODUCTS + 20))
def test_scann_gives_the_exact_answer_of_a_small_catalogue(
    recommender: Recommender,
    with_scann: Recommender,
    everyone: Features,
    customers: list[int],
    filters: Filters,
    k: int,
) -> None:
    request = take(everyone, np.array(customers))
    assert (recommender.index, with_scann.index) == ("exact", "scann")
    assert_same(with_scann.recommend(request, k, filters), recommender.recommend(request, k, filters))


@settings(deadline=None, max_examples=40)
@given(customers=some_customers, filters=some_filters)
def test_the_order_is_that_of_the_probabilities(
    recommender: Recommender, everyone: Features, customers: list[int], filters: Filters
) -> None:
    found = recommender.recommend(take(everyone, np.array(customers)), 10, filters)
    for row in rows_of(found):
        probabilities = [probability for _, probability, _, _ in row]
        assert probabilities == sorted(probabilities, reverse=True)
        # The rank before ranking orders by similarity.
        before = sorted(row, key=lambda shown: shown[3])
        similarities = [similarity for _, _, similarity, _ in before]
        assert similarities == sorted(similarities, reverse=True)
        assert len({shown[3] for shown in row}) == len(row)


@settings(deadline=None, max_examples=40)
@given(customers=some_customers, filters=some_filters)
def test_every_exclusion_has_all_reasons_that_apply(
    recommender: Recommender, everyone: Features, customers: list[int], filters: Filters
) -> None:
    request = take(everyone, np.array(customers))
    reasons = recommender.exclusions(request, filters)
    found = recommender.recommend(request, NUM_PRODUCTS, filters)
    products = recommender.products
    np.testing.assert_array_equal(reasons, expected_reasons(recommender, request, filters))
    for row, shown in enumerate(found.product_id):
        assert not any(reasons[row, np.isin(products.ids, shown)])


@settings(deadline=None, max_examples=40)
@given(customers=some_customers, filters=some_filters, k=st.integers(1, 12))
def test_batch_equals_single(
    recommender: Recommender, everyone: Features, customers: list[int], filters: Filters, k: int
) -> None:
    rows = np.array(customers)
    batch = recommender.recommend(take(everyone, rows), k, filters)
    for place in range(len(rows)):
        alone = recommender.recommend(take(everyone, rows[place : place + 1]), k, filters)
        assert_same(Recommendations(**{name: values[place : place + 1] for name, values in vars(batch).items()}), alone)


@settings(deadline=None, max_examples=25)
@given(customers=some_customers, width=st.integers(1, 5))
def test_padding_does_not_matter(
    recommender: Recommender, everyone: Features, customers: list[int], width: int
) -> None:
    request = take(everyone, np.array(customers))
    padded = dict(request)
    for name in (f"{one}_{part}" for one in recommender.history_lists for part in ("products", "days")):
        padded[name] = np.pad(request[name], ((0, 0), (0, width)), constant_values="" if "products" in name else 0)
    assert_same(recommender.recommend(padded, 10), recommender.recommend(request, 10))


def test_padded_filters_do_not_matter(recommender: Recommender, everyone: Features) -> None:
    request = take(everyone, np.arange(5))
    plain = recommender.recommend(request, 5, Filters(categories=("savings_account",), exclude=("P0001",)))
    padded = recommender.recommend(
        request, 5, Filters(categories=("", "savings_account", ""), exclude=("P0001", "", ""))
    )
    assert_same(padded, plain)
    assert_same(recommender.recommend(request, 5, Filters(categories=("", ""))), recommender.recommend(request, 5))


def test_a_longer_list_begins_with_the_shorter(recommender: Recommender, everyone: Features) -> None:
    # Up to the number of ranked candidates (20) k only cuts.
    request = take(everyone, np.arange(50))
    short, long = recommender.recommend(request, 3), recommender.recommend(request, 20)
    np.testing.assert_array_equal(long.product_id[:, :3], short.product_id)
    np.testing.assert_array_equal(long.probability[:, :3], short.probability)


@pytest.mark.parametrize(
    ("column", "strange", "missing"),
    [
        ("segment", "a segment that no model has seen", ""),
        ("region", "Atlantis", ""),
        ("employment", "\N{SNOWMAN}", ""),
        ("credit_score", np.inf, np.nan),
        ("dependants", -np.inf, np.nan),
    ],
)
def test_what_no_model_has_seen_counts_as_missing(
    recommender: Recommender, everyone: Features, column: str, strange: Any, missing: Any
) -> None:
    request = take(everyone, np.arange(20))
    dtype = request[column].dtype
    found = recommender.recommend(request | {column: np.full(20, strange, dtype)}, 5)
    assert_same(found, recommender.recommend(request | {column: np.full(20, missing, dtype)}, 5))
    without = {name: values for name, values in request.items() if name != column}
    assert_same(found, recommender.recommend(without, 5))
    assert found.count.all()


def test_a_product_that_does_not_exist_is_held_without_effect(recommender: Recommender, everyone: Features) -> None:
    request = take(everyone, np.arange(3)) | {
        "held_products": np.full((3, 1), "P9999", object),
        "held_days": np.full((3, 1), 19_000, np.int64),
    }
    nothing = request | {"held_products": np.full((3, 0), "", object), "held_days": np.zeros((3, 0), np.int64)}
    assert_same(recommender.recommend(request, 5), recommender.recommend(nothing, 5))


@pytest.mark.parametrize("k", [0, -1, -(2**31)])
def test_k_below_one_is_refused(recommender: Recommender, everyone: Features, trained: Trained, k: int) -> None:
    request = take(everyone, np.arange(2))
    with pytest.raises(ValueError, match=f"k = {k}: ask for at least 1"):
        recommender.recommend(request, k)
    signature = tf.saved_model.load(str(recommender.folder)).signatures["recommend"]
    _, specs = signature.structured_input_signature
    filled = recommender.complete(request | Filters().arrays(2), 2) | {"k": np.full(2, k)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"k is {k}; ask for at least 1"):
        signature(**{name: tf.constant(filled[name], spec.dtype) for name, spec in specs.items()})


def test_each_customer_has_a_k_of_its_own(recommender: Recommender, everyone: Features) -> None:
    backend = LocalBackend(recommender.folder)
    inputs = recommender.complete(take(everyone, np.arange(3)) | Filters().arrays(3), 3)
    found = Recommendations(**backend.predict("recommend", inputs | {"k": np.array([2, 7, 1])}))
    assert found.product_id.shape == (3, 7)
    for row, k in enumerate([2, 7, 1]):
        alone = {name: values[row : row + 1] for name, values in inputs.items()} | {"k": np.array([k])}
        expected = rows_of(Recommendations(**backend.predict("recommend", alone)))
        assert found.count[row] == k
        assert [shown[0] for shown in rows_of(found)[row]] == [shown[0] for shown in expected[0]]


class TestRequests:
    """What the recommender refuses before it asks the model."""

    def test_an_unknown_input(self, recommender: Recommender) -> None:
        with pytest.raises(ValueError, match=r"no inputs \['incme'\]; it has .*'income'"):
            recommender.recommend({"incme": np.zeros(1, np.float32)}, 5)

    def test_no_input(self, recommender: Recommender) -> None:
        with pytest.raises(ValueError, match="one length"):
            recommender.recommend({}, 5)

    def test_inputs_of_different_lengths(self, recommender: Recommender, everyone: Features) -> None:
        request = {"income": everyone["income"][:2], "age": everyone["age"][:3]}
        for ask in (lambda: recommender.recommend(request, 5), lambda: recommender.exclusions(request)):
            with pytest.raises(ValueError, match="'income': 2, 'age': 3"):
                ask()

    def test_no_customer(self, recommender: Recommender, everyone: Features) -> None:
        found = recommender.recommend(take(everyone, slice(0, 0)), 5, Filters(categories=("savings_account",)))
        assert len(found.product_id) == 0 and found.count.shape == (0,)

    def test_any_integer_is_a_k(self, recommender: Recommender, everyone: Features) -> None:
        request = take(everyone, np.arange(2))
        assert_same(recommender.recommend(request, np.int64(5)), recommender.recommend(request, 5))

    def test_a_folder_without_a_model(self, tmp_path: Any) -> None:
        with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
            Recommender(tmp_path)


def test_the_composite_is_what_its_stages_say(recommender: Recommender, everyone: Features, trained: Trained) -> None:
    # Mask, then the 20 most similar, then the ranker's order: in NumPy, from the stages' own models.
    rows = np.arange(60)
    request = take(everyone, rows)
    retrieval, ranking = (tf.saved_model.load(str(trained.models / name / "1")) for name in ("retrieval", "ranking"))
    (inputs,), _ = retrieval.encode.concrete_functions[0].structured_input_signature
    encoded = retrieval.encode({name: tf.constant(request[name], spec.dtype) for name, spec in inputs.items()})
    similarity = retrieval.similarities(retrieval.embed(encoded)).numpy()
    masked = np.where(allowed(recommender, request, Filters()), similarity, -np.inf)
    candidates = np.argsort(-masked, axis=1, kind="stable")[:, :20].astype(np.int32)
    barred = ~np.isfinite(np.take_along_axis(masked, candidates, axis=1))
    candidates[barred] = -1
    scores = np.where(barred, 0, np.take_along_axis(similarity, np.maximum(candidates, 0), axis=1)).astype(np.float32)
    logits, probability = (tensor.numpy() for tensor in ranking.score(encoded, candidates, scores))
    best = np.argsort(-np.where(barred, -np.inf, logits), axis=1, kind="stable")[:, :5]
    padding = np.take_along_axis(barred, best, axis=1)
    ids = recommender.products.ids[np.take_along_axis(candidates, best, axis=1)]
    found = recommender.recommend(request, 5)
    np.testing.assert_array_equal(found.product_id, np.where(padding, "", ids))
    expected = np.where(padding, 0, np.take_along_axis(probability, best, axis=1))
    np.testing.assert_allclose(found.probability, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.retrieval_rank, np.where(padding, 0, best + 1))


def with_policy(recommender: Recommender, trained: Trained, policy: PolicyConfig) -> RecommenderServable:
    """Return the composite of the shared run's stages with another policy."""
    return RecommenderServable(
        trained.run / "retrieval" / "saved_model",
        trained.run / "ranking" / "saved_model",
        policy,
        recommender.products.columns,
        candidates=20,
        default_k=5,
        as_of_day=recommender.manifest["as_of_day"],
    )


def ask(servable: RecommenderServable, recommender: Recommender, request: Features, k: int = 5) -> dict[str, Any]:
    size = len(request["as_of_day"])
    completed = recommender.complete(request | Filters().arrays(size), size) | {"k": np.full(size, k)}
    tensors = {name: tf.constant(completed[name], spec.dtype) for name, spec in servable.example_spec().items()}
    answer = {name: values.numpy() for name, values in servable.recommend(tensors).items()}
    return answer | {"reason": servable.exclusions(tensors)["reason"].numpy().astype(str)}


def test_a_missing_income_is_told_where_it_matters(recommender: Recommender, everyone: Features) -> None:
    request = take(everyone, np.arange(20)) | {"income": np.full(20, np.nan, np.float32)}
    reasons = recommender.exclusions(request)
    asks = np.broadcast_to(recommender.products.columns["min_income"] > 0, reasons.shape)
    unknown = np.char.find(reasons.astype(str), "income unknown") >= 0
    np.testing.assert_array_equal(unknown, asks)
    assert (recommender.recommend(request, 5).count == 5).mean() > 0.8
    assert not (np.char.find(reasons.astype(str), "higher income") >= 0).any()


def test_caps_leave_the_likeliest_of_a_kind(recommender: Recommender, everyone: Features, trained: Trained) -> None:
    request = take(everyone, np.arange(60))
    free, capped = (
        ask(with_policy(recommender, trained, PolicyConfig(caps=caps)), recommender, request, NUM_PRODUCTS)
        for caps in ((), (Cap(column="category", most=2),))
    )
    category = dict(zip(recommender.products.ids, recommender.products.columns["category"], strict=True))
    for before, after in zip(free["product_id"].astype(str), capped["product_id"].astype(str), strict=True):
        seen: Counter[str] = Counter()
        expected = []
        for product in filter(None, before):
            seen[category[product]] += 1
            expected += [product] if seen[category[product]] <= 2 else []
        shown = [product for product in after if product]
        assert shown == expected and len(shown) < sum(map(bool, before))


def test_what_may_be_held_twice_is_offered_to_who_holds_it(
    recommender: Recommender, everyone: Features, trained: Trained
) -> None:
    policy = PolicyConfig(repeatable=Condition(product="category", value=("term_deposit",)))
    request = take(everyone, np.arange(NUM_CUSTOMERS))
    held = np.array([np.isin(recommender.products.ids, row) for row in request["held_products"]])
    deposit = recommender.products.columns["category"] == "term_deposit"
    reasons = ask(with_policy(recommender, trained, policy), recommender, request)["reason"]
    assert (held & deposit).any()
    np.testing.assert_array_equal(reasons == "already held", held & ~deposit)
    np.testing.assert_array_equal(reasons == "", ~held | deposit)


def test_rules_may_compare_what_no_model_reads(recommender: Recommender, everyone: Features, trained: Trained) -> None:
    # Columns of the role id are not read by the models, but the policy may compare them.
    rule = Rule(customer="tax_office", op="!=", value="closed", reason="the tax office is closed", missing="allow")
    servable = with_policy(recommender, trained, PolicyConfig(rules=(rule,)))
    assert servable.request_spec()["tax_office"].dtype == tf.string
    request = recommender.complete(take(everyone, np.arange(2)) | Filters().arrays(2), 2)
    request |= {"tax_office": tf.constant(["closed", "open"]), "k": tf.constant([5, 5], tf.int64)}
    found = servable.recommend(request)
    assert found["count"].numpy().tolist() == [0, 5]
    # Without a risk and a category column those filters narrow nothing.
    filters = Filters(max_risk=0, categories=("bond",)).arrays(2)
    found = servable.recommend(request | filters | {"tax_office": tf.constant(["", ""])})
    assert found["count"].numpy().tolist() == [5, 5]


def test_stages_of_different_catalogues_are_refused(recommender: Recommender, trained: Trained) -> None:
    class Other:
        product_ids = tf.constant(["P0001"])

    load = tf.saved_model.load
    with (
        mock.patch.object(tf.saved_model, "load", lambda path: Other() if "ranking" in path else load(path)),
        pytest.raises(ValueError, match="do not have the same products"),
    ):
        RecommenderServable(
            trained.run / "retrieval" / "saved_model",
            trained.run / "ranking" / "saved_model",
            PolicyConfig(),
            recommender.products.columns,
            candidates=20,
            default_k=5,
            as_of_day=0,
        )


def test_filters_that_cannot_be_meant_are_refused(recommender: Recommender) -> None:
    check_filters(recommender, Filters(max_risk=0, categories=("bond",), exclude=("P0001",)))
    with pytest.raises(InputError) as refused:
        check_filters(recommender, Filters(categories=("yachts", "bond"), exclude=("P0", "P0001")))
    assert len(refused.value.problems) == 2
    assert "'yachts'; choose from" in str(refused.value) and "'P0' to exclude" in str(refused.value)
    without = mock.Mock(
        manifest={"policy": {"risk_column": None, "category_column": None}},
        products=recommender.products,
        folder=recommender.folder,
    )
    check_filters(without, Filters())
    with pytest.raises(InputError) as refused:
        check_filters(without, Filters(max_risk=3, categories=("bond",)))
    assert "data.policy.risk_column" in str(refused.value) and "data.policy.category_column" in str(refused.value)


@pytest.mark.parametrize("batch", [1, 7])
def test_packed_columns_give_the_same_answer(batch: int, recommender: Recommender, everyone: Features) -> None:
    packed = recommender.manifest["packed"]
    served = tf.saved_model.load(str(recommender.folder)).signatures
    request = take(everyone, slice(batch)) | Filters(max_risk=3, exclude=["P0001"]).arrays(batch)
    request |= {"k": np.full(batch, 5)}
    named = served["recommend"](**{name: tf.constant(values) for name, values in request.items()})
    single = {*packed["words"], *packed["numbers"]}
    inputs = {name: tf.constant(values) for name, values in request.items() if name not in single}
    inputs["words"] = tf.constant(np.stack([request[name] for name in packed["words"]], axis=1))
    inputs["numbers"] = tf.constant(np.stack([request[name] for name in packed["numbers"]], axis=1))
    answer = served["recommend_packed"](**inputs)
    assert set(answer) == set(named)
    for name, values in named.items():
        np.testing.assert_array_equal(answer[name].numpy(), values.numpy())
