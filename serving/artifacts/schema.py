"""What a tf.Example for an exported model carries, as a schema.pbtxt of tensorflow-metadata, as TFX's tools read it.

The features describe what the data holds. The tensor representations say how the model parses them, with the value of a
feature that an example leaves out: tfx_bsl's TFExampleRecord and what builds on it read them.

TFX's own packages do not resolve with our TensorFlow; the schema's protocol buffers do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nextbest.data.config import ColumnConfig, DataConfig, Role
from nextbest.data.dataset import Array, Dataset
from nextbest.data.files import write_text
from nextbest.graph.served_inputs import SERVED_INPUTS

__all__ = ["schema_proto", "write_schema"]

MAX_DOMAIN = 1000
"""A string domain lists at most so many values, the commonest."""
_REPRESENTATIONS = ""
"""The name of the group that TFX's tools read by default."""


_BYTES, _INT, _FLOAT = schema_pb2.BYTES, schema_pb2.INT, schema_pb2.FLOAT
_TYPES = {"O": _BYTES, "i": _INT, "f": _FLOAT}
"""Kind of a NumPy type -> type of a feature."""
_AVERAGE = "Left out: unknown; counts as the average, with a flag where the training data lacked values too."
_LEFT_OUT: Mapping[Role, str] = {
    "number": _AVERAGE,
    "boolean": f"0 or 1. {_AVERAGE}",
    "date": f"Days since 1970-01-01, read as an age. {_AVERAGE}",
    "category": "Left out, or no category of the training data: unknown.",
    "text": "Left out: no words.",
    "id": "Read by suitability rules alone. Left out: unknown.",
}


def schema_proto(
    config: DataConfig,
    dataset: Dataset,
    inputs: Iterable[str],
    defaults: Mapping[str, int],
    max_domain: int = MAX_DOMAIN,
) -> schema_pb2.Schema:
    """Return the schema of the tf.Examples that a servable takes.

    Domains describe what the data holds. A request may leave them: unknown categories have a tested meaning, so the
    string domains demand no share of known values. Columns without missing values in the data are stated to be always
    there, as TFX expects it; the model answers without them too.

    Args:
        config: the columns' roles.
        dataset: the customers, whose values the domains describe.
        inputs: the names of what an example holds.
        defaults: whole-number input -> what it is in an example that lacks it.
        max_domain: how many values a string domain lists at most.

    Raises:
        KeyError: an input is neither a column nor one that all exports know.
    """
    schema = schema_pb2.Schema()
    for name in inputs:
        column = config.customers.columns.get(name)
        if column is not None:
            feature = _add_column(schema, name, column, dataset.customers.columns[name], max_domain)
        else:
            feature = _add_input(schema, name, defaults.get(name))
        _add_representation(schema, feature, defaults.get(name))
    return schema


def write_schema(schema: schema_pb2.Schema, path: Path) -> None:
    """Write a schema as protobuf text, whole or not at all."""
    write_text(path, text_format.MessageToString(schema))


def _add_column(
    schema: schema_pb2.Schema, name: str, column: ColumnConfig, values: Array, max_domain: int
) -> schema_pb2.Feature:
    """Add a customer's feature, of which `values`, [num_rows], are known."""
    is_float = values.dtype.kind == "f"
    feature = schema.feature.add(name=name, type=_FLOAT if is_float else _BYTES)
    feature.annotation.comment.append(_LEFT_OUT["id"] if column.protected else _LEFT_OUT[column.role])
    missing = np.isnan(values) if is_float else values == ""
    if column.optional or missing.any():
        _allow_one(feature)
    else:
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.SetInParent()  # no dimensions: a scalar
    known = values[~missing]
    if is_float and len(known):
        feature.float_domain.min, feature.float_domain.max = float(known.min()), float(known.max())
    elif column.role == "category":
        names, counts = np.unique(known, return_counts=True)
        commonest = np.sort(np.argsort(-counts, kind="stable")[:max_domain])
        schema.string_domain.add(name=name, value=names[commonest].tolist())
        feature.domain = name
        feature.distribution_constraints.min_domain_mass = 0.0
    return feature


def _add_input(schema: schema_pb2.Schema, name: str, default: int | None) -> schema_pb2.Feature:
    """Add an input beside the customer's columns."""
    served = SERVED_INPUTS[name]
    feature = schema.feature.add(name=name, type=_TYPES[served.dtype.kind])
    feature.annotation.comment.append(served.comment.format(default))
    if served.is_list:
        feature.presence.min_fraction = 0.0
    else:
        _allow_one(feature)
    return feature


def _allow_one(feature: schema_pb2.Feature) -> None:
    """Allow one value or none. TFX allows a fixed shape only to features that are always there."""
    feature.presence.min_fraction = 0.0
    feature.value_count.min, feature.value_count.max = 1, 1


def _add_representation(schema: schema_pb2.Schema, feature: schema_pb2.Feature, default: int | None) -> None:
    """Say how the model parses a feature."""
    group = schema.tensor_representation_group[_REPRESENTATIONS]
    representation = group.tensor_representation[feature.name]
    if feature.name in SERVED_INPUTS and SERVED_INPUTS[feature.name].is_list:
        representation.varlen_sparse_tensor.column_name = feature.name
        return
    dense = representation.dense_tensor
    dense.column_name = feature.name
    dense.shape.SetInParent()
    if feature.type == _BYTES:
        dense.default_value.bytes_value = b""
    elif feature.type == _FLOAT:
        dense.default_value.float_value = math.nan
    elif default is not None:
        dense.default_value.int_value = default
