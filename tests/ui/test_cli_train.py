"""The commands that make models: messages name the file, the place and the remedy."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.commands import Outcome, run_nextbest
from tests.ui.tables import BAD_FILES, BadFile


class TestConfig:
    def refuse(self, config: Path, *says: str) -> None:
        out = config.parent / "run"
        for command in ("run", "train"):
            refused = run_nextbest(command, "--config", config, "--out", out)
            assert (refused.code, refused.out) == (2, "")
            for text in (str(config), *says):
                assert text in refused.err
        assert not out.exists()

    def test_missing(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "nowhere.toml", "there is no such file", "nextbest schema")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        self.refuse(tmp_path / "folder", "cannot be read")

    def test_invalid_toml(self, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_text("[data\npath = 1")
        self.refuse(tmp_path / "bad.toml", "this is not valid TOML", "line 1")

    def test_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_bytes(b"seed = 1 # \xff")
        self.refuse(tmp_path / "bad.toml", "this is not valid TOML")

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("seed = 7", "sead = 7", ("'sead'", "correct its name")),
            ("seed = 7", "seed = -7", ("'seed'", "greater than or equal to 0")),
            ("[export]", "[retrieval]\nembeding_dim = 8\n\n[export]", ("'retrieval.embeding_dim'", "correct its name")),
            ("[export]", "[retrieval]\nepochs = 'two'\n\n[export]", ("'retrieval.epochs'", "valid integer")),
            ('slices = ["segment"]', 'slices = ["tribe"]', ("'tribe'", "not a column of customers")),
            ("[export]", "[encoder]\nclip = 6.0\n\n[export]", ("'encoder'", "no setting any more", 'size = "tiny"')),
            ("ranking_windows = 2", "ranking_windows = 40", ("data.windows", "lower windows.ranking_windows")),
            ("test_cutoff = 2024-09-27", "test_cutoff = 2034-09-27", ("data.windows", "must lie within")),
            ("test_cutoff = 2024-09-27", "test_days = 0", ("data.windows.test_days", "`nextbest refresh`")),
            ('oracle = "oracle.parquet"', 'oracle = "prophet.parquet"', ("evaluation.oracle", "prophet.parquet")),
            ('path = "customers.csv"', 'path = "people.csv"', ("people.csv", "there is no such file")),
        ],
    )
    def test_a_wrong_entry(self, small_bank: Path, tmp_path: Path, old: str, new: str, says: tuple[str, ...]) -> None:
        shutil.copytree(small_bank.parent, tmp_path / "bank")
        config = tmp_path / "bank" / small_bank.name
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new, 1))
        if "people" in new:  # the table is to blame, not the config
            assert run_nextbest("run", "--config", config, "--out", tmp_path / "run").code == 2
            says = (*says[1:], str(config.parent / says[0]))
            assert all(text in run_nextbest("run", "--config", config, "--out", tmp_path / "run").err for text in says)
        else:
            self.refuse(config, *says)

    def test_all_problems_at_once(self, small_bank: Path, tmp_path: Path) -> None:
        config = tmp_path / "bad.toml"
        wrong = "".join(f"\n[{stage}]\nepochs = 0\n" for stage in ("retrieval", "ranking"))
        config.write_text(small_bank.read_text().replace("seed = 7", "sead = 7") + wrong)
        self.refuse(config, "'sead'", "'retrieval.epochs'", "'ranking.epochs'")


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_a_bad_customers_file_is_refused_before_training(small_bank: Path, tmp_path: Path, bad: BadFile) -> None:
    shutil.copytree(small_bank.parent, tmp_path / "bank")
    table = tmp_path / "bank" / "customers.csv"
    table.write_bytes(bad.spoil(table.read_bytes()))
    refused = run_nextbest("run", "--config", tmp_path / "bank" / small_bank.name, "--out", tmp_path / "run")
    assert (refused.code, refused.out) == (2, "")
    for text in (str(table), *bad.says):
        assert text in refused.err
    assert "Traceback" not in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank"]


class TestSimulate:
    def test_tells_where_the_config_is(self, tmp_path: Path) -> None:
        arguments = ["--customers", "30", "--products", "20", "--seed", "3"]
        made = run_nextbest("simulate", "--out", tmp_path / "a", *arguments, "--json")
        assert (made.code, json.loads(made.out)) == (0, {"config": str(tmp_path / "a" / "nextbest.toml")})
        again = run_nextbest("simulate", "--out", tmp_path / "b", *arguments)
        assert (again.code, again.out) == (0, f"wrote {tmp_path / 'b' / 'nextbest.toml'}\n")
        for file in (tmp_path / "a").iterdir():
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()

    def test_writes_over_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        refused = run_nextbest("simulate", "--out", tmp_path)
        assert refused.code == 2 and str(tmp_path) in refused.err
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


class TestSchema:
    def infer(self, bank: Path, out: Path) -> Outcome:
        tables = [
            item for name in ("customers", "products", "interactions") for item in (f"--{name}", bank / f"{name}.csv")
        ]
        return run_nextbest("schema", *tables, "--out", out)

    def test_writes_a_config(self, small_bank: Path, tmp_path: Path) -> None:
        made = self.infer(small_bank.parent, tmp_path / "mine.toml")
        assert made.code == 0 and str(tmp_path / "mine.toml") in made.out
        data = tomllib.loads((tmp_path / "mine.toml").read_text())["data"]
        assert data["customers"]["id"] == "customer_id"
        assert data["products"]["columns"]["category"]["role"] == "category"

    def test_writes_over_nothing(self, small_bank: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_text("mine")
        refused = self.infer(small_bank.parent, tmp_path / "mine.toml")
        assert (refused.code, "is there already" in refused.err) == (2, True)
        assert (tmp_path / "mine.toml").read_text() == "mine"

    def test_a_missing_table(self, tmp_path: Path) -> None:
        refused = self.infer(tmp_path, tmp_path / "mine.toml")
        assert refused.code == 2 and str(tmp_path / "customers.csv") in refused.err
        assert not list(tmp_path.iterdir())
