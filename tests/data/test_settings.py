"""Settings from options are checked as those of a TOML are; keys of earlier versions are refused with the new name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, model_validator

from nextbest.data.errors import InputError
from nextbest.data.settings import RENAMED, SettingsModel, override_settings, read_settings


class Oven(SettingsModel):
    degrees: int = 180


class Kitchen(SettingsModel):
    cooks: int = Field(2, ge=1)
    pots: int = Field(4, ge=1)
    oven: Oven = Oven()

    @model_validator(mode="after")
    def _enough_pots(self) -> Kitchen:
        if self.pots < self.cooks:
            raise ValueError("every cook needs a pot")
        return self


def test_options_that_are_given_take_the_place_of_settings() -> None:
    assert override_settings(Kitchen(cooks=3), {"cooks": None, "pots": 5}) == Kitchen(cooks=3, pots=5)


def test_all_problems_are_reported() -> None:
    with pytest.raises(InputError) as refused:
        override_settings(Kitchen(), {"cooks": 0, "pots": "many", "hobs": 1})
    message = str(refused.value)
    for name in ("cooks", "pots", "hobs"):
        assert f"the command line, column '{name}': " in message


def test_settings_and_options_must_fit_together() -> None:
    with pytest.raises(InputError, match="every cook needs a pot"):
        override_settings(Kitchen(pots=2), {"cooks": 3})


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    for old, new in {"pans": "pots", "stove": "oven", "oven.heat": "oven.degrees", "cooks": "chefs"}.items():
        monkeypatch.setitem(RENAMED, old, new)  # type: ignore[arg-type]  # a dict behind its read-only type


@pytest.mark.usefixtures("renamed")
def test_renamed_keys_and_sections_are_all_refused_with_their_new_names(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.toml"
    file.write_text("cooks = 0\npans = 3\nlids = 3\n[stove]\nheat = 90\n[oven]\nheat = 90\n")
    with pytest.raises(InputError) as refused:
        read_settings(Kitchen, file, "write one")
    remedies = {(problem.file, problem.column): problem.remedy for problem in refused.value.problems}
    assert remedies == {
        (str(file), "cooks"): "fix it",  # a key that the settings have is itself, whatever another version called so
        (str(file), "pans"): "rename it to pots",
        (str(file), "lids"): "remove it or correct its name: the keys are cooks, pots, oven",
        (str(file), "stove"): "rename it to oven",
        (str(file), "oven.heat"): "rename it to oven.degrees",
    }


@pytest.mark.usefixtures("renamed")
def test_an_option_of_an_earlier_version_is_refused_with_its_new_name() -> None:
    with pytest.raises(InputError, match=r"'pans': .*; rename it to pots"):
        override_settings(Kitchen(), {"pans": 3})


def test_the_environment_fills_in_what_a_toml_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Source(SettingsModel):
        path: str
        others: tuple[str, ...] = ()

    toml = tmp_path / "x.toml"
    toml.write_text('path = "postgresql://me:${BANK_PASSWORD}@${BANK_HOST}/bank"\nothers = ["${BANK_HOST}", "$HOME"]\n')
    monkeypatch.setenv("BANK_HOST", "db")
    with pytest.raises(InputError) as refused:
        read_settings(Source, toml, "")
    assert str(refused.value) == (
        f"{toml}, setting 'path': the environment has no variable BANK_PASSWORD; set it, or write the value in place "
        "of ${BANK_PASSWORD}"
    )
    monkeypatch.setenv("BANK_PASSWORD", "s3cret")
    found = read_settings(Source, toml, "")
    assert (found.path, found.others) == ("postgresql://me:s3cret@db/bank", ("db", "$HOME"))
    assert "s3cret" not in toml.read_text()
