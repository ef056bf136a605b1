"""What the benchmark found, and the files that say it: report.json for machines, report.md for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nextbest.data.files import write_text
from nextbest.data.settings import SettingsModel
from nextbest.evaluation.group_tables import format_interval
from nextbest.evaluation.results import Comparison, Difference, Interval

__all__ = ["Findings", "Peer", "markdown", "write_findings"]


class Peer(SettingsModel):
    """A peer's hyper-parameters, chosen on the validation film."""

    parameters: dict[str, Any]
    """The best of those that were tried."""
    tried: int
    """How many combinations were tried."""
    validation: float
    """The main metric of the best one on the validation film."""


class Findings(SettingsModel):
    """All models on everyone's last film."""

    people: int
    """How many people were tested."""
    films: int
    """The catalogue's size; all of it is ranked but what a person has rated before."""
    seeds: tuple[int, ...]
    """The seeds of our models. A person's figure is the mean over them."""
    main_metric: str
    """The metric of the verdicts."""
    level: float
    """Level of all intervals: bootstrap over people."""
    models: dict[str, dict[str, Interval]]
    """Model -> metric -> mean over people."""
    by_seed: dict[str, list[float]]
    """Our model -> its main metric for each seed."""
    paired: dict[str, dict[str, Difference]]
    """"A-B" -> metric -> A's value less B's, on the same people."""
    verdicts: tuple[Comparison, ...]
    """One for each compared pair."""
    peers: dict[str, Peer]
    """What was chosen for each peer."""


_HEADINGS = {"ndcg": "nDCG", "recall": "Recall", "mrr": "MRR"}


def write_findings(findings: Findings, folder: Path) -> None:
    """Write report.json and report.md into the folder, each complete or not at all."""
    write_text(folder / "report.json", findings.model_dump_json(indent=2) + "\n")
    write_text(folder / "report.md", markdown(findings))


def markdown(findings: Findings) -> str:
    """Return the report for people."""
    return "\n".join(_lines(findings)) + "\n"


def _lines(findings: Findings) -> Iterator[str]:
    metrics = list(next(iter(findings.models.values())))
    headings = [_heading(metric) for metric in metrics]
    yield "# MovieLens 100K, leave-last-out"
    yield ""
    yield (
        f"The last film of {findings.people:,} people, ranked among {findings.films:,} films without those that each "
        f"had rated before. Means over people, {findings.level:.0%} intervals by bootstrap over people; ours is the "
        f"mean of {len(findings.seeds)} seeds."
    )
    yield ""
    yield from _table(
        ["model", *headings],
        [[name, *(format_interval(found[metric]) for metric in metrics)] for name, found in findings.models.items()],
    )
    yield ""
    yield "## Ours less the others, on the same people"
    yield ""
    yield from _table(
        ["pair", *headings],
        [[pair, *(_difference(found[metric]) for metric in metrics)] for pair, found in findings.paired.items()],
    )
    yield ""
    yield from (f"- {verdict.text}" for verdict in findings.verdicts)
    yield ""
    yield f"## {_heading(findings.main_metric)} by seed"
    yield ""
    yield from _table(
        ["model", *(f"seed {seed}" for seed in findings.seeds)],
        [[name, *(f"{value:.4f}" for value in values)] for name, values in findings.by_seed.items()],
    )
    yield ""
    yield "## The peers' hyper-parameters, chosen on the film before the last"
    yield ""
    yield from _table(
        ["peer", "chosen", "of", f"validation {_heading(findings.main_metric)}"],
        [
            [name, _assignments(peer.parameters), f"{peer.tried:,}", f"{peer.validation:.4f}"]
            for name, peer in findings.peers.items()
        ],
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _heading(metric: str) -> str:
    measure, k = metric.split("@")
    return f"{_HEADINGS.get(measure, measure)}@{k}"


def _difference(found: Difference) -> str:
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _assignments(parameters: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items()) or "-"
