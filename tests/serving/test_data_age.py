"""Data say how old they are, and are not used beyond what the bank allows unless somebody says so."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

import nextbest
from nextbest.data.errors import InputError
from nextbest.serving import data_age
from nextbest.serving.data_age import DataAge
from tests.commands import run_nextbest
from tests.trained import Trained

AS_OF = date(2024, 9, 27)  # the shared run's cutoff; 20,000 days after 1970-01-01 is 2024-10-04
MANIFEST = {"as_of_day": 20_000 - 7, "horizon_days": 91, "max_age_days": 120}


def on(day: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_age, "today", lambda: day)


@pytest.mark.parametrize(
    ("day", "days", "past_horizon", "too_old"),
    [
        (date(2024, 9, 27), 0, False, False),
        (date(2024, 9, 1), 0, False, False),  # a clock that is behind
        (date(2024, 12, 27), 91, False, False),
        (date(2024, 12, 28), 92, True, False),
        (date(2025, 1, 25), 120, True, False),
        (date(2025, 1, 26), 121, True, True),
    ],
)
def test_both_ends_are_allowed(
    day: date, days: int, past_horizon: bool, too_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(day, monkeypatch)
    age = DataAge.of(MANIFEST)
    assert (age.as_of, age.days, age.is_past_horizon, age.is_too_old) == (AS_OF, days, past_horizon, too_old)
    assert ("nextbest refresh" in str(age)) == past_horizon


def test_without_a_limit_no_age_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    on(date(2124, 9, 27), monkeypatch)
    for manifest in (MANIFEST | {"max_age_days": None}, {"as_of_day": 19_993, "horizon_days": 91}):  # an older export
        age = DataAge.of(manifest)
        assert age.is_past_horizon
        age.check("models")


@pytest.fixture
def limited(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared models, to be used for 30 days, 31 days later."""
    models = tmp_path / "models"
    shutil.copytree(trained.models, models)
    path = models / "recommender" / "1" / "assets.extra" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_age_days": 30}), encoding="utf-8")
    on(date(2024, 10, 28), monkeypatch)
    return models


REFUSED = "the data are of 2024-09-27, 31 days old, and at most 30 are allowed; bring them up to date with"


class TestCommands:
    def test_recommend(self, limited: Path) -> None:
        command = ("recommend", "--models", limited, "--customer", "C000001")
        refused = run_nextbest(*command)
        assert refused.code == 2 and refused.out == ""
        assert REFUSED in refused.err and "`nextbest refresh`" in refused.err and "--any-age" in refused.err
        allowed = run_nextbest(*command, "--any-age")
        assert allowed.code == 0
        assert "the data are of 2024-09-27, 31 days old" in allowed.out
        (answer,) = json.loads(run_nextbest(*command, "--any-age", "--json").out)
        assert (answer["as_of"], answer["age_days"]) == ("2024-09-27", 31)

    def test_score_writes_nothing(self, trained: Trained, limited: Path, tmp_path: Path) -> None:
        customers, out = trained.config.parent / "customers.csv", tmp_path / "scores.csv"
        command = ("score", "--models", limited, "--customers", customers, "--out", out)
        refused = run_nextbest(*command)
        assert refused.code == 2 and REFUSED in refused.err
        assert not list(tmp_path.glob("scores*"))
        allowed = run_nextbest(*command, "--any-age")
        assert allowed.code == 0 and "31 days old" in allowed.out
        summary = json.loads((tmp_path / "scores.csv.summary.json").read_text())
        assert (summary["as_of"], summary["age_days"], summary["max_age_days"]) == ("2024-09-27", 31, 30)

    def test_the_page_is_not_opened(self, limited: Path) -> None:
        refused = run_nextbest("ui", "--models", limited, "--port", "0")
        assert refused.code == 2 and REFUSED in refused.err


def test_python(limited: Path, trained: Trained, tmp_path: Path) -> None:
    bank = nextbest.load(limited)
    assert bank.age.days == 31
    for use in (
        lambda: nextbest.recommend(bank, ["C000001"]),
        lambda: nextbest.explain(bank, "C000001"),
        lambda: nextbest.score(bank, ["C000001"], tmp_path / "scores.csv"),
    ):
        with pytest.raises(InputError, match="any_age=True"):
            use()
    assert len(nextbest.recommend(bank, ["C000001"], any_age=True)) == 5
