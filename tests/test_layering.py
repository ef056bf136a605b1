"""Imports go one way, and what people wait for does not load the heavy libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"gradio", "pandas", "scann", "shap", "tensorflow", "tensorflow_recommenders", "tf_keras"}
LIGHT_MODULES = [
    ".".join(("nextbest", *path.relative_to(ROOT).with_suffix("").parts))
    for pattern in ("*/config.py", "ui/cli*.py")
    for path in sorted(ROOT.glob(pattern))
]


def test_imports_go_one_way() -> None:
    # The contracts stand in pyproject.toml under [tool.importlinter].
    lint_imports = Path(sys.executable).with_name("lint-imports")
    linter = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert linter.returncode == 0, linter.stdout + linter.stderr


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    fresh = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert fresh.returncode == 0, fresh.stderr
    assert fresh.stdout.split() == []
