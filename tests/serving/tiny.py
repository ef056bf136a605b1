"""A composite that is made in a blink: it recommends its two products to everybody, and loads in milliseconds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Array
from nextbest.serving.artifacts.assets import ASSETS, CUSTOMERS, EXPORT_FORMAT, MANIFEST, PRODUCTS, Table
from nextbest.serving.artifacts.replay import WARMUP
from nextbest.serving.artifacts.warmup import write_warmup
from nextbest.serving.backends.local import LocalBackend

REQUESTS = {"as_of_day": np.array([20_000, 20_001]), "income": np.array([1.5, np.nan], np.float32)}
CUSTOMER_IDS = np.array(["C1", "C2"], object)

_ROWS = {
    "as_of_day": tf.TensorSpec([None], tf.int64),
    "income": tf.TensorSpec([None], tf.float32),
    "max_risk": tf.TensorSpec([None], tf.float32),
    "categories": tf.TensorSpec([None, None], tf.string),
    "exclude": tf.TensorSpec([None, None], tf.string),
}


def product_ids(label: str) -> Array:
    """Return the two products of a label."""
    return np.array([f"{label}-a", f"{label}-b"], object)


class Tiny(tf.Module):
    """Its products are called after its label; a customer's probability is the income times the factor."""

    def __init__(self, label: str, factor: float) -> None:
        super().__init__()
        self.product_ids = tf.Variable(product_ids(label).tolist(), trainable=False)
        self._factor = factor

    def recommend(self, **request: Any) -> dict[str, Any]:
        batch = tf.shape(request["as_of_day"])[0]
        like = tf.ones([batch, 2])
        return {
            "product_id": tf.tile(self.product_ids[None, :], [batch, 1]),
            "probability": like * self._factor * request["income"][:, None],
            "similarity": like,
            "retrieval_rank": tf.cast(like, tf.int32),
            "count": tf.fill([batch], 2),
        }

    def exclusions(self, **request: Any) -> dict[str, Any]:
        return {"reason": tf.tile(self.product_ids[None, :], [tf.shape(request["as_of_day"])[0], 1])}


def export(folder: Path, label: str = "v", factor: float = 1.0, *, warmup: bool = True) -> Path:
    """Write a tiny composite with its assets, and return its folder."""
    tiny = Tiny(label, factor)
    signatures = {
        "recommend": tf.function(tiny.recommend).get_concrete_function(k=tf.TensorSpec([None], tf.int64), **_ROWS),
        "exclusions": tf.function(tiny.exclusions).get_concrete_function(**_ROWS),
    }
    tf.saved_model.save(tiny, str(folder), signatures=signatures)
    assets = folder / ASSETS
    assets.mkdir()
    manifest = {
        "format": EXPORT_FORMAT,
        "as_of_day": 20_000,
        "horizon_days": 91,
        "customers": {"columns": {"income": {}}},
        "products": {"columns": {}},
        "policy": {"risk_column": None, "category_column": None},
    }
    (assets / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    Table(product_ids(label), {}).save(assets / PRODUCTS)
    Table(CUSTOMER_IDS, REQUESTS).save(assets / CUSTOMERS)
    if warmup:
        write_warmup(LocalBackend(folder), folder, "recommender", REQUESTS, product_ids(label), 3)
    return folder


def write_records(folder: Path, records: Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Write warmup records by hand: signature, inputs, and the outputs to be expected."""
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = folder / WARMUP
    path.parent.mkdir(exist_ok=True, parents=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for signature, inputs, outputs in records:
            log = PredictionLog()
            log.predict_log.request.model_spec.signature_name = signature
            for name, values in inputs.items():
                log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            for name, values in outputs.items():
                log.predict_log.response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
            writer.write(log.SerializeToString())
