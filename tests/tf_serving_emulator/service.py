"""What the server does with a request once it is a proto, whichever port it came from."""

from __future__ import annotations

from typing import NoReturn

from grpc import StatusCode
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2

from tests.tf_serving_emulator.errors import ServingError, invalid
from tests.tf_serving_emulator.models import Models
from tests.tf_serving_emulator.signature import DEFAULT_SIGNATURE, run_predict

__all__ = ["METADATA_FIELD", "classify", "metadata", "predict", "regress", "status"]

METADATA_FIELD = "signature_def"


def predict(models: Models, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    """Answer a signature; servables/tensorflow/predict_impl.cc.

    Raises:
        ServingError: There is no such model, version, label or signature, or the request does not fit it.
    """
    _need_spec(request)
    with models.servable(request.model_spec) as (version, servable):
        response = run_predict(servable, request)
        response.model_spec.version.value = version
        return response


def metadata(
    models: Models, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Describe a version's signatures; servables/tensorflow/get_model_metadata_impl.cc.

    Raises:
        ServingError: There is no such model, version or label, or another field is asked for.
    """
    _need_spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != METADATA_FIELD:
            raise invalid(f"Metadata field %s is not supported{field}")  # sic: the source concatenates
    with models.servable(request.model_spec) as (version, servable):
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signatures)
        response.metadata[METADATA_FIELD].Pack(signatures)
        return response


def status(
    models: Models, request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """Tell the states of a model's versions, newest first; model_servers/get_model_status_impl.cc.

    A label is ignored there, so all versions come back.

    Raises:
        ServingError: There is no such model or version.
    """
    _need_spec(request)
    spec = request.model_spec
    states = models.states(spec.name)
    if spec.HasField("version"):
        number = spec.version.value
        if number not in states:
            raise ServingError(StatusCode.NOT_FOUND, f"Could not find version {number} of model {spec.name}")
        states = {number: states[number]}
    elif not states:
        raise ServingError(StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, (state, error) in sorted(states.items(), reverse=True):
        found = response.model_version_status.add(version=number, state=state)
        found.status.error_code = error.code.value[0] if error else 0
        found.status.error_message = error.message if error else ""
    return response


def classify(models: Models, spec: model_pb2.ModelSpec) -> NoReturn:
    """Refuse as servables/tensorflow/classifier.cc does: what TF 2 exports are predict signatures.

    Raises:
        ServingError: Always.
    """
    _refuse(models, spec, "classification", "classify")


def regress(models: Models, spec: model_pb2.ModelSpec) -> NoReturn:
    """Refuse as servables/tensorflow/regressor.cc does: what TF 2 exports are predict signatures.

    Raises:
        ServingError: Always.
    """
    _refuse(models, spec, "regression", "regress")


def _refuse(models: Models, spec: model_pb2.ModelSpec, kind: str, method: str) -> NoReturn:
    name = spec.signature_name or DEFAULT_SIGNATURE
    with models.servable(spec) as (_, servable):
        if name not in servable.signatures:
            raise invalid(f"No signature was found with the name: {name}")
        was = servable.signatures[name].method_name
    if was == f"tensorflow/serving/{method}":
        raise ServingError(StatusCode.UNIMPLEMENTED, f"the emulator does not answer {method} signatures")
    raise invalid(f"Expected {kind} signature method_name to be tensorflow/serving/{method}. Was: {was}")


def _need_spec(request) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
