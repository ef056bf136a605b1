"""The emulator over exported versions of `Receipts`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_emulator.receipts import Receipts, push
from tests.tf_serving_emulator import Emulator


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return EXPORTS/1 to EXPORTS/3, to be copied into a MODELS folder."""
    folder = tmp_path_factory.mktemp("exports")
    for version in (1, 2, 3):
        Receipts(version).save(folder / str(version))
    return folder


@pytest.fixture(scope="session")
def server(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Return an emulator of version 1, which no test may change."""
    models = tmp_path_factory.mktemp("models")
    push(exports, models, 1)
    with Emulator(models) as emulator:
        yield emulator


@pytest.fixture
def models(exports: Path, tmp_path: Path) -> Path:
    """Return a MODELS folder of the test's own, with version 1."""
    push(exports, tmp_path / "models", 1)
    return tmp_path / "models"
