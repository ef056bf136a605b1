"""Tokens and certificates that can be used, and those that must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbest.data.errors import InputError
from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.connect import TOKEN_VARIABLE, read_token, tls_context
from nextbest.serving.backends.target import Target

LOCAL, PLAIN, SECURE = map(Target.parse, ("grpc://127.0.0.1:8500", "http://models:8501", "grpcs://models:8500"))


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("from-the-file\n")
    return path


def test_no_token() -> None:
    assert read_token(PLAIN, ClientConfig()) is None


def test_the_variable_and_the_file(monkeypatch: pytest.MonkeyPatch, token_file: Path) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "from-the-variable")
    assert read_token(SECURE, ClientConfig()) == "from-the-variable"
    assert read_token(LOCAL, ClientConfig(token_file=token_file)) == "from-the-file"
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    assert read_token(SECURE, ClientConfig()) is None


def test_a_token_does_not_go_unencrypted_to_another_machine(token_file: Path) -> None:
    with pytest.raises(InputError, match="unencrypted to http://models:8501; use grpcs:// or https://") as refused:
        read_token(PLAIN, ClientConfig(token_file=token_file))
    assert "from-the-file" not in str(refused.value)
    allowed = ClientConfig(token_file=token_file, allow_plain_text_token=True)
    assert read_token(PLAIN, allowed) == "from-the-file"


@pytest.mark.parametrize("content", ["", "\n", "two words", "Grüße", "line\nline", "\x00"])
def test_what_is_no_token(token_file: Path, content: str) -> None:
    token_file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="it holds no token") as refused:
        read_token(SECURE, ClientConfig(token_file=token_file))
    assert not content.strip() or content not in str(refused.value)


def test_a_token_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it cannot be read"):
        read_token(SECURE, ClientConfig(token_file=tmp_path / "none"))


def test_certificates_for_a_target_without_tls_are_refused(token_file: Path) -> None:
    config = ClientConfig(ca_file=token_file, cert_file=token_file, key_file=token_file)
    with pytest.raises(InputError, match="does not use TLS") as refused:
        tls_context(PLAIN, config)
    assert [problem.column for problem in refused.value.problems] == ["ca_file", "cert_file", "key_file"]
    assert tls_context(PLAIN, ClientConfig()) is None


def test_certificates_that_are_none(tmp_path: Path, token_file: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        tls_context(SECURE, ClientConfig(ca_file=tmp_path / "none.pem"))
    with pytest.raises(InputError, match="column 'ca_file': it cannot be used"):
        tls_context(SECURE, ClientConfig(ca_file=token_file))
    with pytest.raises(InputError, match="column 'cert_file, key_file': it cannot be used"):
        tls_context(SECURE, ClientConfig(cert_file=token_file, key_file=token_file))
