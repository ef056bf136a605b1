"""A load check that costs nothing, for tests of what follows it; the shared run has been through the real one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import nextbest.pipeline.export
from nextbest.serving.artifacts.load_check import LoadCheck, ModelCheck


def load_check_returns(outcome: LoadCheck) -> Any:
    """Return a context in which every load check comes to this."""
    return mock.patch.object(nextbest.pipeline.export, "check_loads", lambda servables: outcome)


def all_models_load() -> Any:
    """Return a context in which all models pass their load check unseen."""

    def pass_all(servables: Mapping[str, Path]) -> LoadCheck:
        return LoadCheck({name: ModelCheck("", records=1) for name in servables})

    return mock.patch.object(nextbest.pipeline.export, "check_loads", pass_all)
