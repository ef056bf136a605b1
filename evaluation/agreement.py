"""Whether two evaluations of the same run agree: to the sixth place, or within the first one's intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nextbest.evaluation.results import Evaluation

__all__ = ["EXACT", "LOOSE", "Disagreement", "compare_evaluations", "loose_share"]

EXACT = 1e-6
"""How far two equal machines may differ."""
LOOSE = 0.01
"""The least that a value without an interval may differ elsewhere; all but the log loss lie between 0 and 1."""
_SPEED = "customers_per_second"
_DERIVED = frozenset(
    {"text", "p", "p_adjusted", "finding", "share_positive", "beats", "count", "pairs", "probability", _SPEED}
)
"""What follows from compared values, and what only sizes them: not compared where the bits may differ."""
_CENTRES = ("value", "difference", "rate")


@dataclass(frozen=True)
class Disagreement:
    """One value of an evaluation that is not what it was."""

    metric: str
    """Its place, for example models/ranking/ndcg@5."""
    original: Any
    """What it was; None where it was not there."""
    retrained: Any
    """What it is."""
    low: float | None = None
    """Least that would agree; None where only the same agrees."""
    high: float | None = None
    """Most that would agree."""


def loose_share(original: Evaluation) -> float:
    """Return by what share of itself a value without an interval may differ on another machine.

    Nothing says how sure such a value is. The half width of the ranking's main metric over its value does, of a value
    of as many customers.
    """
    found = original.models["ranking"][original.main_metric]
    if found.low is None or found.high is None or found.value == 0:
        return 0.0
    return (found.high - found.low) / 2 / abs(found.value)


def compare_evaluations(original: Evaluation, retrained: Evaluation, exact: bool) -> tuple[int, list[Disagreement]]:
    """Compare two evaluations but for their speed.

    Args:
        original: What was measured.
        retrained: What is measured now.
        exact: Whether numbers must agree to 1e-6 and words be equal; else values must lie within the original's
            intervals, those without one within `loose_share` of themselves or 0.01, and counts be equal.

    Returns:
        How many values were compared, and those that disagree.
    """
    share = loose_share(original)
    compared = list(_walk(original.model_dump(mode="json"), retrained.model_dump(mode="json"), "", exact, share))
    return len(compared), [one for one in compared if not _agrees(one)]


def _walk(old: Any, new: Any, place: str, exact: bool, share: float) -> Iterator[Disagreement]:
    """Yield each pair of values with what would agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        inner, left_out = sorted(old.keys() | new.keys()), {_SPEED} if exact else _DERIVED
        centre = None if exact else next((name for name in _CENTRES if name in old and "low" in old), None)
        if centre is not None and old["low"] is not None:
            yield Disagreement(place, old[centre], new.get(centre), old["low"] - EXACT, old["high"] + EXACT)
        if centre is not None:
            left_out = left_out | {"low", "high"} | ({centre} if old["low"] is not None else set())
        for name in inner:
            if name not in left_out:
                yield from _walk(old.get(name), new.get(name), f"{place}/{name}".lstrip("/"), exact, share)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, now, f"{place}/{number}", exact, share)
    elif isinstance(old, float) and isinstance(new, float):
        room = EXACT if exact else max(share * abs(old), LOOSE)
        yield Disagreement(place, old, new, old - room, old + room)
    else:
        yield Disagreement(place, old, new)


def _agrees(one: Disagreement) -> bool:
    if one.low is None or one.high is None:
        return bool(one.original == one.retrained)
    return isinstance(one.retrained, float) and one.low <= one.retrained <= one.high
