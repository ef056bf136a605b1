"""Settings that hold before any test imports TensorFlow, and the fixtures that several packages share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nextbest.serving.recommender import Recommender
    from tests.trained import Trained

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def fartrans() -> Path:
    """Return the folder of the FAR-Trans bank data, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "data" / "fartrans"
    if not folder.is_dir():
        pytest.skip("the FAR-Trans data is not beside this checkout (../shared/data/fartrans)")
    return folder


@pytest.fixture(scope="session")
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the TOML of a small simulated bank with small models."""
    from tests.trained import make_small_bank

    return make_small_bank(tmp_path_factory.mktemp("small") / "bank")


@pytest.fixture(scope="session")
def trained(small_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return what `nextbest run` made of the small bank."""
    from tests.trained import train_small_bank

    return train_small_bank(small_bank, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def recommender(trained: Trained) -> Recommender:
    """Return the recommender that the shared run pushed."""
    from nextbest.serving.recommender import Recommender

    return Recommender.load(trained.models)
