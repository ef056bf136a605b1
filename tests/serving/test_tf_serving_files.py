"""The files for operators are what TF Serving's own messages accept, and name what is exported."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.conftest import ROOT
from tests.trained import Trained

FILES = ROOT / "serving" / "tf_serving"
_FIELD = descriptor_pb2.FieldDescriptorProto


def message(name: str, fields: dict[str, tuple[int, Any]]) -> Any:
    """Return a message of TF Serving that tensorflow-serving-api lacks: field -> (number, type), as its .proto says."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package="tensorflow.serving", dependency=["google/protobuf/wrappers.proto"]
    )
    described = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        added = described.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
        if isinstance(kind, str):
            added.type, added.type_name = _FIELD.TYPE_MESSAGE, kind
        else:
            added.type = kind
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))()


def read(file: str, into: Any) -> Any:
    return text_format.Parse((FILES / file).read_text(encoding="utf-8"), into)


def test_the_models_are_those_that_are_exported(trained: Trained) -> None:
    exported = {folder.name for folder in trained.models.iterdir() if not folder.name.startswith(".")}
    served = {}
    for file in ("models.config", "models_scann.config"):
        for model in read(file, model_server_config_pb2.ModelServerConfig()).model_config_list.config:
            assert model.base_path == f"/models/{model.name}"
            assert model.model_platform == "tensorflow"
            served[model.name] = dict(model.version_labels)
    assert served.keys() == exported
    assert served.pop("retrieval_scann") == {}
    assert all(labels.keys() == {"stable", "canary"} for labels in served.values())


def test_batching_never_pads_lists() -> None:
    # tensorflow_serving/servables/tensorflow/session_bundle_config.proto
    number = ".google.protobuf.Int64Value"
    fields = {
        "max_batch_size": (1, number),
        "batch_timeout_micros": (2, number),
        "max_enqueued_batches": (3, number),
        "num_batch_threads": (4, number),
        "pad_variable_length_inputs": (7, _FIELD.TYPE_BOOL),
    }
    batching = read("batching.config", message("BatchingParameters", fields))
    assert batching.max_batch_size.value > 1
    assert not batching.pad_variable_length_inputs


def test_monitoring_has_the_path_that_the_pages_name() -> None:
    # tensorflow_serving/config/monitoring_config.proto; its one field holds a message of two.
    text = (FILES / "monitoring.config").read_text(encoding="utf-8")
    inner = re.search(r"prometheus_config \{(.*)\}", text, re.DOTALL)
    assert inner is not None
    config = message("PrometheusConfig", {"enable": (1, _FIELD.TYPE_BOOL), "path": (2, _FIELD.TYPE_STRING)})
    text_format.Parse(inner.group(1), config)
    assert config.enable
    assert config.path in (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("flag", re.findall(r"/config/(\S+)", (FILES / "compose.yaml").read_text(encoding="utf-8")))
def test_the_files_that_the_compose_file_names_are_there(flag: str) -> None:
    assert (FILES / flag).is_file()
