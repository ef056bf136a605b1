"""What a refresh costs: which models are compared, on whom, and what the table says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from benchmarks.refresh_cost import ANEW, AS_TRAINED, REFRESHED, Cost, _older, compare, table
from nextbest.evaluation.results import Difference, Interval
from nextbest.pipeline.run import open_run
from tests.trained import Trained


def test_a_run_compared_with_itself_costs_nothing(trained: Trained) -> None:
    run = open_run(trained.run, lambda step: lambda what, share: None)
    cost = compare(run, run, run)
    measured = json.loads((trained.run / "evaluation" / "metrics.json").read_text())
    expected = measured["models"]["ranking"][measured["main_metric"]]["value"]
    for name in (ANEW, REFRESHED, AS_TRAINED):
        assert cost.models[name].value == pytest.approx(expected, abs=1e-6)
    assert (cost.refresh.difference, cost.refresh.low, cost.without.high) == (0, 0, 0)


def test_the_older_one_ends_a_horizon_earlier(trained: Trained, tmp_path: Path) -> None:
    run = open_run(trained.run, lambda step: lambda what, share: None)
    toml = tmp_path / "bank.toml"
    toml.write_text(trained.config.read_text(encoding="utf-8"), encoding="utf-8")
    windows = tomllib.loads(_older(toml, run).read_text(encoding="utf-8"))["data"]["windows"]
    # 91 days before 2024-09-27, and as many to measure by.
    assert (str(windows["test_cutoff"]), windows["test_days"]) == ("2024-06-28", 91)
    assert tomllib.loads(toml.read_text(encoding="utf-8"))["data"]["windows"].get("test_days") is None


def test_seeds_are_averaged_with_their_standard_error() -> None:
    def cost(anew: float, refreshed: float) -> Cost:
        values = {ANEW: anew, REFRESHED: refreshed, AS_TRAINED: 0.1}
        change, none = (
            Difference(difference=one, low=one, high=one, share_positive=0) for one in (refreshed - anew, 0.0)
        )
        return Cost({name: Interval(value=value) for name, value in values.items()}, change, none)

    # -0.02 and -0.04: their mean is -0.03, their standard deviation 0.01414, over the root of 2.
    found = table({7: cost(0.5, 0.48), 8: cost(0.5, 0.46)}).splitlines()
    assert found[2].startswith("| 7 | 0.5000 | 0.4800 | 0.1000 | -0.0200 [-0.0200, -0.0200] |")
    assert found[-1] == "| mean | | | | -0.0300 ± 0.0100 | +0.0000 ± 0.0000 |"
