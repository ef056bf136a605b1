"""What is wrong with a file, by cause."""

from __future__ import annotations

import base64

from nextbest.data.errors import InputError, Problem, more_like_these
from nextbest.ui.page.html import count_problems, problem_report, problem_table
from nextbest.ui.page.tab import error_text
from tests.ui.page.test_html import read


def bad(row: int, column: str = "income", value: str = "a lot") -> Problem:
    return Problem("/tmp/upload/customers.csv", column, row, f"{value!r} is not a number", "write a number")


def test_a_cause_is_told_once_with_its_count_and_first_lines() -> None:
    problems = [bad(row) for row in range(2, 902)] + [Problem("c.csv", None, None, "the file is short", "write more")]
    text = " ".join(read(problem_report(problems)).text)
    for part in ("901 problems", "900", "lines 2, 3, 4, 5, 6 ...", "'a lot' is not a number", "write more", "the file"):
        assert part in text
    assert problem_report(problems).count("<tr>") == 1 + 2
    assert "/tmp" not in text and "/tmp" not in error_text(InputError(problems))


def test_those_not_named_one_by_one_are_counted() -> None:
    problems = [bad(1), bad(2), *more_like_these("c.csv", "income", 402, 2), bad(3, "age", "old")]
    rows = read(problem_table(problems)).text
    assert count_problems(problems) == 403
    assert [text for text in rows if text in ("402", "1")] == ["402", "1"]


def test_at_most_twenty_causes_are_shown_and_all_can_be_saved() -> None:
    problems = [bad(row, f"column {row}") for row in range(30)]
    shown = problem_report(problems)
    assert shown.count("<tr>") == 1 + 20 and "The first 20 of 30 causes are shown." in shown
    (link,) = [part for part in shown.split('"') if part.startswith("data:")]
    saved = base64.b64decode(link.partition("base64,")[2]).decode().splitlines()
    assert saved[0] == "row,column,what,remedy" and len(saved) == 31
    assert "upload" not in "".join(saved)


def test_one_problem_is_no_problems() -> None:
    shown = problem_report([bad(7)])
    assert "1 problem." in shown and "line 7" in shown and "lines 7" not in shown
