"""The words of all languages: the same messages in each, all used, and numbers and dates as each writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fluent.runtime import FluentResource
from fluent.syntax.ast import BaseNode, Message, MessageReference, VariableReference
from fluent.syntax.visitor import Visitor

from nextbest.data.errors import InputError
from nextbest.serving.formatting import (
    format_change,
    format_date,
    format_month,
    format_number,
    format_probability,
    format_value,
)
from nextbest.serving.language import ENGLISH, LANGUAGES, choose_language, current_language, messages, say, speak

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "serving" / "words"
OTHERS = [code for code in LANGUAGES if code != ENGLISH]


class _Mentioned(Visitor):
    """Collects what a message mentions: values, and other messages."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.messages: set[str] = set()

    def visit_VariableReference(self, node: VariableReference) -> None:
        self.values.add(node.id.name)

    def visit_MessageReference(self, node: MessageReference) -> None:
        self.messages.add(node.id.name)


def mentioned(node: BaseNode) -> _Mentioned:
    found = _Mentioned()
    found.visit(node)
    return found


@cache
def values_of_messages(code: str) -> dict[str, frozenset[str]]:
    """Return the messages of a file, with the values that each mentions, itself or by those that it is made of."""
    body = FluentResource((WORDS / f"{code}.ftl").read_text(encoding="utf-8")).body
    found = {entry.id.name: mentioned(entry) for entry in body if isinstance(entry, Message)}

    def values(name: str) -> set[str]:
        return found[name].values.union(*map(values, found[name].messages))

    return {name: frozenset(values(name)) for name in found}


def product_files() -> Iterator[Path]:
    for folder in ("serving", "ui"):
        for ending in ("*.py", "*.js"):
            yield from (ROOT / folder).rglob(ending)


class TestFiles:
    @pytest.mark.parametrize("code", LANGUAGES)
    def test_all_of_it_is_fluent(self, code: str) -> None:
        text = (WORDS / f"{code}.ftl").read_text(encoding="utf-8")
        names = re.findall("^([a-z][a-z0-9-]*) =", text, flags=re.MULTILINE)
        assert names == list(values_of_messages(code)), "one is there twice, or cannot be read"

    @pytest.mark.parametrize("code", OTHERS)
    def test_the_same_messages_with_the_same_values(self, code: str) -> None:
        assert values_of_messages(code) == values_of_messages(ENGLISH)

    def test_labels_mention_nothing(self) -> None:
        assert {
            name for name, values in values_of_messages(ENGLISH).items() if name.startswith("label-") and values
        } == set()

    def test_every_message_is_used(self) -> None:
        code = "\n".join(file.read_text(encoding="utf-8") for file in product_files())
        by_others = mentioned(FluentResource((WORDS / "en.ftl").read_text(encoding="utf-8"))).messages
        assert [name for name in values_of_messages(ENGLISH) if f'"{name}"' not in code and name not in by_others] == []

    def test_every_message_is_given_what_it_mentions(self) -> None:
        calls = 0
        for file in product_files():
            if file.suffix != ".py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"):
                    continue
                given = {keyword.arg for keyword in node.keywords}
                if isinstance(node.args[0], ast.Constant) and None not in given:
                    calls += 1
                    name = node.args[0].value
                    assert given == values_of_messages(ENGLISH)[name], f"{file.name}, line {node.lineno}: {name}"
        assert calls > 100


class TestLanguage:
    def test_english_unless_another_is_spoken(self) -> None:
        assert (current_language(), say("language-name")) == ("en", "English")
        with speak("de"):
            assert say("language-name") == "Deutsch"
            with speak("en"):
                assert say("language-name") == "English"
            assert say("held-count", count=1) == "1 Produkt"
        assert current_language() == "en"

    def test_an_unknown_one(self) -> None:
        with pytest.raises(InputError, match="there are no words in 'xx'; give de or en"), speak("xx"):
            pass

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (("de", "en"), "de"),
            (("", "de-AT,de;q=0.9,en;q=0.8"), "de"),
            (("", "fr-CH, fr;q=0.9, DE;q=0.8, *;q=0.5"), "de"),
            (("xx", "en-GB,de"), "en"),
            (("<script>", "*"), "en"),
            ((), "en"),
        ],
    )
    def test_the_first_known_one_is_chosen(self, wanted: tuple[str, ...], code: str) -> None:
        assert choose_language(*wanted) == code

    def test_what_a_language_lacks_is_said_in_english(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from nextbest.serving import language

        without = language._bundle("de")
        monkeypatch.delitem(without._messages, "language-name")
        with speak("de"):
            assert say("language-name") == "English"

    def test_a_slip_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            say("no-such-message")
        with pytest.raises(ValueError, match="held-count"):
            say("held-count")

    def test_the_browser_gets_the_labels(self) -> None:
        assert messages("label-tab-w", "de") == {"label-tab-why": "Warum", "label-tab-whatif": "Was wäre, wenn"}


class TestGerman:
    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (42_136.7, "EUR/year", "42.137 EUR/Jahr"),
            (1_000_000, "EUR", "1.000.000 EUR"),
            (129.9, "EUR", "129,90 EUR"),
            (-250.5, "CHF", "-250,50 CHF"),
            (2.5, "years", "2,5 Jahre"),
            (1, "years", "1 Jahr"),
            (14.75, "%/year", "14,75\N{NO-BREAK SPACE}%/Jahr"),
            (0.427, "share", "42,7\N{NO-BREAK SPACE}%"),
            (712, "", "712"),
            (3, "dozens", "3 dozens"),
        ],
    )
    def test_numbers(self, value: float, unit: str, text: str) -> None:
        with speak("de"):
            assert format_number(value, unit) == text

    def test_dates_and_the_rest(self) -> None:
        with speak("de"):
            assert format_date(date(2024, 9, 27)) == "27.09.2024"
            assert format_month(date(2024, 9, 27)) == "Sept. 2024"
            assert format_value(np.float32(19_993), {"role": "date", "unit": ""}) == "27.09.2024"
            assert format_value(np.float32(1), {"role": "boolean", "unit": ""}) == "ja"
            assert format_probability(0.06) == "6,0\N{NO-BREAK SPACE}%"
            assert format_change(-0.416, 2) == "\N{MINUS SIGN}0,42"
            assert say("upload-unknown", count=42_137) == (
                "42.137 davon bisher unbekannt. Ohne die Liste held_products gibt es eine Reihenfolge, aber keine "
                "Wahrscheinlichkeit."
            )

    def test_english_is_as_ever(self) -> None:
        assert (format_date(date(2024, 9, 5)), format_month(date(2024, 9, 5))) == ("05 Sep 2024", "Sep 2024")
        assert format_probability(0.06) == "6.0%"
