"""An emulator of TF Serving on the shared run's models and on the echo model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.backends.echo import save_echo
from tests.tf_serving_emulator import Emulator
from tests.trained import Trained

TRANSPORTS = ("grpc", "rest")


def url_of(emulator: Emulator, transport: str) -> str:
    """Return what `connect` takes."""
    return emulator.rest_url if transport == "rest" else f"grpc://{emulator.grpc_target}"


@pytest.fixture(scope="session")
def echo_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a MODELS folder with the echo model alone."""
    models = tmp_path_factory.mktemp("echo")
    save_echo(models / "echo" / "1")
    return models


@pytest.fixture(scope="session")
def served_models(trained: Trained, echo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a MODELS folder with the shared run's recommender, and the echo model beside it."""
    models = tmp_path_factory.mktemp("served")
    shutil.copytree(trained.models / "recommender", models / "recommender")
    shutil.copytree(echo_models / "echo", models / "echo")
    return models


@pytest.fixture(scope="session")
def emulator(served_models: Path) -> Iterator[Emulator]:
    """Return an emulator that no test may change."""
    with Emulator(served_models) as running:
        yield running


@pytest.fixture
def echoing(echo_models: Path, tmp_path: Path) -> Iterator[Emulator]:
    """Return an emulator of the echo model that a test may change, with its MODELS in tmp_path / 'models'."""
    shutil.copytree(echo_models, tmp_path / "models")
    with Emulator(tmp_path / "models") as running:
        yield running
