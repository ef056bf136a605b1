"""There are few settings, and a key of an earlier version is refused with what holds in its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nextbest.data.settings import REMOVED, RENAMED
from nextbest.data.tables.write_config import write_toml
from nextbest.pipeline.config import CHANGED_MOST, RunConfig
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
    assert has_key(RunConfig, "retrieval.index")
    assert not has_key(RunConfig, "retrieval.leaves")
    for old, new in RENAMED.items():
        assert any(has_key(config, new) for config in CONFIGS), new
        assert not any(has_key(config, old) for config in CONFIGS), old


def test_a_key_that_was_removed_is_none() -> None:
    for key in REMOVED:
        assert not any(has_key(config, key) for config in CONFIGS), key


def test_there_are_at_most_sixty_settings_beside_the_tables() -> None:
    assert len([key for key in setting_keys(RunConfig) if not key.startswith("data.")]) <= 60


def setting_keys(config: type[BaseModel], section: str = "") -> Iterator[str]:
    """Yield the dotted keys of all settings; [tune.space] is one, whose keys are settings."""
    for name, field in config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_keys(field.annotation, f"{section}{name}.")
        else:
            yield section + name


def test_tiny_is_small_where_the_toml_says_nothing(small_bank: Path) -> None:
    text = small_bank.read_text(encoding="utf-8")
    assert text.startswith('size = "tiny"')
    config = RunConfig.model_validate(tomllib.loads(text + "\n[retrieval]\nepochs = 3\n"))
    assert (config.retrieval.epochs, config.retrieval.embedding_dim, config.ranking.units) == (3, 8, (16,))
    assert RunConfig(data=config.data).retrieval.embedding_dim == 64


def test_schema_writes_the_twenty_that_are_changed_most(small_bank: Path, tmp_path: Path) -> None:
    tables = RunConfig.model_validate(tomllib.loads(small_bank.read_text(encoding="utf-8"))).data
    assert len(CHANGED_MOST) == 20
    write_toml(tables, tmp_path / "bank.toml", RunConfig, CHANGED_MOST)
    text = (tmp_path / "bank.toml").read_text(encoding="utf-8")
    assert RunConfig.model_validate(tomllib.loads(text)) == RunConfig(data=tables)
    names = "|".join(key.rpartition(".")[2] for key in CHANGED_MOST)
    in_force, count = re.subn(rf"^# ({names}) = (?!$)", r"\1 = ", text, flags=re.MULTILINE)
    assert count == 20 - len(["hard_negatives", "customers", "keep_versions"])  # whose default is none
    assert RunConfig.model_validate(tomllib.loads(in_force)) == RunConfig(data=tables)
