"""The documentation's site: it builds without a warning, fetches nothing, and its lists are those of the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

import nextbest
from docs import generate, record
from nextbest.data.settings import SettingsModel
from nextbest.pipeline.config import RunConfig
from tests.conftest import ROOT
from tests.trained import Trained

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
ELSEWHERE = re.compile(r"(?:https?:)?//")


class Inner(SettingsModel):
    """What is inside."""

    loss: Literal["auto", "triplet"] = "auto"
    """Which | loss."""


class Outer(SettingsModel):
    """All of it."""

    epochs: int = Field(20, ge=1)
    """Epochs at
    most."""
    path: Path
    """Where."""
    share: float | None = Field(None, gt=0, lt=1)
    """How much."""
    units: tuple[int, ...] = (64, 32)
    """Widths."""
    inner: Inner = Inner()
    """What is inside."""
    columns: dict[str, Inner] = Field(default_factory=dict)
    """By name."""


class TestSettings:
    def test_a_model_becomes_a_table_per_section(self) -> None:
        head = "| key | type | default | meaning |\n|---|---|---|---|\n"
        loss = '| `loss` | `"auto"` or `"triplet"` | `"auto"` | Which \\| loss. |\n'
        assert generate.settings_page(Outer) == (
            f"{head}"
            "| `epochs` | whole number, at least 1 | `20` | Epochs at most. |\n"
            "| `path` | path | must be given | Where. |\n"
            "| `share` | number, more than 0, less than 1 | - | How much. |\n"
            "| `units` | list of whole number | `[64, 32]` | Widths. |\n"
            "\n"
            f"### `[inner]`\n\nWhat is inside.\n\n{head}{loss}\n"
            f"### `[columns.NAME]`\n\nWhat is inside.\n\n{head}{loss}"
        )

    def test_keys_are_counted(self) -> None:
        # epochs, path, share, units, inner.loss, columns.NAME.loss
        assert generate.count_settings(Outer) == 6

    def test_each_key_of_a_run_has_a_row_with_its_meaning(self) -> None:
        rows = re.findall(r"^\| `\w+` \|.*\| (.*) \|$", generate.settings_page(RunConfig), re.MULTILINE)
        assert len(rows) == generate.count_settings(RunConfig) and all(rows)


class TestCommands:
    def test_each_command_has_its_options(self) -> None:
        page = generate.commands_page()
        assert re.findall(r"^## nextbest (\w+)$", page, re.MULTILINE)[:3] == ["simulate", "schema", "run"]
        assert "| `--seed` | whole number, at least 0 | `7` | The same seed gives the same bank. |" in page
        assert "| `--json` | - | - | Print JSON for machines. |" in page
        assert "| `--config` | path | must be given | The TOML that describes the tables. |" in page
        assert "| `ID...` | list of text | must be given | The ids of the customers. |" in page


class TestMarkers:
    def test_an_unknown_one_is_an_error(self) -> None:
        with pytest.raises(KeyError, match="yachts"):
            generate.fill("<!-- generated: yachts -->")

    def test_every_list_is_on_a_page(self) -> None:
        pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
        assert [name for name in generate._GENERATED if f"<!-- generated: {name} -->" not in pages] == []


class Fetched(HTMLParser):
    """Collects the addresses that a browser fetches when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data") and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    recipe = re.search(r"^docs:.*\n\t(\w+=\w+) \$\(BIN\)/mkdocs (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert recipe is not None
    command = ["env", recipe[1], sys.executable, "-m", "mkdocs", *recipe[2].split(), "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0 and "WARNING" not in built.stderr, built.stdout + built.stderr
    return folder


@pytest.mark.slow
class TestSite:
    def test_pages_fetch_nothing_from_other_servers(self, site: Path) -> None:
        pages = list(site.rglob("*.html"))
        assert len(pages) >= 15
        for page in pages:
            parser = Fetched()
            parser.feed(page.read_text(encoding="utf-8"))
            assert len(parser.addresses) > 3
            assert [address for address in parser.addresses if ELSEWHERE.match(address)] == [], page

    def test_nor_do_styles_and_scripts(self, site: Path) -> None:
        for style in site.rglob("*.css"):
            text = style.read_text(encoding="utf-8")
            assert re.findall(r"url\([\"']?(?:https?:)?//|@import [\"'](?:https?:)?//", text) == [], style
        for script in site.rglob("*.js"):
            text = script.read_text(encoding="utf-8")
            assert re.findall(r"[\"'`]https?://(?:unpkg|cdn|fonts|esm|cdnjs)\b[^\"'`]*", text) == [], script

    def test_every_public_name_is_described(self, site: Path) -> None:
        text = (site / "python" / "index.html").read_text(encoding="utf-8")
        names = [name for name in nextbest.__all__ if not name.startswith("_")]
        assert [name for name in names if f'href="#nextbest.{name}"' not in text] == []


class TestNotebooks:
    def test_their_sources_hold_no_outputs(self) -> None:
        assert len(NOTEBOOKS) == 2
        for path in NOTEBOOKS:
            cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
            assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in cells)

    def test_they_run_after_make_run(self, trained: Trained, tmp_path: Path) -> None:
        # In one Jupyter kernel, as a user's would, and in place of `make run`'s bank the small one.
        shutil.copytree(trained.run, tmp_path / "runs" / "demo")
        (tmp_path / "bank").symlink_to(trained.config.parent)
        (tmp_path / "models").symlink_to(trained.models)
        printed = record.run_notebooks(tmp_path)
        recorded = json.loads((ROOT / "docs" / "recorded" / "notebooks.json").read_text(encoding="utf-8"))
        assert {name: list(map(bool, cells)) for name, cells in printed.items()} == {
            name: list(map(bool, cells)) for name, cells in recorded.items()
        }
        for cells in (printed["own_data"], recorded["own_data"]):
            assert 'income = { role = "number" }' in cells[1]
            assert "'retrieval.epoch'" in cells[3] and "'retrieval.dropout'" in cells[3]
