"""Keys of earlier versions are refused with their new names, and the new names exist."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from nextbest.data.settings import RENAMED
from nextbest.pipeline.config import RunConfig
from nextbest.serving.backends.config import ClientConfig
from nextbest.ui.page.config import PageConfig

CONFIGS: tuple[type[BaseModel], ...] = (RunConfig, PageConfig, ClientConfig)
"""What people write in TOML."""


def has_key(config: type[BaseModel], dotted: str) -> bool:
    """Return whether a config has a setting or a section."""
    model: Any = config
    for name in dotted.split("."):
        if not isinstance(model, type) or not issubclass(model, BaseModel) or name not in model.model_fields:
            return False
        model = model.model_fields[name].annotation
    return True


def test_only_the_new_name_of_a_renamed_key_is_a_key() -> None:
    assert has_key(RunConfig, "retrieval.index.leaves")
    assert not has_key(RunConfig, "retrieval.leaves")
    for old, new in RENAMED.items():
        assert any(has_key(config, new) for config in CONFIGS), new
        assert not any(has_key(config, old) for config in CONFIGS), old
