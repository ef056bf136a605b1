"""What the benchmark found; `model_dump_json` of it is report.json."""

from __future__ import annotations

from typing import Any

from nextbest.data.settings import SettingsModel
from nextbest.evaluation.results import Comparison, Difference, Interval

__all__ = ["Findings", "Peer"]


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
