"""Random policies over the whole language, each in an exported composite: none is broken, and all that suits comes.

By exact search and by ScaNN's, here and by both of a server's doors, for several filters and numbers of products.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.policies import Vocabulary, random_policy
from nextbest.data.dataset import Array
from nextbest.data.rules import PolicyConfig
from nextbest.serving.artifacts.assets import ASSETS, COMPOSITE_SCANN, MANIFEST, PRODUCTS
from nextbest.serving.artifacts.load_check import load_op_libraries
from nextbest.serving.composite import RecommenderServable, save_recommender
from nextbest.serving.recommender import Filters, Recommendations, Recommender
from nextbest.serving.requests import take
from tests.serving.suitability import allowed
from tests.tf_serving_emulator import Emulator
from tests.trained import Trained

NUM_PRODUCTS = 40
THE_BANKS = Vocabulary(
    customer={
        "number": "age",
        "flag": "home_owner",
        "date": "joined",
        "word": "last_event",
        "list": "employment",
    },
    product={"number": "min_age", "flag": "digital", "date": "launched", "word": "category", "list": "requires"},
    values={
        "number": (-1, 0, 18, 30, 45, 70),
        "flag": (True, False),
        "date": ("2022-06-01", "2023-06-01", "today"),
        "word": ("current_account", "fund", "credit_card", "none", "employed", "bond"),
    },
    product_ids=("P0001", "P0003"),
)
FILTERS = (Filters(), Filters(max_risk=2), Filters(categories=("fund", "credit_card")), Filters(exclude=("P0002",)))
IN_EVERY_TEST = 1
"""So many policies stand in `make test`, and all in `make full`."""


class Exported(NamedTuple):
    """One policy's composites."""

    exact: Path
    scann: Path


def seeds(count: int) -> list[object]:
    return [pytest.param(seed, marks=() if seed <= IN_EVERY_TEST else pytest.mark.full) for seed in range(1, count + 1)]


@pytest.fixture(params=seeds(20))
def exported(request: pytest.FixtureRequest, trained: Trained, recommender: Recommender, tmp_path: Path) -> Exported:
    """Export the shared run's stages under a random policy."""
    load_op_libraries(COMPOSITE_SCANN)
    filtered_by = {"risk_column": "risk_level", "category_column": "category"}
    policy = random_policy(Random(request.param), THE_BANKS).model_copy(update=filtered_by)
    found = Exported(tmp_path / "exact" / "recommender" / "1", tmp_path / "scann" / "recommender" / "1")
    for folder, retrieval in ((found.exact, "saved_model"), (found.scann, "saved_model_scann")):
        servable = RecommenderServable(
            trained.run / "retrieval" / retrieval,
            trained.run / "ranking" / "saved_model",
            policy,
            recommender.products.columns,
            candidates=NUM_PRODUCTS,
            default_k=5,
            as_of_day=recommender.manifest["as_of_day"],
            retrieved=10 if retrieval == "saved_model_scann" else None,
        )
        save_recommender(servable, folder)
        _write_assets(recommender, policy, servable, folder)
    return found


def _write_assets(recommender: Recommender, policy: PolicyConfig, servable: RecommenderServable, folder: Path) -> None:
    (folder / ASSETS).mkdir(exist_ok=True)
    shutil.copy(recommender.folder / ASSETS / PRODUCTS, folder / ASSETS)
    own = {"policy": policy.model_dump(mode="json"), "packed": servable.packed_columns()}
    (folder / ASSETS / MANIFEST).write_text(json.dumps(recommender.manifest | own), encoding="utf-8")


@pytest.fixture
def readers(exported: Exported) -> Iterator[dict[str, Recommender]]:
    """Yield who answers by each of the ways."""
    with ExitStack() as opened:
        found = {}
        for index, version in exported._asdict().items():
            models = version.parents[1]
            server = opened.enter_context(Emulator(models))
            for way in ("local", f"grpc://{server.grpc_target}", server.rest_url):
                name = f"{index}, {way.partition(':')[0]}"
                found[name] = opened.enter_context(closing(Recommender.load(models, way)))
        yield found


def test_no_rule_is_broken_and_all_that_suits_comes(readers: dict[str, Recommender], recommender: Recommender) -> None:
    everyone = recommender.customers().columns
    request = take(everyone, np.arange(0, len(everyone["as_of_day"]), 17))
    for filters in FILTERS:
        may = allowed(readers["exact, local"], request, filters)
        for k in (1, 5, NUM_PRODUCTS):
            for name, reader in readers.items():
                answer = reader.recommend(request, k, filters)
                _check(answer, may, recommender, k, f"{name}, {filters}, k = {k}")


def _check(answer: Recommendations, may: Array, recommender: Recommender, k: int, where: str) -> None:
    np.testing.assert_array_equal(answer.count, np.minimum(may.sum(axis=1), k), err_msg=where)
    for row, count in enumerate(answer.count):
        shown = set(answer.product_id[row, :count])
        assert len(shown) == count, where
        assert shown <= set(recommender.products.ids[may[row]]), where
