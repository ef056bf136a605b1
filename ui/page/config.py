"""The settings of the page."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, model_validator

from nextbest.data.errors import InputError, Problem
from nextbest.data.settings import SettingsModel, read_settings

__all__ = ["ACCOUNTS", "PageConfig", "load_page_config", "read_accounts"]

ACCOUNTS = "NEXTBEST_AUTH"
"""The environment variable with the accounts, which keeps them out of the process list."""


class PageConfig(SettingsModel):
    """How the page is served, and what it offers. Nothing in it opens the page to other machines by itself."""

    host: str = "127.0.0.1"
    """The address to listen on. Any other than this machine's own wants accounts and an HTTPS proxy in front."""
    port: int = Field(7860, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    auth_file: Path | None = None
    """A file of accounts, a line `user:password` each; readable for its owner alone. Without it the environment
    variable NEXTBEST_AUTH holds them; without both everyone who reaches the page may use it."""
    any_age: bool = False
    """Whether the page answers however old the version's data are; else it refuses after `export.max_age_days`."""
    upload_megabytes: int = Field(20, ge=1)
    """The largest file that may be uploaded, in MB."""
    max_profiles: int = Field(1000, ge=1)
    """The most customers of an uploaded profile file; more belong into a batch."""
    concurrency: int = Field(4, ge=1)
    """How many requests are answered at the same time; the others wait."""
    batch_concurrency: int = Field(1, ge=1)
    """How many batches are scored at the same time."""
    queue_size: int = Field(100, ge=1)
    """How many requests may wait; the next one is refused."""
    refresh_seconds: float = Field(5.0, gt=0)
    """How often an open page looks for a newer version, in seconds."""
    default_products: int = Field(5, ge=1)
    """How many products are shown at first."""
    max_products: int = Field(20, ge=1)
    """The most products that are shown."""
    cautious_risk: float = Field(0.25, ge=0, le=1)
    """The highest risk of a cautious choice, as a share of the way from the catalogue's lowest risk to its highest."""
    balanced_risk: float = Field(0.5, ge=0, le=1)
    """The same of a balanced choice."""
    contributions: int = Field(10, ge=1)
    """How many features of an explanation are shown one by one; the others are added up."""
    important_features: int = Field(15, ge=1)
    """How many features of the global importance are shown."""
    matches: int = Field(8, ge=1)
    """How many customers the search proposes."""
    preview_rows: int = Field(20, ge=1)
    """How many rows of a scored batch are shown."""
    keep_files_seconds: int = Field(3600, ge=60)
    """How long uploaded and scored files are kept, in seconds; all of them go when the page is closed."""

    @model_validator(mode="after")
    def _default_is_offered(self) -> PageConfig:
        if self.default_products > self.max_products:
            raise ValueError(
                f"default_products = {self.default_products} is more than max_products = {self.max_products}"
            )
        return self


def load_page_config(path: Path | None) -> PageConfig:
    """Read the settings from a TOML file; without one the defaults hold.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems; all of them are listed.
    """
    if path is None:
        return PageConfig()
    return read_settings(PageConfig, path, if_missing="write one, or leave it out")


def read_accounts(config: PageConfig) -> list[tuple[str, str]]:
    """Return the accounts that may use the page, user and password; without accounts everyone may.

    Raises:
        InputError: The accounts cannot be read. Their content is never repeated.
    """
    if config.auth_file is None:
        source, text = ACCOUNTS, os.environ.get(ACCOUNTS, "")
    else:
        source = str(config.auth_file)
        try:
            text = config.auth_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"the accounts cannot be read ({type(error).__name__})"
            raise InputError([Problem(source, None, None, what, "name a UTF-8 file of lines user:password")]) from None
    accounts, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        user, colon, password = line.strip().partition(":")
        if user and password:
            accounts.append((user, password))
        elif user or colon:
            problems.append(Problem(source, None, number, "it is not an account", "write user:password"))
    if config.auth_file is not None and not accounts and not problems:
        problems.append(Problem(source, None, None, "it names no account", "write a line user:password"))
    if problems:
        raise InputError(problems)
    return accounts
