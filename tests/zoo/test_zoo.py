"""One contract over institutions of all shapes: from three tables to every surface.

The one that differs most from the embedded bank stands in `make test`; `make zoo` does all of them, with the models'
load check.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from nextbest.serving.live import LiveRecommender, LocalVersions
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.server import open_page
from tests.commands import run_nextbest
from tests.pipeline.load_checks import all_models_load
from tests.tf_serving_emulator import Emulator
from tests.ui.browser.conftest import FLAGS, PATIENCE, Contexts, chromium, opened  # noqa: F401 - two are fixtures
from tests.ui.browser.screen import TABS, Screen
from tests.zoo.shapes import SHAPES, Shape, Tables

IN_EVERY_TEST = ("monthly snapshots",)

# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


class Institution(NamedTuple):
    """An institution whose models are served."""

    tables: Tables
    toml: Path
    models: Path


def _shapes() -> list[Any]:
    return [
        pytest.param(shape, id=shape.name, marks=() if shape.name in IN_EVERY_TEST else pytest.mark.zoo)
        for shape in SHAPES
    ]


@pytest.fixture(scope="module", params=_shapes())
def institution(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """Return an institution for which `schema`, the stated edits and `run` were done."""
    shape: Shape = request.param
    folder = tmp_path_factory.mktemp("zoo")
    tables, toml, models = shape.write(folder), folder / "nextbest.toml", folder / "models"
    named = [
        ("--customers", tables.customers),
        ("--products", tables.products),
        ("--interactions", tables.interactions),
    ]
    schema = run_nextbest("schema", *(item for pair in named for item in pair), "--out", toml)
    assert schema.code == 0, schema.err
    assert len(shape.edits) <= 3
    text = toml.read_text(encoding="utf-8")
    for old, new in shape.edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    toml.write_text(text, encoding="utf-8")
    with contextlib.nullcontext() if request.config.option.markexpr else all_models_load():  # `make zoo` has none
        run = run_nextbest("run", "--config", toml, "--out", folder / "run", "--models", models, "--force", "--json")
    assert run.code == 0, run.err
    return Institution(tables, toml, models)


def _recommend(institution: Institution, *more: str) -> dict[str, Any]:
    arguments = ("recommend", "--models", institution.models, "--customer", institution.tables.customer, "--json")
    outcome = run_nextbest(*arguments, *more)
    assert outcome.code == 0, outcome.err
    (answer,) = json.loads(outcome.out)
    return dict(answer)


def test_recommend(institution: Institution) -> None:
    products = _recommend(institution, "--top", "3")["products"]
    assert [product["rank"] for product in products] == [1, 2, 3]
    assert all(0 < product["probability"] < 1 for product in products)


def test_explain(institution: Institution) -> None:
    answer = _recommend(institution, "--top", "1", "--explain", "--why")
    assert ["already held"] in answer["excluded"].values()
    why = answer["products"][0]["why"]
    assert why["sentence"].endswith(".") and why["groups"]
    printed = run_nextbest(
        "recommend", "--models", institution.models, "--customer", institution.tables.customer, "--why", "--explain"
    )
    assert printed.code == 0 and why["sentence"][:20] in printed.out


def test_score(institution: Institution, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    people = institution.tables.to_score
    outcome = run_nextbest("score", "--models", institution.models, "--customers", people, "--out", out, "--top", "3")
    assert outcome.code == 0, outcome.err
    mine = pd.read_csv(out, dtype={"customer_id": str, "product_id": str})
    mine = mine[mine["customer_id"] == institution.tables.customer]
    alone = _recommend(institution, "--top", "3")["products"]
    assert mine["product_id"].tolist() == [product["product_id"] for product in alone]


def test_serving(institution: Institution) -> None:
    local = _recommend(institution, "--top", "3")["products"]
    with Emulator(institution.models) as server:
        for backend in (server.rest_url, f"grpc://{server.grpc_target}"):
            answer = _recommend(institution, "--top", "3", "--backend", backend)["products"]
            assert [product["product_id"] for product in answer] == [product["product_id"] for product in local]
            for here, there in zip(local, answer, strict=True):
                assert here["probability"] == pytest.approx(there["probability"], abs=1e-5)


@pytest.fixture(scope="module")
def address(institution: Institution) -> Iterator[str]:
    """Yield the address of the page over the institution's models."""
    with (
        LiveRecommender(LocalVersions(institution.models)) as live,
        open_page(live, PageConfig(port=0, refresh_seconds=3600)) as address,
    ):
        yield address


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:  # noqa: F811
    """Yield a browser that is gone after the test: Playwright allows one at a time, and other folders have theirs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def contexts(browser: Browser) -> Contexts:
    """Return the contexts of that browser."""
    return Contexts(browser)


def test_page(institution: Institution, address: str, opened: Callable[..., Screen]) -> None:  # noqa: F811
    screen = opened(address)
    screen.choose(institution.tables.customer)
    expect(screen.at(".product-card >> nth=0")).to_be_visible()
    for tab in TABS:
        screen.look(tab)
    expect(screen.at(".toast-body")).to_have_count(0)
