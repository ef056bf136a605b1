"""Warmup records: the requests with which TensorFlow Serving warms up a model, with the answers that they should get.

TensorFlow Serving reads the requests and ignores the answers; the load check (`load_check`) and the hot swap
(`serving.live`) compare them. See https://www.tensorflow.org/tfx/serving/saved_model_warmup for the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.data.files import new_file
from nextbest.graph.served_inputs import SERVED_INPUTS, missing_values
from nextbest.serving.artifacts.assets import ASSETS, MANIFEST, read_manifest
from nextbest.serving.artifacts.replay import WARMUP

__all__ = ["MAX_ANSWER_BYTES", "MAX_BATCH", "anonymous", "write_warmup"]

MAX_ANSWER_BYTES = 4 * 2**20
"""The largest answer that is recorded: gRPC's own limit for a message, so what a client gets that sets none."""


MAX_BATCH = 256
"""The most customers in a recorded request."""


def anonymous(requests: Features) -> Features:
    """Return requests that say nothing of the customers but how many they are, for exports that may hold no customer.

    All features are missing; `write_warmup` makes holdings up.

    Args:
        requests: Raw requests (see `graph.query`), [num_customers, ...].
    """
    return {"as_of_day": requests["as_of_day"]}


def write_warmup(
    model: WarmedModel,
    folder: Path,
    name: str,
    requests: Features,
    product_ids: Array,
    max_batch: int = MAX_BATCH,
    *,
    k: int = 10,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
) -> None:
    """Write a model's warmup records: for each signature one of a single customer, and one of many.

    Customers' requests have no ids in them. What they lack is filled in as `SERVED_INPUTS` says: `k`, products of the
    catalogue, and otherwise nothing (NaN, '' and empty lists); packed columns are those that the manifest names.

    Args:
        model: The model, loaded.
        folder: Its SavedModel, with its manifest where it has one. Records that it has already are replaced.
        name: What it is served as, which the requests name.
        requests: Raw requests of at least one customer (see `graph.query`), [num_customers, ...]; they are repeated
            where they are fewer than `max_batch`, and those after it are not read. Other inputs may be among them.
        product_ids: The catalogue, object str, [num_products].
        max_batch: How many customers the larger records have, as TensorFlow Serving's `max_batch_size`.
        k: How many products each customer is to get, and how many candidates the ranker.
        max_answer_bytes: The larger record has fewer customers where their answer would be larger than this, by the
            size of the single customer's. `exclusions` answers each customer with the whole catalogue: 256 customers
            and 100,000 products would be some 600 MB in the file, and more in the memory of who replays it.

    Raises:
        ValueError: There is no request, or `max_batch` or `k` is below 1.
        tf.errors.OpError: The model cannot be loaded, or refuses a request.
    """
    customers = len(requests["as_of_day"])
    if min(customers, max_batch, k) < 1:
        raise ValueError(f"{customers} requests, max_batch = {max_batch}, k = {k}: each must be at least 1")
    packed = read_manifest(folder).get("packed", {}) if (folder / ASSETS / MANIFEST).exists() else {}
    records = _Records(name, model, requests, product_ids, packed, k)
    with new_file(folder / WARMUP) as staging, tf.io.TFRecordWriter(str(staging)) as writer:
        for signature in model.signatures:
            for log in records.logs(signature, max_batch, max_answer_bytes):
                writer.write(log.SerializeToString())


class WarmedModel(Protocol):
    """See `serving.backends.local.LocalBackend`."""

    @property
    def signatures(self) -> Sequence[str]:
        """The names of its signatures."""

    def inputs(self, signature: str) -> Mapping[str, Any]:
        """Return what a signature takes, as `serving.backends.InputSpec`."""

    def call(self, signature: str, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Call a signature."""


@dataclass(frozen=True)
class _Records:
    """Makes the records of a model from customers' requests and what its signatures take besides."""

    name: str
    model: WarmedModel
    requests: Features
    product_ids: Array
    """The catalogue, [num_products]."""
    packed: Mapping[str, list[str]]
    """Input -> the columns in it, in order."""
    k: int

    def logs(self, signature: str, max_batch: int, max_answer_bytes: int) -> Iterator[Any]:
        """Yield the PredictionLogs of a signature: of one customer, and of as many as the limits allow."""
        single = self._log(signature, 1)
        yield single
        batch = min(max_batch, max_answer_bytes // single.predict_log.response.ByteSize())
        if batch > 1:
            yield self._log(signature, batch)

    def _log(self, signature: str, batch: int) -> Any:
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

        inputs = {name: self._values(name, spec, batch) for name, spec in self.model.inputs(signature).items()}
        log = PredictionLog()
        request, response = log.predict_log.request, log.predict_log.response
        request.model_spec.name, request.model_spec.signature_name = self.name, signature
        for messages, arrays in ((request.inputs, inputs), (response.outputs, self.model.call(signature, inputs))):
            for key, values in arrays.items():
                messages[key].CopyFrom(tf.make_tensor_proto(values, shape=values.shape))
        return log

    def _values(self, name: str, spec: Any, batch: int) -> Array:
        """Return an input for a batch of customers, [batch, ...], as the signature's type."""
        return self._made(name, spec, batch).astype(spec.dtype)

    def _made(self, name: str, spec: Any, batch: int) -> Array:
        nothing = missing_values(spec.dtype, (batch, spec.width or 0) if spec.rank == 2 else (batch,))
        if name in self.requests:
            return self.requests[name][np.arange(batch) % len(self.requests[name])]
        if name in self.packed:
            columns = [self._values(one, spec._replace(rank=1, width=None), batch) for one in self.packed[name]]
            return np.stack(columns, axis=1) if columns else nothing
        if name == "examples":
            return self._examples(batch)
        if name in ("ranking_features", "retrieval_features"):
            return np.zeros_like(nothing)
        if name in SERVED_INPUTS and (make_values := SERVED_INPUTS[name].warmup):
            return make_values(batch, self.k, self.product_ids)
        return nothing

    def _examples(self, batch: int) -> Array:
        """Return tf.Examples of all inputs that a signature of the model takes, [batch]; a model ignores others."""
        specs = {
            name: spec for signature in self.model.signatures for name, spec in self.model.inputs(signature).items()
        }
        # Packed columns and feature vectors, whose width is fixed, are made of what is there already.
        named = {name for name, spec in specs.items() if spec.width is None} - {"examples"}
        features = {name: self._values(name, specs[name], batch) for name in sorted(named)}
        rows = [
            _example({name: values[row : row + 1].ravel() for name, values in features.items()}) for row in range(batch)
        ]
        return np.array(rows, object)


def _example(row: Features) -> bytes:
    """Serialize one customer's values, a list of any length for each name; an empty one is an absent feature."""
    lists = {}
    for name, values in row.items():
        kind = {"O": "bytes_list", "f": "float_list"}.get(values.dtype.kind, "int64_list")
        if values.size:
            value = [one.encode("utf-8") if isinstance(one, str) else one for one in values.tolist()]
            lists[name] = tf.train.Feature(**{kind: {"value": value}})
    return tf.train.Example(features={"feature": lists}).SerializeToString()
