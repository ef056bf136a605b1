"""Settings of a client of TF Serving."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, FiniteFloat, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from nextbest.data.settings import SettingsModel, read_settings

__all__ = ["ClientConfig", "load_client_config"]

_FOLDER = "folder"  # the validation context's key for what relative paths start from


class ClientConfig(SettingsModel):
    """A client of TF Serving."""

    model: str = Field("recommender", pattern=r"^[^/:]+$")
    """The model's name in the server's configuration."""
    version: int | None = Field(None, ge=1)
    """The version to call; without it and without a label the newest one that is available on connecting."""
    label: str | None = Field(None, pattern=r"^[^/:]+$")
    """The version to call, by the label that it has on connecting, for example 'stable'."""
    deadline_seconds: FiniteFloat = Field(30.0, gt=0)
    """How long a call may take, all attempts and the pauses between them included. By REST it is looked at whenever a
    piece of the answer arrives, so that a server that falls silent halfway may cost twice as long."""
    attempts: int = Field(4, ge=1)
    """How often a call is tried while the server is unavailable; any other failure is final."""
    backoff_seconds: FiniteFloat = Field(0.1, gt=0)
    """The longest pause before the second attempt; it doubles with each one. The pause is drawn evenly below it."""
    max_backoff_seconds: FiniteFloat = Field(5.0, gt=0)
    """The longest pause before any attempt."""
    max_message_bytes: int = Field(64 * 2**20, ge=1024, lt=2**31)
    """The largest request and the largest answer."""
    max_batch_rows: int = Field(256, ge=1)
    """The most customers per call; a request of more is split and its answers are joined. A server that joins requests
    refuses more than its `max_batch_size`."""
    list_width: int | None = Field(None, ge=1)
    """Lists of a request are filled up to a multiple of this width. A server that joins requests needs lists of one
    width from all its clients: choose more than a customer ever holds."""
    loading_seconds: FiniteFloat = Field(60.0, ge=0)
    """How long connecting waits for a model that the server is loading."""
    poll_seconds: FiniteFloat = Field(0.5, gt=0)
    """The pause between two looks at a model that is loading."""
    ca_file: Path | None = None
    """PEM file of the authorities that may have signed the server's certificate; without it the usual ones."""
    cert_file: Path | None = None
    """PEM file of the client's own certificate, for a server that asks for one."""
    key_file: Path | None = None
    """PEM file of that certificate's key."""
    authority: str | None = Field(None, min_length=1)
    """The name that the server is called by and that its certificate must have, where it is not the URL's host."""
    token_file: Path | None = None
    """File that holds a token, read on connecting and sent as `authorization: Bearer TOKEN`; without it the environment
    variable NEXTBEST_TOKEN is used where it is set."""
    allow_plain_text_token: bool = False
    """Whether a token may go unencrypted to another machine."""

    @field_validator("ca_file", "cert_file", "key_file", "token_file")
    @classmethod
    def _from_folder(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return path and (info.context or {}).get(_FOLDER, Path()) / path

    @model_validator(mode="after")
    def _settings_agree(self) -> ClientConfig:
        if self.version is not None and self.label is not None:
            raise ValueError(f"version = {self.version} and label = {self.label!r} exclude each other; remove one")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file need each other; give both or none")
        return self


def load_client_config(path: Path | None) -> ClientConfig:
    """Read a TOML of `ClientConfig`'s keys; paths in it are relative to its folder. Without one all are defaults.

    Raises:
        InputError: It is missing, is not valid TOML, or has problems; all of them are listed.
    """
    if path is None:
        return ClientConfig()
    return read_settings(ClientConfig, path, if_missing="write one, or leave it out", context={_FOLDER: path.parent})
