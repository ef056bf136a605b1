"""The base of all settings, and reading them from a TOML or from options: every problem is reported at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nextbest.data.errors import InputError, Problem

__all__ = ["OPTIONS", "REMOVED", "RENAMED", "SettingsModel", "fill_in", "override_settings", "read_settings"]

OPTIONS = "the command line"
"""The place that a problem with an option names."""
RENAMED: Mapping[str, str] = {
    "retrieval.members": "retrieval.num_tower_pairs",
    "evaluation.blessing": "evaluation.approval",
    "retrieval.index.kind": "retrieval.index",
    "most_products": "max_products",  # of the page
}
"""Dotted key of an earlier version (a setting's or a section's) -> its dotted key now."""

REMOVED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "encoder",
            "statistics.popularity_prior",
            "statistics.segment_prior",
            "statistics.cosine_shrinkage",
            "statistics.max_products",
            "retrieval.category_dim",
            "retrieval.category_dropout",
            "retrieval.product_units",
            "retrieval.full_softmax_up_to",
            "retrieval.contrastive_margin",
            "retrieval.leave_one_out_examples",
            "retrieval.margin",
            "retrieval.triplet_margin",
            "ranking.category_dim",
            "ranking.category_dropout",
            "ranking.cross_buckets",
            "ranking.cross_layers",
            "ranking.cross_rank",
            "ranking.customers_per_window",
            "ranking.least_votes",
            "ranking.negative_customers_ratio",
            "ranking.silent_share",
            "ranking.validation_share",
            "evaluation.batch",
            "evaluation.batch_scores",
            "evaluation.calibration_bins",
            "evaluation.level",
            "evaluation.resamples",
            "evaluation.seed",
            "evaluation.baselines.ease_max_products",
            "evaluation.baselines.knn_neighbours",
            "evaluation.baselines.segment_prior",
            "export.explanations",
            "export.infra",
            "export.load_check",
            "export.max_batch_size",
            "tune.prune",
            "tune.prune_after_epochs",
            "tune.prune_after_trials",
            "tune.startup_trials",
        ),
        'its default holds always; to shrink a run, write size = "tiny" in its place',
    ),
    "statistics.next_days": "what holders acquire next is no statistic of pairs any more",
    "statistics.pair_prior": "how much likelier holders hold another product is no statistic of pairs any more",
    "retrieval.validation_k": "it is 10 always",
    "ranking.validation_k": "it is the K of evaluation.main_metric",
    "ranking.category_crosses": "all of the customers' categories are crossed with data.policy.category_column",
    "evaluation.baselines.fit": "all baselines are measured",
    "evaluation.approval.max_drop_metric": "max_drop is about evaluation.main_metric",
}
"""Dotted key that is no setting any more (a setting's or a section's) -> what holds in its place."""


class SettingsModel(BaseModel):
    """A section of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(
    settings: type[Settings], path: Path, if_missing: str, context: Mapping[str, Any] | None = None
) -> Settings:
    """Read a TOML file, in whose texts `${NAME}` stands for a variable of the environment.

    Args:
        settings: What it describes.
        path: The file.
        if_missing: What to do if the file does not exist.
        context: For the validators of `settings`.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems; all of them are listed.
    """
    problems: list[Problem] = []
    content = fill_in(_read_toml(path, if_missing), str(path), "", problems)
    if problems:
        raise InputError(problems)
    return _validate(settings, content, str(path), context)


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


_VARIABLE = re.compile(r"\$\{(\w+)\}")


def fill_in(content: Any, file: str, place: str, problems: list[Problem]) -> Any:
    """Return content with the environment's values in place of `${NAME}`; what the environment lacks becomes a problem.

    Args:
        content: A TOML's content, or a part of it.
        file: What a problem names as the file.
        place: The setting that holds it; empty for all of a file.
        problems: New ones are added.
    """
    if isinstance(content, dict):
        inner = {key: f"{place}.{key}".removeprefix(".") for key in content}
        return {key: fill_in(value, file, inner[key], problems) for key, value in content.items()}
    if isinstance(content, list):
        return [fill_in(value, file, place, problems) for value in content]
    if not isinstance(content, str):
        return content
    for name in _VARIABLE.findall(content):
        if name not in os.environ:
            what = f"the environment has no variable {name}"
            problems.append(Problem(file, place, None, what, f"set it, or write the value in place of ${{{name}}}"))
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), content)


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
        elif key in REMOVED:
            message, remedy = "this is no setting any more", f"remove it: {REMOVED[key]}"
        else:
            remedy = "remove it or correct its name" + (f": the keys are {known}" if len(place) == 1 else "")
    return Problem(file, key or None, None, message, remedy)
