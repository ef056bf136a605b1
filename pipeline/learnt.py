"""What training and measuring alone can make: where a run keeps it, and how another run takes it over."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from nextbest.data.atomic import write_text
from nextbest.data.catalogue import Encoders
from nextbest.data.config import WindowsConfig
from nextbest.data.encoders import EncoderState
from nextbest.pipeline.run_folder import RunFolder

__all__ = [
    "adopt",
    "learnt_files",
    "load_encoders",
    "measured_file",
    "ranker_checkpoints",
    "retriever_checkpoints",
    "save_encoders",
]

_LEARNT = (
    ("retrieval", "encoders"),
    ("retrieval", "checkpoints", "final"),
    ("ranking", "checkpoints", "final"),
    ("ranking", "selection.json"),  # with the calibration
)
_FIGURES = "evaluation", "metrics.json"
_MEASURED = (_FIGURES, ("evaluation", "report.html"))
_TABLES = ("customers", "products")
_PRODUCT_IDS = "product_ids.json"


def retriever_checkpoints(folder: RunFolder, name: str) -> Path:
    """Return the folder of a retriever's training."""
    return folder.path("retrieval", "checkpoints", name)


def ranker_checkpoints(folder: RunFolder, name: str) -> Path:
    """Return the folder of a ranker's training."""
    return folder.path("ranking", "checkpoints", name)


def save_encoders(folder: RunFolder, encoders: Encoders) -> None:
    """Write the encoders of the models that are served, whose weights stand in the order of their products."""
    for name in _TABLES:
        state: EncoderState = getattr(encoders, name)
        write_text(folder.path("retrieval", "encoders", f"{name}.json"), state.model_dump_json(indent=1))
    folder.write_json(encoders.product_ids.tolist(), "retrieval", "encoders", _PRODUCT_IDS)


def load_encoders(folder: RunFolder, windows: WindowsConfig) -> Encoders:
    """Read what `save_encoders` wrote."""
    path = folder.path("retrieval", "encoders")
    states = {
        name: EncoderState.model_validate_json((path / f"{name}.json").read_text(encoding="utf-8")) for name in _TABLES
    }
    ids = np.array(folder.read_json("retrieval", "encoders", _PRODUCT_IDS), object)
    return Encoders(**states, product_ids=ids, max_holdings=windows.max_holdings, max_recent=windows.max_recent)


def learnt_files(folder: RunFolder) -> list[Path]:
    """Return what a run must have for another to take it over."""
    return [folder.path(*parts) for parts in (*_LEARNT, ("retrieval", "encoders", _PRODUCT_IDS))]


def measured_file(folder: RunFolder) -> Path:
    """Return the file of a run's figures."""
    return folder.path(*_FIGURES)


def adopt(trained: RunFolder, folder: RunFolder, figures: bool) -> None:
    """Copy what a run has learnt; what an earlier, killed copy has finished is kept.

    Args:
        trained: The run.
        folder: Where to.
        figures: Whether to take over too what it was measured to be.
    """
    for parts in (*_LEARNT, *_MEASURED) if figures else _LEARNT:
        source, target = trained.path(*parts), folder.path(*parts)
        if target.exists():
            continue
        if source.is_file():
            write_text(target, source.read_text(encoding="utf-8"))
            continue
        with folder.staged(*parts) as staging:
            shutil.copytree(source, staging, dirs_exist_ok=True)
