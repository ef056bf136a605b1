"""Contenders side by side: each does the same work in turn, A B A B, so that a busy machine slows all of them alike."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nextbest.data.files import write_text

__all__ = ["Row", "compare", "markdown", "write_rows"]

ROUNDS = 7
_LEAST_SECONDS = 0.2
"""A turn repeats its work for at least so long."""


@dataclass(frozen=True)
class Row:
    """What one contender took for one piece of work: medians over the rounds."""

    work: str
    contender: str
    milliseconds: float
    """By the clock, once."""
    processor_milliseconds: float
    """Of all of the process' threads."""
    ratio: float
    """Its milliseconds over those of the first contender, of the same round."""
    processor_ratio: float
    """The same of the processor's."""
    note: str = ""
    """What else is to be known of it, such as its recall."""


def compare(
    work: str,
    contenders: Mapping[str, Callable[[], object]],
    notes: Mapping[str, str] | None = None,
    rounds: int = ROUNDS,
) -> list[Row]:
    """Let contenders take turns.

    Args:
        work: What they do.
        contenders: Name -> does it once. The first is the one that ratios are of.
        notes: Name -> `Row.note`.
        rounds: How many turns each has.
    """
    repeats = {name: _repeats(once) for name, once in contenders.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, once in contenders.items():
            taken[name].append(_turn(once, repeats[name]))
    first = next(iter(taken.values()))

    def median(name: str, part: int) -> float:
        return statistics.median(turn[part] for turn in taken[name]) * 1000

    def ratio(name: str, part: int) -> float:
        return statistics.median(turn[part] / other[part] for turn, other in zip(taken[name], first, strict=True))

    return [
        Row(work, name, median(name, 0), median(name, 1), ratio(name, 0), ratio(name, 1), (notes or {}).get(name, ""))
        for name in contenders
    ]


def _repeats(once: Callable[[], object]) -> int:
    """Warm up, and return how often the work fits into a turn."""
    once()
    wall, _ = _turn(once, 1)
    return max(1, int(_LEAST_SECONDS / wall))


def _turn(once: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the seconds of the clock and of the processor that the work took, once."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        once()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - processor) / repeats


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table."""
    lines = [
        "| work | contender | ms | processor ms | ratio | processor ratio | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = (row.milliseconds, row.processor_milliseconds, row.ratio, row.processor_ratio)
        lines.append(
            "| " + " | ".join([row.work, row.contender, *(f"{value:.3g}" for value in figures), row.note]) + " |"
        )
    return "\n".join(lines) + "\n"


def write_rows(rows: Sequence[Row], out: Path, name: str) -> None:
    """Write OUT/NAME.json and OUT/NAME.md, and print the table."""
    write_text(out / f"{name}.json", json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    write_text(out / f"{name}.md", markdown(rows))
    print(markdown(rows), flush=True)
