"""Imports go one way and in no circle, each file has one import name, and light modules do not load heavy libraries."""

import graphlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nextbest.data.errors import EXTRAS

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = sorted(link.name for link in (ROOT / "src" / "nextbest").iterdir() if link.is_symlink())
HEAVY = {"gradio", "pandas", "scann", "shap", "tensorflow", "tensorflow_recommenders", "tf_keras"}
LIGHT_MODULES = [
    ".".join(("nextbest", *path.relative_to(ROOT).with_suffix("").parts))
    for pattern in ("*/config.py", "ui/cli*.py")
    for path in sorted(ROOT.glob(pattern))
]


def run_python(program: str) -> list[str]:
    """Return the lines that a program prints in a fresh process at the root, where each folder can be imported."""
    fresh = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert fresh.returncode == 0, fresh.stderr
    return fresh.stdout.splitlines()


class TestImports:
    def test_they_go_one_way(self) -> None:
        # The contracts stand in pyproject.toml under [tool.importlinter].
        lint_imports = Path(sys.executable).with_name("lint-imports")
        linter = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
        assert linter.returncode == 0, linter.stdout + linter.stderr

    def test_no_file_imports_itself_by_way_of_others(self) -> None:
        # Imports within functions and those for type checkers count too.
        graph = grimp.build_graph("nextbest", cache_dir=None)
        assert "nextbest.serving.recommender" in graph.find_modules_directly_imported_by("nextbest")
        imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
        try:
            graphlib.TopologicalSorter(imports).prepare()
        except graphlib.CycleError as error:
            pytest.fail(" imports ".join(reversed(error.args[1])))

    def test_light_modules_import_nothing_heavy(self) -> None:
        program = (
            "import importlib, sys\n"
            f"for module in {LIGHT_MODULES!r}:\n"
            "    importlib.import_module(module)\n"
            f"    print(module, *sorted({HEAVY!r} & sys.modules.keys()))"
        )
        # In one process: what one of them imported would be there after all that follow.
        assert run_python(program) == LIGHT_MODULES


class TestNames:
    """A folder at the top is `nextbest.FOLDER`; by its bare name it would be loaded a second time, or be a user's."""

    @pytest.mark.parametrize(
        "file", ["src/nextbest/__init__.py", "ui/cli.py", "tests/test_layering.py", "benchmarks/x.py"]
    )
    def test_ruff_refuses_bare_names(self, file: str) -> None:
        assert len(PACKAGES) == 9
        snippet = [text for name in PACKAGES for text in (f"import {name}", f"from {name}.x import y")]
        command = [Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--select=TID251"]
        ruff = subprocess.run(
            [*command, "--output-format=concise", f"--stdin-filename={file}", "-"],
            input="\n".join([*snippet, "import nextbest.data", "from nextbest import ui", ""]),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        refused = re.findall(r":(\d+):.* TID251 `(\w+)` is banned: import nextbest\.(\w+)$", ruff.stdout, re.MULTILINE)
        twice = [name for name in PACKAGES for _ in range(2)]
        assert refused == [(str(line), name, name) for line, name in enumerate(twice, 1)], ruff.stdout + ruff.stderr

    @pytest.mark.slow
    def test_no_file_is_loaded_under_two_names(self) -> None:
        program = (
            "import importlib, os, pkgutil, sys, nextbest\n"
            "for module in pkgutil.walk_packages(nextbest.__path__, 'nextbest.'):\n"
            "    importlib.import_module(module.name)\n"
            "for name, module in list(sys.modules.items()):\n"
            "    if name != '__main__' and getattr(module, '__file__', None):\n"
            "        print(name, os.path.realpath(module.__file__), sep='\\t')"
        )
        names: dict[Path, list[str]] = {}
        for line in run_python(program):
            name, file = line.split("\t")
            names.setdefault(Path(file), []).append(name)
        files = product_files() | {path for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")}
        loaded = {file: sorted(names.get(file, [])) for file in sorted(files)}
        assert loaded == {file: [import_name(file)] for file in sorted(files)}


def product_files() -> set[Path]:
    """Return the product's modules, but those that only say what a package is or how it is started."""
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    return {path for path in files if path.name not in ("__init__.py", "__main__.py")}


def import_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(("nextbest", *parts)).removesuffix(".__init__")


class TestFiles:
    def test_there_are_few(self) -> None:
        # Many small files hide where a thing is done: before adding one, look whether another of its package has room.
        # The newest: groups (groupings says who is in which, test_set holds them, groups measures them, significance
        # says what may be said of many, popularity measures the spread over the catalogue, group_tables words all for
        # the report and the card, group_report for the page), languages (language.py finds the words, english.py has
        # the grammar that English needs), batches (recommendation_files, batch_report), whom a product suits (audience,
        # the tab by_product), and monitoring: what is counted (training_statistics, pipeline.take_statistics), what is
        # compared (customers, outcomes, by checks), and how it is said (watch, report, ui.cli_monitor), and how old
        # data are (data_age). And what a validator asks: the card (governance, markdown, model_card_page,
        # model_evidence, sensitivity), who pushed what (record), by what a file was made (makers), who is to be
        # forgotten (forget, find_ids, ui.cli_forget), and whether it can be made again (machine, verify, agreement,
        # backtest, backtest_result).
        assert 110 <= len(product_files()) <= 191

    def test_none_is_long(self) -> None:
        lines = {import_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in product_files()}
        assert {name: count for name, count in lines.items() if count > 400} == {}


class TestExtras:
    """What a message says to install, is what pyproject.toml has."""

    @pytest.mark.parametrize("package", EXTRAS)
    def test_the_extra_brings_the_package(self, package: str) -> None:
        distributions = map(canonicalize_name, distributions_of_packages()[package])
        assert distributions_of_extra(EXTRAS[package]).intersection(distributions)

    def test_each_package_that_a_user_may_miss_has_one(self) -> None:
        named = {canonicalize_name(name) for package in EXTRAS for name in distributions_of_packages()[package]}
        assert named >= distributions_of_extra("all")


@cache
def distributions_of_packages() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def distributions_of_extra(extra: str) -> set[str]:
    """Return the canonical names of the distributions that an extra brings, itself or by the extras that it names."""
    found: set[str] = set()
    for requirement in map(Requirement, PYPROJECT["project"]["optional-dependencies"][extra]):
        if requirement.name == "nextbest":
            found.update(*map(distributions_of_extra, requirement.extras))
        else:
            found.add(canonicalize_name(requirement.name))
    return found
