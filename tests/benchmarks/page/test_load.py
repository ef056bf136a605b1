from __future__ import annotations

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.page.__main__ import main
from benchmarks.page.load import Question, User, questions, summary
from benchmarks.page.process import Served
from tests.trained import Trained


class TestQuestions:
    def ask(self, about: Served, seed: int, user: int, count: int = 200) -> list[Question]:
        return list(itertools.islice(questions(about, seed, user), count))

    def test_a_seed_and_a_user_say_all(self, about: Served) -> None:
        first = self.ask(about, 1, 2)
        assert first == self.ask(about, 1, 2)
        assert first != self.ask(about, 2, 2) and first != self.ask(about, 1, 3)

    def test_every_tenth_asks_why_and_every_twentieth_who(self, about: Served) -> None:
        endpoints = Counter(question.endpoint for question in self.ask(about, 0, 0))
        assert endpoints == {"/recommend": 170, "/explain": 20, "/profile": 10}

    def test_filters_are_drawn_from_what_there_is(self, about: Served) -> None:
        found = [question.arguments for question in self.ask(about, 0, 0) if question.endpoint == "/recommend"]
        assert {given["max_risk"] for given in found if "max_risk" in given} == {1, 3}
        assert {name for given in found for name in given.get("categories", [])} == {"card", "fund"}
        assert {name for given in found for name in given.get("exclude", [])} == {"P1", "P2", "P3", "P4"}
        assert sum(given.keys() == {"customer_id", "top"} for given in found) > 50
        assert {given["top"] for given in found} == set(range(1, 21))
        json.dumps(found)  # what a client sends

    def test_without_risks_and_categories_nothing_is_limited_by_them(self, about: Served) -> None:
        about.manifest["policy"].update(risk_column=None, category_column=None)
        given = {name for question in self.ask(about, 0, 0) for name in question.arguments}
        assert given == {"customer_id", "product_id", "top", "exclude"}


class TestUser:
    def test_counts_answers_and_failures(self, about: Served) -> None:
        def ask(question: Question) -> Any:
            if question.endpoint == "/profile":
                raise ValueError("no profile")

        def until_the_end() -> Iterator[Question]:
            yield from itertools.islice(questions(about, 0, 0), 40)
            user.ends.append(True)
            while True:
                yield Question("/recommend", {})

        user: Any = SimpleNamespace(ends=[])
        asking = User(ask, until_the_end())
        while not user.ends:
            asking.run(time.perf_counter() + 0.001)
        assert [message for _, message in asking.failed] == ["/profile: ValueError: no profile"] * 2
        assert Counter(question.endpoint for question, _ in asking.answered)["/explain"] == 4

    def test_the_summary(self) -> None:
        why, who = Question("/explain", {}), Question("/profile", {})
        found = summary([(why, 0.1), (why, 0.3), (who, 0.2)], [(who, "no")], seconds=2)
        assert (found["/explain"].latency.p50, found["/explain"].errors) == (100, 0)
        assert (found["/profile"].latency.answers, found["/profile"].errors) == (1, 1)
        assert (found["all"].per_second, found["all"].errors) == (1.5, 1)
        assert found["/recommend"].latency.p50 is None


@pytest.mark.slow
def test_load_from_the_start_of_the_page_to_the_figures(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "load.json"
    arguments = ["load", "--models", trained.models, "--users", "2", "--seconds", "1", "--out", out]
    monkeypatch.setattr("sys.argv", ["page", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    output, found = capsys.readouterr().out, json.loads(out.read_text())
    assert (end.value.code or 0, found["errors"]) == (0, {})
    assert found["endpoints"]["all"]["latency"]["answers"] > 0
    assert found["peer"]["latency"]["answers"] == found["endpoints"]["/recommend"]["latency"]["answers"]
    assert found["page_processor_seconds"] > 0
    assert 0 < found["open_seconds"] < found["first_answer_seconds"]
    assert re.search(r"^\| /recommend \| [1-9]", output, re.MULTILINE)
