"""The language of what people read: `say` finds the words, `speak` says whose.

Each language is one file of words/, written in Project Fluent (https://projectfluent.org), which has plurals and cases
by selectors. A further language is one more file; where it lacks a message English has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbest.data.errors import InputError, Problem, explain_missing_packages
from nextbest.serving.english import FUNCTIONS

if TYPE_CHECKING:
    from babel import Locale
    from fluent.runtime import FluentBundle

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "babel_locale",
    "choose_language",
    "current_language",
    "language_of",
    "messages",
    "say",
    "speak",
]

_WORDS = Path(__file__).with_name("words")
ENGLISH = "en"
LANGUAGES: tuple[str, ...] = tuple(sorted(file.stem for file in _WORDS.glob("*.ftl")))
"""The codes of all languages."""
_CURRENT: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """Return the code of the language that is spoken now."""
    return _CURRENT.get()


@contextmanager
def speak(code: str) -> Iterator[None]:
    """Speak a language within a block.

    Raises:
        InputError: There is none of this code.
    """
    if code not in LANGUAGES:
        remedy = f"give {' or '.join(LANGUAGES)}"
        raise InputError([Problem("language", None, None, f"there are no words in {code!r}", remedy)])
    token = _CURRENT.set(code)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def choose_language(*wanted: str) -> str:
    """Return the first known language of what somebody wants, else English.

    Args:
        wanted: A code or what a browser's header Accept-Language lists, the best first: 'de-AT,de;q=0.9,en;q=0.8'.
    """
    tags = (tag.strip() for text in wanted for tag in text.split(","))
    codes = (tag.partition(";")[0].partition("-")[0].lower() for tag in tags)
    return next((code for code in codes if code in LANGUAGES), ENGLISH)


def language_of(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return the language of who asks for a page: what its address says (?lang=de), else what the browser prefers.

    Args:
        parameters: Of the address.
        headers: Of the request, in any case of letters.
    """
    return choose_language(parameters.get("lang", ""), headers.get("accept-language", ""))


def say(key: str, **values: Any) -> str:
    """Return a message in the current language.

    Args:
        key: The message's name in the files of words/.
        values: What it mentions; whole numbers are written as the language writes them, and choose plurals.

    Raises:
        KeyError: There is no such message.
        ValueError: It mentions something else.
        MissingPackageError: fluent.runtime is not installed.
    """
    bundle = _bundle(current_language())
    if not bundle.has_message(key):
        bundle = _bundle(ENGLISH)
    pattern = bundle.get_message(key).value
    if pattern is None:
        raise KeyError(key)
    text, errors = bundle.format_pattern(pattern, values)
    if errors:
        raise ValueError(f"the message {key!r} cannot be said: {errors}")
    return str(text)


def messages(beginning: str, code: str) -> Mapping[str, str]:
    """Return the messages of a language whose names begin so, and that mention nothing: name -> text."""
    names = [entry.id.name for entry in _resource(ENGLISH).body if hasattr(entry, "id")]
    with speak(code):
        return {name: say(name) for name in names if name.startswith(beginning)}


def babel_locale() -> Locale:
    """Return how the current language writes numbers and dates."""
    with explain_missing_packages():
        from babel import Locale
    return Locale.parse(current_language())


@cache
def _resource(code: str) -> Any:
    with explain_missing_packages():
        from fluent.runtime import FluentResource
    return FluentResource((_WORDS / f"{code}.ftl").read_text(encoding="utf-8"))


@cache
def _bundle(code: str) -> FluentBundle:
    with explain_missing_packages():
        from fluent.runtime import FluentBundle
    bundle = FluentBundle([code], functions=dict(FUNCTIONS), use_isolating=False)
    bundle.add_resource(_resource(code))
    return bundle
