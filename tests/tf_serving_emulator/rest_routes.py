"""From a REST request to its JSON answer; model_servers/http_rest_api_handler.cc and http_rest_api_util.cc."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2

from tests.tf_serving_emulator import service
from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.json_request import parse_body, read_signature_name, read_tensors
from tests.tf_serving_emulator.json_response import write_tensors
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.signature import DEFAULT_SIGNATURE
from tests.tf_serving_emulator.traffic import Call, Traffic

__all__ = ["ANY_PATH", "BadVersion", "process"]

# kHTTPRestApiHandlerPathRegex, kPredictionApiGegex and kModelStatusApiRegex
_VERSION = r"(?:(?:/versions/(?P<version>\d+))|(?:/labels/(?P<label>[^/:]+)))?"
ANY_PATH = re.compile(r"(?i)/v1/.*")
_PATHS = {
    "POST": re.compile(rf"(?i)/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)"),
    "GET": re.compile(rf"(?i)/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<method>metadata))?"),
}
_MAX_VERSION = 2**63 - 1


class BadVersion(ServingError):
    """A version beyond int64. It is answered without a body: ProcessRequest returns before it would write one."""


def process(
    models: Models, traffic: Traffic, http_method: str, path: str, headers: Mapping[str, str], body: bytes
) -> bytes:
    """Answer a request; HttpRestApiHandler::ProcessRequest.

    Args:
        models: The models.
        traffic: The gate.
        http_method: GET, POST or another one.
        path: With its query, which no route takes.
        headers: Names in lower case.
        body: Not compressed.

    Raises:
        ServingError: It cannot be answered.
    """
    found = _PATHS[http_method].fullmatch(path) if http_method in _PATHS else None
    # The paths ignore case, and the comparisons with the method's name do not: ":PREDICT" is malformed, and "/METADATA"
    # asks for the status.
    answers = _ANSWERS.get(http_method, {})
    answer = found and answers.get(found["method"], answers.get(None))
    if not answer:
        raise invalid(f"Malformed request: {http_method} {path}")
    call, function = answer
    spec = _spec(found["name"] or "", found["version"], found["label"])
    traffic.admit(Call("rest", call, spec.name, headers))
    return function(models, spec, body)


def _spec(name: str, version: str | None, label: str | None) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=unquote(name))
    if version is not None:
        if int(version) > _MAX_VERSION:
            raise BadVersion(invalid("").code, f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = unquote(label)
    return spec


def _predict(models: Models, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
    document = parse_body(body)
    spec.signature_name = read_signature_name(document)
    tensors, form = read_tensors(document, _inputs(models, spec))
    response = service.predict(models, predict_pb2.PredictRequest(model_spec=spec, inputs=tensors))
    return write_tensors(response.outputs, form)


def _inputs(models: Models, spec: model_pb2.ModelSpec) -> Mapping:
    """HttpRestApiHandler::GetInfoMap."""
    name = spec.signature_name or DEFAULT_SIGNATURE
    with models.servable(spec) as (_, servable):
        if name not in servable.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        infos = servable.signatures[name].inputs
    if not infos:
        raise invalid(f"Failed to get input map for signature: {spec.signature_name or 'DEFAULT'}")
    return infos


def _classify(models: Models, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
    spec.signature_name = read_signature_name(parse_body(body))
    return service.classify(models, spec)


def _regress(models: Models, spec: model_pb2.ModelSpec, body: bytes) -> bytes:
    spec.signature_name = read_signature_name(parse_body(body))
    return service.regress(models, spec)


def _status(models: Models, spec: model_pb2.ModelSpec, _: bytes) -> bytes:
    _need_name(spec)
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    return _json(service.status(models, request)).encode()


def _metadata(models: Models, spec: model_pb2.ModelSpec, _: bytes) -> bytes:
    _need_name(spec)
    field = service.METADATA_FIELD
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=[field])
    response = service.metadata(models, request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[field].Unpack(signatures)
    spec_json, signatures_json = (_json(message, keep_names=True) for message in (response.model_spec, signatures))
    return f'{{\n"model_spec":{spec_json},\n"metadata": {{"{field}": {signatures_json}}}\n}}\n'.encode()


def _json(message: Message, keep_names: bool = False) -> str:
    """ToJsonString: int64 is a string, and fields that are not set are there (always_print_primitive_fields)."""
    return MessageToJson(
        message, preserving_proto_field_name=keep_names, always_print_fields_with_no_presence=True, indent=1
    )


def _need_name(spec: model_pb2.ModelSpec) -> None:
    if not spec.name:
        raise invalid("Missing model name in request.")


_ANSWERS = {
    "POST": {"predict": ("Predict", _predict), "classify": ("Classify", _classify), "regress": ("Regress", _regress)},
    "GET": {"metadata": ("GetModelMetadata", _metadata), None: ("GetModelStatus", _status)},
}
