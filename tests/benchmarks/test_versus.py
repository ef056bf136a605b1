"""Contenders side by side, with a clock whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import versus


class _Clock:
    """A clock that stands still but for the work that is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def work(self, name: str, seconds: float) -> None:
        """Take so long."""
        self.order.append(name)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    monkeypatch.setattr("time.process_time", lambda: clock.now * 2)
    return clock


def test_ratios_are_to_the_first_contender(clock: _Clock) -> None:
    rows = versus.compare("sum", {"peer": lambda: clock.work("peer", 1.0), "ours": lambda: clock.work("ours", 0.25)})
    assert [(row.contender, row.milliseconds, row.ratio) for row in rows] == [
        ("peer", pytest.approx(1000), pytest.approx(1)),
        ("ours", pytest.approx(250), pytest.approx(0.25)),
    ]
    assert rows[1].processor_milliseconds == pytest.approx(500)
    assert rows[1].processor_ratio == pytest.approx(0.25)


def test_contenders_take_turns(clock: _Clock) -> None:
    versus.compare("sum", {"A": lambda: clock.work("A", 1.0), "B": lambda: clock.work("B", 1.0)}, rounds=3)
    assert clock.order[-6:] == ["A", "B", "A", "B", "A", "B"]


def test_short_work_is_repeated_within_a_turn(clock: _Clock) -> None:
    rows = versus.compare("sum", {"A": lambda: clock.work("A", 0.0625)}, rounds=1)
    assert len(clock.order) == 1 + 1 + 3, "to warm up, to see how long it takes, and as often as 0.2 s allow"
    assert rows[0].milliseconds == pytest.approx(62.5)


def test_rows_are_written_for_machines_and_for_people(clock: _Clock, tmp_path: Path) -> None:
    rows = versus.compare("sum", {"A": lambda: clock.work("A", 1.0)}, {"A": "a note"})
    versus.write_rows(rows, tmp_path, "rows")
    (written,) = json.loads((tmp_path / "rows.json").read_text())
    assert (written["work"], written["contender"], written["note"]) == ("sum", "A", "a note")
    assert "| sum | A |" in (tmp_path / "rows.md").read_text()
