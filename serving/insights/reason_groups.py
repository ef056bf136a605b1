"""What a person knows of a customer, in at most ten groups: the players of the reasons.

Each group is a set of the model's inputs. The day of the request is in none, since all are asked on the same day;
similarity and votes are in none either, since the model computes them anew from the inputs. A bank's own columns are
unknown, so they are grouped by what the config says of them, and by their names where these have a plain meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from nextbest.data.config import HistoryList
from nextbest.data.tables.words import is_named
from nextbest.serving.formatting import format_name, is_money
from nextbest.serving.language import say
from nextbest.serving.recommender import Recommender

__all__ = ["GROUP_KINDS", "GroupKind", "ReasonGroup", "is_protected", "reason_groups"]

GroupKind = Literal["age", "income", "balances", "time", "numbers", "facts", "protected", "held", "recent", "refused"]
GROUP_KINDS: tuple[GroupKind, ...] = get_args(GroupKind)
"""All groups in their order."""
_LISTS: Mapping[HistoryList, GroupKind] = {"held": "held", "recent": "recent", "closed": "recent", "refused": "refused"}
"""What was closed lately is no group of its own: each doubles what reasons cost."""
_TIME_UNITS = {"years", "months", "weeks", "days", "hours"}


@dataclass(frozen=True)
class ReasonGroup:
    """Something that a person knows of a customer."""

    kind: GroupKind
    inputs: tuple[str, ...]
    """The inputs of a raw request that belong to it."""

    @property
    def name(self) -> str:
        """As people read it; a group of a single column is called as the column is."""
        if len(self.inputs) == 1 and self.kind != "protected":
            return format_name(self.inputs[0])
        return say("reason-group", kind=self.kind)


def reason_groups(recommender: Recommender) -> tuple[ReasonGroup, ...]:
    """Return a version's groups, those that have an input of a model, in the order of `GROUP_KINDS`."""
    described = recommender.manifest["customers"]["columns"]
    inputs: dict[GroupKind, list[str]] = {kind: [] for kind in GROUP_KINDS}
    read = recommender.model_columns
    for name in recommender.manifest.get("customer_order", recommender.customer_columns):
        if name in read and described[name]["role"] != "id":
            inputs[_kind_of_column(name, described[name])].append(name)
    for name in recommender.history_lists:
        inputs[_LISTS[name]] += [f"{name}_products", f"{name}_days"]
    return tuple(ReasonGroup(kind, tuple(found)) for kind, found in inputs.items() if found)


def is_protected(name: str, column: Mapping[str, Any]) -> bool:
    """Return whether a column must never be worded: by its setting `protected`, or else by its name."""
    stated = column.get("protected")  # exports of before have none
    return is_named(name, "protected") if stated is None else bool(stated)


def _kind_of_column(name: str, column: Mapping[str, Any]) -> GroupKind:
    role, unit = column["role"], column.get("unit", "")
    if is_protected(name, column):
        return "protected"
    if role == "date":
        return "age" if is_named(name, "birth") else "time"
    if role != "number":
        return "facts"
    if is_named(name, "age"):
        return "age"
    if is_money(unit) or is_named(name, "income"):
        return "income" if "/" in unit or is_named(name, "income") else "balances"
    return "time" if unit in _TIME_UNITS else "numbers"
