"""A small bank, and one run on it that all tests of the pipeline, of serving and of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.bank import BankConfig, simulate_bank
from tests.commands import Outcome, run_nextbest

# What is tested is how the parts fit together, not how good the models are.
_SIZE = 'size = "tiny"\n'
_SETTINGS = """slices = ["segment"]

[export]
refresh = false
default_k = 5
"""
"""What is pushed is what was measured, so that one can be compared with the other; `tests/pipeline/test_served_run.py`
refreshes it, as a run does by default."""


def make_small_bank(folder: Path) -> Path:
    """Simulate a bank of 400 customers and 40 products, and return its TOML."""
    toml = simulate_bank(BankConfig(customers=400, products=40, branch_size=200, ranking_windows=2), folder)
    toml.write_text(_SIZE + toml.read_text(encoding="utf-8") + _SETTINGS, encoding="utf-8")
    return toml


WHY = "the shared run"
"""What the record of its push says."""


@dataclass(frozen=True)
class Trained:
    """What the shared run left. No one may change its files."""

    config: Path
    """The bank's TOML, beside the tables."""
    run: Path
    models: Path
    outcome: Outcome
    """What `nextbest run --json` said."""
    before_export: dict[str, Any]
    """What `tests.serving.before_export` asked the models while they were in memory, and what they answered."""


def train_small_bank(config: Path, folder: Path) -> Trained:
    """Do `nextbest run`, and ask the models before and after their export."""
    import nextbest.pipeline.compose
    import nextbest.pipeline.train
    from tests.serving.before_export import answers_before_export

    in_memory: dict[str, Any] = {}

    def keep(save: Callable[..., None]) -> Callable[..., None]:
        def call(servable: Any, *arguments: Any) -> None:
            in_memory.setdefault(save.__name__, servable)  # the exact index comes before ScaNN's
            save(servable, *arguments)

        return call

    run, models = folder / "run", folder / "models"
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (nextbest.pipeline.train, "save_retrieval"),
            (nextbest.pipeline.train, "save_ranking"),
            (nextbest.pipeline.compose, "save_recommender"),
        ):
            patch.setattr(module, name, keep(getattr(module, name)))
        outcome = run_nextbest("run", "--config", config, "--out", run, "--models", models, "--why", WHY, "--json")
    assert outcome.code == 0, outcome.err
    return Trained(config, run, models, outcome, answers_before_export(run, models, *in_memory.values()))
