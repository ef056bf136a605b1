"""Write one split as a folder that `nextbest run` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

import pandas as pd

from benchmarks.fartrans.source import Split, read_split
from benchmarks.fartrans.tables import customer_table, interaction_table, product_table
from benchmarks.fartrans.windows import choose_windows
from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import new_folder

__all__ = ["TEMPLATE", "Prepared", "prepare"]

TEMPLATE = Path(__file__).with_name("nextbest.toml.in")
"""The config of a split; the windows are filled in."""


@dataclass(frozen=True)
class Prepared:
    """What was written."""

    toml: Path
    """The config for `nextbest run`."""
    windows: WindowsConfig
    """How time is cut."""
    test_customers: int
    """How many customers the test has."""


def prepare(source: Path, number: int, out: Path, template: Path = TEMPLATE) -> Prepared:
    """Write customers.csv, products.csv, interactions.csv, test_customers.txt and nextbest.toml.

    They are written in a folder beside `out` that is renamed when all are there.

    Args:
        source: A folder in the format of FAR-Trans with splits; see `read_split`.
        number: Which split.
        out: The folder to make; it may exist if it is empty.
        template: The config to fill in.

    Raises:
        InputError: The source cannot be used, or `out` holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what, remedy = "it exists and is not an empty folder", "name another --out, or empty it first"
        raise InputError([Problem(str(out), None, None, what, remedy)])
    split = read_split(source, number)
    days = split.training["day"].sort_values().to_numpy()
    windows = _windows(split, days, source, number)
    with new_folder(out) as folder:
        _write_csv(customer_table(split), folder / "customers.csv")
        _write_csv(product_table(split), folder / "products.csv")
        _write_csv(interaction_table(split), folder / "interactions.csv")
        testers = sorted(split.tests["customerID"].unique())
        _write_text(folder / "test_customers.txt", "\n".join([*testers, ""]))
        toml = Template(template.read_text(encoding="utf-8")).substitute(windows.model_dump())
        _write_text(folder / "nextbest.toml", toml)
    return Prepared(
        toml=out / "nextbest.toml",
        windows=windows,
        test_customers=len(testers),
    )


def _windows(split: Split, days: Array, source: Path, number: int) -> WindowsConfig:
    if not len(days):
        what = f"no purchase is known before the time point of split {number}"
        raise InputError([Problem(str(source / "first_buys.csv.gz"), None, None, what, "choose a later split")])
    try:
        return choose_windows(days, split.time_point, split.test_end)
    except ValueError as error:
        what = f"split {number}: {error}"
        raise InputError([Problem(str(source / "splits.csv"), None, None, what, "choose a later split")]) from None


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table whose integer columns are days since 1970-01-01."""
    days = table.select_dtypes("int64").columns
    dated = {day: pd.to_datetime(table[day], unit="D") for day in days}
    table.assign(**dated).to_csv(path, index=False, date_format="%Y-%m-%d", lineterminator="\n")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
