"""Read settings from a TOML and from options; all that is wrong with them is said at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nextbest.data.errors import InputError, Problem

__all__ = ["OPTIONS", "override_settings", "read_settings"]

Settings = TypeVar("Settings", bound=BaseModel)

OPTIONS = "the command line"
"""Where options stand."""


def read_settings(
    settings: type[Settings], path: Path, if_missing: str, context: Mapping[str, Any] | None = None
) -> Settings:
    """Read a TOML.

    Args:
        settings: What it describes.
        path: The file.
        if_missing: What to do where there is no such file.
        context: For the validators of `settings`.

    Raises:
        InputError: It is missing, no TOML, or has problems; all of them are listed.
    """
    return _checked(settings, _read(path, if_missing), str(path), context)


def override_settings(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Return settings with options in the place of some of them.

    Args:
        settings: What holds without the options.
        given: Setting -> its value; None where the option is not given.

    Raises:
        InputError: They cannot be; all problems are listed.
    """
    taken = {name: value for name, value in given.items() if value is not None}
    return _checked(type(settings), settings.model_dump() | taken, OPTIONS)


def _checked(
    settings: type[Settings], content: Mapping[str, Any], place: str, context: Mapping[str, Any] | None = None
) -> Settings:
    try:
        return settings.model_validate(content, context=context)
    except ValidationError as error:
        keys = ", ".join(settings.model_fields)
        raise InputError([_problem(place, found["loc"], found["msg"], keys) for found in error.errors()]) from None


def _read(path: Path, if_missing: str) -> dict[str, Any]:
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


def _problem(file: str, place: tuple[int | str, ...], message: str, keys: str) -> Problem:
    remedy = "fix it"
    if message.startswith("Extra inputs"):
        remedy = "remove it or correct its name" + (f": the keys are {keys}" if len(place) == 1 else "")
    return Problem(file, ".".join(map(str, place)) or None, None, message, remedy)
