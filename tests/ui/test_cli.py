"""The command line: help, usage and exit codes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nextbest.ui.cli import app
from tests.conftest import ROOT

COMMANDS = ["simulate", "schema", "run", "train", "evaluate", "export", "recommend", "score", "ui"]


class TestHelp:
    def test_lists_the_commands(self) -> None:
        shown = CliRunner().invoke(app, ["--help"])
        assert shown.exit_code == 0
        for command in COMMANDS:
            assert f" {command} " in shown.output

    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_a_command(self, command: str) -> None:
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0 and "--" in shown.output

    def test_imports_nothing_heavy(self) -> None:
        script = (
            "import sys; from nextbest.ui.cli import main\n"
            "sys.argv = ['nextbest', '--help']\n"
            "try: main()\n"
            "except SystemExit as end: assert end.code == 0\n"
            "heavy = {'tensorflow', 'tf_keras', 'scann', 'pandas', 'pyarrow', 'numpy', 'scipy', 'plotly'}\n"
            "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
        )
        help_ = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
        assert (help_.returncode, help_.stderr) == (0, "")

    def test_the_console_command_is_this_one(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["scripts"] == {"nextbest": "nextbest.__main__:main"}
        shown = subprocess.run([sys.executable, "-m", "nextbest", "--help"], cwd=ROOT, capture_output=True, text=True)
        assert shown.returncode == 0 and all(f" {command} " in shown.stdout for command in COMMANDS)


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["fly"],
            ["run"],
            ["run", "--config", "a.toml"],
            ["run", "--wings", "2"],
            ["recommend", "--models", "models"],
            ["recommend", "--models", "models", "--customer", "C1", "--top", "0"],
            ["recommend", "--models", "models", "--customer", "C1", "--top", "many"],
            ["score", "--models", "m", "--customers", "c.csv", "--out", "o.csv", "--max-risk", "low"],
            ["simulate", "--out", "bank", "--customers", "0"],
            ["simulate", "--out", "bank", "--products", "19"],
            ["simulate", "--out", "bank", "--seed", "-1"],
        ],
    )
    def test_bad_usage_ends_with_2(self, arguments: list[str]) -> None:
        refused = CliRunner().invoke(app, arguments)
        assert refused.exit_code == 2
        assert "Usage:" in refused.stderr and not refused.stdout


def test_the_exit_code_of_the_real_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("nextbest")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "nextbest.ui.cli"]
    refused = subprocess.run(
        [*command, "evaluate", "--out", tmp_path / "nothing"], cwd=ROOT, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "not a run's folder" in refused.stderr and "Traceback" not in refused.stderr
    assert not refused.stdout
