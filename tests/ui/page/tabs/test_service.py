"""The endpoints answer as the models do, and say what is wrong with a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from tests.sheets import read_excel
from tests.trained import Trained
from tests.ui.tables import known_customers

# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def people(trained: Trained, tmp_path: Path) -> Path:
    known_customers(trained.config.parent).head(5).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def ask(client: Client, *given: Any, name: str) -> Any:
    return client.predict(*given, api_name=name)


def test_there_are_five(client: Client) -> None:
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
        "/recommend",
        "/profile",
        "/reasons",
        "/explain",
        "/score",
    }


def test_recommend(client: Client, recommender: Recommender) -> None:
    answer = ask(client, "C000017", 3, None, None, None, name="/recommend")
    request = requests_for_ids(recommender, np.array(["C000017"], object))
    expected = recommender.recommend(request, 3)
    assert [product["product_id"] for product in answer["products"]] == expected.product_id[0].tolist()
    assert ["already held"] in answer["excluded"].values()


def test_recommend_by_name_with_filters(client: Client) -> None:
    found = client.predict(customer_id="C000017", top=20, max_risk=2, categories=["fund"], api_name="/recommend")
    assert all(product["product"]["category"] == "fund" for product in found["products"])
    assert all(product["product"]["risk_level"] <= 2 for product in found["products"])


def test_arguments_of_other_types_mean_what_they_say(client: Client) -> None:
    def answer(**asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.predict(**asked, api_name="/recommend")
        del found["makers"]["made_at"]
        return found

    expected = answer(customer_id="C000017", top=3, max_risk=2, categories=["fund"])
    for given in ({"top": 3.0}, {"top": "3"}, {"max_risk": "2"}, {"categories": "fund"}, {"customer_id": " C000017 "}):
        asked = {"customer_id": "C000017", "top": 3, "max_risk": 2, "categories": ["fund"], **given}
        assert answer(**asked) == expected


def test_profile(client: Client, recommender: Recommender) -> None:
    answer = ask(client, "C000017", name="/profile")
    assert len(answer["attributes"]) == len(recommender.customer_columns)
    assert all(holding["since"] is None or len(holding["since"]) == 10 for holding in answer["holdings"])


def test_reasons_add_up(client: Client) -> None:
    (product,) = ask(client, "C000017", 1, None, None, None, name="/recommend")["products"]
    answer = ask(client, "C000017", product["product_id"], name="/reasons")
    total = 100 * answer["base"] + sum(group["points"] for group in answer["groups"])
    assert total == pytest.approx(100 * product["probability"], abs=1e-2)
    assert 1 <= len(answer["sentences"]) <= 3
    german = ask(client, "C000017", product["product_id"], "de", name="/reasons")
    assert german["probability"] == answer["probability"] and "Durchschnitt" in german["sentence"]
    with pytest.raises(AppError, match="there are no words in 'xx'; give de or en"):
        ask(client, "C000017", product["product_id"], "xx", name="/reasons")


@pytest.mark.parametrize("stage", ["ranking", "retrieval"])
def test_explain_adds_up(client: Client, stage: str) -> None:
    (product,) = ask(client, "C000017", 1, None, None, None, name="/recommend")["products"]
    answer = ask(client, "C000017", product["product_id"], stage, name="/explain")
    total = answer["base"] + sum(found["contribution"] for found in answer["contributions"])
    assert total == pytest.approx(answer["score"], abs=1e-4)
    if stage == "retrieval":
        assert answer["score"] == pytest.approx(product["similarity"], abs=1e-4)


@pytest.mark.parametrize(
    ("file_format", "read"), [("CSV", pd.read_csv), ("Parquet", pd.read_parquet), ("Excel", read_excel)]
)
def test_score(client: Client, people: Path, file_format: str, read: Any) -> None:
    table = read(Path(ask(client, handle_file(str(people)), 2, file_format, name="/score")))
    first = ask(client, "C000001", 2, None, None, None, name="/recommend")
    mine = table[table["customer_id"] == "C000001"]
    assert mine["product_id"].tolist() == [product["product_id"] for product in first["products"]]
    assert table["customer_id"].nunique() <= 5


def test_score_with_what_they_hold(client: Client, people: Path, tmp_path: Path) -> None:
    """A new customer gets probabilities once it is known what is held."""
    rows = pd.read_csv(people, dtype=str).head(2)
    rows.assign(customer_id=["new", rows["customer_id"][1]]).to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "held.csv").write_text("customer_id,product_id,since\nnew,P0001,2024-01-31\n", encoding="utf-8")
    asked = {"customers": handle_file(str(tmp_path / "people.csv")), "top": 3, "format": "CSV", "api_name": "/score"}
    for held, known in (({}, False), ({"holdings": handle_file(str(tmp_path / "held.csv"))}, True)):
        table = pd.read_csv(client.predict(**asked, **held)).set_index("customer_id")
        assert table.loc["new", "probability"].notna().all() == known
    assert "P0001" not in table.loc["new", "product_id"].tolist()


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("/recommend", ("no-one", 5, None, None, None), "there is no customer 'no-one'"),
        ("/recommend", ("C000017", 0, None, None, None), "top = 0 cannot be used; give 1 to"),
        ("/recommend", ("C000017", None, None, None, None), "top = None cannot be used; give 1 to"),
        ("/recommend", (None, 5, None, None, None), "customer_id = None cannot be used; give an id"),
        ("/recommend", (1, 5, None, None, None), "there is no customer '1'"),
        ("/recommend", (9223372036854000001, 5, None, None, None), "there is no customer '9223372036854000001'"),
        ("/recommend", ("C000017", 5, "low", None, None), "max_risk = 'low' cannot be used"),
        ("/recommend", ("C000017", 5, None, ["yachts"], None), "there is no category 'yachts'"),
        ("/recommend", ("C000017", 5, None, "yachts", None), "there is no category 'yachts'"),
        ("/profile", ("no-one",), "there is no customer 'no-one'"),
        ("/reasons", ("C000017", "P9"), "there is no product 'P9'"),
        ("/explain", ("C000017", "P9", "ranking"), "there is no product 'P9'"),
        ("/explain", ("C000017", "P0001", "guessing"), "give ranking or retrieval"),
    ],
)
def test_what_cannot_be_answered_is_an_error(
    client: Client, name: str, given: tuple[Any, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AppError, match=says):
        ask(client, *given, name=name)
    logged = capfd.readouterr()
    assert "no-one" not in logged.out + logged.err  # which customer was asked for is not logged


def test_all_problems_of_a_file_are_listed(client: Client, people: Path) -> None:
    rows = pd.read_csv(people, dtype=str)
    rows.assign(income=["a lot", *rows["income"][1:]], joined=["2023-02-30", *rows["joined"][1:]]).to_csv(
        people, index=False
    )
    with pytest.raises(AppError, match=r"'a lot' is not a number[\s\S]*'2023-02-30' does not exist"):
        ask(client, handle_file(str(people)), 2, "CSV", name="/score")
