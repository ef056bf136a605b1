"""Settings from options are checked as those of a TOML are."""

from __future__ import annotations

import pytest
from pydantic import Field, model_validator

from nextbest.data.config import StrictModel
from nextbest.data.errors import InputError
from nextbest.data.settings import override_settings


class Kitchen(StrictModel):
    cooks: int = Field(2, ge=1)
    pots: int = Field(4, ge=1)

    @model_validator(mode="after")
    def _enough_pots(self) -> Kitchen:
        if self.pots < self.cooks:
            raise ValueError("every cook needs a pot")
        return self


def test_options_that_are_given_take_the_place_of_settings() -> None:
    assert override_settings(Kitchen(cooks=3), {"cooks": None, "pots": 5}) == Kitchen(cooks=3, pots=5)


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(InputError) as refused:
        override_settings(Kitchen(), {"cooks": 0, "pots": "many", "ovens": 1})
    told = str(refused.value)
    for name in ("cooks", "pots", "ovens"):
        assert f"the command line, column '{name}': " in told


def test_settings_and_options_must_fit_together() -> None:
    with pytest.raises(InputError, match="every cook needs a pot"):
        override_settings(Kitchen(pots=2), {"cooks": 3})
