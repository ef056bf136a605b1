"""The benchmark of monitoring goes on from the bank's cutoff, and counts what was found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.monitoring.__main__ import main, table
from benchmarks.monitoring.faults import FAULTS
from benchmarks.monitoring.future import Future, rebuild_bank
from nextbest.data.bank import BankConfig
from nextbest.pipeline.config import load_config
from nextbest.serving.recommender import Recommender
from tests.trained import Trained

SMALL = BankConfig(customers=400, products=40, branch_size=200, oracle_draws=1)
"""The bank of `tests.trained`."""


def test_months_go_on_from_the_cutoff(trained: Trained, recommender: Recommender) -> None:
    bank = rebuild_bank(SMALL, load_config(trained.config), trained.config.parent)
    first, second = (next(Future(bank, recommender, 2, seed).months()) for seed in (1, 2))
    known = recommender.customers()
    assert first.day == second.day == recommender.manifest["as_of_day"]
    assert first.ids.tolist() == known.ids.tolist()
    for name in (*recommender.customer_columns, "held_products", "recent_products"):
        values, snapshot = first.requests[name], known.columns[name]
        width = min(values.shape[1], snapshot.shape[1]) if values.ndim == 2 else None
        assert (values[:, :width] == snapshot[:, :width] if width else values == snapshot).all(), name
    assert (np.diff(first.events.day) >= 0).all()
    since = [int(np.sum(month.events.day > month.day)) for month in (first, second)]
    assert min(since) > 100 and since[0] != since[1]


def test_another_bank_is_refused(trained: Trained) -> None:
    with pytest.raises(SystemExit, match="another bank"):
        rebuild_bank(SMALL.model_copy(update={"seed": 8}), load_config(trained.config), trained.config.parent)


def test_it_counts_what_is_found(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--models", trained.models, "--config", trained.config, "--out", tmp_path, "--branch-size", "200"]
    main([*map(str, arguments), "--seeds", "1", "--months", "8", "--scored", "60"])
    (run,) = json.loads((tmp_path / "monitoring.json").read_text(encoding="utf-8"))
    assert {fault["fault"] for fault in run["faults"]} == set(FAULTS)
    assert len({fault["month"] for fault in run["faults"]}) == len(FAULTS)
    found = {fault["fault"] for fault in run["faults"] if fault["by"]}
    assert found >= {"a column's unit changes", "a category is renamed"}
    said = capsys.readouterr().out
    assert (tmp_path / "monitoring.md").read_text(encoding="utf-8") in said
    assert "| a category is renamed | 1 (100%) |" in said


def test_the_table_by_hand() -> None:
    runs = [
        {"false": [{"month": 3}, {"month": 3}, {"month": 4}], "faults": [{"fault": FAULTS[0], "by": ["x"]}]},
        {"false": [], "faults": [{"fault": FAULTS[0], "by": []}]},
    ]
    text = table(runs, 24)
    assert f"| {FAULTS[0]} | 1 (50%) |" in text
    assert "Months with a false alarm: 2 of 48 (1 seeds with 0, 1 seeds with 2)." in text
