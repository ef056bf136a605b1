"""The page's settings, and who may use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from nextbest.data.errors import InputError
from nextbest.ui.page.config import ACCOUNTS, PageConfig, load_page_config, read_accounts


@pytest.fixture(autouse=True)
def no_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ACCOUNTS, raising=False)


def test_by_default_it_is_for_this_machine_alone() -> None:
    assert load_page_config(None).host == "127.0.0.1"


def test_a_toml_sets_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "page.toml"
    path.write_text("port = 7000\nmax_products = 12\n")
    assert (load_page_config(path).port, load_page_config(path).max_products) == (7000, 12)


def test_all_that_is_wrong_with_a_toml_is_said(tmp_path: Path) -> None:
    path = tmp_path / "page.toml"
    path.write_text("port = 70000\nshare = true\n")
    with pytest.raises(InputError) as refused:
        load_page_config(path)
    assert {found.column for found in refused.value.problems} == {"port", "share"}


def test_a_renamed_key_is_refused_with_its_new_name(tmp_path: Path) -> None:
    path = tmp_path / "page.toml"
    path.write_text("most_products = 12\n")
    with pytest.raises(InputError, match="rename it to max_products"):
        load_page_config(path)


def test_more_products_than_may_be_asked_for_are_no_default() -> None:
    with pytest.raises(ValidationError, match="default_products = 9"):
        PageConfig(default_products=9, max_products=8)


def test_accounts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.write_text("ada:s3cret:with:colons\n\n  bob:pass\n", encoding="utf-8")
    assert read_accounts(PageConfig(auth_file=path)) == [("ada", "s3cret:with:colons"), ("bob", "pass")]


def test_accounts_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_accounts(PageConfig()) == []
    monkeypatch.setenv(ACCOUNTS, "ada:s3cret")
    assert read_accounts(PageConfig()) == [("ada", "s3cret")]


@pytest.mark.parametrize("content", ["only-a-user-s3cret", "ada:", ":s3cret", ""])
def test_a_bad_account_is_an_error_that_does_not_repeat_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "accounts"
    path.write_text(content)
    with pytest.raises(InputError) as refused:
        read_accounts(PageConfig(auth_file=path))
    assert str(path) in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_file_of_accounts_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_accounts(PageConfig(auth_file=tmp_path / "nowhere"))
