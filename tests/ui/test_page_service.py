"""The page over HTTP: its endpoints, and what it does not give away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import requests_for_ids
from nextbest.ui.page.config import ACCOUNTS, PageConfig
from nextbest.ui.page.server import open_page
from tests.conftest import ROOT
from tests.trained import Trained
from tests.ui.tables import known_customers

# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


@pytest.fixture(scope="module")
def live(trained: Trained) -> Iterator[LiveRecommender]:
    with LiveRecommender(LocalVersions(trained.models)) as live:
        yield live


@pytest.fixture(scope="module")
def address(live: LiveRecommender) -> Iterator[str]:
    with open_page(live, PageConfig(port=0, upload_megabytes=1)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def people(trained: Trained, tmp_path: Path) -> Path:
    known_customers(trained.config.parent).head(5).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def ask(client: Client, *given: Any, name: str) -> Any:
    return client.predict(*given, api_name=name)


class TestEndpoints:
    def test_there_are_four(self, client: Client) -> None:
        assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
            "/recommend",
            "/profile",
            "/explain",
            "/score",
        }

    def test_recommend(self, client: Client, recommender: Recommender) -> None:
        answer = ask(client, "C000017", 3, None, None, None, name="/recommend")
        request = requests_for_ids(recommender, np.array(["C000017"], object))
        expected = recommender.recommend(request, 3)
        assert [product["product_id"] for product in answer["products"]] == expected.product_id[0].tolist()
        assert "already held" in answer["excluded"].values()

    def test_recommend_by_name_with_filters(self, client: Client) -> None:
        found = client.predict(customer_id="C000017", top=20, max_risk=2, categories=["fund"], api_name="/recommend")
        assert all(product["product"]["category"] == "fund" for product in found["products"])
        assert all(product["product"]["risk_level"] <= 2 for product in found["products"])

    def test_profile(self, client: Client, recommender: Recommender) -> None:
        answer = ask(client, "C000017", name="/profile")
        assert len(answer["attributes"]) == len(recommender.customer_columns)
        assert all(holding["since"] is None or len(holding["since"]) == 10 for holding in answer["holdings"])

    @pytest.mark.parametrize("stage", ["ranking", "retrieval"])
    def test_explain_adds_up(self, client: Client, stage: str) -> None:
        (product,) = ask(client, "C000017", 1, None, None, None, name="/recommend")["products"]
        answer = ask(client, "C000017", product["product_id"], stage, name="/explain")
        total = answer["base"] + sum(found["contribution"] for found in answer["contributions"])
        assert total == pytest.approx(answer["score"], abs=1e-4)
        if stage == "retrieval":
            assert answer["score"] == pytest.approx(product["similarity"], abs=1e-4)

    @pytest.mark.parametrize(("file_format", "read"), [("CSV", pd.read_csv), ("Parquet", pd.read_parquet)])
    def test_score(self, client: Client, people: Path, file_format: str, read: Any) -> None:
        table = read(ask(client, handle_file(str(people)), 2, file_format, name="/score"))
        first = ask(client, "C000001", 2, None, None, None, name="/recommend")
        mine = table[table["customer_id"] == "C000001"]
        assert mine["product_id"].tolist() == [product["product_id"] for product in first["products"]]
        assert table["customer_id"].nunique() <= 5

    @pytest.mark.parametrize(
        ("name", "given", "says"),
        [
            ("/recommend", ("no-one", 5, None, None, None), "there is no customer 'no-one'"),
            ("/recommend", ("C000017", 0, None, None, None), "0 products cannot be recommended"),
            ("/recommend", ("C000017", 5, None, ["yachts"], None), "there is no category 'yachts'"),
            ("/profile", ("no-one",), "there is no customer 'no-one'"),
            ("/explain", ("C000017", "P9", "ranking"), "there is no product 'P9'"),
            ("/explain", ("C000017", "P0001", "guessing"), "give ranking or retrieval"),
        ],
    )
    def test_what_cannot_be_answered_is_an_error(
        self, client: Client, name: str, given: tuple[Any, ...], says: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(AppError, match=says):
            ask(client, *given, name=name)
        logged = capfd.readouterr()
        assert "no-one" not in logged.out + logged.err  # which customer was asked for is not logged

    def test_all_problems_of_a_file_are_listed(self, client: Client, people: Path) -> None:
        rows = pd.read_csv(people, dtype=str)
        rows.assign(income=["a lot", *rows["income"][1:]], joined=["2023-02-30", *rows["joined"][1:]]).to_csv(
            people, index=False
        )
        with pytest.raises(AppError, match=r"'a lot' is not a number[\s\S]*'2023-02-30' does not exist"):
            ask(client, handle_file(str(people)), 2, "CSV", name="/score")


class TestSecurity:
    @pytest.mark.parametrize(
        "path",
        [
            "/etc/passwd",
            "../../../../../../../../etc/passwd",
            "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/proc/self/environ",
            str(ROOT / "pyproject.toml"),
            "pyproject.toml",
        ],
    )
    def test_no_file_outside_of_the_uploads_is_read(self, address: str, path: str) -> None:
        for route in ("gradio_api/file=", "file="):
            answer = httpx.get(f"{address}{route}{path}")
            assert answer.status_code in (403, 404)
            assert "root:" not in answer.text and "[project]" not in answer.text

    def test_not_even_the_models_are_read(self, address: str, trained: Trained) -> None:
        customers = trained.models / "recommender" / "1" / "assets.extra" / "customers.npz"
        assert customers.is_file()
        assert httpx.get(f"{address}gradio_api/file={customers}").status_code == 403

    @pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "http://127.0.0.1:9/people.csv"])
    def test_no_endpoint_reads_a_file_that_was_not_uploaded(self, address: str, path: str) -> None:
        named = {"path": path, "meta": {"_type": "gradio.FileData"}}
        begun = httpx.post(f"{address}gradio_api/call/score", json={"data": [named, 2, "CSV"]})
        answer = begun.text
        if begun.status_code == 200:
            event = begun.json()["event_id"]
            answer = httpx.get(f"{address}gradio_api/call/score/{event}").text
        assert "event: complete" not in answer and "root:" not in answer

    def test_the_server_fetches_nothing_for_others(self, address: str) -> None:
        answer = httpx.get(f"{address}gradio_api/file=https://example.com/x")
        assert (answer.status_code, answer.text) == (403, "files of other servers are not fetched")

    def test_the_browser_is_forbidden_other_servers(self, address: str) -> None:
        policy = httpx.get(address).headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "http" not in policy

    def test_a_large_upload_is_refused(self, address: str) -> None:
        answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("people.csv", b"x" * (2 << 20))})
        assert answer.status_code == 413

    def test_gradios_own_extras_are_off(self, address: str) -> None:
        config = httpx.get(f"{address}config").json()
        assert not config["analytics_enabled"] and not config.get("run_history")
        assert httpx.get(f"{address}monitoring").status_code in (403, 404)

    def test_no_customer_is_sent_with_the_page(self, address: str, recommender: Recommender) -> None:
        text = httpx.get(address).text
        assert not any(customer in text for customer in recommender.customers().ids)


def test_with_accounts_only_they_are_answered(live: LiveRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ACCOUNTS, "ada:s3cret")
    with open_page(live, PageConfig(port=0)) as address:
        assert httpx.get(f"{address}config").status_code == 401
        begun = httpx.post(f"{address}gradio_api/call/profile", json={"data": ["C000017"]})
        assert begun.status_code == 401
        for password, status in (("wrong", 400), ("s3cret", 200)):
            answer = httpx.post(f"{address}login", data={"username": "ada", "password": password})
            assert answer.status_code == status
        assert "s3cret" not in httpx.get(address).text
        known = Client(address, auth=("ada", "s3cret"), verbose=False, analytics_enabled=False)
        assert ask(known, "C000017", name="/profile")["segment"]


def test_uploads_go_when_the_page_is_closed(live: LiveRecommender, tmp_path: Path) -> None:
    with open_page(live, PageConfig(port=0)) as address:
        (path,) = httpx.post(f"{address}gradio_api/upload", files={"files": ("people.csv", b"secret")}).json()
        assert Path(path).read_bytes() == b"secret"
        assert Path(path).parent.parent.stat().st_mode & 0o077 == 0
    assert not Path(path).exists()
