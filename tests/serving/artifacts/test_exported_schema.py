"""schema.pbtxt is all that a client of serving_default needs: it says what the model parses, no more and no less."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from nextbest.data.config import HistoryList
from nextbest.data.dataset import Features
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.pipeline.run import open_run
from nextbest.serving.artifacts.schema import schema_proto
from nextbest.serving.composite import RecommenderServable
from nextbest.serving.recommender import Recommender
from tests.serving.servables import SERVABLES, Served
from tests.trained import Trained

pytestmark = pytest.mark.usefixtures("load_once")

LISTS = get_args(HistoryList)
TYPES = {schema_pb2.FLOAT: tf.float32, schema_pb2.INT: tf.int64, schema_pb2.BYTES: tf.string}


def read_schema(folder: Path) -> schema_pb2.Schema:
    return text_format.Parse((folder / "assets.extra" / "schema.pbtxt").read_text(), schema_pb2.Schema())


@pytest.fixture(scope="module")
def schemas(trained: Trained) -> dict[str, schema_pb2.Schema]:
    return {name: read_schema(trained.models / name / "1") for name in SERVABLES}


def feature_specs(schema: schema_pb2.Schema) -> dict[str, Any]:
    """Return how tf.io parses what a schema describes, as tfx_bsl's TFExampleRecord reads tensor representations."""
    types = {feature.name: TYPES[feature.type] for feature in schema.feature}
    specs = {}
    for name, representation in schema.tensor_representation_group[""].tensor_representation.items():
        if representation.HasField("varlen_sparse_tensor"):
            assert representation.varlen_sparse_tensor.column_name == name
            specs[name] = tf.io.VarLenFeature(types[name])
        else:
            dense = representation.dense_tensor
            assert dense.column_name == name
            default = dense.default_value
            value = getattr(default, default.WhichOneof("kind"))
            specs[name] = tf.io.FixedLenFeature([dim.size for dim in dense.shape.dim], types[name], value)
    return specs


def parsing(model: Served, signature: str) -> dict[str, Any]:
    """Return how a signature's graph parses tf.Examples, read from its ParseExampleV2."""
    graph = model.graph.as_graph_def()
    functions = {function.signature.name: list(function.node_def) for function in graph.library.function}
    output = next(iter(model.signatures[signature].outputs.values())).name
    call = next(node for node in graph.node if node.name == output.partition(":")[0])

    def reached(node: Any) -> Iterator[tuple[Any, list[Any]]]:
        for inner in functions[node.attr["f"].func.name]:
            if inner.op == "ParseExampleV2":
                yield inner, functions[node.attr["f"].func.name]
            elif inner.op.endswith("PartitionedCall"):
                yield from reached(inner)

    ((node, body),) = reached(call)
    nodes = {other.name: other for other in body}

    def constant(tensor: str) -> Any:
        node = nodes[tensor.partition(":")[0]]
        return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else constant(node.input[0])

    sparse, dense, ragged, *defaults = map(constant, node.input[2:])  # after the examples and their names
    assert len(ragged) == 0
    specs = {
        name.decode(): tf.io.VarLenFeature(tf.as_dtype(dtype))
        for name, dtype in zip(sparse, node.attr["sparse_types"].list.type, strict=True)
    }
    for name, dtype, default in zip(dense, node.attr["Tdense"].list.type, defaults, strict=True):
        assert default.shape == ()
        specs[name.decode()] = tf.io.FixedLenFeature([], tf.as_dtype(dtype), default.item())
    return specs


def comparable(specs: dict[str, Any]) -> dict[str, Any]:
    """Return specifications in which NaN equals NaN."""
    return {
        name: spec._replace(default_value="NaN")
        if isinstance(getattr(spec, "default_value", None), float) and math.isnan(spec.default_value)
        else spec
        for name, spec in specs.items()
    }


@pytest.mark.parametrize("name", SERVABLES)
def test_the_schema_says_what_the_graph_parses(
    schemas: dict[str, schema_pb2.Schema], served: dict[str, Served], name: str
) -> None:
    names = [feature.name for feature in schemas[name].feature]
    parsed = parsing(served[name], "serving_default")
    assert sorted(names) == sorted(parsed)  # no more, no less, and none twice
    assert comparable(feature_specs(schemas[name])) == comparable(parsed)
    # Features for the model alone: without what is asked of it.
    transformed = parsing(served[name], "transform_features")
    asked = {"k", "max_risk", "categories", "exclude", "candidates", "similarity"}
    assert transformed.keys() == parsed.keys() - asked
    assert comparable(transformed).items() <= comparable(parsed).items()


@pytest.mark.parametrize("name", SERVABLES)
def test_what_is_marked_as_always_there_is_a_column(schemas: dict[str, schema_pb2.Schema], name: str) -> None:
    always = {feature.name for feature in schemas[name].feature if feature.presence.min_fraction == 1}
    assert "income" in always
    assert not always & {"as_of_day", "k", "max_risk", "categories", "exclude", "held_products", "candidates"}


def test_the_runs_schema_is_the_recommenders(trained: Trained) -> None:
    ours = (trained.run / "schema.pbtxt").read_bytes()
    assert ours == (trained.models / "recommender" / "1" / "assets.extra" / "schema.pbtxt").read_bytes()


def any_value(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> Any:
    """Return a strategy of values that a schema allows."""
    if feature.type == schema_pb2.FLOAT:
        low, high = (feature.float_domain.min, feature.float_domain.max) if feature.HasField("float_domain") else (0, 5)
        return st.floats(low, high, width=32)
    if feature.type == schema_pb2.INT:
        return st.integers(1, 30_000)
    words = {domain.name: list(domain.value) for domain in schema.string_domain}.get(feature.domain)
    return (st.sampled_from(words) if words else st.text(max_size=4)).map(str.encode)


def encoded(dtype: Any, values: list[Any]) -> Any:
    kind = {tf.float32: "float_list", tf.int64: "int64_list", tf.string: "bytes_list"}[dtype]
    return tf.train.Feature(**{kind: {"value": values}})


@pytest.mark.parametrize("name", SERVABLES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_an_example_built_from_the_schema_alone_is_answered(
    schemas: dict[str, schema_pb2.Schema], served: dict[str, Served], name: str, data: st.DataObject
) -> None:
    schema = schemas[name]
    specs = feature_specs(schema)
    lengths = {name: data.draw(st.integers(0, 3)) for name in ("candidates", *LISTS)}
    together = {"candidates": "candidates", "similarity": "candidates"}
    together |= {f"{name}_{what}": name for name in LISTS for what in ("products", "days")}
    given_, told = {}, {}
    for feature in schema.feature:
        spec, value = specs[feature.name], any_value(schema, feature)
        if feature.name in together:
            given_[feature.name] = [data.draw(value) for _ in range(lengths[together[feature.name]])]
        elif isinstance(spec, tf.io.VarLenFeature):
            given_[feature.name] = data.draw(st.lists(value, max_size=3))
        elif data.draw(st.booleans()):
            given_[feature.name] = [data.draw(value)]
        else:  # left out, which must be the same as telling the default that the schema states
            default = spec.default_value
            told[feature.name] = [default]
    rows = []
    for values in (given_, given_ | told):
        features = {key: encoded(specs[key].dtype, found) for key, found in values.items() if found}
        rows.append(tf.train.Example(features={"feature": features}).SerializeToString())
    # The schema's own parser takes it.
    assert tf.io.parse_example(tf.constant(rows), specs).keys() == specs.keys()
    found = served[name].ask("serving_default", {"examples": np.array(rows, object)})
    for output, values in found.items():
        assert len(values) == 2
        np.testing.assert_array_equal(values[0], values[1], err_msg=output)
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), output


def test_columns_that_only_the_policy_reads_are_described(
    trained: Trained, recommender: Recommender, inputs: Features
) -> None:
    rule = Rule(customer="tax_office", op="!=", value="closed", reason="the tax office is closed", missing="allow")
    servable = RecommenderServable(
        trained.run / "retrieval" / "saved_model",
        trained.run / "ranking" / "saved_model",
        PolicyConfig(rules=(rule,)),
        recommender.products.columns,
        candidates=20,
        default_k=5,
        as_of_day=recommender.manifest["as_of_day"],
    )
    run = open_run(trained.run, lambda what: lambda doing, share: None)
    customers = run.config.data.customers
    columns = customers.columns | {"tax_office": customers.columns["region"].model_copy(update={"role": "id"})}
    config = run.config.data.model_copy(update={"customers": customers.model_copy(update={"columns": columns})})
    run.history.customers.columns["tax_office"] = run.history.customers.columns["region"]
    schema = schema_proto(config, run.history, servable.example_spec(), servable.defaults)
    (feature,) = (feature for feature in schema.feature if feature.name == "tax_office")
    assert feature.type == schema_pb2.BYTES and not feature.domain  # ids are not listed
    assert feature_specs(schema)["tax_office"].default_value == b""
    assert {feature.name for feature in schema.feature} == set(servable.example_spec())
    with_office = {name: values for name, values in inputs.items() if name in servable.example_spec()}
    offices = np.array(["closed", "open", "", "closed", "", "open", "open"], object)
    tensors = {name: tf.constant(values) for name, values in (with_office | {"tax_office": offices}).items()}
    found = servable.signatures()["recommend"](tensors)
    assert (found["count"].numpy() == 0).tolist() == (offices == "closed").tolist()
