"""Write one split as a folder that `nextbest run` reads: three tables, and a TOML with the windows that fit.

Left out on purpose, because the files hold their state of the day on which they were collected, long after the time
points: `lastQuestionnaireDate`, which for half of the rows is later than the row itself (blanking those dates would
still tell who answered again), and whether a value is `Predicted_`, which is so exactly for those who never answered a
questionnaire up to that day, and therefore hardly buy later. The guessed value itself is used like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from benchmarks.fartrans.source import Split, read_split
from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array
from nextbest.data.errors import InputError, Problem
from nextbest.data.files import is_free, new_folder
from nextbest.data.windows import EPOCH

__all__ = ["TEMPLATE", "Prepared", "choose_windows", "customer_table", "interaction_table", "prepare", "product_table"]

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
    if not is_free(out):
        what, remedy = "it exists and is not an empty folder", "name another --out, or empty it first"
        raise InputError([Problem(str(out), None, None, what, remedy)])
    split = read_split(source, number)
    days = split.training["day"].sort_values().to_numpy()
    windows = _windows_of_split(split, days, source, number)
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


def _windows_of_split(split: Split, days: Array, source: Path, number: int) -> WindowsConfig:
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


CUSTOMER_COLUMNS = {
    "customerType": "customer_type",
    "riskLevel": "risk_level",
    "investmentCapacity": "investment_capacity",
}
"""Column of customer_information.csv -> the customers' feature."""
PRODUCT_COLUMNS = {
    "assetName": "name",
    "assetCategory": "category",
    "assetSubCategory": "subcategory",
    "sector": "sector",
    "industry": "industry",
    "marketID": "market",
    "country": "market_country",
    "marketClass": "market_class",
}
"""Column of asset_information.csv or markets.csv -> the products' feature."""
GUESSED = "Predicted_"
MISSING = ("Not_Available", "-")


def interaction_table(split: Split) -> pd.DataFrame:
    """Return customer_id, product_id and timestamp of the purchases to learn from and of those to predict."""
    buys = pd.concat([split.training, split.tests], ignore_index=True)
    buys = buys.rename(columns={"customerID": "customer_id", "ISIN": "product_id", "day": "timestamp"})
    return buys.sort_values(["timestamp", "customer_id", "product_id"], ignore_index=True)


def customer_table(split: Split) -> pd.DataFrame:
    """Return customer_id, as_of and the features, one row for each day on which they were written down."""
    rows = split.customers.rename(columns={"customerID": "customer_id", "timestamp": "as_of", **CUSTOMER_COLUMNS})
    for column in ("risk_level", "investment_capacity"):
        rows[column] = rows[column].str.removeprefix(GUESSED)
    return _known_from(rows, "customer_id", _first_buys(split, "customer_id"))


def product_table(split: Split) -> pd.DataFrame:
    """Return product_id, as_of, the features, and whether the product may be recommended after the time point."""
    rows = split.assets.merge(split.markets, on="marketID", how="left")
    rows = rows.rename(columns={"ISIN": "product_id", "timestamp": "as_of", **PRODUCT_COLUMNS})
    eligible = pd.Series(split.time_point, index=sorted(split.eligible))
    first_needed = pd.concat([_first_buys(split, "product_id"), eligible])
    rows = _known_from(rows, "product_id", first_needed.groupby(level=0).min())
    return rows.assign(eligible=rows["product_id"].isin(split.eligible))


def _first_buys(split: Split, key: str) -> pd.Series:
    """Return id -> day of the first purchase."""
    return interaction_table(split).groupby(key)["timestamp"].min()


def _known_from(rows: pd.DataFrame, key: str, first_needed: pd.Series) -> pd.DataFrame:
    """Add a row without features for whoever traded, or was eligible, before any information was written down.

    Args:
        rows: Dated rows with features.
        key: The column with the id.
        first_needed: Id -> day by which the customer or product exists.
    """
    rows = rows.drop_duplicates([key, "as_of"], keep="last")  # of several rows of one day the file's last counts
    informed = rows.groupby(key)["as_of"].min().reindex(first_needed.index)
    bare = first_needed[~(informed <= first_needed)]  # also those without any row, whose day is missing
    rows = pd.concat([rows, pd.DataFrame({key: bare.index, "as_of": bare.to_numpy()})], ignore_index=True)
    features = rows.columns.difference([key, "as_of"], sort=False)
    rows[features] = rows[features].fillna("").replace(list(MISSING), "")
    ordered = rows[[key, "as_of", *features]].astype({"as_of": "int64"})
    return ordered.sort_values([key, "as_of"], ignore_index=True)


_HORIZON_DAYS = 100
"""Long enough for purchases to learn from in the quiet first year, short enough to follow a drift."""
_MOST = 6
"""More windows would only add older ones."""


def choose_windows(training_days: Array, time_point: int, test_end: int) -> WindowsConfig:
    """Choose the ranker's windows: as many of about `_HORIZON_DAYS` as fit, of one length, that all hold purchases.

    The first day of the history holds all that is older, so it can label nothing: the windows lie between it and
    the time point. A window's retriever learns from what was held at its cutoff, of which the first day has enough.

    Args:
        training_days: Days of the purchases to learn from, since 1970-01-01, ascending.
        time_point: The last day that may be known.
        test_end: The last day of the test.

    Raises:
        ValueError: No purchase has a day after the first.
    """
    first = int(training_days[0])
    if int(training_days[-1]) <= first:
        raise ValueError(f"no purchase is known after the first day of the history, {EPOCH + timedelta(first)}")
    span = time_point - first
    most = int(np.clip(round(span / _HORIZON_DAYS), 1, _MOST))
    choices = (_windows(count, min(span // count, _HORIZON_DAYS), time_point, test_end) for count in range(most, 1, -1))
    single = _windows(1, span, time_point, test_end)
    return next((windows for windows in choices if _have_purchases(windows, training_days, time_point)), single)


def _have_purchases(windows: WindowsConfig, training_days: Array, time_point: int) -> bool:
    """Return whether each ranking window holds purchases to learn from."""
    edges = time_point - windows.horizon_days * np.arange(windows.ranking_windows, -1, -1)
    return bool((np.diff(np.searchsorted(training_days, edges, side="right")) > 0).all())


def _windows(count: int, horizon: int, time_point: int, test_end: int) -> WindowsConfig:
    return WindowsConfig(
        horizon_days=horizon,
        test_days=test_end - time_point,
        test_cutoff=EPOCH + timedelta(time_point),
        ranking_windows=count,
        min_holdings=1,
    )
