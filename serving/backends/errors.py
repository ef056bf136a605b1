"""What servers say when they do not answer, and what a person is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.backends.config import ClientConfig

__all__ = ["TLS", "UNAVAILABLE", "ServerError", "explained", "understood", "without_values"]

UNAVAILABLE = "UNAVAILABLE"
TLS = "TLS"
"""Beside gRPC's codes: the two ends could not agree on a secure connection."""

_SHOWN = 400
"""How many characters of a server's text are repeated."""
_ECHO = re.compile(r"\b(JSON (?:value|object)|value|values)(:|=).*", re.DOTALL | re.IGNORECASE)
"""Where TF Serving's json_tensor.cc and TensorFlow's parsing of tf.Examples begin to repeat the request."""
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")

_REMEDIES = {
    UNAVAILABLE: "see that a TF Serving listens there (its own ports are 8500 for gRPC and 8501 for REST), with TLS"
    " only for grpcs:// and https://, and that it is not overloaded; it was asked up to {attempts} times (attempts)",
    TLS: "set ca_file to what signed the server's certificate, authority to the name in it, cert_file and key_file"
    " where the server asks for the client's; grpc:// and http:// do without TLS",
    "DEADLINE_EXCEEDED": "raise deadline_seconds ({deadline_seconds:g}) or lower max_batch_rows ({max_batch_rows})",
    "NOT_FOUND": "see that the server's models.config names the model, its folder and the wanted version, or name"
    " another model ({model})",
    "FAILED_PRECONDITION": "see that the server has the MODELS of this export; where it joins requests, lists must have"
    " one width (list_width)",
    "INVALID_ARGUMENT": "correct the feature or the label that it names; where it finds too many rows, lower"
    " max_batch_rows ({max_batch_rows}), and where it could not join requests, set list_width",
    "RESOURCE_EXHAUSTED": "raise max_message_bytes ({max_message_bytes}), and the limit of the server or of a proxy"
    " before it where they refuse, or lower max_batch_rows ({max_batch_rows})",
    "UNAUTHENTICATED": "put a token that the server accepts into token_file or NEXTBEST_TOKEN",
    "PERMISSION_DENIED": "let the server's operator permit this token or certificate to ask the model",
    "UNIMPLEMENTED": "see that a TF Serving listens there (its own ports are 8500 for gRPC and 8501 for REST)",
}
_OTHER = "look into the server's log"


class ServerError(Exception):
    """A call that got no answer: the name of gRPC's code, and what was said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


@contextmanager
def understood() -> Iterator[None]:
    """Read an answer: what makes no sense in it is the server's error, and its values are not repeated."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ServerError("UNIMPLEMENTED", f"what it answered makes no sense ({type(error).__name__})") from None


def explained(error: ServerError, place: str, config: ClientConfig, remedies: Mapping[str, str] | None = None) -> str:
    """Return the message for a person.

    Args:
        error: What happened.
        place: Who was asked for what.
        config: Whose settings the remedies name.
        remedies: Code -> remedy, where the usual one does not fit.
    """
    text = " ".join(error.text.split())
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    remedy = {**_REMEDIES, **(remedies or {})}.get(error.code, _OTHER)
    return f"{place}: {error.code}: {text or 'no reason given'}; {remedy.format(**config.model_dump())}"


def without_values(text: str, inputs: Mapping[str, Array]) -> str:
    """Return a server's text without the values of the request that it repeats: they are customers' data."""
    text = _ECHO.sub(r"\1\2 …", text)
    words = {word for values in inputs.values() if values.dtype == object for word in values.flat if word in text}
    for word in sorted(words - {""} - set(inputs), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "…", text)
    sent = [values.ravel() for values in inputs.values() if values.dtype != object]
    numbers = np.unique(np.concatenate(sent)) if sent else np.zeros(0)
    return _NUMBER.sub(lambda found: "…" if np.isclose(float(found[0]), numbers, rtol=1e-6).any() else found[0], text)
