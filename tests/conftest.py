"""Settings that hold before any test imports TensorFlow, and the fixtures that several packages share."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from nextbest.serving.recommender import Recommender
    from tests.trained import Trained

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def fartrans() -> Path:
    """Return the folder of the FAR-Trans bank data, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "data" / "fartrans"
    if not folder.is_dir():
        pytest.skip("the FAR-Trans data is not beside this checkout (../shared/data/fartrans)")
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def small_bank(shared_folder: Path) -> Path:
    """Return the TOML of a small simulated bank with small models. No test may change its files."""
    from tests.trained import make_small_bank

    return made_once(shared_folder / "small_bank.pickle", lambda: make_small_bank(shared_folder / "bank"))


@pytest.fixture(scope="session")
def trained(small_bank: Path, shared_folder: Path) -> Trained:
    """Return what `nextbest run` made of the small bank. No test may change its files."""
    from tests.trained import train_small_bank

    return made_once(shared_folder / "trained.pickle", lambda: train_small_bank(small_bank, shared_folder / "trained"))


def made_once(path: Path, make: Callable[[], T]) -> T:
    """Return what the first worker that needs it makes; it leaves it in a file for the others, who wait for it."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        made: T = pickle.loads(path.read_bytes())
        return made


@pytest.fixture(scope="session")
def recommender(trained: Trained) -> Recommender:
    """Return the recommender that the shared run pushed."""
    from nextbest.serving.recommender import Recommender

    return Recommender.load(trained.models)
