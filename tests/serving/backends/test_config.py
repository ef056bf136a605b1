"""The client's TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbest.data.errors import InputError
from nextbest.serving.backends.config import ClientConfig, load_client_config


def test_without_a_file_all_are_defaults() -> None:
    assert load_client_config(None) == ClientConfig()


def test_files_are_named_from_the_folder_of_the_toml(tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    path.write_text('model = "bank"\nversion = 7\nca_file = "ca.pem"\ntoken_file = "/run/token"\n')
    config = load_client_config(path)
    assert (config.model, config.version) == ("bank", 7)
    assert (config.ca_file, config.token_file) == (tmp_path / "ca.pem", Path("/run/token"))
    assert config.cert_file is None


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    path.write_text('attempts = 0\ndeadline_seconds = nan\nmodel = "a/b"\ntoken = "s3cret"\n')
    with pytest.raises(InputError) as refused:
        load_client_config(path)
    lines = str(refused.value).splitlines()
    assert len(lines) == 4 and all(str(path) in line for line in lines)
    for name in ("attempts", "deadline_seconds", "model", "token"):
        assert any(f"setting '{name}'" in line for line in lines)
    assert "token_file" in str(refused.value)  # among the keys that there are
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('version = 1\nlabel = "stable"', "exclude each other"),
        ('cert_file = "c.pem"', "cert_file and key_file need each other"),
        ('key_file = "k.pem"', "cert_file and key_file need each other"),
        ("attempts = ", "this is not valid TOML"),
        ("\udcff", "this is not valid TOML"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "client.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=what):
        load_client_config(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_client_config(tmp_path / "client.toml")


def test_every_key_is_documented() -> None:
    assert all(field.description for field in ClientConfig.model_fields.values())
