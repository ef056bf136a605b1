"""Who answers for the models, as people wrote it down: governance.toml beside the run's TOML, for the model card.

Nothing of it reaches a model: a run goes on, and its metrics stay, when it changes.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field

from nextbest.data.settings import SettingsModel, read_settings

__all__ = ["GOVERNANCE", "Governance", "read_governance"]

GOVERNANCE = "governance.toml"


class Governance(SettingsModel):
    """Who answers for the models, and when they are looked at again."""

    owner: str | None = Field(None, min_length=1)
    """Who answers for the models and their use."""
    developers: str | None = Field(None, min_length=1)
    """Who builds and trains them."""
    validator: str | None = Field(None, min_length=1)
    """Who has validated them, independently of those who build them."""
    approver: str | None = Field(None, min_length=1)
    """Who lets them be used."""
    purpose: str | None = Field(None, min_length=1)
    """What the bank uses them for, in its own words."""
    next_review: date | None = None
    """The day by which they are validated again."""
    conditions: tuple[str, ...] = ()
    """Under which the approver lets them be used."""
    data_owners: dict[str, str] = Field(default_factory=dict)
    """Table (customers, products, interactions) -> where it comes from, and who answers for it."""


def read_governance(source: Path) -> Governance:
    """Read the governance.toml of a folder; without one nobody is named.

    Args:
        source: The folder of the run's TOML.

    Raises:
        InputError: The file has problems; all of them are listed.
    """
    path = source / GOVERNANCE
    return read_settings(Governance, path, if_missing="") if path.is_file() else Governance()
