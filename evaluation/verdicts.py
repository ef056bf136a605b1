"""Which models are compared, and what the comparison says: every stage must beat what it is built on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nextbest.evaluation.results import Difference, Verdict

__all__ = ["judge", "stage_pairs"]

_STAGES = ("retrieval", "ranking")
_ORACLE = "oracle"


def stage_pairs(models: Collection[str]) -> list[tuple[str, str]]:
    """Return the comparisons that each stage must win: with the stage before it, then with every baseline."""
    stages = [stage for stage in _STAGES if stage in models]
    baselines = [model for model in models if model not in (*_STAGES, _ORACLE)]
    pairs = []
    for number, stage in enumerate(reversed(stages), start=1):
        earlier = stages[: len(stages) - number][::-1]
        pairs += [(stage, other) for other in [*earlier, *baselines]]
    return pairs


def judge(
    pairs: Sequence[tuple[str, str]], paired: Mapping[str, Mapping[str, Difference]], metric: str
) -> tuple[Verdict, ...]:
    """Say for each pair whether the first model beats the second on the metric."""
    return tuple(_verdict(model, other, paired[f"{model}-{other}"][metric], metric) for model, other in pairs)


def _verdict(model: str, other: str, found: Difference, metric: str) -> Verdict:
    if found.low > 0:
        answer = "yes"
    elif found.high < 0:
        answer = "no, it is worse"
    else:
        answer = "no, the difference may be chance"
    figures = f"{found.difference:+.4f} {metric} [{found.low:+.4f}, {found.high:+.4f}]"
    return Verdict(model=model, other=other, beats=found.low > 0, text=f"{model} beats {other}: {answer}, {figures}")
