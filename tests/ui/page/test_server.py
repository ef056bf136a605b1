"""The page's web server: what it does not give away."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from nextbest.serving.live import LiveRecommender
from nextbest.serving.recommender import Recommender
from nextbest.ui.page.config import ACCOUNTS, PageConfig
from nextbest.ui.page.server import InLanguage, open_page
from tests.conftest import ROOT
from tests.trained import Trained

# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


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
def test_no_file_outside_of_the_uploads_is_read(address: str, path: str) -> None:
    for route in ("gradio_api/file=", "file="):
        answer = httpx.get(f"{address}{route}{path}")
        assert answer.status_code in (403, 404)
        assert "root:" not in answer.text and "[project]" not in answer.text


def test_not_even_the_models_are_read(address: str, trained: Trained) -> None:
    customers = trained.models / "recommender" / "1" / "assets.extra" / "customers.npz"
    assert customers.is_file()
    assert httpx.get(f"{address}gradio_api/file={customers}").status_code == 403


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "http://127.0.0.1:9/people.csv"])
def test_no_endpoint_reads_a_file_that_was_not_uploaded(address: str, path: str) -> None:
    named = {"path": path, "meta": {"_type": "gradio.FileData"}}
    begun = httpx.post(f"{address}gradio_api/call/score", json={"data": [named, 2, "CSV"]})
    answer = begun.text
    if begun.status_code == 200:
        event = begun.json()["event_id"]
        answer = httpx.get(f"{address}gradio_api/call/score/{event}").text
    assert "event: complete" not in answer and "root:" not in answer


def test_the_server_fetches_nothing_for_others(address: str) -> None:
    answer = httpx.get(f"{address}gradio_api/file=https://example.com/x")
    assert (answer.status_code, answer.text) == (403, "files of other servers are not fetched")


def test_the_browser_is_forbidden_other_servers(address: str) -> None:
    policy = httpx.get(address).headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "http" not in policy


def test_a_large_upload_is_refused(address: str) -> None:
    answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("people.csv", b"x" * (2 << 20))})
    assert answer.status_code == 413


def test_gradios_own_extras_are_off(address: str) -> None:
    config = httpx.get(f"{address}config").json()
    assert not config["analytics_enabled"] and not config.get("run_history")
    assert httpx.get(f"{address}monitoring").status_code in (403, 404)


def test_no_customer_is_sent_with_the_page(address: str, recommender: Recommender) -> None:
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
        assert known.predict("C000017", api_name="/profile")["segment"]


def test_uploads_go_when_the_page_is_closed(live: LiveRecommender, tmp_path: Path) -> None:
    with open_page(live, PageConfig(port=0)) as address:
        (path,) = httpx.post(f"{address}gradio_api/upload", files={"files": ("people.csv", b"secret")}).json()
        assert Path(path).read_bytes() == b"secret"
        assert Path(path).parent.parent.stat().st_mode & 0o077 == 0
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("path", "accepted", "code"),
    [("/", "de-DE,de;q=0.9", "de"), ("/?lang=en", "de", "en"), ("/?lang=de", "", "de"), ("/", "fr", "en")],
)
def test_a_page_says_its_language_before_anything_runs(path: str, accepted: str, code: str) -> None:
    app = Starlette(
        routes=[
            Route("/", lambda asked: HTMLResponse('<html lang="en"><head><title>ä</title></head></html>')),
            Route("/data", lambda asked: PlainTextResponse('<html lang="en"><head>')),
        ],
        middleware=[Middleware(InLanguage)],
    )
    client = TestClient(app, headers={"accept-language": accepted})
    page = client.get(path).text
    assert page.startswith(f'<html lang="{code}"><head><script>') and page.endswith("<title>ä</title></head></html>")
    assert f"get: () => '{code}'" in page
    assert client.get("/data?lang=de").text == '<html lang="en"><head>'
