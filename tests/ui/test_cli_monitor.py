"""`monitor` and `score --gate`: exit codes, what is written for people and machines, and that nothing is half-done."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nextbest
from nextbest.serving.artifacts.assets import ASSETS, MONITORING
from tests.commands import Outcome, run_nextbest
from tests.serving.older_exports import unpack, versions
from tests.trained import Trained
from tests.ui.tables import known_customers


@pytest.fixture(scope="module")
def people(trained: Trained) -> pd.DataFrame:
    return known_customers(trained.config.parent)


def write(rows: pd.DataFrame, path: Path) -> Path:
    rows.to_csv(path, index=False)
    return path


def in_thousands(people: pd.DataFrame) -> pd.DataFrame:
    return people.assign(income=(people["income"].astype(float) / 1000).astype(str))


def monitor(trained: Trained, customers: Path, *more: str | Path) -> Outcome:
    return run_nextbest("monitor", "--models", trained.models, "--customers", customers, *more)


class TestMonitor:
    def test_a_healthy_month(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        outcomes, out = trained.config.parent / "interactions.csv", tmp_path / "watched"
        file = write(people, tmp_path / "people.csv")
        done = monitor(trained, file, "--outcomes", outcomes, "--out", out)
        assert done.code == 0, done.out
        assert "400 customers as of 2024-09-27, and what came until 2024-12-27" in done.out
        assert "no alarms in" in done.out and f"report: {out / 'report.html'}" in done.out
        assert sorted(path.name for path in out.iterdir()) == ["monitor.json", "nextbest.prom", "report.html"]
        report = json.loads((out / "monitor.json").read_text(encoding="utf-8"))
        assert (report["alarms"], report["version"], report["customers"]) == (0, 1, 400)
        assert {check["group"] for check in report["checks"]} == {"customers", "scores", "outcomes"}

    def test_python_finds_the_same(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        file, outcomes = (
            write(in_thousands(people), tmp_path / "people.csv"),
            trained.config.parent / "interactions.csv",
        )
        done = monitor(trained, file, "--outcomes", outcomes, "--as-of", "2024-11-27", "--json")
        recommender = nextbest.load(trained.models)
        found = nextbest.monitor(recommender, file, outcomes, as_of=date(2024, 11, 27))
        assert found.as_json() == json.loads(done.out) and found.alarms
        assert not nextbest.monitor(recommender, file, limits=nextbest.Limits(100, 1, 1, 100, 1)).alarms
        with pytest.raises(nextbest.FailedError, match="nothing was scored"):
            nextbest.score(recommender, file, tmp_path / "scores.csv", gate=True)
        assert not (tmp_path / "scores.csv").exists()

    def test_an_alarm_ends_with_1_and_is_written(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        file, out = write(in_thousands(people), tmp_path / "people.csv"), tmp_path / "watched"
        done = monitor(trained, file, "--out", out, "--json")
        assert (done.code, done.err) == (1, "")
        said = json.loads(done.out)
        assert said == json.loads((out / "monitor.json").read_text(encoding="utf-8"))
        first = said["checks"][0]
        assert first["alarm"] and first["value"] > first["limit"] and first["evidence"] > said["needed_evidence"]
        assert "income" in {check["subject"] for check in said["checks"] if check["alarm"]}
        assert sum(check["alarm"] for check in said["checks"]) == said["alarms"]

    def test_for_people(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        renamed = people.assign(region=people["region"].str.upper())
        done = monitor(trained, write(renamed, tmp_path / "people.csv"))
        assert done.code == 1
        assert "alarm: region: unseen 1, limit 0.01 (400 of 400, for example 'NORTH')" in done.out
        assert re.search(r"^\d+ alarms in \d+ checks$", done.out, re.MULTILINE)

    def test_the_day_of_the_file(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        outcomes = trained.config.parent / "interactions.csv"
        file = write(people, tmp_path / "people.csv")
        said = json.loads(monitor(trained, file, "--outcomes", outcomes, "--as-of", "2024-11-27", "--json").out)
        assert (said["day"], said["until"]) == ("2024-11-27", "2024-12-27")
        ndcg = next(check for check in said["checks"] if check["subject"] == "ndcg@5")
        assert "customers in 30 days" in ndcg["detail"]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--customers", "nowhere.csv"), "nowhere.csv: there is no such file"),
            (("--customers", "PEOPLE", "--outcomes", "nowhere.csv"), "nowhere.csv: there is no such file"),
            (("--customers", "PEOPLE", "--outcomes", "PEOPLE"), "column 'timestamp': the column is missing"),
            (("--customers", "PEOPLE", "--as-of", "yesterday"), "--as-of"),
        ],
    )
    def test_bad_input_ends_with_2(
        self, trained: Trained, people: pd.DataFrame, tmp_path: Path, arguments: tuple[str, ...], says: str
    ) -> None:
        file, out = str(write(people, tmp_path / "people.csv")), tmp_path / "watched"
        given = [file if one == "PEOPLE" else one for one in arguments]
        done = run_nextbest("monitor", "--models", trained.models, *given, "--out", out)
        assert done.code == 2 and says in done.err
        assert not out.exists()

    @pytest.mark.parametrize("version", versions())
    def test_an_older_export_is_refused_in_a_line(self, version: str, tmp_path: Path) -> None:
        models = unpack(version, tmp_path)
        if (models / "recommender" / "1" / ASSETS / MONITORING).exists():
            pytest.skip("it has the statistics")
        done = run_nextbest("monitor", "--models", models, "--customers", tmp_path / "customers.csv")
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert "exported without the training's statistics" in done.err and "nextbest refresh" in done.err


class TestGate:
    def score(self, trained: Trained, customers: Path, out: Path) -> Outcome:
        return run_nextbest("score", "--models", trained.models, "--customers", customers, "--out", out, "--gate")

    def test_a_healthy_file_is_scored(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        out = tmp_path / "scores.csv"
        done = self.score(trained, write(people.sample(60, random_state=1), tmp_path / "people.csv"), out)
        assert done.code == 0 and out.exists(), done.err

    def test_of_another_nothing_is_written(self, trained: Trained, people: pd.DataFrame, tmp_path: Path) -> None:
        file = write(in_thousands(people).sample(60, random_state=1), tmp_path / "people.csv")
        done = self.score(trained, file, tmp_path / "scores.csv")
        assert (done.code, done.out) == (1, "")
        assert "nothing was scored" in done.err and "income: PSI" in done.err and "leave out --gate" in done.err
        assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]


_METRIC = re.compile(r'(nextbest_monitor_\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\})? (-?[\d.e+-]+|nan|inf)')
"""A line of Prometheus' exposition format."""


class Structure(HTMLParser):
    """Counts a page's elements, and refuses what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        assert not {name for name, _ in attrs} & {"src", "href"}  # nothing is fetched
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(trained: Trained, people: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on words that neither format takes as they are."""
    folder = tmp_path_factory.mktemp("report")
    odd = people.assign(region='a "b" <c> \\ d')
    monitor(trained, write(odd, folder / "people.csv"), "--out", folder)
    return folder


class TestReport:
    def test_prometheus_reads_the_metrics(self, written: Path) -> None:
        lines = (written / "nextbest.prom").read_text(encoding="utf-8").splitlines()
        report: dict[str, Any] = json.loads((written / "monitor.json").read_text(encoding="utf-8"))
        metrics = [_METRIC.fullmatch(line) for line in lines if not line.startswith("#")]
        assert all(metrics)
        values = {(found[1], found[2]): float(found[3]) for found in metrics if found}
        assert len(values) == len(metrics)  # no metric is there twice
        assert values["nextbest_monitor_alarms", None] == report["alarms"] > 0
        assert (
            sum(value for (name, _), value in values.items() if name == "nextbest_monitor_check_alarm")
            == report["alarms"]
        )
        assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == {name for name, _ in values}

    def test_the_page_is_whole_and_shows_each_check(self, written: Path) -> None:
        page, text = Structure(), (written / "report.html").read_text(encoding="utf-8")
        page.feed(text)
        assert page.open == []
        checks = json.loads((written / "monitor.json").read_text(encoding="utf-8"))["checks"]
        assert page.found["tr"] == len(checks) + 1
        assert page.found["svg"] == sum(check["measure"] == "PSI" for check in checks)
        assert "Monitoring: " in text and "a &quot;b&quot; &lt;c&gt;" in text and "<c>" not in text
