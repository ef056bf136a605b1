"""What the README and the other pages show works: code runs as pasted, commands, settings and files are there."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import typer.main

from docs.record import rest_requests
from nextbest.data.settings import RENAMED
from nextbest.evaluation.results import Evaluation
from nextbest.pipeline.config import load_config
from nextbest.pipeline.governance import Governance
from nextbest.pipeline.run_all import Outcome
from nextbest.serving.backends import local
from nextbest.serving.recommender import Recommender
from nextbest.ui.cli import app
from tests.commands import open_session, run_nextbest
from tests.conftest import ROOT
from tests.trained import Trained

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
PAGE_ADDRESS = "http://127.0.0.1:7860"
"""Where `make ui` opens the page."""
GRPC_ADDRESS, REST_ADDRESS = "grpc://127.0.0.1:8500", "http://127.0.0.1:8501"
"""Where the pages expect a TF Serving."""
NOT_RUN = {
    "a benchmark",
    "a tool of TensorFlow, which starts it",
    "it installs packages",
    "it is these tests",
    "it needs Docker and the image tensorflow/serving:2.20.0",
    "it needs a database",
    "it needs a real TF Serving",
    "it records the answers of the models of `make run`",
    "it stays open until Ctrl-C",
    "it takes the pictures of docs/page",
    "it trains a bank of 10,000 customers",
    "it trains as long as `make run`",
    "it trains once per trial",
    "tests/pipeline forgets customers",
    "tests/pipeline refreshes runs",
    "tests/serving/store pushes, rolls back and prunes",
}
"""All reasons why a block of code is not run; `<!-- not run: REASON -->` stands before it."""
RUN = ("bash", "python", "toml")
SHOWN = ("json", "text")
"""Languages of blocks that are run, and of those that show what was printed."""
MOST_WORDS, LONGEST_SENTENCE = 900, 25


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    language: str
    text: str
    not_run: str | None


def code_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^(?:<!-- not run: (.+) -->\n)?```(.*)\n((?s:.*?))^```$", text, re.MULTILINE)
    return [Block(language, code, reason or None) for reason, language, code in found]


def command_lines(text: str) -> list[list[str]]:
    """Return the arguments of each `nextbest` line of the indented and the fenced blocks."""
    fenced = [block.text for block in code_blocks(text) if block.language == "bash"]
    lines = re.findall(r"^ {4}nextbest (.+)$", text, re.MULTILINE)
    lines += re.findall(r"^nextbest (.+)$", "".join(fenced), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def inline_commands(text: str) -> list[list[str]]:
    """Return the words after `nextbest` of each command in running text; options in brackets may be left out."""
    found = re.findall(r"`nextbest ([^`]+)`", text)
    return [command.replace("[", "").replace("]", "").split() for command in found]


def options(name: str) -> set[str]:
    """Return a command's options."""
    commands: Any = typer.main.get_command(app)
    return {option for parameter in commands.commands[name].params for option in parameter.opts}


def sentences(text: str) -> list[str]:
    """Return the sentences of a page's running text, links as they are read."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->|^\|.*?$|^#.*?$|!\[.*?\]\(.*?\)", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", text, flags=re.DOTALL)
    paragraphs = re.split(r"\n\s*\n|^- ", text, flags=re.MULTILINE)
    return [one for text in paragraphs for one in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if one]


def shape(value: Any) -> Any:
    """Return what an answer is made of: keys, lengths and types, with no difference between 1 and 1.0."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return str if isinstance(value, str) else float


@pytest.fixture
def after_make_run(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a checkout as `make run` leaves it, with the small bank, and a user's own tables in it.

    `nextbest run` trains nothing here: it reads the config and the tables, and then has the shared run's figures.
    """
    bank = trained.config.parent
    links = {"bank": bank, "models": trained.models, "runs/demo": trained.run, "docs": ROOT / "docs"}
    links |= {f"{table}.csv": bank / f"{table}.csv" for table in ("customers", "products", "interactions")}
    (tmp_path / "runs").mkdir()
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    evaluation = Evaluation.model_validate_json((trained.run / "evaluation" / "metrics.json").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "_open_session", open_session)
    monkeypatch.setattr(
        "nextbest.pipeline.run_all.run_all",
        lambda run, models, force, why: Outcome(evaluation, evaluation.window.until),
    )
    return tmp_path


@pytest.fixture
def page_address(trained: Trained) -> Iterator[str]:
    """Yield the address of the open page."""
    from nextbest.serving.live import LiveRecommender, LocalVersions
    from nextbest.ui.page.config import PageConfig
    from nextbest.ui.page.server import open_page

    with LiveRecommender(LocalVersions(trained.models)) as live, open_page(live, PageConfig(port=0)) as address:
        yield address


@pytest.fixture(scope="module")
def server_addresses(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Yield the addresses, by gRPC and by REST, of an emulated TF Serving of the recommender."""
    from tests.tf_serving_emulator import Emulator

    served = tmp_path_factory.mktemp("served")
    (served / "recommender").symlink_to(trained.models / "recommender")
    with Emulator(served) as emulator:
        yield f"grpc://{emulator.grpc_target}", emulator.rest_url


def run_page(page: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Run a page's blocks one after the other, and return what its Python has defined."""
    text = page.read_text(encoding="utf-8")
    addresses: dict[str, str] = {}
    if PAGE_ADDRESS in text:
        addresses[PAGE_ADDRESS] = request.getfixturevalue("page_address")
    if GRPC_ADDRESS in text or REST_ADDRESS in text:
        addresses |= dict(zip((GRPC_ADDRESS, REST_ADDRESS), request.getfixturevalue("server_addresses"), strict=True))
    names: dict[str, Any] = {}
    for block in code_blocks(text):
        code = block.text
        for there, here in addresses.items():
            code = code.replace(there, here)
        if block.not_run is None and block.language == "python":
            exec(compile(code, page.name, "exec"), names)
        elif block.not_run is None and block.language == "bash":
            for line in code.splitlines():
                run_line(line)
    return names


def run_line(line: str) -> None:
    """Run a line of bash."""
    command, *arguments = shlex.split(line, comments=True) or ["#"]
    if command == "nextbest":
        outcome = run_nextbest(*arguments)
        assert outcome.code == 0 and outcome.out, f"{line}: {outcome.err}"
    elif command == "curl":
        option, file, address = arguments
        assert option == "--data" and file.startswith("@")
        sent = urllib.request.Request(address, Path(file[1:]).read_bytes(), method="POST")
        with urllib.request.urlopen(sent) as answer:
            recorded = Path(file[1:].replace(".json", "_answer.json")).read_text(encoding="utf-8")
            assert shape(json.load(answer)) == shape(json.loads(recorded))
    else:
        assert line.startswith("#") or line == ". .venv/bin/activate", f"this test cannot run {line!r}"


@pytest.mark.slow
# Gradio 6.31 counts its calls in a way that pandas 3 deprecates.
@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
class TestCode:
    def test_the_readme_runs_as_pasted(self, after_make_run: Path, request: pytest.FixtureRequest) -> None:
        names = run_page(README, request)
        table: pa.Table = names["table"]
        assert table.column("customer_id").to_pylist() == ["C000001"] * 5
        assert table.column("rank").to_pylist() == [1, 2, 3, 4, 5]
        # The last command of the shell's wrote this file first, then Python did.
        scores = pa.parquet.read_table("scores.parquet")
        assert scores.num_rows == names["written"]
        assert set(scores["customer_id"].to_pylist()) >= {"C000001", "C000400"}
        assert Path("nextbest.toml").is_file() and Path("runs/first/config.toml").is_file()

    def test_the_page_answers_a_program(self, after_make_run: Path, request: pytest.FixtureRequest) -> None:
        names = run_page(ROOT / "docs" / "adviser_page.md", request)
        assert len(names["answer"]["products"]) == 5 and names["why"]["sentence"]
        assert set(pa.parquet.read_table(names["file"])["customer_id"].to_pylist()) >= {"C000001", "C000400"}

    def test_recorded_requests_are_what_the_models_take(self, after_make_run: Path) -> None:
        made = rest_requests(Recommender.load(Path("models")))
        recorded = {name: json.loads(Path(f"docs/recorded/{name}.json").read_text(encoding="utf-8")) for name in made}
        assert made["rest_example"] == recorded["rest_example"]
        # A customer of another bank holds other products, so that lists differ in length.
        (row,), (recorded_row,) = (body["rest_columns"]["instances"] for body in (made, recorded))
        kinds = [{name: type(value) for name, value in values.items()} for values in (row, recorded_row)]
        assert kinds[0] == kinds[1]

    @pytest.mark.parametrize(
        "page", [page for page in PAGES[1:] if page.name != "adviser_page.md"], ids=lambda page: page.name
    )
    def test_the_other_pages_run_as_pasted(
        self, page: Path, after_make_run: Path, request: pytest.FixtureRequest
    ) -> None:
        run_page(page, request)


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
class TestBlocks:
    def test_each_says_its_language(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        blocks = code_blocks(text)
        assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(blocks)
        assert {block.language for block in blocks} <= {*RUN, *SHOWN}
        assert not re.search(r"^ {4}(?! *::|show_)\S", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)

    def test_settings_are_valid(self, page: Path, small_bank: Path, tmp_path: Path) -> None:
        for block in code_blocks(page.read_text(encoding="utf-8")):
            if page.name == "trust_card.md":
                Governance.model_validate(tomllib.loads(block.text))
            elif block.language == "toml":
                bank = small_bank.read_text(encoding="utf-8")
                for section in re.findall(
                    r"^\[+[\w.]+\]+$", block.text, re.MULTILINE
                ):  # is shown in place of the bank's
                    bank = re.sub(rf"^{re.escape(section)}\n(?:(?!\[).*\n)*", "", bank, flags=re.MULTILINE)
                toml = f"{bank}\n{block.text}"
                (tmp_path / "nextbest.toml").write_text(toml, encoding="utf-8")
                load_config(tmp_path / "nextbest.toml")


def test_what_is_not_run_says_why() -> None:
    blocks = [block for page in PAGES for block in code_blocks(page.read_text(encoding="utf-8"))]
    assert {block.not_run for block in blocks} - {None} == NOT_RUN
    assert sum(block.language in RUN and block.not_run is None for block in blocks) >= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestNames:
    def test_command_lines_parse(self, page: Path) -> None:
        commands: Any = typer.main.get_command(app)
        for name, *arguments in command_lines(page.read_text(encoding="utf-8")):
            commands.commands[name].make_context(name, arguments)

    def test_commands_in_the_text_have_these_options(self, page: Path) -> None:
        for first, *words in inline_commands(page.read_text(encoding="utf-8")):
            if first.startswith("--"):
                continue
            unknown = {word for word in words if word.startswith("--")} - options(first)
            assert not unknown, f"nextbest {first}: {unknown}"

    def test_modules_are_there(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        for module in re.findall(r"python -m ([\w.]+\w)", text):
            assert importlib.util.find_spec(module) is not None, module

    def test_what_make_makes_is_there(self, page: Path) -> None:
        targets = re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(re.findall(r"(?:`|^ *)make (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)) <= set(targets)

    def test_files_are_there(self, page: Path) -> None:
        found = re.findall(r"[`(]((\w+)/[\w/]*(?:/|\.(?:py|md|config|yaml|ipynb)))[`)]", page.read_text("utf-8"))
        for path, folder in found:
            if (ROOT / folder).is_dir():
                assert (ROOT / path).exists(), path

    def test_questions_name_code_that_is_in_the_file(self, page: Path) -> None:
        for row in re.findall(r"^\| (?:Where|How|What) .*\| (.+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE):
            for path, name in re.findall(r"`(\w+/[\w/]+\.py)`, `(\w+)`", row):
                assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), (path, name)


class TestReadme:
    """Someone reads it in a few minutes; the pages below docs/ say the rest."""

    def test_it_is_short(self) -> None:
        assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS

    def test_its_sentences_are_short(self) -> None:
        found = sentences(README.read_text(encoding="utf-8"))
        assert len(found) > 30
        assert [one for one in found if len(one.split()) > LONGEST_SENTENCE] == []

    def test_sentences_are_found(self) -> None:
        text = "# A title\n\nOne [two\nthree](four.md) five. Six!\n\n- seven:\n- eight\n\n| no | no |\n"
        assert sentences(f"{text}\n```bash\nno. no\n```\n<!-- no -->\n") == [
            "One two three five.",
            "Six!",
            "seven:",
            "eight",
        ]

    def test_it_leads_to_every_page(self) -> None:
        text = README.read_text(encoding="utf-8")
        linked = {page.name for page in DOCS if f"(docs/{page.name})" in text}
        assert {page.name for page in DOCS} - linked == {"index.md", "fartrans.md"}


def test_the_changelog_names_each_renamed_setting() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for old, new in RENAMED.items():
        assert re.search(rf"^ *\| .*\b{re.escape(old)}\b.* \| .*\b{re.escape(new)}\b.* \|$", text, re.MULTILINE), old
