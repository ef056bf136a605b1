"""A protected column reaches no model: flipped in the training tables or in a request, it changes no bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nextbest.data.candidates import Candidates
from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array, Dataset, Features
from nextbest.data.snapshot import new_acquisitions, take_snapshot
from nextbest.data.statistics import StatisticsConfig
from nextbest.data.windows import Window
from nextbest.graph.catalogue import fit_encoders
from nextbest.graph.policy import SuitabilityPolicy
from nextbest.graph.query import raw_request
from nextbest.modelling.training import make_deterministic
from nextbest.pipeline.compose import describe
from nextbest.ranking.calibration import Calibration
from nextbest.ranking.examples import catalogue_statistics, window_examples
from nextbest.ranking.export import RankingServable, save_ranking
from nextbest.ranking.training import RankerSettings, train_ranker
from nextbest.retrieval.examples import make_training_set
from nextbest.retrieval.export import RetrievalServable, save_retrieval
from nextbest.retrieval.indexes import ExactIndex
from nextbest.retrieval.training import RetrieverSettings, propose_candidates, train_retriever
from nextbest.serving.artifacts.assets import ASSETS, EXPORT_FORMAT, MANIFEST, PRODUCTS, Table
from nextbest.serving.composite import RecommenderServable, save_recommender
from nextbest.serving.input_report import recognise_columns
from nextbest.serving.insights.reason_groups import reason_groups
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_from_file
from tests.modelling.worlds import BANK, planted_bank
from tests.ranking.conftest import small_config as small_ranking
from tests.retrieval.conftest import small_config as small_retrieval
from tests.serving.serialized import examples

WINDOW = Window(180, 240)
PROTECTED = {
    "gender": {"role": "category", "protected": True},
    "married": {"role": "boolean", "protected": True},
    "age": {"role": "number", "protected": True},
}
"""Only the age is read by a rule, a legal limit."""


def protect(**changes: Any) -> DataConfig:
    columns = BANK.model_dump()["customers"] | {"columns": BANK.model_dump()["customers"]["columns"] | PROTECTED}
    rules = [
        *BANK.model_dump(exclude_none=True)["policy"]["rules"],
        {"customer": "age", "op": ">=", "value": 18, "reason": "for adults alone"},
    ]
    return DataConfig.model_validate(
        BANK.model_dump(exclude_none=True) | {"customers": columns, "policy": {"rules": rules}} | changes
    )


DATA = protect()


def make_bank(flipped: bool) -> Dataset:
    """Return the planted bank, where women alone like families 0 and 1; flipped, men do, in the same rows."""
    bank = planted_bank()
    kinds = np.array([int(name[-1]) for name in bank.customers.columns["kind"]])
    women = (kinds < 2) ^ flipped
    columns = bank.customers.columns | {
        "gender": np.where(women, "female", "male").astype(object),
        "married": women.astype(np.float32),
        "age": np.where(np.arange(len(kinds)) % 10 == 0, 17, 40).astype(np.float32),
    }
    return replace(bank, customers=replace(bank.customers, columns=columns))


@dataclass(frozen=True)
class Served:
    recommender: Recommender
    model: Any
    """The composite's SavedModel."""
    requests: Features
    """Of everybody, with the inputs of `recommend`."""


def serve(bank: Dataset, folder: Path) -> Served:
    """Train both stages for an epoch, and export the composite."""
    make_deterministic(0)
    day, quiet = WINDOW.cutoff, lambda what, share: None
    past = bank.until(day)
    settings = RetrieverSettings(DATA, StatisticsConfig(), small_retrieval(num_tower_pairs=1), seed=1)
    retriever = train_retriever(past, day, 1, settings, folder / "retriever", quiet)
    snapshot = take_snapshot(past, day, DATA.windows)
    policy = SuitabilityPolicy(DATA.policy, snapshot.products, snapshot.product_ids)
    everyone = np.arange(len(past.customers))
    candidates = propose_candidates(
        retriever, past, snapshot, lambda rows: policy.suitable_array(snapshot, rows), everyone, 10
    )
    encoders, acquired = fit_encoders(past, day, DATA), new_acquisitions(bank, day, WINDOW.until)
    window = window_examples(bank, WINDOW, candidates, acquired, encoders, DATA, StatisticsConfig())
    ranker_settings = RankerSettings(DATA, StatisticsConfig(), small_ranking(), 1, validation_k=5)
    ranker = train_ranker([window], encoders, 1, ranker_settings, folder / "ranker", quiet)
    catalogue = catalogue_statistics(past, snapshot, encoders, DATA, StatisticsConfig())
    index = ExactIndex().index(retriever.product_embeddings)
    save_retrieval(RetrievalServable(retriever, index, 5), folder / "retrieval")
    save_ranking(RankingServable(ranker, encoders, catalogue, Calibration(), day), folder / "ranking")
    composite = folder / "composite"
    servable = RecommenderServable(
        folder / "retrieval",
        folder / "ranking",
        DATA.policy,
        snapshot.products,
        candidates=10,
        default_k=5,
        as_of_day=day,
        numbers=("income", "tolerance", "married", "age"),
    )
    save_recommender(servable, composite)
    (composite / ASSETS).mkdir(exist_ok=True)
    manifest = {
        "format": EXPORT_FORMAT,
        "as_of_day": day,
        "customers": describe(DATA.customers),
        "products": describe(DATA.products),
        "policy": DATA.policy.model_dump(),
    }
    (composite / ASSETS / MANIFEST).write_text(json.dumps(manifest))
    Table(past.products.ids, snapshot.products).save(composite / ASSETS / PRODUCTS)
    recommender = Recommender(composite)
    request = raw_request(
        snapshot, past.products.ids, recommender.customer_columns, recommender.history_lists, everyone
    )
    return Served(recommender, tf.saved_model.load(str(composite)), recommender.complete(request, len(everyone)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve(make_bank(flipped=False), tmp_path_factory.mktemp("protected"))


def answers(served: Served, **sent: Array) -> dict[str, Array]:
    """Return all that the version says of everybody, where these columns are sent too."""
    recommender, request = served.recommender, served.requests | sent
    several = np.tile(recommender.products.ids, (len(request["as_of_day"]), 1))
    found = {f"recommend {name}": values for name, values in vars(recommender.recommend(request, 5)).items()}
    found["exclusions"] = recommender.exclusions(request)
    for name, more in (
        ("score_products", {"candidates": several}),
        ("feature_vectors", {"product_id": several[:, 3]}),
        ("embed_customer", {}),
    ):
        found |= {f"{name} {key}": values for key, values in recommender.predict(name, request | more).items()}
    serialized = examples(request | {"k": np.full(len(several), 5)})
    for name in ("serving_default", "transform_features"):
        said = served.model.signatures[name](examples=serialized)
        found |= {f"{name} {key}": values.numpy() for key, values in said.items()}
    return found


def assert_same_bits(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, values in found.items():
        same = values.tolist() if values.dtype == object else values.tobytes()
        other = expected[name].tolist() if expected[name].dtype == object else expected[name].tobytes()
        assert same == other, name


def test_flipped_in_every_row_of_a_request_it_changes_no_output_bit(served: Served) -> None:
    expected, bank = answers(served), make_bank(flipped=False).customers.columns
    opposite = {"female": "male", "male": "female"}
    for gender, married in (
        (bank["gender"], bank["married"]),
        (np.array([opposite[word] for word in bank["gender"]], object), 1 - bank["married"]),
        (np.full(len(bank["gender"]), "never seen", object), np.full(len(bank["married"]), np.nan, np.float32)),
    ):
        assert_same_bits(answers(served, gender=gender, married=married), expected)


def read_by_training(bank: Dataset) -> dict[str, Array]:
    """Return what both trainings and their statistics take from the tables, and the encoders."""
    past, statistics = bank.until(WINDOW.cutoff), StatisticsConfig()
    encoders = fit_encoders(past, WINDOW.cutoff, DATA)
    pairs = make_training_set(past, WINDOW.cutoff, encoders, DATA.windows, statistics, small_retrieval(), 1)
    everything = np.tile(np.arange(len(past.products), dtype=np.int32), (len(past.customers), 1))
    scores = np.zeros(everything.shape, np.float32)
    candidates = Candidates(past.customers.ids, past.products.ids, everything, scores)
    acquired = new_acquisitions(bank, WINDOW.cutoff, WINDOW.until)
    lists = window_examples(bank, WINDOW, candidates, acquired, encoders, DATA, statistics)
    return {
        "encoders": np.array([encoders.customers.digest, encoders.products.digest], object),
        **{f"pairs {name}": values for name, values in (pairs.queries.encoded | pairs.products).items()},
        **{f"lists {name}": values for name, values in (lists.queries | lists.catalogue.arrays()).items()},
        **{name: getattr(pairs.queries, name) for name in ("customers", "positives", "query", "product", "weight")},
        **{name: getattr(lists, name) for name in ("candidates", "labels", "num_relevant")},
    }


def test_flipped_in_the_training_tables_it_changes_nothing_that_is_learnt_from() -> None:
    assert_same_bits(read_by_training(make_bank(flipped=True)), read_by_training(make_bank(flipped=False)))


def test_no_request_needs_it_and_a_rule_may(served: Served) -> None:
    assert served.recommender.customer_columns == ("age", "income", "kind", "tolerance")
    assert served.recommender.model_columns == ("income", "kind", "tolerance")
    named = [column for group in reason_groups(served.recommender) for column in group.inputs]
    assert {"gender", "married", "age"}.isdisjoint(named)
    counts = served.recommender.recommend(served.requests, 5).count
    minors = served.requests["age"] < 18
    assert minors.sum() == 24 and not counts[minors].any() and counts[~minors].any()
    reasons = served.recommender.exclusions(served.requests)
    assert (reasons[minors] == "for adults alone").any() and not (reasons[~minors] == "for adults alone").any()


def test_what_a_rule_reads_is_a_mask_and_teaches_nothing(served: Served) -> None:
    """Of two ages on the same side of the limit all is the same, and the scores are the same across it."""
    size = len(served.requests["as_of_day"])
    first, second = (answers(served, age=np.full(size, age, np.float32)) for age in (18, 99))
    assert_same_bits(first, second)
    young = answers(served, age=np.full(size, 3, np.float32))
    for name in ("score_products probability", "embed_customer embedding", "feature_vectors ranking_features"):
        assert young[name].tobytes() == first[name].tobytes()
    assert not young["recommend count"].any()


def test_a_file_of_customers_needs_no_column_that_nothing_reads(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,kind,income,tolerance,age\nnew,kind 1,5000,3,30\n")
    ids, request = requests_from_file(served.recommender, file)
    assert ids.tolist() == ["new"] and "gender" not in request and request["age"].tolist() == [30]
    file.write_text("customer_id,kind,income,tolerance,age,gender,married\nnew,kind 1,5000,3,30,x,perhaps\n")
    _, again = requests_from_file(served.recommender, file)
    assert_same_bits(again, request)
    assert recognise_columns(served.recommender, file).unknown == ("gender", "married")


def test_a_segment_cannot_be_protected_nor_a_product() -> None:
    with pytest.raises(ValueError, match="segment = 'gender' is a protected column, and the ranker reads what is"):
        protect(segment="gender")
    products = BANK.model_dump()["products"]
    products["columns"]["risk"]["protected"] = True
    with pytest.raises(ValueError, match="products has a column 'risk' with protected = true, which is for columns of"):
        protect(products=products)
