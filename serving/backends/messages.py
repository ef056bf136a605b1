"""What a server says: the state and signatures of a model, and errors with their remedies.

States and signatures are read in the JSON of TF Serving's protos (GetModelStatusResponse, GetModelMetadataResponse):
REST speaks it, gRPC's messages are turned into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from nextbest.data.dataset import Array
from nextbest.serving.backends.config import ClientConfig

__all__ = [
    "AVAILABLE",
    "LOADING",
    "TLS",
    "UNAVAILABLE",
    "Description",
    "ServerError",
    "Signature",
    "Tensor",
    "VersionStatus",
    "error_message",
    "parse_description",
    "parse_errors",
    "parse_statuses",
    "redact",
]

AVAILABLE = "AVAILABLE"
LOADING = ("START", "LOADING")

_DTYPES = {
    "DT_STRING": np.dtype(object),
    "DT_FLOAT": np.dtype(np.float32),
    "DT_DOUBLE": np.dtype(np.float64),
    "DT_HALF": np.dtype(np.float16),
    "DT_INT8": np.dtype(np.int8),
    "DT_INT16": np.dtype(np.int16),
    "DT_INT32": np.dtype(np.int32),
    "DT_INT64": np.dtype(np.int64),
    "DT_UINT8": np.dtype(np.uint8),
    "DT_UINT16": np.dtype(np.uint16),
    "DT_UINT32": np.dtype(np.uint32),
    "DT_UINT64": np.dtype(np.uint64),
    "DT_BOOL": np.dtype(bool),
}


class VersionStatus(NamedTuple):
    """The state of one version."""

    version: int
    state: str
    """START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN."""
    error: str
    """Why it could not be loaded, '' where it could."""

    @classmethod
    def parse(cls, json: Mapping[str, Any]) -> VersionStatus:
        """Read a `ModelVersionStatus`."""
        status = json.get("status", {})
        code = status.get("error_code", "OK")
        error = "" if code == "OK" else f"{code}: {status.get('error_message', '')}"
        return cls(int(json["version"]), json.get("state", "UNKNOWN"), error)


class Tensor(NamedTuple):
    """An input or an output."""

    dtype: np.dtype[Any]
    """object for strings."""
    shape: tuple[int | None, ...]
    """None for a size that differs from call to call."""

    @classmethod
    def parse(cls, json: Mapping[str, Any]) -> Tensor:
        """Read a `TensorInfo`."""
        sizes = [int(dim.get("size", 0)) for dim in json["tensor_shape"].get("dim", [])]
        return cls(_DTYPES[json["dtype"]], tuple(None if size < 0 else size for size in sizes))


class Signature(NamedTuple):
    """What a signature takes and returns."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @classmethod
    def parse(cls, json: Mapping[str, Any]) -> Signature:
        """Read a `SignatureDef`."""
        inputs, outputs = (
            {name: Tensor.parse(tensor) for name, tensor in sorted(json.get(side, {}).items())}
            for side in ("inputs", "outputs")
        )
        return cls(inputs, outputs)


class Description(NamedTuple):
    """A version and its signatures."""

    version: int
    signatures: dict[str, Signature]


class ServerError(Exception):
    """A call that got no answer: the name of gRPC's code, and what was said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


@contextmanager
def parse_errors() -> Iterator[None]:
    """Turn what cannot be parsed within the block into the server's error, which repeats no values."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ServerError("UNIMPLEMENTED", f"what it answered makes no sense ({type(error).__name__})") from None


@parse_errors()
def parse_statuses(json: Mapping[str, Any]) -> list[VersionStatus]:
    """Read a `GetModelStatusResponse`. Raises ServerError where it is not one."""
    return [VersionStatus.parse(found) for found in json.get("model_version_status", [])]


@parse_errors()
def parse_description(json: Mapping[str, Any]) -> Description:
    """Read a `GetModelMetadataResponse`, without signatures that take nothing. Raises ServerError if it is not one."""
    signatures = json["metadata"]["signature_def"]["signature_def"]
    return Description(
        int(json["model_spec"]["version"]),
        {name: Signature.parse(found) for name, found in sorted(signatures.items()) if found.get("inputs")},
    )


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
    " only for grpcs:// and https://, and that it is not overloaded; it was called up to {attempts} times (attempts)",
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
    "PERMISSION_DENIED": "let the server's operator permit this token or certificate to call the model",
    "UNIMPLEMENTED": "see that a TF Serving listens there (its own ports are 8500 for gRPC and 8501 for REST)",
}
_OTHER = "look into the server's log"


def error_message(
    error: ServerError, place: str, config: ClientConfig, remedies: Mapping[str, str] | None = None
) -> str:
    """Return the message for a person.

    Args:
        error: What happened.
        place: Which server, model and signature.
        config: Whose settings the remedies name.
        remedies: Code -> remedy, where the usual one does not fit.
    """
    text = " ".join(error.text.split())
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    remedy = {**_REMEDIES, **(remedies or {})}.get(error.code, _OTHER)
    return f"{place}: {error.code}: {text or 'no reason given'}; {remedy.format(**config.model_dump())}"


def redact(text: str, inputs: Mapping[str, Array]) -> str:
    """Return a server's text without the values of the request that it repeats: they are customers' data."""
    text = _ECHO.sub(r"\1\2 …", text)
    strings = {value for values in inputs.values() if values.dtype == object for value in values.flat if value in text}
    for value in sorted(strings - {""} - set(inputs), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", text)
    sent = [values.ravel() for values in inputs.values() if values.dtype != object]
    numbers = np.unique(np.concatenate(sent)) if sent else np.zeros(0)
    return _NUMBER.sub(lambda found: "…" if np.isclose(float(found[0]), numbers, rtol=1e-6).any() else found[0], text)
