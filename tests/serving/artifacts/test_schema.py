"""The schema of a request, read back by protobuf's own parser."""

import math
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from nextbest.data.tables.load import load_dataset
from nextbest.serving.artifacts.schema import schema_proto, write_schema
from tests.data.table_files import CUSTOMERS, write_bank

COLUMNS = ("income", "segment", "has_app", "born", "note")
DEFAULTS = {"as_of_day": 19_000, "k": 7}


@pytest.fixture
def schema(tmp_path: Path) -> schema_pb2.Schema:
    config = write_bank(tmp_path)
    inputs = [*COLUMNS, "held_products", "held_days", "as_of_day", "k", "max_risk", "similarity"]
    write_schema(schema_proto(config, load_dataset(config, tmp_path), inputs, DEFAULTS), tmp_path / "schema.pbtxt")
    return text_format.Parse((tmp_path / "schema.pbtxt").read_text(), schema_pb2.Schema())


def test_types_follow_roles(schema: schema_pb2.Schema) -> None:
    assert {feature.name: schema_pb2.FeatureType.Name(feature.type) for feature in schema.feature} == {
        "income": "FLOAT",
        "segment": "BYTES",
        "has_app": "FLOAT",
        "born": "FLOAT",
        "note": "BYTES",
        "held_products": "BYTES",
        "held_days": "INT",
        "as_of_day": "INT",
        "k": "INT",
        "max_risk": "FLOAT",
        "similarity": "FLOAT",
    }


def test_presence_shape_and_domains(schema: schema_pb2.Schema) -> None:
    features = {feature.name: feature for feature in schema.feature}
    always = {name for name, feature in features.items() if feature.presence.min_fraction == 1}
    # A customer has no income, app or birthday, notes are optional, and all inputs beside columns have a default.
    assert always == {"segment"}
    assert {name for name, feature in features.items() if feature.HasField("shape")} == always
    assert features["income"].value_count.max == features["as_of_day"].value_count.max == 1
    assert not features["held_products"].HasField("value_count")  # any number of products
    assert (features["income"].float_domain.min, features["income"].float_domain.max) == (1000.5, 2000)
    assert features["has_app"].float_domain.max == 1
    assert features["segment"].domain == "segment"
    assert [(domain.name, list(domain.value)) for domain in schema.string_domain] == [
        ("segment", ["private", "retail"])
    ]
    assert features["segment"].distribution_constraints.min_domain_mass == 0  # unknown categories are allowed


def test_what_is_left_out_is_said_to_people_and_to_parsers(schema: schema_pb2.Schema) -> None:
    parsed = schema.tensor_representation_group[""].tensor_representation
    assert set(parsed) == {feature.name for feature in schema.feature}
    assert all(feature.annotation.comment for feature in schema.feature)
    for name in ("held_products", "held_days", "similarity"):
        assert parsed[name].varlen_sparse_tensor.column_name == name
    for name in ("income", "has_app", "born", "max_risk"):
        assert math.isnan(parsed[name].dense_tensor.default_value.float_value)
    for name in ("segment", "note"):
        assert parsed[name].dense_tensor.default_value.HasField("bytes_value")
        assert parsed[name].dense_tensor.default_value.bytes_value == b""
    comments = {feature.name: feature.annotation.comment[0] for feature in schema.feature}
    for name, default in DEFAULTS.items():
        assert parsed[name].dense_tensor.default_value.int_value == default
        assert str(default) in comments[name]


def test_an_input_that_no_export_has(tmp_path: Path) -> None:
    config = write_bank(tmp_path)
    with pytest.raises(KeyError, match="incme"):
        schema_proto(config, load_dataset(config, tmp_path), ["incme"], DEFAULTS)


def test_a_large_domain_keeps_the_commonest(tmp_path: Path) -> None:
    config = write_bank(tmp_path, customers=CUSTOMERS.replace("private", "a rare one"))
    schema = schema_proto(config, load_dataset(config, tmp_path), COLUMNS, DEFAULTS, max_domain=1)
    assert list(schema.string_domain[0].value) == ["retail"]


def test_the_text_is_deterministic(tmp_path: Path) -> None:
    config = write_bank(tmp_path)
    texts = []
    for name in ("one", "two"):
        write_schema(schema_proto(config, load_dataset(config, tmp_path), COLUMNS, DEFAULTS), tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1] != b""
