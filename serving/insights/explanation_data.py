"""What an export holds for explanations: the names of the features, a background to compare with, global importance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.feature_names import NamedFeature
from nextbest.serving.config import ExplanationConfig

__all__ = ["STAGES", "ExplainedStage", "ExplanationAssets", "Spread", "Stage"]

Stage = Literal["ranking", "retrieval"]
STAGES: tuple[Stage, ...] = ("ranking", "retrieval")


@dataclass(frozen=True)
class Spread:
    """Explanations of a sample: a row per named feature."""

    mean_absolute: Array
    """Mean absolute contribution, float32, [num_features]."""
    values: Array
    """How much of the feature there was, from 0 for the least of the sample to 1 for the most (NaN for what has no
    order, such as categories), float32, [num_features, num_points]."""
    contributions: Array
    """What it contributed, float32, [num_features, num_points]. Without a customer snapshot there are no points."""


@dataclass(frozen=True)
class ExplainedStage:
    """What the explanations of one stage need beside its scores."""

    features: tuple[NamedFeature, ...]
    """The names of the places of its vector."""
    background: Array
    """Vectors to compare with, float32, [num_background, width]."""
    mean: Array
    """Mean of the sampled vectors, float32, [width]."""
    deviation: Array
    """Their standard deviation, float32, [width]."""
    spread: Spread | None = None
    """Explanations of a sample."""

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        arrays = {"background": self.background, "mean": self.mean, "deviation": self.deviation}
        return arrays if self.spread is None else arrays | vars(self.spread)

    @classmethod
    def of_arrays(cls, features: tuple[NamedFeature, ...], arrays: Mapping[str, Array]) -> ExplainedStage:
        """Return what has these `arrays`."""
        kept = {name: arrays[name] for name in ("background", "mean", "deviation")}
        spread = {name: values for name, values in arrays.items() if name not in kept}
        return cls(features, **kept, spread=Spread(**spread) if spread else None)


@dataclass(frozen=True)
class ExplanationAssets:
    """All stages', as a compressed file that NumPy alone reads."""

    config: ExplanationConfig
    """The export's settings."""
    stages: Mapping[Stage, ExplainedStage]

    def save(self, path: Path) -> None:
        """Write the file."""
        described = {
            "config": self.config.model_dump(),
            "features": {
                stage: [feature.model_dump() for feature in found.features] for stage, found in self.stages.items()
            },
        }
        arrays: Mapping[str, Any] = {
            f"{stage}/{name}": values for stage, found in self.stages.items() for name, values in found.arrays().items()
        }
        np.savez_compressed(path, described=np.array(json.dumps(described)), **arrays)

    @classmethod
    def load(cls, path: Path) -> ExplanationAssets:
        """Read a file that `save` wrote."""
        with np.load(path) as file:
            described = json.loads(str(file["described"]))
            stages = {
                stage: ExplainedStage.of_arrays(
                    tuple(map(NamedFeature.model_validate, described["features"][stage])),
                    {key.removeprefix(f"{stage}/"): file[key] for key in file.files if key.startswith(f"{stage}/")},
                )
                for stage in STAGES
            }
        return cls(ExplanationConfig.model_validate(described["config"]), stages)
