from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from benchmarks.page.__main__ import main
from benchmarks.page.browser import find_chromium
from benchmarks.page.tasks import TASKS, TaskFigures, markdown, spoil
from nextbest.data.errors import InputError
from tests.trained import Trained


def test_one_cell_of_the_file_is_spoiled(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text('customer_id,income,name\nC1,10,\nC2,20,"x, y"\nC3,30,z\n', encoding="utf-8")
    spoil(file, "income", 2)
    with file.open(encoding="utf-8", newline="") as read:
        rows = list(csv.reader(read))
    assert rows == [["customer_id", "income", "name"], ["C1", "10", ""], ["C2", "a lot", "x, y"], ["C3", "30", "z"]]


def test_the_table() -> None:
    rows = markdown([TaskFigures(TASKS[0], 2, 1, 0.449)]).splitlines()
    assert rows[-1] == "| find a customer | 2 | 2 | 1 | 0.4 |"
    assert len({row.count("|") for row in rows}) == 1


@pytest.mark.slow
def test_no_task_needs_more_clicks_than_asked(
    trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        find_chromium()
    except InputError as error:
        pytest.skip(str(error))
    monkeypatch.setattr("sys.argv", ["page", "tasks", "--models", str(trained.models)])
    with pytest.raises(SystemExit) as end:
        main()
    table = capsys.readouterr().out
    assert not end.value.code, table
    found = re.findall(r"^\| ([^|]+) \| (\d) \| (\d) \| (\d) \| [\d.]+ \|$", table, re.MULTILINE)
    assert [(name, asked) for name, asked, *_ in found] == [(task.name, str(task.most_clicks)) for task in TASKS]
    assert all(int(clicks) > 0 for _, _, clicks, _ in found)
