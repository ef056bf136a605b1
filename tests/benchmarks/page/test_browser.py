from __future__ import annotations

import pytest

from benchmarks.page import browser
from nextbest.data.errors import InputError


def test_without_chromium_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"none of chromium, .* is on the path; .*apt-get install chromium"):
        browser.find_chromium()
