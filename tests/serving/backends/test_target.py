"""URLs of servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.errors import InputError
from nextbest.serving.backends.target import Target


@pytest.mark.parametrize(
    ("url", "shown", "secure", "rest", "loopback"),
    [
        ("grpc://models.bank.example:8500", "grpc://models.bank.example:8500", False, False, False),
        ("grpcs://10.0.0.7:443/", "grpcs://10.0.0.7:443", True, False, False),
        ("http://localhost:8501", "http://localhost:8501", False, True, True),
        ("https://models.bank.example/ranking/", "https://models.bank.example:443/ranking", True, True, False),
        ("http://127.0.0.1", "http://127.0.0.1:80", False, True, True),
        ("grpc://[::1]:8500", "grpc://[::1]:8500", False, False, True),
        ("GRPC://Models:8500", "grpc://models:8500", False, False, False),
    ],
)
def test_urls(url: str, shown: str, secure: bool, rest: bool, loopback: bool) -> None:
    target = Target.parse(url)
    assert str(target) == shown
    assert (target.secure, target.rest, target.loopback) == (secure, rest, loopback)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "it is not a URL"),
        ("localhost:8500", "'localhost' is not a way to call a server"),
        ("ftp://models:21", "'ftp' is not a way to call a server"),
        ("grpc://models", "it names no port .*8500"),
        ("http://models:0", "it names no port"),
        ("grpc://models:99999", "it is not a URL .*range"),
        ("grpc://models:port", "it is not a URL"),
        ("http://[::1", "it is not a URL"),
        ("grpc://:8500", "it names no host"),
        ("grpc://models:8500/prefix", "it goes on after the address"),
        ("http://models:8501/a?b=c", "it goes on after the address"),
    ],
)
def test_what_is_no_url_of_a_server(url: str, what: str) -> None:
    with pytest.raises(InputError, match=f"{what}.*; name local, grpc://HOST:PORT") as refused:
        Target.parse(url)
    assert f"backend {url!r}" in str(refused.value)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="'https://models:8501': it holds a user or a password") as refused:
        Target.parse("https://alice:hunter2@models:8501")
    assert "hunter2" not in str(refused.value) and "alice" not in str(refused.value)


@given(st.text() | st.text("grpchts:/@[]?#%.:0159aZ", max_size=30).map(lambda rest: f"grpc://{rest}"))
def test_any_text_is_a_target_or_refused(url: str) -> None:
    try:
        target = Target.parse(url)
    except InputError:
        return
    assert Target.parse(str(target)) == target
