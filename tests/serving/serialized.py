"""Requests as serialized tf.Examples, which is how a client of TF Serving that knows only the schema sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from nextbest.data.dataset import Features


def serialize(features: Mapping[str, Any]) -> bytes:
    """Return a tf.Example; padding and NaN are left out, as a client would."""
    lists = {}
    for name, values in features.items():
        values = np.atleast_1d(values)
        products = features.get(f"{name.removesuffix('days')}products")
        if name.endswith("_days") and products is not None and len(values):
            values = values[products != ""]
        if values.dtype.kind in "OU":
            lists[name] = tf.train.Feature(bytes_list={"value": [word.encode() for word in values if word]})
        elif values.dtype.kind == "f":
            lists[name] = tf.train.Feature(float_list={"value": values[~np.isnan(values)]})
        else:
            lists[name] = tf.train.Feature(int64_list={"value": values})
    present = {name: one for name, one in lists.items() if one.ByteSize() > 2}  # an empty list is an absent feature
    return tf.train.Example(features={"feature": present}).SerializeToString()


def examples(request: Features) -> Any:
    """Return one tf.Example per customer, the lists cut to what is no padding."""
    batch = len(request["as_of_day"])
    return tf.constant(
        [serialize({name: values[customer] for name, values in request.items()}) for customer in range(batch)]
    )
