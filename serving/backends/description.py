"""What a server says about a model, in the JSON of its protos: REST speaks it, gRPC's messages are turned into it.

`GetModelStatusResponse` and `GetModelMetadataResponse` of TF Serving's apis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nextbest.serving.backends.errors import understood

__all__ = [
    "AVAILABLE",
    "LOADING",
    "Description",
    "Signature",
    "Tensor",
    "VersionStatus",
    "parse_description",
    "parse_statuses",
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
    """object for words."""
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


@understood()
def parse_statuses(json: Mapping[str, Any]) -> list[VersionStatus]:
    """Read a `GetModelStatusResponse`. Raises ServerError where it is none."""
    return [VersionStatus.parse(found) for found in json.get("model_version_status", [])]


@understood()
def parse_description(json: Mapping[str, Any]) -> Description:
    """Read a `GetModelMetadataResponse`, without signatures that take nothing. Raises ServerError where it is none."""
    signatures = json["metadata"]["signature_def"]["signature_def"]
    return Description(
        int(json["model_spec"]["version"]),
        {name: Signature.parse(found) for name, found in sorted(signatures.items()) if found.get("inputs")},
    )
