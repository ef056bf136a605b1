"""What is installed: real files under one name beside a user's own modules, and scoring with four packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import venv
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.serving import tiny
from tests.trained import Trained

pytestmark = pytest.mark.slow

PACKAGES = sorted(link.name for link in (ROOT / "src" / "nextbest").iterdir() if link.is_symlink())
SCORING = ("numpy", "pyarrow", "pydantic", "tensorflow")


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Return what a command prints, which sees of Python's variables only those that are named."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=inherited | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path


def build(checkout: Path, out: Path) -> Built:
    program = (
        "import setuptools.build_meta as backend\n"
        f"print(backend.build_wheel({str(out)!r}), backend.build_sdist({str(out)!r}))"
    )
    *_, names = run(sys.executable, "-c", program, cwd=checkout).splitlines()
    wheel, sdist = names.split()
    return Built(out / wheel, out / sdist)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build both from a copy, since a build leaves folders behind."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("src", *PACKAGES):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    return build(copy, tmp_path_factory.mktemp("built"))


def product_files() -> dict[str, bytes]:
    """Return all that must be installed: path within `nextbest` -> content."""
    roots = {"": ROOT / "src" / "nextbest"} | {f"{name}/": ROOT / name for name in PACKAGES}
    files = {}
    for prefix, root in roots.items():
        for path in root.rglob("*") if prefix else root.iterdir():
            if path.is_file() and path.suffix != ".pyc":
                files[prefix + path.relative_to(root).as_posix()] = path.read_bytes()
    return files


class TestFiles:
    def test_the_product_is_more_than_modules(self) -> None:
        suffixes = {Path(name).suffix for name in product_files()}
        assert suffixes == {".py", ".css", ".js", ".ftl", ".config", ".yaml", ".typed"}

    def test_the_wheel_holds_all_of_it_as_files(self, built: Built) -> None:
        with zipfile.ZipFile(built.wheel) as wheel:
            assert all(entry.external_attr >> 16 & 0o170000 in (0, 0o100000) for entry in wheel.infolist())
            held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
        assert held == {f"nextbest/{name}": content for name, content in product_files().items()}

    def test_the_sdist_holds_all_of_it_as_files(self, built: Built) -> None:
        with tarfile.open(built.sdist) as sdist:
            assert all(entry.isfile() or entry.isdir() for entry in sdist.getmembers())
            held = {entry.name: sdist.extractfile(entry) for entry in sdist.getmembers() if entry.isfile()}
            top = built.sdist.name.removesuffix(".tar.gz")
            code = {name: file.read() for name, file in held.items() if file and f"{top}/src/nextbest/" in name}
        assert code == {f"{top}/src/nextbest/{name}": content for name, content in product_files().items()}

    def test_the_sdist_makes_the_same_wheel(self, built: Built, tmp_path: Path) -> None:
        with tarfile.open(built.sdist) as sdist:
            sdist.extractall(tmp_path, filter="data")
        again = build(tmp_path / built.sdist.name.removesuffix(".tar.gz"), tmp_path)
        with zipfile.ZipFile(built.wheel) as wheel, zipfile.ZipFile(again.wheel) as other:
            sums, others = ({entry.filename: entry.CRC for entry in held.infolist()} for held in (wheel, other))
        assert others == sums


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment of its own, and a user's folder with modules that are called like our folders."""

    environment: Path
    folder: Path

    def run(self, command: str, *arguments: str | Path) -> str:
        # With PYTHONPATH=. the folder comes before all that is installed, for commands too.
        return run(self.environment / "bin" / command, *arguments, cwd=self.folder, PYTHONPATH=".")


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", environment / "bin" / "python")
    run(*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", built.wheel, cwd=environment)
    # A .pth's folder is searched for packages but its own .pth files, such as that of `pip install -e .`, are not read.
    (site_packages,) = environment.glob("lib/python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(paths), encoding="utf-8")

    folder = tmp_path_factory.mktemp("user")
    (folder / "data").mkdir()
    for name in PACKAGES:
        module = "data/__init__.py" if name == "data" else f"{name}.py"
        (folder / module).write_text(f"MINE = {name!r}\n", encoding="utf-8")
    tiny.export(folder / "models" / "recommender" / "1")
    return Installed(environment, folder)


class TestInstalled:
    def test_the_command_beside_ones_own_modules(self, installed: Installed) -> None:
        assert "recommend" in installed.run("nextbest", "--help")
        assert "recommend" in installed.run("python", "-m", "nextbest", "--help")
        printed = installed.run("nextbest", "recommend", "--models", "models", "--customer", "C1", "--json")
        (answer,) = json.loads(printed)
        assert [product["product_id"] for product in answer["products"]] == ["v-a", "v-b"]

    def test_the_python_api_beside_ones_own_modules(self, installed: Installed) -> None:
        notebook = f"""
            import {", ".join(PACKAGES)}
            import nextbest

            bank = nextbest.load("models")
            print(*nextbest.recommend(bank, ["C1"])["product_id"].to_pylist())
            print(*[module.MINE for module in ({", ".join(PACKAGES)})])
            print(nextbest.__file__, nextbest.__version__)
        """
        (installed.folder / "notebook.py").write_text(textwrap.dedent(notebook), encoding="utf-8")
        products, mine, where = installed.run("python", "notebook.py").splitlines()
        assert products == "v-a v-b"
        assert mine.split() == PACKAGES
        file, version = where.split()
        assert Path(file).is_relative_to(installed.environment)
        assert version == metadata.version("nextbest")


class TestFourPackages:
    """An executor of a cluster needs no more to score: here Python finds none of the other packages."""

    def test_they_bring_no_pandas(self) -> None:
        names = import_names(with_requirements(SCORING))
        assert {*SCORING, "h5py", "json", "nextbest"} <= names
        assert names.isdisjoint({"gradio", "pandas", "scann", "scipy", "tf_keras", "typer"})

    def test_they_load_recommend_and_score(self, trained: Trained, tmp_path: Path) -> None:
        customers = trained.config.parent / "customers.csv"
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(customers), tmp_path / "customers.parquet")
        allowed = import_names(with_requirements(SCORING))
        program = HIDE_PACKAGES.format(allowed=allowed) + textwrap.dedent(f"""
            import nextbest

            bank = nextbest.load({str(trained.models)!r})
            print(len(nextbest.recommend(bank, ["C000017"], top=3, filters=nextbest.Filters(max_risk=5))))
            print(nextbest.score(bank, {str(customers)!r}, "of_csv.csv", top=2))
            print(nextbest.score(bank, "customers.parquet", "of_parquet.parquet", top=2))
            for wants_more in (
                lambda: nextbest.score(bank, ["C000017"], "why.csv", top=2, why=True),
                lambda: nextbest.train("bank/nextbest.toml", "run"),
            ):
                try:
                    wants_more()
                except nextbest.MissingPackageError as error:
                    print(error)
            bank.close()
        """)
        printed = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(ROOT / "src"))
        recommended, of_csv, of_parquet, why, refused = printed.splitlines()
        assert recommended == "3"
        assert why.endswith("pip install 'nextbest[explain]'") and not (tmp_path / "why.csv").exists()
        assert refused.endswith("pip install 'nextbest[train]'")
        first = pyarrow.csv.read_csv(tmp_path / "of_csv.csv")["product_id"].to_pylist()
        assert first == pyarrow.parquet.read_table(tmp_path / "of_parquet.parquet")["product_id"].to_pylist()
        assert int(of_csv) == int(of_parquet) == len(first) > 0


HIDE_PACKAGES = """
import sys

class Hidden:
    # Finds what another finder finds, but of the packages that are installed only those that are allowed.
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {allowed} or name.startswith("_sysconfigdata"):
            return self.finder.find_spec(name, path, target)
        return None

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hidden, sys.meta_path)
"""


def import_names(distributions: set[str]) -> set[str]:
    """Return what can be imported where these distributions and nextbest are installed, and no others."""
    packages = metadata.packages_distributions().items()
    brought = {package for package, names in packages if distributions.intersection(map(canonicalize_name, names))}
    return brought | {"nextbest"} | sys.stdlib_module_names


def with_requirements(names: Iterable[str]) -> set[str]:
    """Return the distributions with all that they need in turn, by their canonical names."""
    found: set[tuple[str, frozenset[str]]] = set()
    left = [(canonicalize_name(name), frozenset[str]()) for name in names]
    while left:
        name, extras = left.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for requirement in map(Requirement, metadata.requires(name) or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                left.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}
