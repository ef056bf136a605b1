"""Whatever is wrong with tables or a TOML, it is read or refused: no traceback, and nothing half-written.

A hundred mutations stand in `make test`, and two thousand in `make zoo`. The number of a mutation says which it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nextbest.data.errors import InputError
from nextbest.pipeline.run import start_run
from tests.commands import run_nextbest
from tests.zoo.shapes import ids_and_dates, insurer

TABLES = ("policyholders.csv", "policies.csv", "movements.csv")
ODD = (
    "", " ", "NaN", "null", "\\N", "-", "?", "1e400", "-inf", "١٢", "0x10", "1,5", "1.234,89", "12 %", "31.02.2023",
    "03/04/2023", "99999999999999999999", "1970-01-01", "9999-12-31", "2023-01-01T25:00:00+99:99", '"', "';--",
    "\t", "é", "\u202e", "a" * 5000, "true", "C0000", "=1+1", "${HOME_OF_NOBODY}",
)  # fmt: skip


def _cell(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    place = dice.randrange(len(lines))
    cells = lines[place].split(",")
    cells[dice.randrange(len(cells))] = dice.choice(ODD)
    return "\n".join([*lines[:place], ",".join(cells), *lines[place + 1 :]])


def _column(text: str, dice: random.Random) -> str:
    rows = [line.split(",") for line in text.split("\n")]
    place = dice.randrange(len(rows[0]))
    value = dice.choice(ODD)
    return "\n".join(",".join([*row[:place], value, *row[place + 1 :]]) for row in rows)


def _without_a_column(text: str, dice: random.Random) -> str:
    rows = [line.split(",") for line in text.split("\n")]
    place = dice.randrange(len(rows[0]))
    return "\n".join(",".join([*row[:place], *row[place + 1 :]]) for row in rows)


def _twice_a_column(text: str, dice: random.Random) -> str:
    rows = [line.split(",") for line in text.split("\n")]
    place = dice.randrange(len(rows[0]))
    return "\n".join(",".join([*row, *row[place : place + 1]]) for row in rows)


def _header(text: str, dice: random.Random) -> str:
    names, _, rest = text.partition("\n")
    cells = names.split(",")
    cells[dice.randrange(len(cells))] = dice.choice([*ODD, "k", "self", "id", "event", *cells])
    return f"{','.join(cells)}\n{rest}"


def _rows(text: str, dice: random.Random) -> str:
    header, *rows = text.split("\n")
    kept = [row for row in rows if dice.random() < dice.choice((0.0, 0.01, 0.5, 0.99))]
    return "\n".join([header, *kept, *(dice.choices(rows, k=3) if dice.random() < 0.5 else [])])


def _characters(text: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 5)):
        place = dice.randrange(len(text) + 1)
        text = text[:place] + dice.choice('";,\n\r\t|\\\0=[]{}#é') + text[place + dice.randint(0, 2) :]
    return text


def _cut(text: str, dice: random.Random) -> str:
    return text[: dice.randrange(len(text))]


def _delimiter(text: str, dice: random.Random) -> str:
    return text.replace(",", dice.choice(";|\t:"))


def _line_ends(text: str, dice: random.Random) -> str:
    return text.replace("\n", dice.choice(("\r\n", "\r", "\n\n", "\n,,,\n")))


def _preface(text: str, dice: random.Random) -> str:
    return dice.choice(("sep=;\n", "sep=,\n", "\ufeff", "\n", "# exported\n")) + text


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _cell, _column, _without_a_column, _twice_a_column, _header, _rows, _characters, _cut, _delimiter, _line_ends,
    _preface,
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")


def _lines_of_toml(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    place = dice.randrange(len(lines))
    key = lines[place].partition("=")[0]
    values = ('"x"', "-1", "0", "1.5", "true", "[]", "{}", "1979-05-27", '"?"', "nan", '""', '["a", "a"]', "10000000")
    changed = dice.choice(
        [[], [lines[place]] * 2, [f"{key}= {dice.choice(values)}"], [f"{dice.choice(ODD[:9])} = 1", lines[place]]]
    )
    return "\n".join([*lines[:place], *changed, *lines[place + 1 :]])


@pytest.fixture(scope="module")
def insurance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an insurer's tables and their TOML."""
    folder = tmp_path_factory.mktemp("insurer")
    tables = insurer(folder)
    options = zip(("--customers", "--products", "--interactions"), tables[:3], strict=True)
    assert run_nextbest("schema", *(item for pair in options for item in pair), "--out", folder / "x.toml").code == 0
    return folder


def _check_run(folder: Path, run: Path) -> None:
    try:
        start_run(folder / "x.toml", run, lambda step: lambda what, share: None)
    except InputError as error:
        assert error.problems and all(str(problem).strip() for problem in error.problems)
        assert not run.exists()


def _mutate(insurance: Path, folder: Path, number: int) -> None:
    dice = random.Random(number)
    for name in (*TABLES, "x.toml"):
        (folder / name).write_bytes((insurance / name).read_bytes())
    changed = folder / dice.choice((*TABLES, *TABLES, "x.toml", "x.toml"))
    text = changed.read_text(encoding="utf-8")
    for _ in range(dice.randint(1, 2)):
        mutation = _lines_of_toml if changed.suffix == ".toml" else dice.choice(MUTATIONS)
        text = mutation(text, dice)
    changed.write_bytes(text.encode(dice.choice(ENCODINGS), "replace") if changed.suffix == ".csv" else text.encode())
    _check_run(folder, folder / "run")
    (folder / "x.toml").unlink()
    options = zip(("--customers", "--products", "--interactions"), TABLES, strict=True)
    paths = (item for option, table in options for item in (option, folder / table))
    before = sorted(path.name for path in folder.iterdir())
    schema = run_nextbest("schema", *paths, "--out", folder / "x.toml")
    assert schema.code in (0, 2) and "Traceback" not in schema.err
    if schema.code == 2:
        assert schema.err.strip() and sorted(path.name for path in folder.iterdir()) == before
    else:
        _check_run(folder, folder / "another_run")


@pytest.mark.parametrize(
    "hundred", [pytest.param(number, marks=() if number == 0 else pytest.mark.zoo) for number in range(20)]
)
def test_a_hundred_mutations(insurance: Path, tmp_path: Path, hundred: int) -> None:
    for number in range(100 * hundred, 100 * hundred + 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            _mutate(insurance, folder, number)
        except Exception as error:
            raise AssertionError(f"mutation {number}: {type(error).__name__}: {error}") from error


def test_tables_that_are_mixed_up(tmp_path: Path) -> None:
    tables = ids_and_dates(tmp_path)
    for order in ((0, 0, 0), (1, 0, 2), (2, 1, 0), (0, 2, 1), (2, 2, 2)):
        paths = [tables[place] for place in order]
        options = zip(("--customers", "--products", "--interactions"), paths, strict=True)
        outcome = run_nextbest("schema", *(item for pair in options for item in pair), "--out", tmp_path / "x.toml")
        assert outcome.code in (0, 2) and "Traceback" not in outcome.err
        (tmp_path / "x.toml").unlink(missing_ok=True)
