"""What the README and the other pages show works: Python runs as pasted, commands and files are there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
import typer.main

from nextbest.data.settings import RENAMED
from nextbest.pipeline.config import load_config
from nextbest.ui.cli import app
from tests.commands import load_model
from tests.conftest import ROOT
from tests.trained import Trained

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PAGE_ADDRESS = "http://127.0.0.1:7860"
"""Where `make ui` opens the page."""


def fenced_python(text: str) -> list[str]:
    """Return the ```python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> list[list[str]]:
    """Return the arguments of each `nextbest` line of the indented and the fenced blocks."""
    lines = re.findall(r"^(?: {4})?nextbest (.+)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def inline_commands(text: str) -> list[list[str]]:
    """Return the words after `nextbest` of each command in running text; options in brackets may be left out."""
    found = re.findall(r"`nextbest ([^`]+)`", text)
    return [command.replace("[", "").replace("]", "").split() for command in found]


def toml_blocks(text: str) -> list[str]:
    """Return the indented blocks that begin with a section, not indented."""
    blocks = re.findall(r"^(?: {4}\[.*\n)(?: {4}.*\n)*", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


def options(name: str) -> set[str]:
    """Return a command's options."""
    commands: Any = typer.main.get_command(app)
    return {option for parameter in commands.commands[name].params for option in parameter.opts}


@pytest.fixture
def after_make_run(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder that holds what `make run` makes, of the small bank."""
    (tmp_path / "runs").mkdir()
    for link, target in (("bank", trained.config.parent), ("models", trained.models), ("runs/demo", trained.run)):
        (tmp_path / link).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tf.saved_model, "load", load_model)
    return tmp_path


@pytest.fixture
def page_address(trained: Trained) -> Iterator[str]:
    """Yield the address of the open page."""
    from nextbest.serving.live import LiveRecommender, LocalVersions
    from nextbest.ui.page.config import PageConfig
    from nextbest.ui.page.server import open_page

    with LiveRecommender(LocalVersions(trained.models)) as live, open_page(live, PageConfig(port=0)) as address:
        yield address


@pytest.mark.slow
# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
class TestPython:
    def test_the_readme_runs_as_pasted(self, after_make_run: Path, page_address: str) -> None:
        text = PAGES[0].read_text(encoding="utf-8").replace(PAGE_ADDRESS, page_address)
        blocks = fenced_python(text)
        assert len(blocks) == text.count("```python") >= 3 and page_address in text
        names: dict[str, Any] = {}
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)

        table: pa.Table = names["table"]
        assert table.column("customer_id").to_pylist() == ["C000001"] * 5
        assert table.column("rank").to_pylist() == [1, 2, 3, 4, 5]
        recommended = [product["product_id"] for product in names["answer"]["products"]]
        assert len(recommended) == 5 and names["why"]["sentence"]
        by_library, by_page = (pa.parquet.read_table(path) for path in ("scores.parquet", names["file"]))
        assert set(by_library["customer_id"].to_pylist()) >= {"C000001", "C000400"}
        columns = by_library.column_names
        assert by_library.num_rows == by_page.num_rows and set(columns) <= set(by_page.column_names)

    @pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
    def test_the_other_pages_run_as_pasted(self, page: Path, after_make_run: Path) -> None:
        names: dict[str, Any] = {}
        for block in fenced_python(page.read_text(encoding="utf-8")):
            exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestNames:
    def test_command_lines_parse(self, page: Path) -> None:
        commands: Any = typer.main.get_command(app)
        for name, *arguments in command_lines(page.read_text(encoding="utf-8")):
            commands.commands[name].make_context(name, arguments)

    def test_commands_in_the_text_have_these_options(self, page: Path) -> None:
        for first, *words in inline_commands(page.read_text(encoding="utf-8")):
            if first == "--help":
                continue
            unknown = {word for word in words if word.startswith("--")} - options(first)
            assert not unknown, f"nextbest {first}: {unknown}"

    def test_modules_are_there(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        for module in re.findall(r"python -m ([\w.]+\w)", text):
            assert importlib.util.find_spec(module) is not None, module

    def test_files_are_there(self, page: Path) -> None:
        found = re.findall(r"[`(]((\w+)/[\w/]*(?:/|\.(?:py|md|config|yaml)))[`)]", page.read_text(encoding="utf-8"))
        for path, folder in found:
            if (ROOT / folder).is_dir():
                assert (ROOT / path).exists(), path

    def test_questions_name_code_that_is_in_the_file(self, page: Path) -> None:
        for row in re.findall(r"^\| (?:Where|How|What) .*\| (.+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE):
            for path, name in re.findall(r"`(\w+/[\w/]+\.py)`, `(\w+)`", row):
                assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), (path, name)


def test_the_readmes_settings_are_valid(small_bank: Path, tmp_path: Path) -> None:
    blocks = toml_blocks(PAGES[0].read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for block in blocks:
        (tmp_path / "nextbest.toml").write_text(f"{small_bank.read_text(encoding='utf-8')}\n{block}", encoding="utf-8")
        load_config(tmp_path / "nextbest.toml")


def test_the_changelog_names_each_renamed_setting() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for old, new in RENAMED.items():
        assert re.search(rf"^ *\| .*\b{re.escape(old)}\b.* \| .*\b{re.escape(new)}\b.* \|$", text, re.MULTILINE), old
