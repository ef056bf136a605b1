"""The base of all settings, and reading them from a TOML or from options: every problem is reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nextbest.data.errors import InputError, Problem

__all__ = ["OPTIONS", "RENAMED", "SettingsModel", "override_settings", "read_settings"]

OPTIONS = "the command line"
"""The place that a problem with an option names."""
RENAMED: Mapping[str, str] = {
    "retrieval.members": "retrieval.num_tower_pairs",
    "export.infra": "export.load_check",
    "evaluation.blessing": "evaluation.approval",
    "ranking.silent_share": "ranking.negative_customers_ratio",
    "most_products": "max_products",  # of the page
}
"""Dotted key of an earlier version (a setting's or a section's) -> its dotted key now."""


class SettingsModel(BaseModel):
    """A section of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(
    settings: type[Settings], path: Path, if_missing: str, context: Mapping[str, Any] | None = None
) -> Settings:
    """Read a TOML file.

    Args:
        settings: What it describes.
        path: The file.
        if_missing: What to do if the file does not exist.
        context: For the validators of `settings`.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems; all of them are listed.
    """
    return _validate(settings, _read_toml(path, if_missing), str(path), context)


def override_settings(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Return settings in which the given options replace the values of the same name.

    Args:
        settings: The settings without the options.
        options: Setting -> its value; None where the option is not given.

    Raises:
        InputError: The result is not valid; all problems are listed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return _validate(type(settings), settings.model_dump() | given, OPTIONS)


def _read_toml(path: Path, if_missing: str) -> dict[str, Any]:
    remedy = "fix it"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what, remedy = "there is no such file", if_missing
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = f"this is not valid TOML: {error}"
    raise InputError([Problem(str(path), None, None, what, remedy)])


def _validate(
    settings: type[Settings], content: Mapping[str, Any], file: str, context: Mapping[str, Any] | None = None
) -> Settings:
    try:
        return settings.model_validate(content, context=context)
    except ValidationError as error:
        known = ", ".join(settings.model_fields)
        problems = [_problem(file, found["loc"], found["type"], found["msg"], known) for found in error.errors()]
        raise InputError(problems) from None


def _problem(file: str, place: tuple[int | str, ...], kind: str, message: str, known: str) -> Problem:
    key = ".".join(map(str, place))
    remedy = "fix it"
    if kind == "extra_forbidden":
        if key in RENAMED:
            message, remedy = "this key has another name now", f"rename it to {RENAMED[key]}"
        else:
            remedy = "remove it or correct its name" + (f": the keys are {known}" if len(place) == 1 else "")
    return Problem(file, key or None, None, message, remedy)
