"""Read MovieLens 100K from the files that an installed RecBole carries, and write the folder that `nextbest run` reads.

None of the files is part of this project.

Our pipeline cuts all customers at one day, and the protocol cuts each at his or her own last film. So every person's
films are dated again, one a day, and all end together: the last one on the last day, the one before on the day before,
and so on. Then the last day is the test, the day before is the validation, and windows of one day are steps of the
sequences. What the product counts over days has therefore another meaning here: "the last 30 days" are everyone's last
30 films, a popularity's trend runs along the sequences and not along the calendar, and an age is a number of films. As
in every leave-last-out, one person's known films may be younger, by the calendar, than another's test.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nextbest.data.errors import EXAMPLES, InputError, Problem, more_like_these, quote_value
from nextbest.data.files import is_free, new_folder

__all__ = [
    "MovieLens",
    "customer_table",
    "installed_folder",
    "interaction_table",
    "prepare",
    "product_table",
    "read_movielens",
]

_CONFIG = Path(__file__).with_name("nextbest.toml")


def prepare(source: Path, out: Path) -> Path:
    """Write customers.csv, products.csv, interactions.csv and nextbest.toml, all or none of them.

    Args:
        source: The folder of MovieLens 100K; see `installed_folder`.
        out: The folder to make; it may exist if it is empty.

    Returns:
        The TOML.

    Raises:
        InputError: The source cannot be used, or `out` holds something already.
    """
    if not is_free(out):
        what, remedy = "it exists and is not an empty folder", "name another --out, or empty it first"
        raise InputError([Problem(str(out), None, None, what, remedy)])
    read = read_movielens(source)
    interactions = interaction_table(read)
    interactions["timestamp"] = pd.to_datetime(interactions["timestamp"], unit="D")
    tables = {"customers": customer_table(read), "products": product_table(read), "interactions": interactions}
    with new_folder(out) as folder:
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d", lineterminator="\n")
        shutil.copyfile(_CONFIG, folder / _CONFIG.name)
    return out / _CONFIG.name


_SECONDS_PER_DAY = 86_400
_UNKNOWN_GENRE = "unknown"


def interaction_table(source: MovieLens) -> pd.DataFrame:
    """Return customer_id, product_id and timestamp (days since 1970-01-01), the sequences aligned at their ends.

    Films of one second are ordered as in the file, whose order is random: item ids, the other choice, would tell, for
    they grow as films become less known.
    """
    ratings = source.ratings.sort_values("timestamp", kind="stable")
    last_day = int(ratings["timestamp"].iloc[-1] // _SECONDS_PER_DAY)
    later = ratings.groupby("user_id").cumcount(ascending=False)
    dated = pd.DataFrame(
        {"customer_id": ratings["user_id"], "product_id": ratings["item_id"], "timestamp": last_day - later}
    )
    return dated.sort_values(["timestamp", "customer_id", "product_id"], ignore_index=True)


def customer_table(source: MovieLens) -> pd.DataFrame:
    """Return customer_id, age, gender and occupation."""
    return source.people.rename(columns={"user_id": "customer_id"})


def product_table(source: MovieLens) -> pd.DataFrame:
    """Return product_id, title, year (missing where the file has no number) and genres (words)."""
    films = source.films
    return pd.DataFrame(
        {
            "product_id": films["item_id"],
            "title": films["movie_title"],
            "year": pd.to_numeric(films["release_year"], errors="coerce").astype("Int64"),
            "genres": films["class"].where(films["class"] != _UNKNOWN_GENRE, ""),
        }
    )


_PACKAGE = "recbole"
_REMEDY = "pip install --no-deps recbole, or name with --source a folder that holds ml-100k.inter, .item and .user"
_FILES = {
    "ml-100k.inter": ("user_id:token", "item_id:token", "timestamp:float"),
    "ml-100k.item": ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"),
    "ml-100k.user": ("user_id:token", "age:token", "gender:token", "occupation:token"),
}
"""File -> the columns that are read, named and typed as RecBole's atomic files are."""


@dataclass(frozen=True)
class MovieLens:
    """The three files, in their own order, their columns called as there but without their types.

    All are text but the timestamp, which is float64 seconds since 1970-01-01.
    """

    ratings: pd.DataFrame
    """user_id, item_id and timestamp."""
    films: pd.DataFrame
    """item_id, movie_title, release_year and class (the genres, separated by spaces)."""
    people: pd.DataFrame
    """user_id, age, gender and occupation."""


def installed_folder() -> Path:
    """Return the folder of the installed package that holds the files.

    Raises:
        InputError: The package is not installed, or came without them.
    """
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError([Problem(_PACKAGE, None, None, "the package is not installed", _REMEDY)]) from None
    for file in files:
        if file.name in _FILES:
            return Path(str(file.locate())).parent
    raise InputError([Problem(_PACKAGE, None, None, "the installed package holds no ml-100k", _REMEDY)])


def read_movielens(folder: Path) -> MovieLens:
    """Read the three files.

    Args:
        folder: Where they are; see `installed_folder`.

    Raises:
        InputError: A file is missing or lacks what is needed; all problems are listed.
    """
    problems: list[Problem] = []
    tables = {name: _read(folder / name, columns, problems) for name, columns in _FILES.items()}
    if problems:
        raise InputError(problems)
    ratings, films, people = tables.values()
    places = {name: folder / name for name in _FILES}
    problems += _strangers(ratings, films, "item_id", places["ml-100k.inter"])
    problems += _strangers(ratings, people, "user_id", places["ml-100k.inter"])
    ratings["timestamp"] = _seconds(ratings["timestamp"], places["ml-100k.inter"], problems)
    if problems:
        raise InputError(problems)
    return MovieLens(ratings, films, people)


def _read(path: Path, columns: tuple[str, ...], problems: list[Problem]) -> pd.DataFrame:
    """Return the columns without their types, and add to `problems` what is wrong."""
    if not path.is_file():
        problems.append(Problem(str(path), None, None, "there is no such file", _REMEDY))
        return pd.DataFrame()
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3, encoding="utf-8")
    except (ValueError, OSError) as error:  # pandas' own errors and those of decoding are ValueErrors
        what = f"it cannot be read as a table with tabs ({str(error).strip()})"
        problems.append(Problem(str(path), None, None, what, _REMEDY))
        return pd.DataFrame()
    remedy = f"use the file of RecBole as it is; this one has {', '.join(map(repr, table.columns))}"
    missing = [column for column in columns if column not in table]
    problems += [Problem(str(path), column, None, "the column is missing", remedy) for column in missing]
    if missing:
        return pd.DataFrame()
    return table[list(columns)].rename(columns=lambda column: column.split(":")[0])


def _strangers(ratings: pd.DataFrame, known: pd.DataFrame, key: str, path: Path) -> list[Problem]:
    return _at(path, key, ratings[key][~ratings[key].isin(known[key])], "is not described in the other file")


def _seconds(text: pd.Series, path: Path, problems: list[Problem]) -> pd.Series:
    seconds = pd.to_numeric(text, errors="coerce")
    problems += _at(path, "timestamp", text[seconds.isna()], "is not a time in seconds since 1970-01-01")
    return seconds


def _at(path: Path, column: str, bad: pd.Series, what: str) -> list[Problem]:
    """Return a problem for each of the bad cells, or for the first ones and their number."""
    problems = [
        Problem(str(path), column, row + 2, f"{quote_value(value)} {what}", "use the file of RecBole as it is")
        for row, value in zip(bad.index.tolist()[:EXAMPLES], bad, strict=False)
    ]
    return problems + more_like_these(str(path), column, len(bad))
