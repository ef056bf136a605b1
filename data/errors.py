"""Errors for people: what is wrong with an input, all at once, with place and remedy; a package that is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = [
    "EXAMPLES",
    "EXTRAS",
    "FailedError",
    "InputError",
    "MissingPackageError",
    "Problem",
    "explain_missing_packages",
    "more_like_these",
    "quote_value",
]

EXAMPLES = 20
"""How many rows with the same problem are named one by one."""
SHOWN_CHARACTERS = 60
"""How much of a bad value is repeated."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input, where it stands and what to do about it."""

    file: str
    """The file, or the database's URL without its password."""
    column: str | None
    """The column, or of a TOML the setting, when one is to blame."""
    row: int | None
    """The place in the file, counted in `unit`s from 1. A CSV file's header stands on line 1."""
    what: str
    """What is wrong, with the value."""
    remedy: str
    """What to do about it."""
    unit: str = "line"
    """What `row` counts: 'line' of a text file, 'row' of a Parquet file or a query, 'record' if lines are unknown."""
    more: int = 0
    """How many others this stands for, that are like the ones before it and are not named one by one."""

    def __str__(self) -> str:
        place = [self.file]
        if self.column is not None:
            kind = "setting" if self.file.endswith(".toml") else "column"
            place.append(f"{kind} {self.column!r}")
        if self.row is not None:
            place.append(f"{self.unit} {self.row}")
        return f"{', '.join(place)}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


class InputError(Exception):
    """An input cannot be used. Carries every problem found, and reads as one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class FailedError(RuntimeError):
    """Something failed though nothing is wrong with the input; the message says what, and what to do about it."""


def more_like_these(file: str, column: str | None, total: int, named: int = EXAMPLES) -> list[Problem]:
    """Return what follows the first problems of one kind, which are named: nothing, or how many there are in all."""
    if total <= named:
        return []
    what = f"and {total - named:,} more like these, {total:,} in all"
    return [Problem(file, column, None, what, "", more=total - named)]


def quote_value(value: Any) -> str:
    """Return a value as a message repeats it: quoted, and cut when it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


EXTRAS = {
    "babel": "explain",
    "fluent": "explain",
    "fsspec": "remote",
    "gradio": "page",
    "grpc": "clients",
    "httpx": "clients",
    "markupsafe": "page",
    "matplotlib": "explain",
    "optuna": "train",
    "pandas": "train",
    "plotly": "train",
    "rich": "cli",
    "s3fs": "remote",
    "scann": "scann",
    "scipy": "train",
    "shap": "explain",
    "sqlalchemy": "sql",
    "tensorflow_metadata": "train",
    "tensorflow_recommenders": "train",
    "tensorflow_serving": "clients",
    "tf_keras": "train",
    "tomlkit": "train",
    "typer": "cli",
    "xlsxwriter": "page",
}
"""Package that is not always installed -> the extra of nextbest that brings it (see pyproject.toml)."""


class MissingPackageError(ImportError):
    """A package is missing that an extra of nextbest brings; the message names both."""


@contextmanager
def explain_missing_packages() -> Iterator[None]:
    """Say of a package that cannot be found which extra brings it.

    Raises:
        MissingPackageError: The block imported a package that is not installed and that `EXTRAS` knows.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        remedy = f"pip install 'nextbest[{EXTRAS[package]}]'"
        raise MissingPackageError(f"the package {package!r} is not installed; {remedy}", name=package) from error
