"""The public door: what a notebook calls, what importing it costs, and what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

import nextbest
from nextbest.data.errors import EXTRAS, explain_missing_packages
from tests.commands import run_nextbest
from tests.conftest import ROOT
from tests.trained import Trained

COLUMNS = ["customer_id", "rank", "product_id", "probability", "similarity", "retrieval_rank"]


def in_fresh_process(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)


class TestNames:
    def test_each_public_name_is_there_and_says_what_it_is(self) -> None:
        for name in nextbest.__all__:
            assert getattr(nextbest, name).__doc__

    def test_a_notebook_completes_them_alone(self) -> None:
        assert dir(nextbest) == sorted(nextbest.__all__)

    def test_another_name_is_an_error(self) -> None:
        with pytest.raises(AttributeError, match="'nextbest' has no attribute 'fly'"):
            _ = nextbest.fly  # type: ignore[attr-defined]

    def test_it_takes_no_time_and_loads_nothing_heavy(self) -> None:
        program = (
            "import sys, time; start = time.process_time(); import nextbest; print(time.process_time() - start)\n"
            "heavy = ('numpy', 'pandas', 'pyarrow', 'pydantic', 'tensorflow', 'typer')\n"
            "print(*[name for name in heavy if name in sys.modules])"
        )
        fresh = [in_fresh_process(program) for _ in range(3)]
        assert [process.returncode for process in fresh] == [0, 0, 0], fresh[0].stderr
        seconds, heavy = zip(*(process.stdout.splitlines() for process in fresh), strict=True)
        assert min(map(float, seconds)) < 0.1
        assert set(heavy) == {""}


class TestMissingPackages:
    def test_the_extra_is_named(self) -> None:
        with (
            pytest.raises(nextbest.MissingPackageError, match=r"'shap' is not installed; .*'nextbest\[explain\]'"),
            explain_missing_packages(),
        ):
            raise ModuleNotFoundError("No module named 'shap.utils'", name="shap.utils")

    def test_what_no_extra_brings_is_left_as_it_is(self) -> None:
        with pytest.raises(ModuleNotFoundError, match="no yachts"), explain_missing_packages():
            raise ModuleNotFoundError("no yachts", name="yachts")

    @pytest.mark.parametrize("package", ["typer", "rich"])
    def test_a_command_ends_with_2(self, package: str, tmp_path: Path) -> None:
        program = (
            f"import sys; sys.modules[{package!r}] = None\n"  # which is how Python says that there is no such package
            f"sys.argv = ['nextbest', 'simulate', '--out', {str(tmp_path / 'bank')!r}, '--customers', '9']\n"
            "from nextbest.__main__ import main; main()"
        )
        refused = in_fresh_process(program)
        says = f"the package {package!r} is not installed; pip install 'nextbest[cli]'\n"
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", says)
        assert EXTRAS[package] == "cli"


class TestKeras:
    @pytest.mark.slow
    def test_a_program_that_loaded_keras_3_before_is_told_so(self) -> None:
        program = (
            "import os, tensorflow as tf; assert tf.keras.__version__.startswith('3.')\n"
            "import nextbest; assert os.environ['TF_USE_LEGACY_KERAS'] == '1'\n"
            "import nextbest.retrieval.model"
        )
        # Keras 3 imports what it can work with where that is installed, which takes longer than all of TensorFlow.
        optional = "dict.fromkeys(('matplotlib', 'pandas', 'scipy', 'sklearn'))"
        clean = f"import os, sys; sys.modules |= {optional}; os.environ.pop('TF_USE_LEGACY_KERAS', None)\n{program}"
        refused = in_fresh_process(clean)
        assert refused.returncode == 1
        assert "ImportError: Package tensorflow_recommenders requires tf.keras to be Keras version 2" in refused.stderr


class TestTables:
    def test_simulate_then_infer_and_read(self, tmp_path: Path) -> None:
        toml = nextbest.simulate_bank(tmp_path / "bank", customers=30, products=20, seed=3)
        assert toml == tmp_path / "bank" / "nextbest.toml"
        assert nextbest.read_config(str(toml)).seed == 3
        tables = [str(tmp_path / "bank" / f"{name}.csv") for name in ("customers", "products", "interactions")]
        guessed = nextbest.infer_config(*tables, out=str(tmp_path / "mine.toml"))
        assert nextbest.read_config(guessed).data.customers.path == "bank/customers.csv"
        with pytest.raises(nextbest.InputError, match="already"):
            nextbest.infer_config(*tables, out=guessed)

    def test_a_run_needs_its_config(self, tmp_path: Path) -> None:
        with pytest.raises(nextbest.InputError, match="no such file"):
            nextbest.train(tmp_path / "none.toml", tmp_path / "run")
        with pytest.raises(nextbest.InputError):
            nextbest.evaluate(tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
class TestAddress:
    """Models, and customers to score, in a store that fsspec knows."""

    @pytest.fixture
    @classmethod
    def store(cls, trained: Trained) -> Iterator[str]:
        """Yield where a copy of MODELS lies, with a version that is not there in full."""
        files = fsspec.filesystem("memory")
        files.put(f"{trained.models}/", "/store/models", recursive=True)
        files.pipe("/store/models/recommender/2/variables/variables.index", b"")
        yield "memory://store"
        files.rm("/store", recursive=True)

    def test_they_are_those_that_were_pushed(self, trained: Trained, store: str) -> None:
        here, there = nextbest.load(trained.models), nextbest.load(f"{store}/models")
        assert there.folder.name == "1"
        expected, found = (nextbest.recommend(bank, ["C000017"]) for bank in (here, there))
        assert found == expected

    def test_a_file_is_scored(self, trained: Trained, store: str, tmp_path: Path) -> None:
        fsspec.filesystem("memory").put(str(trained.config.parent / "customers.csv"), "/store/customers.csv")
        outcome = run_nextbest(
            *("score", "--models", f"{store}/models", "--customers", f"{store}/customers.csv"),
            *("--out", tmp_path / "scores.csv", "--top", "2"),
        )
        assert outcome.code == 0, outcome.err
        assert len(pyarrow.csv.read_csv(tmp_path / "scores.csv")) == 800

    def test_there_is_none(self) -> None:
        with pytest.raises(nextbest.InputError, match="memory://none/recommender: there is no such file"):
            nextbest.load("memory://none")


class TestNotebook:
    """A session after a training: nothing is trained again, since the run is done."""

    def test_train_and_evaluate(self, trained: Trained, tmp_path: Path) -> None:
        run = tmp_path / "run"
        shutil.copytree(trained.run, run)
        steps: list[str] = []
        outcome = nextbest.train(str(trained.config), str(run), progress=steps.append)
        assert isinstance(outcome, nextbest.Outcome) and outcome.version is None
        assert steps == []
        assert outcome.evaluation.models["ranking"]["ndcg@5"].value > 0
        assert nextbest.evaluate(run) == outcome.evaluation

    def test_recommend(self, trained: Trained) -> None:
        bank = nextbest.load(str(trained.models))
        assert isinstance(bank, nextbest.Recommender)
        table = nextbest.recommend(bank, ["C000017", "C000001"], top=3)
        assert table.column_names == COLUMNS
        assert table["customer_id"].to_pylist() == ["C000017"] * 3 + ["C000001"] * 3
        assert table["rank"].to_pylist() == [1, 2, 3, 1, 2, 3]
        (first, *_) = table["product_id"].to_pylist()
        others = nextbest.recommend(bank, np.array(["C000017"]), 2, nextbest.Filters(exclude=[first]))
        assert others["product_id"].to_pylist() == table["product_id"].to_pylist()[1:3]
        by_hand = bank.recommend(bank.customers().columns, 3)
        assert isinstance(by_hand, nextbest.Recommendations)
        bank.close()

    def test_score(self, trained: Trained, recommender: nextbest.Recommender, tmp_path: Path) -> None:
        customers = trained.config.parent / "customers.csv"
        out = tmp_path / "scores.parquet"
        written = nextbest.score(recommender, str(customers), str(out), top=2)
        table = pyarrow.parquet.read_table(out)
        assert (len(table), table.column_names) == (written, COLUMNS)
        expected = nextbest.recommend(recommender, customers, top=2)
        assert table["product_id"].to_pylist() == expected["product_id"].to_pylist()
        assert nextbest.score(recommender, ["C000017"], tmp_path / "why.csv", top=2, why=True) == 2
        assert pyarrow.csv.read_csv(tmp_path / "why.csv").column_names == [*COLUMNS, "why"]

    def test_explain(self, recommender: nextbest.Recommender) -> None:
        best = nextbest.recommend(recommender, ["C000017"], top=2).to_pylist()
        found = nextbest.explain(recommender, "C000017", top=2)
        assert [one.product_id for one in found] == [row["product_id"] for row in best]
        assert [one.probability for one in found] == pytest.approx([row["probability"] for row in best], abs=1e-6)
        assert all(isinstance(one, nextbest.ProductReasons) for one in found)
        (one,) = nextbest.explain(recommender, "C000017", ["P0003"])
        assert one.product_id == "P0003" and one.sentences

    @pytest.mark.parametrize("out", ["scores.ods", "nowhere/scores.csv"])
    def test_what_cannot_be_written(self, out: str, recommender: nextbest.Recommender, tmp_path: Path) -> None:
        with pytest.raises(nextbest.InputError):
            nextbest.score(recommender, ["C000017"], tmp_path / out)

    def test_the_customers_are_read_once_and_nobody_changes_them(self, recommender: nextbest.Recommender) -> None:
        customers = recommender.customers()
        assert recommender.customers() is customers
        with pytest.raises(ValueError, match="read-only"):
            customers.columns["income"][0] = 1

    def test_what_is_not_known(self, recommender: nextbest.Recommender) -> None:
        with pytest.raises(nextbest.InputError, match="C9"):
            nextbest.recommend(recommender, ["C9"])
        with pytest.raises(nextbest.InputError, match="yachts"):
            nextbest.recommend(recommender, ["C000017"], filters=nextbest.Filters(categories=["yachts"]))

    def test_refresh(self, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # What a refresh does is shown in tests/pipeline; here, that it is called with what was given.
        refreshed: list[Path] = []
        monkeypatch.setattr("nextbest.pipeline.refresh.refresh", lambda source, run: refreshed.append(source))
        monkeypatch.setattr("nextbest.pipeline.export.export_run", lambda run, *given: given)
        out, models = tmp_path / "run", tmp_path / "models"
        assert nextbest.refresh(trained.run, trained.config, out) is None
        again = (str(trained.run), str(trained.config), str(out), str(models))
        assert nextbest.refresh(*again, force=True, why="new cards") == (models, True, "new cards")
        assert refreshed == [trained.run, trained.run]
        assert (out / "config.toml").is_file()
