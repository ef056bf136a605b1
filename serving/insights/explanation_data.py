"""What an export keeps for explanations: the names of the features, vectors to compare with, and global importance.

`ExplanationAssets` reads and writes the file; training fills it (see `pipeline.compose`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from nextbest.data.dataset import Array
from nextbest.data.feature_names import NamedFeature
from nextbest.serving.config import ExplanationConfig

__all__ = ["STAGES", "ExplainedStage", "ExplanationAssets", "ImportanceSample", "Stage", "draw_customers"]

Stage = Literal["ranking", "retrieval"]
STAGES: tuple[Stage, ...] = ("ranking", "retrieval")
_IMPORTANCE_ARRAYS = ("mean_absolute", "values", "contributions")
"""The fields of `ImportanceSample`, as the file names them."""
_SAMPLE = "sample"


def draw_customers(config: ExplanationConfig, num_customers: int, random: np.random.Generator) -> Array:
    """Draw the customers whose recommendations an export explains, positions, int64.

    Args:
        config: How recommendations are explained.
        num_customers: How many customers there are.
        random: A generator from which nothing was drawn yet, of the config's seed.
    """
    wanted = min(max(config.background, config.importance_customers), num_customers)
    return random.choice(num_customers, wanted, replace=False)


@dataclass(frozen=True)
class ImportanceSample:
    """Explanations of a sample of customers and products, for the global importance: a row per named feature."""

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
    importance: ImportanceSample | None = None
    """Explanations of a sample; None until they are computed."""

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        arrays = {"background": self.background, "mean": self.mean, "deviation": self.deviation}
        if self.importance is None:
            return arrays
        return arrays | {name: getattr(self.importance, name) for name in _IMPORTANCE_ARRAYS}

    @classmethod
    def from_arrays(cls, features: tuple[NamedFeature, ...], arrays: Mapping[str, Array]) -> ExplainedStage:
        """Return the stage that has these `arrays`."""
        has_importance = _IMPORTANCE_ARRAYS[0] in arrays
        importance = ImportanceSample(*(arrays[name] for name in _IMPORTANCE_ARRAYS)) if has_importance else None
        return cls(features, arrays["background"], arrays["mean"], arrays["deviation"], importance)

    def without(self, removed: Array) -> ExplainedStage:
        """Return the same without some of the sample, bool [num_sampled]; the background is its beginning."""
        background = self.background[~removed[: len(self.background)]]
        importance = self.importance
        if importance is not None:
            points = ~removed[: importance.values.shape[1]]
            importance = ImportanceSample(
                importance.mean_absolute, importance.values[:, points], importance.contributions[:, points]
            )
        return replace(self, background=background if len(background) else self.mean[None], importance=importance)


@dataclass(frozen=True)
class ExplanationAssets:
    """What all stages need, as a compressed file that NumPy alone reads."""

    config: ExplanationConfig
    """The export's settings."""
    stages: Mapping[Stage, ExplainedStage]
    sample: Array | None = None
    """Whose vectors and explanations they are, in order: positions among the export's customers, int64. None where no
    customer was removed since the export: they are those that `draw_customers` draws."""

    def without(self, positions: Array, num_customers: int) -> tuple[ExplanationAssets, int]:
        """Return the same without some customers' vectors and explanations, and how many customers had any.

        Means and deviations of the sample stay; where no vector is left to compare with, it is their mean.

        Args:
            positions: Of the customers to remove, among the export's `num_customers`.
            num_customers: How many customers the export has.
        """
        sample = self.sample
        if sample is None:
            sample = draw_customers(self.config, num_customers, np.random.default_rng(self.config.seed))
        stays = ~np.isin(sample, positions)
        moved = np.cumsum(~np.isin(np.arange(num_customers), positions)) - 1
        stages = {name: stage.without(~stays) for name, stage in self.stages.items()}
        return ExplanationAssets(self.config, stages, moved[sample[stays]]), int((~stays).sum())

    def save(self, path: Path) -> None:
        """Write the file."""
        described = {
            "config": self.config.model_dump(),
            "features": {
                name: [feature.model_dump() for feature in stage.features] for name, stage in self.stages.items()
            },
        }
        arrays: Mapping[str, Any] = {
            f"{stage_name}/{name}": values
            for stage_name, stage in self.stages.items()
            for name, values in stage.arrays().items()
        }
        if self.sample is not None:
            arrays = {**arrays, _SAMPLE: self.sample}
        np.savez_compressed(path, described=np.array(json.dumps(described)), **arrays)

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> ExplanationAssets:
        """Read a file that `save` wrote."""
        with np.load(file) as arrays:
            described = json.loads(str(arrays["described"]))
            stages = {
                stage: ExplainedStage.from_arrays(
                    tuple(map(NamedFeature.model_validate, described["features"][stage])),
                    {key.removeprefix(f"{stage}/"): arrays[key] for key in arrays.files if key.startswith(f"{stage}/")},
                )
                for stage in STAGES
            }
            sample = arrays[_SAMPLE] if _SAMPLE in arrays.files else None
        # Exports of 0.3.0 name an explainer too.
        config = {name: value for name, value in described["config"].items() if name in ExplanationConfig.model_fields}
        return cls(ExplanationConfig.model_validate(config), stages, sample)
