"""What a search leaves: the given TOML with the best settings in it, and a table of all trials."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbest.pipeline.config import load_config
from nextbest.pipeline.tune_result import StageResult, TuneResult, terminal_report, write_best, write_trials
from nextbest.pipeline.tune_search import Trial
from nextbest.pipeline.tune_space import with_settings

TOML = """\
# A bank.
seed = 7  # lucky

[data.customers]
path = "tables/customers.csv"  # nightly
id = "customer_id"

[data.products]
path = "{database}"
query = "select * from products"
id = "product_id"

[data.interactions]
path = "{absolute}"

[retrieval]
# Measured in spring.
dropout = 0.25
embedding_dim = 48

# After another section, as people write it.
[data.windows]
ranking_windows = 2

[evaluation]
oracle = "oracle.parquet"
"""


def trial(number: int, score: float, pruned: bool = False, **found: Any) -> Trial:
    return Trial(number, {f"retrieval.{key}": value for key, value in found.items()}, [score / 2, score], pruned, 1.5)


def result_in(folder: Path, *trials: Trial) -> TuneResult:
    stage = StageResult("retrieval", "accuracy@10", ("2024-01-01", "2024-04-01"), trials)
    return TuneResult((stage,), folder / "best.toml", folder / "trials.csv")


@pytest.fixture
def given_toml(tmp_path: Path) -> Path:
    (tmp_path / "bank").mkdir()
    path = tmp_path / "bank" / "nextbest.toml"
    sqlite3.connect(tmp_path / "bank.db").close()
    database = f"sqlite:///{tmp_path / 'bank.db'}"
    path.write_text(TOML.format(absolute=tmp_path / "interactions.csv", database=database))
    return path


def best_of(toml: Path, result: TuneResult) -> str:
    result.best.parent.mkdir(parents=True, exist_ok=True)
    write_best(result, load_config(toml), toml.read_text(), toml.parent)
    return result.best.read_text()


GIVEN = trial(0, 0.2, dropout=0.25, embedding_dim=48, customer_units=[128, 64])
BETTER = trial(1, 0.4, dropout=0.125, embedding_dim=48, customer_units=[32])


def test_the_best_settings_stand_in_the_given_toml(given_toml: Path, tmp_path: Path) -> None:
    text = best_of(given_toml, result_in(tmp_path / "out", GIVEN, BETTER))
    given, best = load_config(given_toml), load_config(tmp_path / "out" / "best.toml")
    assert best.retrieval.dropout == 0.125
    assert best.retrieval.customer_units == (32,)
    assert best.data.windows.ranking_windows == 2
    assert best.retrieval.model_copy(update={"dropout": 0.25, "customer_units": (128, 64)}) == given.retrieval
    for comment in ("# A bank.", "seed = 7  # lucky", "# nightly", "# Measured in spring.", "# After another section"):
        assert comment in text


def test_its_paths_lead_to_the_same_files(given_toml: Path, tmp_path: Path) -> None:
    best_of(given_toml, result_in(tmp_path / "runs" / "out", GIVEN))
    content = tomllib.loads((tmp_path / "runs" / "out" / "best.toml").read_text())
    assert content["data"]["customers"]["path"] == "../../bank/tables/customers.csv"
    assert content["evaluation"]["oracle"] == "../../bank/oracle.parquet"
    assert content["data"]["products"]["path"] == f"sqlite:///{tmp_path / 'bank.db'}"
    found = tmp_path / "runs" / "out" / content["data"]["interactions"]["path"]
    assert found.resolve() == tmp_path / "interactions.csv"


def test_a_section_that_is_not_there_is_added(given_toml: Path, tmp_path: Path) -> None:
    own = Trial(0, {"ranking.units": [128, 64], "statistics.ease_l2": 300.0}, [0.2], False, 1.0)
    found = Trial(1, {"ranking.units": [8], "statistics.ease_l2": 30.0}, [0.3], False, 1.0)
    best_of(given_toml, result_in(tmp_path, own, found))
    best = load_config(tmp_path / "best.toml")
    assert (best.ranking.units, best.statistics.ease_l2) == ((8,), 30.0)


def test_the_header_says_what_was_done(given_toml: Path, tmp_path: Path) -> None:
    text = best_of(given_toml, result_in(tmp_path, GIVEN, BETTER, trial(2, 0.9, pruned=True, **{})))
    header = " ".join(line.removeprefix("# ") for line in text.split("\n\n")[0].splitlines())
    assert (
        "retrieval: accuracy@10 on 2024-01-01 to 2024-04-01, 3 trials (1 ended early): "
        "given settings 0.2000, best 0.4000 (trial 1)"
    ) in header
    assert "optimistic" in header and "The test window was not read" in header


def test_of_equals_the_first_is_the_best_and_a_pruned_one_never(given_toml: Path, tmp_path: Path) -> None:
    same = trial(1, 0.2, dropout=0.5, embedding_dim=48, customer_units=[128, 64])
    pruned = trial(2, 0.9, pruned=True, dropout=0.5, embedding_dim=48, customer_units=[128, 64])
    result = result_in(tmp_path, GIVEN, same, pruned)
    assert result.stages[0].best.number == 0
    text = best_of(given_toml, result)
    assert text.count("customer_units") == 0  # what is not better is not written
    assert load_config(result.best).retrieval == load_config(given_toml).retrieval


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.floats(1e-12, 1e12), st.lists(st.integers(1, 999), min_size=1, max_size=4))
def test_every_setting_is_written_exactly(given_toml: Path, dropout: float, rate: float, units: list[int]) -> None:
    own = {"retrieval.dropout": 0.25, "retrieval.learning_rate": 0.002, "retrieval.customer_units": [128, 64]}
    wanted = dict(zip(own, (dropout, rate, units), strict=True))
    result = result_in(given_toml.parent, Trial(0, own, [0.1], False, 1.0), Trial(1, wanted, [0.2], False, 1.0))
    best_of(given_toml, result)
    expected = with_settings(load_config(given_toml), wanted).retrieval
    assert load_config(result.best).retrieval == expected


def test_all_trials_stand_in_the_csv(tmp_path: Path) -> None:
    result = result_in(tmp_path, GIVEN, BETTER)
    ranking = StageResult("ranking", "ndcg@5", ("a", "b"), (Trial(0, {"ranking.loss": "x, y"}, [0.3], False, 2.0),))
    write_trials(TuneResult((*result.stages, ranking), result.best, result.trials))
    found = pd.read_csv(result.trials)
    assert found["stage"].tolist() == ["retrieval", "retrieval", "ranking"]
    assert found["score"].tolist() == [0.2, 0.4, 0.3]
    assert found["epochs"].tolist() == [2, 2, 1]
    assert found["retrieval.customer_units"].tolist()[:2] == ["[128, 64]", "[32]"]
    assert found["ranking.loss"].tolist()[2] == "x, y" and found["ranking.loss"].isna().sum() == 2


def test_people_see_the_best_and_the_given_settings(tmp_path: Path) -> None:
    from rich.console import Console

    trials = [GIVEN, *(trial(number, 0.2 + number / 10, **dropouts(number)) for number in range(1, 5))]
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal_report(result_in(tmp_path, *trials), top=2))
    console.file.close()
    text = console.export_text()
    header = next(line for line in text.splitlines() if "trial " in line and "┃" in line)
    assert [cell.strip() for cell in header.strip("┃ ").split("┃")] == ["trial", "4", "3", "0 (given)"]
    assert "0.6000" in text and "retrieval.customer_units" in text and "optimistic" in text


def dropouts(number: int) -> dict[str, Any]:
    return {"dropout": number / 10, "embedding_dim": 48, "customer_units": [32]}


def test_machines_read_the_same(tmp_path: Path) -> None:
    found = json.loads(json.dumps(result_in(tmp_path, GIVEN, BETTER).as_json()))
    (stage,) = found["stages"]
    assert (stage["given"]["score"], stage["best"]["number"], stage["best"]["score"]) == (0.2, 1, 0.4)
    assert [each["number"] for each in stage["trials"]] == [0, 1]
    assert found["best"] == str(tmp_path / "best.toml")
