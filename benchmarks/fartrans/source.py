"""Read a FAR-Trans folder: which splits it has, and the tables of one.

Every problem of all its files is found before anything is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.tables.parse import parse_dates, parse_ids, parse_strings
from nextbest.data.tables.read import read_file

__all__ = ["Split", "choose_splits", "parse_splits", "read_split", "split_numbers"]

_PARSERS: dict[str, Callable[..., Array]] = {
    "id": parse_ids,
    "word": parse_strings,
    "day": partial(parse_dates, required=True),
    "day or nothing": parse_dates,
}
_FILES = {
    "customer_information.csv": {
        "customerID": "id",
        "customerType": "word",
        "riskLevel": "word",
        "investmentCapacity": "word",
        "timestamp": "day",
    },
    "asset_information.csv": {
        "ISIN": "id",
        "assetName": "word",
        "assetCategory": "word",
        "assetSubCategory": "word",
        "marketID": "word",
        "sector": "word",
        "industry": "word",
        "timestamp": "day",
    },
    "markets.csv": {"marketID": "id", "country": "word", "marketClass": "word"},
    "first_buys.csv.gz": {"customerID": "id", "ISIN": "id", "after": "day or nothing", "on_or_before": "day"},
    "splits.csv": {"split": "id", "time_point": "day", "test_end": "day"},
    "eligible_assets.csv.gz": {"split": "id", "ISIN": "id"},
    "tests.csv.gz": {"split": "id", "customerID": "id", "ISIN": "id"},
}
"""File -> the columns that are read, and what they hold."""


@dataclass(frozen=True)
class Split:
    """What the protocol gives for one split. Columns are called as in the files; days are since 1970-01-01."""

    time_point: int
    """The last day that may be known."""
    test_end: int
    """The last day of the test."""
    customers: pd.DataFrame
    """Customers' information as of the time point and before, several dated rows each."""
    assets: pd.DataFrame
    """Assets' information as of the time point and before, several dated rows each."""
    markets: pd.DataFrame
    """The markets, one row each."""
    eligible: frozenset[str]
    """The assets that may be recommended."""
    training: pd.DataFrame
    """customerID, ISIN and day of the first purchases that may be known; the day is the latest possible one."""
    tests: pd.DataFrame
    """customerID, ISIN and day of the first purchases to predict; the day is the latest possible one in the test."""


def split_numbers(folder: Path) -> list[int]:
    """Return which splits a folder has, ascending.

    Args:
        folder: A folder in the format of FAR-Trans with splits; see `read_split`.

    Raises:
        InputError: The folder is not there, or its splits.csv lacks what is needed.
    """
    _check_folder(folder)
    problems: list[Problem] = []
    path = folder / "splits.csv"
    splits = _read(path, _FILES[path.name], problems)
    if problems:
        raise InputError(problems)
    names = splits["split"].unique()
    if wrong := [name for name in names if not (name.isascii() and name.isdigit())]:
        what = f"{', '.join(map(repr, wrong))} is not the number of a split"
        raise InputError([Problem(str(path), "split", None, what, "number the splits 0, 1, 2, ...")])
    return sorted(map(int, names))


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        remedy = "give the folder that holds splits.csv and the other files of FAR-Trans"
        raise InputError([Problem(str(folder), None, None, "there is no such folder", remedy)])


def read_split(folder: Path, number: int) -> Split:
    """Read a split.

    Args:
        folder: A folder with the files of FAR-Trans and of the protocol's splits.
        number: Which split.

    Raises:
        InputError: The folder or the split is not there, or a file lacks what is needed; all problems are listed.
    """
    _check_folder(folder)
    problems: list[Problem] = []
    tables = {name: _read(folder / name, columns, problems) for name, columns in _FILES.items()}
    if problems:
        raise InputError(problems)
    time_point, test_end = _days_of(tables["splits.csv"], folder / "splits.csv", number)
    parts = {
        name: tables[name].loc[lambda table: table["split"] == str(number)]
        for name in ("eligible_assets.csv.gz", "tests.csv.gz")
    }
    if empty := [name for name, part in parts.items() if part.empty]:
        raise InputError(_no_such_split(folder / name, number, tables[name]) for name in empty)
    customers, assets = tables["customer_information.csv"], tables["asset_information.csv"]
    buys = tables["first_buys.csv.gz"]
    return Split(
        time_point=time_point,
        test_end=test_end,
        customers=customers[customers["timestamp"] <= time_point],
        assets=assets[assets["timestamp"] <= time_point],
        markets=tables["markets.csv"].drop_duplicates("marketID"),
        eligible=frozenset(parts["eligible_assets.csv.gz"]["ISIN"]),
        training=_training(buys, time_point),
        tests=_tests(parts["tests.csv.gz"], buys, time_point, test_end),
    )


def _read(path: Path, columns: dict[str, str], problems: list[Problem]) -> pd.DataFrame:
    """Return the columns that are there, and add to `problems` what is wrong."""
    try:
        table = read_file(path, list(columns))
    except InputError as error:
        problems.extend(error.problems)
        return pd.DataFrame()
    remedy = f"use the file of FAR-Trans as it is; this one has {', '.join(map(repr, table.header))}"
    problems += [
        Problem(str(path), column, None, "the column is missing", remedy) for column in columns if column not in table
    ]
    return pd.DataFrame(
        {name: _PARSERS[kind](table, name, problems) for name, kind in columns.items() if name in table}
    )


def _no_such_split(path: Path, number: int, table: pd.DataFrame) -> Problem:
    known = table["split"].unique()
    return Problem(str(path), "split", None, f"there is no split {number}", f"it has {', '.join(known)}")


def _days_of(splits: pd.DataFrame, path: Path, number: int) -> tuple[int, int]:
    """Return the time point and the test's end."""
    rows = splits[splits["split"] == str(number)]
    if rows.empty:
        raise InputError([_no_such_split(path, number, splits)])
    if len(rows) > 1:
        raise InputError([Problem(str(path), "split", None, f"split {number} occurs {len(rows)} times", "keep one")])
    time_point, test_end = (int(rows[name].iloc[0]) for name in ("time_point", "test_end"))
    if test_end <= time_point:
        what = f"the test of split {number} ends before it begins"
        raise InputError([Problem(str(path), "test_end", None, what, "give a day after time_point")])
    return time_point, test_end


def _training(buys: pd.DataFrame, time_point: int) -> pd.DataFrame:
    """Return the purchases that fell before the time point or, as the protocol has it, may have fallen on it.

    A bracket that begins on the time point is a purchase of that very day, which the protocol tests.
    """
    began_before = buys["after"].isna() | (buys["after"] < time_point)
    known = buys[began_before & (buys["on_or_before"] <= time_point)]
    return known[["customerID", "ISIN"]].assign(day=known["on_or_before"].astype(np.int64))


def _tests(tests: pd.DataFrame, buys: pd.DataFrame, time_point: int, test_end: int) -> pd.DataFrame:
    pairs = tests[["customerID", "ISIN"]].drop_duplicates()
    latest = buys.drop_duplicates(["customerID", "ISIN"])[["customerID", "ISIN", "on_or_before"]]
    day = pairs.merge(latest, how="left")["on_or_before"].fillna(test_end).clip(time_point + 1, test_end)
    return pairs.assign(day=day.astype(np.int64).to_numpy())


_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::([1-9]\d*))?)?")


def parse_splits(text: str) -> list[int]:
    """Return the splits that a list such as "3", "0-34", "0,4,8-12" or "0-34:4" (every fourth) names, ascending.

    Raises:
        InputError: A part of the text is not a list of splits.
    """
    found: set[int] = set()
    problems = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last, step = (int(number or 0) for number in match.groups()) if match else (1, 0, 0)
        last = last if match and match[2] else first
        if match is None or last < first:
            what = f"{part.strip()!r} names no splits"
            problems.append(Problem("--splits", None, None, what, "write for example 0-34, 0,4,8 or 0-34:4"))
        else:
            found.update(range(first, last + 1, step or 1))
    if problems:
        raise InputError(problems)
    return sorted(found)


def choose_splits(source: Path, text: str | None) -> list[int]:
    """Return the splits that are named, or all of the folder's.

    Raises:
        InputError: The text is not a list of splits, or the folder lacks one of the splits.
    """
    known = split_numbers(source)
    wanted = known if text is None else parse_splits(text)
    if unknown := [split for split in wanted if split not in known]:
        what = f"there is no split {', '.join(map(str, unknown))}"
        remedy = f"it has {', '.join(map(str, known))}"
        raise InputError([Problem(str(source / "splits.csv"), "split", None, what, remedy)])
    return wanted
